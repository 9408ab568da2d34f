#include "fixture.h"

#include "store/audit.h"
#include "store/jobs.h"
#include "store/retention.h"
#include "store/versions.h"

static bool apply(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    bool more = true;
    fixture->settings.jobs_keep_days = 90;
    fixture->settings.audit_keep_days = 365;
    retention_apply(fixture->store, &fixture->settings, &more, &error);
    assert_no_error(error);
    return more;
}

/* A training of `prediction` that ended so many days ago; its id, for g_free(). */
static char *ended(Fixture *fixture, const char *prediction, unsigned days, bool saves)
{
    g_autoptr(GError) error = NULL;
    job_free(jobs_enqueue(fixture->store, "training", prediction, "{}", NULL));
    g_autoptr(Job) job = jobs_claim(fixture->store, "w", 60000, &error);
    assert_no_error(error);
    Version version = {.prediction = job->prediction,
                       .version = job->version,
                       .learner = "als",
                       .grade = "B",
                       .card = "{}",
                       .report = "{}",
                       .file = "v.snapshot"};
    assert_true(!saves || versions_save(fixture->store, job, &version, &error));
    assert_true(jobs_log(fixture->store, job, "a line", &error));
    assert_true(jobs_succeed(fixture->store, job, "{}", &error));
    g_autofree char *sql =
        g_strdup_printf("UPDATE job SET finished_at = now() - %u * interval '1 day' + "
                        "interval '1 minute' WHERE id = '%s'",
                        days, job->id);
    run_sql(fixture, sql);
    return g_strdup(job->id);
}

static bool is_there(Fixture *fixture, const char *id)
{
    g_autoptr(Job) job = jobs_get(fixture->store, id, NULL);
    return job != NULL;
}

static void F17_jobs_go_when_they_ended_long_enough_ago(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *old = ended(fixture, "p", 91, false);
    g_autofree char *young = ended(fixture, "p", 90, false);
    g_autofree char *last = ended(fixture, "p", 1, false);
    assert_false(apply(fixture));
    assert_false(is_there(fixture, old));
    assert_true(is_there(fixture, young));
    assert_true(is_there(fixture, last));
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM job_line"), 2);
}

static void F17_a_job_stays_as_long_as_its_version(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *old = ended(fixture, "p", 1000, true);
    g_autofree char *last = ended(fixture, "p", 1, true);
    apply(fixture);
    assert_true(is_there(fixture, old));
    run_sql(fixture, "DELETE FROM version WHERE version = 1");
    apply(fixture);
    assert_false(is_there(fixture, old));
    assert_true(is_there(fixture, last));
}

static void F17_a_job_that_has_not_ended_stays_however_old_it_is(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) queued = jobs_enqueue(fixture->store, "training", "q", "{}", &error);
    g_autoptr(Job) running = jobs_claim(fixture->store, "w", 60000, &error);
    g_autoptr(Job) waiting = jobs_enqueue(fixture->store, "training", "r", "{}", &error);
    run_sql(fixture, "UPDATE job SET created_at = now() - interval '9 years', "
                     "started_at = now() - interval '9 years', version = NULL");
    apply(fixture);
    assert_true(is_there(fixture, running->id));
    assert_true(is_there(fixture, waiting->id));
}

/* The next training of a prediction, also of one that was deleted and made again, has a new number.
 */
static void F21_no_version_number_is_given_twice_because_its_job_was_forgotten(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    for (unsigned i = 0; i < 3; i++)
        g_free(ended(fixture, "p", 1000, true));
    assert_true(versions_forget(fixture->store, "p", &error));
    apply(fixture);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM job"), 1);
    job_free(jobs_enqueue(fixture->store, "training", "p", "{}", &error));
    g_autoptr(Job) next = jobs_claim(fixture->store, "w", 60000, &error);
    assert_int_equal(next->version, 4);
}

static void F47_audit_rows_go_when_they_are_old_enough(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    for (unsigned i = 0; i < 3; i++)
        assert_true(audit_append(fixture->store, "k", "createModel", "t", 201, "r", &error));
    run_sql(fixture, "UPDATE audit SET at = now() - n * interval '181 days'");
    assert_false(apply(fixture));
    assert_int_equal(ask_sql(fixture, "SELECT min(n) FROM audit"), 1);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM audit"), 2);
    run_sql(fixture, "UPDATE audit SET at = now() - interval '366 days' WHERE n = 2");
    apply(fixture);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM audit"), 1);
}

static void many_go_in_batches_the_oldest_first(void **state)
{
    Fixture *fixture = *state;
    run_sql(fixture, "INSERT INTO audit (at, operation, status) "
                     "SELECT now() - (400 + i) * interval '1 day', 'x', 200 "
                     "FROM generate_series(1, 2500) AS i");
    run_sql(fixture, "INSERT INTO job (kind, params, state, created_at, finished_at) "
                     "SELECT 'other', '{}', 'failed', now() - (200 + i) * interval '1 day', "
                     "now() - (200 + i) * interval '1 day' FROM generate_series(1, 1200) AS i");
    assert_true(apply(fixture));
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM audit"), 1500);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM job"), 200);
    assert_int_equal(ask_sql(fixture, "SELECT (min(at) > now() - interval '1901 days')::int "
                                      "FROM audit"),
                     1);
    assert_true(apply(fixture));
    assert_false(apply(fixture));
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM audit"), 0);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM job"), 0);
}

static void what_another_daemon_is_removing_is_passed_over(void **state)
{
    Fixture *fixture = *state;
    run_sql(fixture, "INSERT INTO audit (at, operation, status) "
                     "SELECT now() - interval '400 days', 'x', 200 FROM generate_series(1, 3)");
    run_sql(fixture, "BEGIN");
    run_sql(fixture, "SELECT 1 FROM audit WHERE n <= 2 FOR UPDATE");
    apply(fixture);
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM audit"), 2);
    run_sql(fixture, "ROLLBACK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(F17_jobs_go_when_they_ended_long_enough_ago),
        FRESH(F17_a_job_stays_as_long_as_its_version),
        FRESH(F17_a_job_that_has_not_ended_stays_however_old_it_is),
        FRESH(F21_no_version_number_is_given_twice_because_its_job_was_forgotten),
        FRESH(F47_audit_rows_go_when_they_are_old_enough),
        FRESH(many_go_in_batches_the_oldest_first),
        FRESH(what_another_daemon_is_removing_is_passed_over),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
