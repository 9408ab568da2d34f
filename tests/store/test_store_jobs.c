#include "fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/jobs.h"
#include "store/versions.h"

#define LEASE 60000

static Job *enqueue(Fixture *fixture, const char *kind, const char *prediction)
{
    g_autoptr(GError) error = NULL;
    Job *job = jobs_enqueue(fixture->store, kind, prediction, "{\"seed\":7}", &error);
    assert_no_error(error);
    return job;
}

static void enqueue_only(Fixture *fixture, const char *kind, const char *prediction)
{
    job_free(enqueue(fixture, kind, prediction));
}

static Job *claim(Fixture *fixture, const char *owner)
{
    g_autoptr(GError) error = NULL;
    Job *job = jobs_claim(fixture->store, owner, LEASE, &error);
    assert_no_error(error);
    return job;
}

static Job *get(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    Job *job = jobs_get(fixture->store, id, &error);
    assert_no_error(error);
    return job;
}

static void expire_leases(Fixture *fixture)
{
    run_sql(fixture, "UPDATE job SET lease_until = now() - interval '1 second' "
                     "WHERE state = 'running'");
}

static void assert_state(Fixture *fixture, const char *id, JobState state)
{
    g_autoptr(Job) job = get(fixture, id);
    assert_string_equal(job_state_name(job->state), job_state_name(state));
}

static void a_new_job_waits_and_knows_nothing_yet(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Job) made = enqueue(fixture, "training", "p");
    g_autoptr(Job) job = get(fixture, made->id);
    assert_string_equal(job->kind, "training");
    assert_string_equal(job->prediction, "p");
    assert_string_equal(job->params, "{\"seed\":7}");
    assert_int_equal(job->state, JOB_QUEUED);
    assert_string_equal(job->stage, "queued");
    assert_true(job->percent == 0 && isnan(job->eta_seconds));
    assert_int_equal(job->attempt + job->version, 0);
    assert_true(job->created_at > 0 && !job->started_at && !job->finished_at);
    assert_null(job->owner);
    assert_null(job->error_code);
    assert_null(job->result);
    assert_int_equal(job->n_log, 0);
}

static void an_unknown_job_is_not_found_whatever_its_id(void **state)
{
    static const char *const ids[] = {"", "x", "'; DROP TABLE job", "\xff",
                                      "3f2504e0-4f89-41d3-9a0c-0305e82c3301"};
    Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(jobs_get(fixture->store, ids[i], &error));
        assert_fails_with(&error, ERR_NOT_FOUND);
        assert_null(jobs_cancel(fixture->store, ids[i], &error));
        assert_fails_with(&error, ERR_NOT_FOUND);
    }
}

static void a_prediction_has_one_open_job_of_a_kind(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    enqueue_only(fixture, "training", "q");
    assert_null(jobs_enqueue(fixture->store, "training", "p", "{}", &error));
    assert_fails_with(&error, ERR_CONFLICT);
    g_autoptr(Job) running = claim(fixture, "w");
    assert_null(jobs_enqueue(fixture->store, "training", "p", "{}", &error));
    assert_fails_with(&error, ERR_CONFLICT);
    assert_true(jobs_succeed(fixture->store, running, "{}", &error));
    enqueue_only(fixture, "training", "p");
}

static void jobs_are_claimed_oldest_first_and_then_there_is_none(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Job) first = enqueue(fixture, "training", "p");
    g_autoptr(Job) second = enqueue(fixture, "training", "q");
    g_autoptr(Job) a = claim(fixture, "w1");
    g_autoptr(Job) b = claim(fixture, "w2");
    assert_string_equal(a->id, first->id);
    assert_string_equal(b->id, second->id);
    assert_int_equal(a->state, JOB_RUNNING);
    assert_int_equal(a->attempt, 1);
    assert_string_equal(a->owner, "w1");
    assert_true(a->started_at > 0);
    assert_null(claim(fixture, "w3"));
}

static void two_jobs_of_a_prediction_never_run_at_once(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    enqueue_only(fixture, "refresh", "p");
    g_autoptr(Job) training = claim(fixture, "w1");
    assert_null(claim(fixture, "w2"));
    assert_true(jobs_succeed(fixture->store, training, "{}", &error));
    g_autoptr(Job) refresh = claim(fixture, "w2");
    assert_string_equal(refresh->kind, "refresh");
    assert_int_equal(refresh->version, 0);
}

static void version_numbers_are_given_once_and_stay_with_their_job(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    run_sql(fixture,
            "INSERT INTO version VALUES ('p', 7, gen_random_uuid(), '', '', '{}', '{}', '')");
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) first = claim(fixture, "w");
    assert_int_equal(first->version, 8);
    expire_leases(fixture);
    g_autoptr(Job) again = claim(fixture, "w");
    assert_int_equal(again->attempt, 2);
    assert_int_equal(again->version, 8);
    assert_true(jobs_fail(fixture->store, again, JOB_FAILED, "x", "y", &error));
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) second = claim(fixture, "w");
    assert_int_equal(second->version, 9);
}

/* F12: a worker that was stopped for long and resumes must lose. */
static void the_writes_of_a_worker_whose_lease_was_taken_are_refused(void **state)
{
    Fixture *fixture = *state;
    Store *store = fixture->store;
    bool requested = false;
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) old = claim(fixture, "w");
    expire_leases(fixture);
    g_autoptr(Job) new = claim(fixture, "w"); /* the same owner: the attempt alone tells */
    assert_string_equal(new->id, old->id);
    g_autoptr(GError) error = NULL;
    assert_false(jobs_renew(store, old, LEASE, &requested, &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_false(jobs_look(store, old, &requested, &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_false(jobs_progress(store, old, "old", 99, 1, &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_false(jobs_log(store, old, "old", &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_false(jobs_release(store, old, &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_false(jobs_fail(store, old, JOB_FAILED, "old", "old", &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_false(jobs_succeed(store, old, "{\"old\":1}", &error));
    assert_fails_with(&error, ERR_CANCELLED);
    g_autoptr(Job) seen = get(fixture, old->id);
    assert_int_equal(seen->state, JOB_RUNNING);
    assert_string_equal(seen->stage, "starting");
    assert_true(seen->percent == 0);
    assert_int_equal(seen->n_log, 0);
    assert_true(jobs_succeed(store, new, "{\"new\":1}", &error));
    g_autoptr(Job) ended = get(fixture, old->id);
    assert_string_equal(ended->result, "{\"new\":1}");
}

static void a_renewed_lease_is_not_taken(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    bool requested = true;
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) job = claim(fixture, "w");
    expire_leases(fixture);
    assert_true(jobs_renew(fixture->store, job, LEASE, &requested, &error));
    assert_false(requested);
    assert_null(claim(fixture, "other"));
}

static void a_job_fails_when_its_fifth_attempt_was_lost(void **state)
{
    Fixture *fixture = *state;
    enqueue_only(fixture, "training", "p");
    g_autofree char *id = NULL;
    for (int attempt = 1; attempt <= 5; attempt++) {
        g_autoptr(Job) job = claim(fixture, "w");
        assert_int_equal(job->attempt, attempt);
        g_free(id);
        id = g_strdup(job->id);
        expire_leases(fixture);
    }
    assert_null(claim(fixture, "w"));
    g_autoptr(Job) job = get(fixture, id);
    assert_int_equal(job->state, JOB_FAILED);
    assert_string_equal(job->error_code, "worker_lost");
    assert_true(job->finished_at > 0);
}

static void end_leases(Fixture *fixture, const char *life, size_t expected)
{
    g_autoptr(GError) error = NULL;
    size_t ended = 99;
    assert_true(jobs_end_leases(fixture->store, life, &ended, &error));
    assert_int_equal(ended, expected);
}

/* F17: the owners of one life, and not those whose names only begin alike. */
static void the_leases_of_a_dead_life_end_and_no_others(void **state)
{
    Fixture *fixture = *state;
    const char *const owners[] = {"life:host:1:0", "life:host:1:1", "lif", "life2:host:1:0",
                                  "other"};
    for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
        g_autofree char *prediction = g_strdup_printf("p%zu", i);
        enqueue_only(fixture, "training", prediction);
        job_free(claim(fixture, owners[i]));
    }
    enqueue_only(fixture, "training", "queued");
    end_leases(fixture, "nobody", 0);
    end_leases(fixture, "life", 2);
    end_leases(fixture, "life", 0);
    for (int i = 0; i < 2; i++) {
        g_autoptr(Job) job = claim(fixture, "next");
        assert_int_equal(job->attempt, 2);
        assert_true(g_str_equal(job->prediction, i == 0 ? "p0" : "p1"));
    }
    g_autoptr(Job) queued = claim(fixture, "next");
    assert_int_equal(queued->attempt, 1);
    assert_null(claim(fixture, "next"));
}

/* F17: what kills its process each time is not tried for ever. */
static void a_job_whose_fifth_life_died_fails(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Job) job = enqueue(fixture, "training", "p");
    for (int attempt = 1; attempt <= 5; attempt++) {
        job_free(claim(fixture, "life:host:1:0"));
        end_leases(fixture, "life", 1);
    }
    assert_null(claim(fixture, "life:host:1:0"));
    g_autoptr(Job) failed = get(fixture, job->id);
    assert_int_equal(failed->state, JOB_FAILED);
    assert_int_equal(failed->attempt, 5);
    assert_string_equal(failed->error_code, "worker_lost");
}

static void a_released_job_is_taken_again_and_counts_as_no_lost_attempt(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    for (int attempt = 1; attempt <= 8; attempt++) {
        g_autoptr(Job) job = claim(fixture, "w");
        assert_int_equal(job->attempt, attempt);
        assert_true(jobs_release(fixture->store, job, &error));
        assert_state(fixture, job->id, JOB_QUEUED);
    }
}

static void percent_never_falls_and_ends_at_a_hundred(void **state)
{
    static const struct {
        double given, seen;
    } rows[] = {{10, 10}, {5, 10}, {NAN, 10}, {40.5, 40.5}, {-3, 40.5}, {1e9, 100}};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) job = claim(fixture, "w");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_true(jobs_progress(fixture->store, job, "reading", rows[i].given, 2.5, &error));
        g_autoptr(Job) seen = get(fixture, job->id);
        assert_true(seen->percent == rows[i].seen);
        assert_true(seen->eta_seconds == 2.5);
        assert_string_equal(seen->stage, "reading");
    }
    expire_leases(fixture);
    g_autoptr(Job) again = claim(fixture, "w");
    assert_true(again->percent == 100);
    assert_true(jobs_progress(fixture->store, again, "reading", 1, NAN, &error));
    g_autoptr(Job) seen = get(fixture, job->id);
    assert_true(seen->percent == 100 && isnan(seen->eta_seconds));
}

static void the_log_keeps_the_last_two_hundred_lines_in_order(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) job = claim(fixture, "w");
    for (int i = 1; i <= 203; i++) {
        g_autofree char *text = g_strdup_printf("line %d", i);
        assert_true(jobs_log(fixture->store, job, text, &error));
    }
    assert_true(jobs_log(fixture->store, job, "not \xff UTF-8", &error));
    g_autoptr(Job) seen = get(fixture, job->id);
    assert_int_equal(seen->n_log, 200);
    assert_string_equal(seen->log[0].text, "line 5");
    assert_string_equal(seen->log[198].text, "line 203");
    assert_true(g_utf8_validate(seen->log[199].text, -1, NULL));
    assert_true(seen->log[0].at > 0 && seen->log[0].at <= seen->log[199].at);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM job_line"), 200);
}

static void an_end_written_twice_is_the_same_end(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) job = claim(fixture, "w");
    assert_true(jobs_succeed(fixture->store, job, "{\"n\":1}", &error));
    g_autoptr(Job) first = get(fixture, job->id);
    assert_true(jobs_succeed(fixture->store, job, "{\"n\":1}", &error));
    g_autoptr(Job) second = get(fixture, job->id);
    assert_int_equal(first->finished_at, second->finished_at);
    assert_string_equal(second->stage, "done");
    assert_true(second->percent == 100);
    assert_false(jobs_fail(fixture->store, job, JOB_FAILED, "x", "y", &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_state(fixture, job->id, JOB_SUCCEEDED);
}

static void a_failed_job_says_why_and_a_cancelled_one_does_not(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) one = claim(fixture, "w");
    assert_true(jobs_fail(fixture->store, one, JOB_FAILED, "invalid", "no \xff rows", &error));
    g_autoptr(Job) failed = get(fixture, one->id);
    assert_int_equal(failed->state, JOB_FAILED);
    assert_string_equal(failed->error_code, "invalid");
    assert_true(g_str_has_prefix(failed->error_message, "no "));
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) two = claim(fixture, "w");
    assert_true(jobs_fail(fixture->store, two, JOB_CANCELLED, "cancelled", "asked", &error));
    g_autoptr(Job) cancelled = get(fixture, two->id);
    assert_int_equal(cancelled->state, JOB_CANCELLED);
    assert_null(cancelled->error_code);
}

static void cancel_ends_a_queued_job_asks_a_running_one_and_refuses_an_ended_one(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    bool requested = false;
    g_autoptr(Job) queued = enqueue(fixture, "training", "p");
    g_autoptr(Job) hit = jobs_cancel(fixture->store, queued->id, &error);
    assert_int_equal(hit->state, JOB_CANCELLED);
    assert_true(hit->finished_at > 0);
    assert_null(jobs_cancel(fixture->store, queued->id, &error));
    assert_fails_with(&error, ERR_CONFLICT);
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) running = claim(fixture, "w");
    g_autoptr(Job) asked = jobs_cancel(fixture->store, running->id, &error);
    assert_int_equal(asked->state, JOB_RUNNING);
    assert_true(asked->cancel_requested);
    assert_true(jobs_look(fixture->store, running, &requested, &error) && requested);
    requested = false;
    assert_true(jobs_renew(fixture->store, running, LEASE, &requested, &error) && requested);
}

static void a_job_asked_to_stop_is_not_taken_up_again(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    enqueue_only(fixture, "training", "q");
    g_autoptr(Job) lost = claim(fixture, "w");
    g_autoptr(Job) given = claim(fixture, "w");
    job_free(jobs_cancel(fixture->store, lost->id, &error));
    job_free(jobs_cancel(fixture->store, given->id, &error));
    assert_true(jobs_release(fixture->store, given, &error));
    assert_state(fixture, given->id, JOB_CANCELLED);
    expire_leases(fixture);
    assert_null(claim(fixture, "w"));
    assert_state(fixture, lost->id, JOB_CANCELLED);
}

/* A training in its first attempt whose version is saved, and whose output is not pointed at yet.
 */
static Job *claim_and_save(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    enqueue_only(fixture, "training", "p");
    Job *job = claim(fixture, "w");
    Version version = {.prediction = "p",
                       .version = job->version,
                       .learner = "als",
                       .grade = "B",
                       .card = "{}",
                       .report = "{}",
                       .file = "v.snapshot"};
    versions_save(fixture->store, job, &version, &error);
    assert_no_error(error);
    return job;
}

static void cancel_one(Fixture *fixture, const Job *job)
{
    g_autoptr(GError) error = NULL;
    job_free(jobs_cancel(fixture->store, job->id, &error));
    assert_no_error(error);
}

/* The next attempt takes it up, does not know of the cancel, and ends it. */
static void assert_is_finished_by_another(Fixture *fixture, const Job *job)
{
    g_autoptr(GError) error = NULL;
    assert_state(fixture, job->id,
                 ask_sql(fixture, "SELECT (state = 'running')::int FROM job") ? JOB_RUNNING
                                                                              : JOB_QUEUED);
    g_autoptr(Job) next = claim(fixture, "next");
    assert_non_null(next);
    assert_string_equal(next->id, job->id);
    assert_int_equal(next->version, job->version);
    bool requested = true;
    assert_true(jobs_renew(fixture->store, next, LEASE, &requested, &error));
    assert_false(requested);
    assert_true(jobs_succeed(fixture->store, next, "{}", &error));
    assert_state(fixture, job->id, JOB_SUCCEEDED);
}

static void
F17_a_cancel_after_the_version_was_saved_comes_too_late_when_the_worker_dies(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Job) job = claim_and_save(fixture);
    cancel_one(fixture, job);
    expire_leases(fixture);
    assert_is_finished_by_another(fixture, job);
}

static void
F17_a_cancel_after_the_version_was_saved_comes_too_late_when_the_daemon_drains(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = claim_and_save(fixture);
    cancel_one(fixture, job);
    assert_true(jobs_release(fixture->store, job, &error));
    cancel_one(fixture, job); /* and once more while it is queued */
    assert_is_finished_by_another(fixture, job);
}

static void F17_an_attempt_that_was_stopped_while_finishing_is_followed_by_another(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = claim_and_save(fixture);
    cancel_one(fixture, job);
    assert_true(jobs_fail(fixture->store, job, JOB_CANCELLED, NULL, NULL, &error));
    assert_is_finished_by_another(fixture, job);
}

/* The version's file may be on another machine, and then every attempt is a whole training. */
static void a_saved_job_that_nobody_can_finish_can_be_cancelled_in_the_end(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = claim_and_save(fixture);
    for (int attempt = 1; attempt <= 5; attempt++) {
        g_autoptr(Job) next = attempt == 1 ? g_steal_pointer(&job) : claim(fixture, "next");
        cancel_one(fixture, next);
        assert_true(jobs_fail(fixture->store, next, JOB_CANCELLED, NULL, NULL, &error));
        assert_state(fixture, next->id, attempt < 5 ? JOB_QUEUED : JOB_CANCELLED);
    }
}

/* Only its own: an older version of the same prediction is none of the job. */
static void the_version_of_another_job_does_not_keep_a_job_from_being_cancelled(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) first = claim_and_save(fixture);
    assert_true(jobs_succeed(fixture->store, first, "{}", &error));
    enqueue_only(fixture, "training", "p");
    g_autoptr(Job) second = claim(fixture, "w");
    cancel_one(fixture, second);
    expire_leases(fixture);
    assert_null(claim(fixture, "next"));
    assert_state(fixture, second->id, JOB_CANCELLED);
}

static void a_list_pages_newest_first_and_filters(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) p = enqueue(fixture, "training", "p");
    g_autoptr(Job) q = enqueue(fixture, "training", "q");
    g_autoptr(Job) r = enqueue(fixture, "refresh", "p");
    g_autoptr(Jobs) page = jobs_list(fixture->store, NULL, NULL, NULL, 2, &error);
    assert_int_equal(page->n, 2);
    assert_true(page->more);
    assert_string_equal(page->list[0]->id, r->id);
    g_autoptr(Jobs) rest = jobs_list(fixture->store, NULL, NULL, q->id, 2, &error);
    assert_int_equal(rest->n, 1);
    assert_false(rest->more);
    assert_string_equal(rest->list[0]->id, p->id);
    job_free(claim(fixture, "w"));
    g_autoptr(Jobs) running = jobs_list(fixture->store, "p", "running", NULL, 10, &error);
    assert_int_equal(running->n, 1);
    assert_string_equal(running->list[0]->id, p->id);
    assert_null(jobs_list(fixture->store, NULL, NULL, "x", 10, &error));
    assert_fails_with(&error, ERR_INVALID);
}

#define CLAIMERS 4
#define JOBS     60

typedef struct Rush {
    Fixture *fixture;
    atomic_int claimed, failed;
} Rush;

static void *rush(void *context)
{
    Rush *shared = context;
    Store *store = shared->fixture->store;
    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Job) job = jobs_claim(store, "w", LEASE, &error);
        if (error)
            atomic_fetch_add(&shared->failed, 1);
        if (!job)
            return NULL;
        if (job->attempt == 1)
            atomic_fetch_add(&shared->claimed, 1);
        if (!jobs_succeed(store, job, "{}", NULL))
            atomic_fetch_add(&shared->failed, 1);
    }
}

static void claimers_at_once_never_get_the_same_job(void **state)
{
    Rush shared = {.fixture = *state};
    pthread_t threads[CLAIMERS];
    for (int i = 0; i < JOBS; i++) {
        g_autofree char *prediction = g_strdup_printf("p%d", i / 2);
        enqueue_only(shared.fixture, i % 2 ? "refresh" : "training", prediction);
    }
    for (int i = 0; i < CLAIMERS; i++)
        pthread_create(&threads[i], NULL, rush, &shared);
    for (int i = 0; i < CLAIMERS; i++)
        pthread_join(threads[i], NULL);
    /* Two jobs of a prediction exclude each other: a claimer may go home while one is held back. */
    rush(&shared);
    assert_int_equal(shared.failed, 0);
    assert_int_equal(shared.claimed, JOBS);
    assert_int_equal(ask_sql(shared.fixture, "SELECT max(attempt) FROM job"), 1);
}

typedef struct Sleeper {
    JobsListener *listener;
    int wake_fd;
    int returned_fd;
} Sleeper;

static void *sleep_long(void *context)
{
    Sleeper *sleeper = context;
    jobs_listener_wait(sleeper->listener, 600000, sleeper->wake_fd);
    eventfd_write(sleeper->returned_fd, 1);
    return NULL;
}

/* Each of these must end a wait of ten minutes, or the test does not end. */
static void a_listener_is_woken_by_a_job_a_cancel_its_descriptor_and_a_lost_server(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *id = NULL;
    g_autoptr(JobsListener) listener = jobs_listener_new(fixture->store);
    Sleeper sleeper = {listener, eventfd(0, 0), eventfd(0, 0)};
    for (int i = 0; i < 4; i++) {
        jobs_listener_wait(listener, 1, -1); /* the first wait only begins to listen */
        pthread_t thread;
        eventfd_t count;
        pthread_create(&thread, NULL, sleep_long, &sleeper);
        if (i == 0) {
            g_autoptr(Job) job = enqueue(fixture, "training", "p");
            id = g_strdup(job->id);
        }
        if (i == 1)
            job_free(jobs_cancel(fixture->store, id, &error));
        if (i == 2)
            eventfd_write(sleeper.wake_fd, 1);
        if (i == 3)
            ask_sql(fixture, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                             "WHERE application_name = 'shortlist' AND query LIKE 'LISTEN%'");
        eventfd_read(sleeper.returned_fd, &count);
        pthread_join(thread, NULL);
        if (i == 2)
            eventfd_read(sleeper.wake_fd, &count);
    }
    close(sleeper.wake_fd);
    close(sleeper.returned_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_new_job_waits_and_knows_nothing_yet),
        FRESH(an_unknown_job_is_not_found_whatever_its_id),
        FRESH(a_prediction_has_one_open_job_of_a_kind),
        FRESH(jobs_are_claimed_oldest_first_and_then_there_is_none),
        FRESH(two_jobs_of_a_prediction_never_run_at_once),
        FRESH(version_numbers_are_given_once_and_stay_with_their_job),
        FRESH(the_writes_of_a_worker_whose_lease_was_taken_are_refused),
        FRESH(a_renewed_lease_is_not_taken),
        FRESH(a_job_fails_when_its_fifth_attempt_was_lost),
        FRESH(the_leases_of_a_dead_life_end_and_no_others),
        FRESH(a_job_whose_fifth_life_died_fails),
        FRESH(a_released_job_is_taken_again_and_counts_as_no_lost_attempt),
        FRESH(percent_never_falls_and_ends_at_a_hundred),
        FRESH(the_log_keeps_the_last_two_hundred_lines_in_order),
        FRESH(an_end_written_twice_is_the_same_end),
        FRESH(a_failed_job_says_why_and_a_cancelled_one_does_not),
        FRESH(cancel_ends_a_queued_job_asks_a_running_one_and_refuses_an_ended_one),
        FRESH(a_job_asked_to_stop_is_not_taken_up_again),
        FRESH(F17_a_cancel_after_the_version_was_saved_comes_too_late_when_the_worker_dies),
        FRESH(F17_a_cancel_after_the_version_was_saved_comes_too_late_when_the_daemon_drains),
        FRESH(F17_an_attempt_that_was_stopped_while_finishing_is_followed_by_another),
        FRESH(a_saved_job_that_nobody_can_finish_can_be_cancelled_in_the_end),
        FRESH(the_version_of_another_job_does_not_keep_a_job_from_being_cancelled),
        FRESH(a_list_pages_newest_first_and_filters),
        FRESH(claimers_at_once_never_get_the_same_job),
        FRESH(a_listener_is_woken_by_a_job_a_cancel_its_descriptor_and_a_lost_server),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
