#include "absence.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "jobs/workers.h"

/* What the fake jobs and the test tell each other. */
typedef struct Stage {
    atomic_int inside; /* jobs that have begun */
    atomic_bool open;  /* jobs that wait may go on */
    atomic_bool ours;  /* what job_run_still_ours() said after the cancel */
    atomic_int left;   /* jobs that saw their cancel */
    atomic_int policy; /* of the last job's thread */
} Stage;

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static bool succeed(JobRun *run, char **result, GError **error)
{
    job_run_progress(run, "reading", 30);
    job_run_log(run, "read %d rows", 7);
    job_run_progress(run, "scoring", 20);
    *result = g_strdup("{\"rows\":7}");
    return true;
}

static bool tell_policy(JobRun *run, char **result, GError **error)
{
    Stage *stage = run->context;
    atomic_store(&stage->policy, sched_getscheduler(0));
    return succeed(run, result, error);
}

static bool refuse(JobRun *run, char **result, GError **error)
{
    job_run_progress(run, "reading", 30);
    error_set(error, ERR_INVALID, "table \"x\" has no rows");
    return false;
}

static bool fail_inside(JobRun *run, char **result, GError **error)
{
    error_set(error, ERR_INTERNAL, "secret detail");
    return false;
}

static bool answer_nonsense(JobRun *run, char **result, GError **error)
{
    *result = g_strdup("{\"rows\":");
    return true;
}

/* Until it is cancelled. */
static bool wait_for_cancel(JobRun *run, char **result, GError **error)
{
    Stage *stage = run->context;
    atomic_fetch_add(&stage->inside, 1);
    while (!cancel_is_raised(run->cancel))
        nap();
    atomic_store(&stage->ours, job_run_still_ours(run, NULL));
    atomic_fetch_add(&stage->left, 1);
    return cancel_check(run->cancel, error);
}

/* Until it is cancelled, or the test opens the stage. */
static bool wait_for_test(JobRun *run, char **result, GError **error)
{
    Stage *stage = run->context;
    job_run_progress(run, "waiting", 30);
    atomic_fetch_add(&stage->inside, 1);
    while (!atomic_load(&stage->open)) {
        if (!cancel_check(run->cancel, error))
            return false;
        nap();
    }
    job_run_progress(run, "leaving", 90);
    *result = g_strdup("{}");
    return true;
}

static bool wait_as_expected(JobRun *run, char **result, GError **error)
{
    job_run_expect(run, 1000);
    return wait_for_test(run, result, error);
}

/* The first attempt waits to be cancelled, each later one succeeds. */
static bool succeed_later(JobRun *run, char **result, GError **error)
{
    return run->job->attempt == 1 ? wait_for_cancel(run, result, error)
                                  : succeed(run, result, error);
}

static bool meet_another(JobRun *run, char **result, GError **error)
{
    Stage *stage = run->context;
    atomic_fetch_add(&stage->inside, 1);
    while (atomic_load(&stage->inside) < 2)
        nap();
    return job_run_still_ours(run, error);
}

static const JobKind kinds[] = {
    {"succeed", succeed},
    {"tell_policy", tell_policy},
    {"refuse", refuse},
    {"fail_inside", fail_inside},
    {"answer_nonsense", answer_nonsense},
    {"wait_for_cancel", wait_for_cancel},
    {"wait_for_test", wait_for_test},
    {"wait_as_expected", wait_as_expected},
    {"succeed_later", succeed_later},
    {"meet_another", meet_another},
};

static Workers *start(Fixture *fixture, Stage *stage)
{
    return workers_start(fixture->store, &fixture->settings, kinds, G_N_ELEMENTS(kinds), stage);
}

static char *enqueue(Fixture *fixture, const char *kind, const char *prediction)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = jobs_enqueue(fixture->store, kind, prediction, "{}", &error);
    assert_no_error(error);
    return g_strdup(job->id);
}

static Job *get(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    Job *job = jobs_get(fixture->store, id, &error);
    assert_no_error(error);
    return job;
}

/* Waits for a job to be in a state; a job that never gets there hangs the test. */
static Job *wait_for_state(Fixture *fixture, const char *id, JobState state)
{
    for (;;) {
        g_autoptr(Job) job = get(fixture, id);
        if (job->state == (int)state)
            return g_steal_pointer(&job);
        nap();
    }
}

static void wait_until_inside(Stage *stage, int n)
{
    while (atomic_load(&stage->inside) < n)
        nap();
}

static void wait_until_lost(Workers *workers)
{
    while (workers_status(workers).lost == 0)
        nap();
}

static void a_job_runs_to_its_end(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "succeed", "p");
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_SUCCEEDED);
    assert_string_equal(job->result, "{\"rows\":7}");
    assert_string_equal(job->stage, "done");
    assert_true(job->percent == 100);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->n_log, 1);
    assert_string_equal(job->log[0].text, "read 7 rows");
    workers_stop(workers);
}

/* F48: training does not take the cores from serving. */
static void a_job_runs_behind_those_that_serve(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "tell_policy", "p");
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_SUCCEEDED);
    workers_stop(workers);
    assert_int_equal(atomic_load(&stage.policy), SCHED_IDLE);
}

static void a_failure_is_told_with_its_code(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "refuse", "p");
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_FAILED);
    assert_string_equal(job->error_code, error_slug(ERR_INVALID));
    assert_string_equal(job->error_message, "table \"x\" has no rows");
    assert_string_equal(job->stage, "reading");
    assert_true(job->percent == 30);
    workers_stop(workers);
}

static void an_internal_failure_shows_no_detail(void **state)
{
    static const char *const names[] = {"fail_inside", "unheard_of", "answer_nonsense"};
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *id = enqueue(fixture, names[i], "p");
        g_autoptr(Job) job = wait_for_state(fixture, id, JOB_FAILED);
        assert_string_equal(job->error_code, error_slug(ERR_INTERNAL));
        assert_null(strstr(job->error_message, "secret"));
    }
    workers_stop(workers);
}

static void progress_is_seen_while_the_job_runs(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "wait_for_test", "p");
    for (bool seen = false; !seen; nap()) {
        g_autoptr(Job) job = get(fixture, id);
        seen = g_str_equal(job->stage, "waiting") && job->percent == 30 && job->eta_seconds >= 0;
    }
    assert_int_equal(workers_status(workers).busy, 1);
    atomic_store(&stage.open, true);
    job_free(wait_for_state(fixture, id, JOB_SUCCEEDED));
    workers_stop(workers);
}

/* F17: Of 1,000 s that were expected next to nothing is over, at 30 per cent. */
static void what_was_expected_tells_how_long_it_takes_while_little_is_done(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "wait_as_expected", "p");
    double eta = NAN;
    while (isnan(eta)) {
        g_autoptr(Job) job = get(fixture, id);
        eta = job->eta_seconds;
        nap();
    }
    assert_in_range((uint64_t)eta, 600, 800);
    atomic_store(&stage.open, true);
    job_free(wait_for_state(fixture, id, JOB_SUCCEEDED));
    workers_stop(workers);
}

static void a_request_to_stop_reaches_a_running_job(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    g_autoptr(GError) error = NULL;
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "wait_for_cancel", "p");
    wait_until_inside(&stage, 1);
    job_free(jobs_cancel(fixture->store, id, &error));
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_CANCELLED);
    assert_false(atomic_load(&stage.ours));
    assert_null(job->error_code);
    assert_true(job->finished_at > 0);
    workers_stop(workers);
}

static void draining_gives_a_running_job_back_and_another_daemon_ends_it(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "succeed_later", "p");
    wait_until_inside(&stage, 1);
    workers_stop(workers);
    g_autoptr(Job) given = get(fixture, id);
    assert_int_equal(given->state, JOB_QUEUED);
    assert_null(given->owner);
    workers = start(fixture, &stage);
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_SUCCEEDED);
    assert_int_equal(job->attempt, 2);
    workers_stop(workers);
}

/* F12: another worker has the job; ours must stop and write nothing. */
static void a_lost_lease_stops_the_job_and_nothing_is_written(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "wait_for_cancel", "p");
    wait_until_inside(&stage, 1);
    run_sql(fixture, "UPDATE job SET owner = 'other', attempt = attempt + 1, stage = 'theirs', "
                     "lease_until = now() + interval '1 hour'");
    wait_until_lost(workers);
    assert_false(atomic_load(&stage.ours));
    g_autoptr(Job) job = get(fixture, id);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_string_equal(job->owner, "other");
    assert_string_equal(job->stage, "theirs");
    workers_stop(workers);
}

/* PostgreSQL takes the renewal and does not answer: the clock alone must stop the job. */
static void a_heartbeat_without_answer_does_not_hide_that_the_lease_ran_out(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    fixture->settings.lease_ms = 600;
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "succeed_later", "p");
    wait_until_inside(&stage, 1);
    run_sql(fixture, "BEGIN");
    run_sql(fixture, "SELECT 1 FROM job FOR UPDATE");
    while (atomic_load(&stage.left) == 0)
        nap();
    assert_false(atomic_load(&stage.ours));
    run_sql(fixture, "COMMIT");
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_SUCCEEDED);
    assert_true(job->attempt >= 2);
    workers_stop(workers);
}

static void a_job_longer_than_its_lease_keeps_it(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    fixture->settings.lease_ms = 1500;
    fixture->settings.workers = 2; /* the other one would take it */
    Workers *workers = start(fixture, &stage);
    g_autofree char *id = enqueue(fixture, "wait_for_test", "p");
    wait_until_inside(&stage, 1);
    while (ask_sql(fixture, "SELECT (now() > started_at + interval '4 seconds')::int FROM job") ==
           0)
        nap();
    atomic_store(&stage.open, true);
    g_autoptr(Job) job = wait_for_state(fixture, id, JOB_SUCCEEDED);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(atomic_load(&stage.inside), 1);
    workers_stop(workers);
}

static void two_workers_run_two_predictions_at_once(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    fixture->settings.workers = 2;
    Workers *workers = start(fixture, &stage);
    assert_int_equal(workers_status(workers).threads, 2);
    g_autofree char *p = enqueue(fixture, "meet_another", "p");
    g_autofree char *q = enqueue(fixture, "meet_another", "q");
    job_free(wait_for_state(fixture, p, JOB_SUCCEEDED));
    job_free(wait_for_state(fixture, q, JOB_SUCCEEDED));
    workers_stop(workers);
}

static void no_workers_is_a_setting_too(void **state)
{
    Fixture *fixture = *state;
    Stage stage = {0};
    fixture->settings.workers = 0;
    Workers *workers = start(fixture, &stage);
    assert_int_equal(workers_status(workers).threads, 0);
    workers_stop(workers);
    workers_stop(NULL);
}

static void workers_that_start_without_postgresql_wait_for_it(void **state)
{
    Absence *absence = *state;
    Stage stage = {0};
    g_autofree char *id = enqueue(absence->fixture, "succeed", "p");
    go_away(absence);
    Workers *workers = start(absence->fixture, &stage);
    come_back(absence);
    job_free(wait_for_state(absence->fixture, id, JOB_SUCCEEDED));
    workers_stop(workers);
}

static void workers_stop_while_postgresql_is_away(void **state)
{
    Absence *absence = *state;
    Stage stage = {0};
    g_autofree char *id = enqueue(absence->fixture, "wait_for_cancel", "p");
    Workers *workers = start(absence->fixture, &stage);
    wait_until_inside(&stage, 1);
    go_away(absence);
    workers_stop(workers);
    come_back(absence);
    g_autoptr(Job) job = get(absence->fixture, id);
    assert_int_equal(job->state, JOB_RUNNING); /* until its lease runs out */
}

/* F12: longer away than the lease: the job must think it lost, and is run again. */
static void an_absence_longer_than_the_lease_stops_the_job_and_it_runs_again(void **state)
{
    Absence *absence = *state;
    Stage stage = {0};
    absence->fixture->settings.lease_ms = 600;
    absence->fixture->settings.poll_ms = 100;
    Workers *workers = start(absence->fixture, &stage);
    g_autofree char *id = enqueue(absence->fixture, "succeed_later", "p");
    wait_until_inside(&stage, 1);
    go_away(absence);
    wait_until_lost(workers);
    assert_false(atomic_load(&stage.ours));
    come_back(absence);
    g_autoptr(Job) job = wait_for_state(absence->fixture, id, JOB_SUCCEEDED);
    assert_true(job->attempt >= 2);
    workers_stop(workers);
}

/* Progress and end fall into a short absence: the job goes on, and its end is written later. */
static void a_short_absence_does_not_hurt_a_job(void **state)
{
    Absence *absence = *state;
    Stage stage = {0};
    Workers *workers = start(absence->fixture, &stage);
    g_autofree char *id = enqueue(absence->fixture, "wait_for_test", "p");
    wait_until_inside(&stage, 1);
    go_away(absence);
    atomic_store(&stage.open, true);
    /* While many others are refused, the job has its turn to be refused as well. */
    for (int i = 0; i < 30; i++, nap())
        assert_false(store_ping(absence->fixture->store, NULL));
    come_back(absence);
    g_autoptr(Job) job = wait_for_state(absence->fixture, id, JOB_SUCCEEDED);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(workers_status(workers).lost, 0);
    workers_stop(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_job_runs_to_its_end),
        FRESH(a_job_runs_behind_those_that_serve),
        FRESH(a_failure_is_told_with_its_code),
        FRESH(an_internal_failure_shows_no_detail),
        FRESH(progress_is_seen_while_the_job_runs),
        FRESH(what_was_expected_tells_how_long_it_takes_while_little_is_done),
        FRESH(a_request_to_stop_reaches_a_running_job),
        FRESH(draining_gives_a_running_job_back_and_another_daemon_ends_it),
        FRESH(a_lost_lease_stops_the_job_and_nothing_is_written),
        FRESH(a_heartbeat_without_answer_does_not_hide_that_the_lease_ran_out),
        FRESH(a_job_longer_than_its_lease_keeps_it),
        FRESH(two_workers_run_two_predictions_at_once),
        FRESH(no_workers_is_a_setting_too),
        ABSENT(workers_that_start_without_postgresql_wait_for_it),
        ABSENT(workers_stop_while_postgresql_is_away),
        ABSENT(an_absence_longer_than_the_lease_stops_the_job_and_it_runs_again),
        ABSENT(a_short_absence_does_not_hurt_a_job),
    };
    error_init();
    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
