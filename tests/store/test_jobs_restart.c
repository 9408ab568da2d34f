/* F17: a process that was killed, and what the next one over its data folder does with its jobs.
 * All leases here are an hour long. */
#include "absence.h"

#include <time.h>

#include "../unit/owners_folder.h"

#include "jobs/lives.h"
#include "jobs/workers.h"

#define LEASE_MS 3600000

static bool succeed(JobRun *run, char **result, GError **error)
{
    *result = g_strdup("{}");
    return true;
}

static const JobKind kinds[] = {{"training", succeed}};

static char *make_folder(void)
{
    char *folder = owners_folder_new();
    assert_non_null(folder);
    return folder;
}

static void remove_folder(char *takes_folder)
{
    assert_true(owners_folder_remove(takes_folder));
}

/* A job that a life over the folder has begun: its id. */
static char *begin_job(Fixture *fixture, const Lives *life, const char *prediction)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *owner = g_strdup_printf("%s:host:1:0", lives_id(life));
    job_free(jobs_enqueue(fixture->store, "training", prediction, "{}", &error));
    assert_no_error(error);
    g_autoptr(Job) job = jobs_claim(fixture->store, owner, LEASE_MS, &error);
    assert_no_error(error);
    assert_string_equal(job->prediction, prediction);
    return g_strdup(job->id);
}

/* A life over the folder that begins a job and dies: the job's id. */
static char *die_with_job(Fixture *fixture, const char *folder)
{
    Lives *life = lives_begin(folder);
    char *id = begin_job(fixture, life, "p");
    lives_end(life);
    return id;
}

static Workers *start(Fixture *fixture, char *folder)
{
    fixture->settings.lease_ms = LEASE_MS;
    fixture->settings.data_dir = folder;
    return workers_start(fixture->store, &fixture->settings, kinds, G_N_ELEMENTS(kinds), NULL);
}

/* Waits for it; a job that never gets there hangs the test. */
static void assert_succeeds(Fixture *fixture, const char *id, int attempt)
{
    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Job) job = jobs_get(fixture->store, id, &error);
        assert_no_error(error);
        if (job->state == JOB_SUCCEEDED) {
            assert_int_equal(job->attempt, attempt);
            return;
        }
        assert_true(job->state == JOB_RUNNING || job->state == JOB_QUEUED);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

/* Other jobs go through the workers and this one stays as it is. */
static void assert_is_left_alone(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    for (int i = 0; i < 3; i++) {
        g_autoptr(Job) other = jobs_enqueue(fixture->store, "training", "other", "{}", &error);
        assert_no_error(error);
        assert_succeeds(fixture, other->id, 1);
    }
    g_autoptr(Job) job = jobs_get(fixture->store, id, &error);
    assert_no_error(error);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_int_equal(job->attempt, 1);
}

static void the_jobs_of_a_dead_process_are_taken_up_at_once(void **state)
{
    Fixture *fixture = *state;
    char *folder = make_folder();
    Lives *life = lives_begin(folder);
    g_autofree char *p = begin_job(fixture, life, "p");
    g_autofree char *q = begin_job(fixture, life, "q");
    lives_end(life);
    Workers *workers = start(fixture, folder);
    assert_succeeds(fixture, p, 2);
    assert_succeeds(fixture, q, 2);
    workers_stop(workers);
    remove_folder(folder);
}

static void
the_jobs_of_a_process_are_left_alone_while_it_lives_and_taken_up_when_it_dies(void **state)
{
    Fixture *fixture = *state;
    char *folder = make_folder();
    Lives *life = lives_begin(folder);
    g_autofree char *id = begin_job(fixture, life, "p");
    Workers *workers = start(fixture, folder);
    assert_is_left_alone(fixture, id);
    lives_end(life);
    assert_succeeds(fixture, id, 2);
    workers_stop(workers);
    remove_folder(folder);
}

static void the_jobs_of_a_process_of_another_folder_are_left_alone_dead_or_not(void **state)
{
    Fixture *fixture = *state;
    char *folder = make_folder(), *other = make_folder();
    g_autofree char *id = die_with_job(fixture, other);
    Workers *workers = start(fixture, folder);
    assert_is_left_alone(fixture, id);
    workers_stop(workers);
    remove_folder(folder);
    remove_folder(other);
}

static void one_that_runs_no_jobs_leaves_the_dead_to_others(void **state)
{
    Fixture *fixture = *state;
    char *folder = make_folder();
    g_autofree char *id = die_with_job(fixture, folder);
    fixture->settings.workers = 0;
    Workers *none = start(fixture, folder);
    fixture->settings.workers = 2;
    Workers *some = start(fixture, folder);
    assert_succeeds(fixture, id, 2);
    workers_stop(some);
    workers_stop(none);
    remove_folder(folder);
}

static void without_postgresql_at_the_start_they_are_taken_up_when_it_is_back(void **state)
{
    Absence *absence = *state;
    char *folder = make_folder();
    g_autofree char *id = die_with_job(absence->fixture, folder);
    go_away(absence);
    Workers *workers = start(absence->fixture, folder);
    come_back(absence);
    assert_succeeds(absence->fixture, id, 2);
    workers_stop(workers);
    remove_folder(folder);
}

/* A daemon that drained while PostgreSQL was away could not give its job back. */
static void what_a_start_could_not_do_without_postgresql_the_next_one_does(void **state)
{
    Absence *absence = *state;
    char *folder = make_folder();
    g_autofree char *id = die_with_job(absence->fixture, folder);
    go_away(absence);
    workers_stop(start(absence->fixture, folder));
    come_back(absence);
    Workers *workers = start(absence->fixture, folder);
    assert_succeeds(absence->fixture, id, 2);
    workers_stop(workers);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(the_jobs_of_a_dead_process_are_taken_up_at_once),
        FRESH(the_jobs_of_a_process_are_left_alone_while_it_lives_and_taken_up_when_it_dies),
        FRESH(the_jobs_of_a_process_of_another_folder_are_left_alone_dead_or_not),
        FRESH(one_that_runs_no_jobs_leaves_the_dead_to_others),
        ABSENT(without_postgresql_at_the_start_they_are_taken_up_when_it_is_back),
        ABSENT(what_a_start_could_not_do_without_postgresql_the_next_one_does),
    };
    error_init();
    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
