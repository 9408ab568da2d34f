#include "fixture.h"

#include <pthread.h>

#include "store/versions.h"

static Job *claim(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    job_free(jobs_enqueue(fixture->store, "training", "p", "{}", &error));
    Job *job = jobs_claim(fixture->store, "w", 60000, &error);
    assert_no_error(error);
    return job;
}

static Version sample(const Job *job)
{
    return (Version){.prediction = job->prediction,
                     .version = job->version,
                     .learner = "als",
                     .grade = "B",
                     .card = "{\"z\":1,\"a\":2}",
                     .report = "{\"recall\": 0.10}",
                     .file = "v.snapshot"};
}

static int make_version(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = claim(fixture);
    Version version = sample(job);
    versions_save(fixture->store, job, &version, &error);
    assert_no_error(error);
    jobs_succeed(fixture->store, job, "{}", &error);
    assert_no_error(error);
    return version.version;
}

static int active_number(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Version) version = versions_active(fixture->store, "p", &error);
    assert_no_error(error);
    assert_true(version->active);
    return version->version;
}

static void a_saved_version_is_the_active_one_and_comes_back_whole(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = claim(fixture);
    Version version = sample(job);
    assert_null(versions_active(fixture->store, "p", &error));
    assert_fails_with(&error, ERR_NOT_READY);
    assert_true(versions_save(fixture->store, job, &version, &error));
    g_autoptr(Version) read = versions_get(fixture->store, "p", 1, &error);
    assert_string_equal(read->prediction, "p");
    assert_string_equal(read->job, job->id);
    assert_string_equal(read->learner, "als");
    assert_string_equal(read->grade, "B");
    assert_string_equal(read->card, "{\"z\":1,\"a\":2}");
    assert_string_equal(read->report, "{\"recall\": 0.10}");
    assert_string_equal(read->file, "v.snapshot");
    assert_true(read->active && read->created_at > 0);
}

static void saving_again_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = claim(fixture);
    Version version = sample(job);
    assert_true(versions_save(fixture->store, job, &version, &error));
    version.grade = "A";
    assert_true(versions_save(fixture->store, job, &version, &error));
    g_autoptr(Version) read = versions_get(fixture->store, "p", 1, &error);
    assert_string_equal(read->grade, "B");
}

static void a_number_of_another_job_is_refused(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    int first = make_version(fixture);
    g_autoptr(Job) job = claim(fixture);
    Version version = sample(job);
    version.version = first;
    assert_false(versions_save(fixture->store, job, &version, &error));
    assert_fails_with(&error, ERR_CONFLICT);
    assert_int_equal(active_number(fixture), first);
}

/* F12: a worker without a lease publishes nothing. */
static void a_lost_lease_saves_nothing(void **state)
{
    static const char *const losses[] = {
        "UPDATE job SET lease_until = now() WHERE state = 'running'",
        "UPDATE job SET attempt = attempt + 1 WHERE state = 'running'",
        "UPDATE job SET owner = 'other' WHERE state = 'running'",
        "UPDATE job SET state = 'cancelled' WHERE state = 'running'",
    };
    Fixture *fixture = *state;
    make_version(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(losses); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Job) job = claim(fixture);
        Version version = sample(job);
        run_sql(fixture, losses[i]);
        assert_false(versions_save(fixture->store, job, &version, &error));
        assert_fails_with(&error, ERR_CANCELLED);
        assert_int_equal(active_number(fixture), 1);
        run_sql(fixture, "UPDATE job SET state = 'failed'");
    }
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM version"), 1);
}

static void activating_an_older_version_retires_the_newer(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    make_version(fixture);
    make_version(fixture);
    assert_int_equal(active_number(fixture), 2);
    assert_true(versions_activate(fixture->store, "p", 1, &error));
    assert_int_equal(active_number(fixture), 1);
    assert_false(versions_activate(fixture->store, "p", 9, &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
    assert_false(versions_activate(fixture->store, "q", 1, &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
    assert_int_equal(active_number(fixture), 1);
}

static void versions_are_listed_newest_first_in_pages(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    for (int i = 0; i < 3; i++)
        make_version(fixture);
    g_autoptr(Versions) page = versions_list(fixture->store, "p", 0, 2, &error);
    assert_int_equal(page->n, 2);
    assert_true(page->more);
    assert_int_equal(page->list[0]->version, 3);
    assert_true(page->list[0]->active && !page->list[1]->active);
    assert_null(page->list[0]->card);
    g_autoptr(Versions) rest = versions_list(fixture->store, "p", 2, 2, &error);
    assert_int_equal(rest->n, 1);
    assert_false(rest->more);
    assert_null(versions_get(fixture->store, "p", 4, &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
}

static void pruning_keeps_the_newest_and_the_active_one(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree uint32_t *kept = NULL, *removed = NULL;
    size_t n_kept = 0, n_removed = 0;
    for (int i = 0; i < 5; i++)
        make_version(fixture);
    assert_true(versions_activate(fixture->store, "p", 1, &error));
    assert_true(
        versions_prune(fixture->store, "p", 2, &kept, &n_kept, &removed, &n_removed, &error));
    assert_int_equal(n_kept, 3);
    assert_int_equal(n_removed, 2);
    assert_memory_equal(kept, ((uint32_t[]){1, 4, 5}), sizeof(uint32_t[3]));
    assert_memory_equal(removed, ((uint32_t[]){2, 3}), sizeof(uint32_t[2]));
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM version"), 3);
}

static void a_forgotten_prediction_does_not_give_its_numbers_again(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    make_version(fixture);
    g_autoptr(Versions) before = versions_all_active(fixture->store, &error);
    assert_int_equal(before->n, 1);
    assert_string_equal(before->list[0]->prediction, "p");
    assert_true(versions_forget(fixture->store, "p", &error));
    g_autoptr(Versions) after = versions_all_active(fixture->store, &error);
    assert_int_equal(after->n, 0);
    assert_int_equal(make_version(fixture), 2);
}

static void *activate_often(void *context)
{
    Fixture *fixture = context;
    for (int i = 0; i < 20; i++)
        if (!versions_activate(fixture->store, "p", 1 + i % 2, NULL))
            return NULL;
    return fixture;
}

static void activations_at_once_leave_one_active(void **state)
{
    Fixture *fixture = *state;
    pthread_t threads[3];
    make_version(fixture);
    make_version(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_create(&threads[i], NULL, activate_often, fixture);
    make_version(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, fixture);
    }
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM version WHERE active"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_saved_version_is_the_active_one_and_comes_back_whole),
        FRESH(saving_again_changes_nothing),
        FRESH(a_number_of_another_job_is_refused),
        FRESH(a_lost_lease_saves_nothing),
        FRESH(activating_an_older_version_retires_the_newer),
        FRESH(versions_are_listed_newest_first_in_pages),
        FRESH(pruning_keeps_the_newest_and_the_active_one),
        FRESH(a_forgotten_prediction_does_not_give_its_numbers_again),
        FRESH(activations_at_once_leave_one_active),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
