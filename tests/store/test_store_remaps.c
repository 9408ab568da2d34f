#include "fixture.h"

#include "store/documents.h"
#include "store/remaps.h"
#include "store/versions.h"

/* F5: when a remap is queued, for whom, and what it may save. */

#define LEASE 60000

static const char OLD[] = "{\"id\":\"products\",\"type\":\"products\",\"name\":\"x\","
                          "\"fields\":[{\"column\":\"title\"}]}";
static const char NEW[] = "{\"id\":\"products\",\"type\":\"products\",\"name\":\"x\","
                          "\"fields\":[{\"column\":\"title\"},{\"column\":\"brand\"}]}";
static const char RENAMED[] = "{\"id\":\"products\",\"type\":\"products\",\"name\":\"y\","
                              "\"description\":\"z\",\"fields\":[{\"column\":\"title\"}]}";

static void store_model(Fixture *fixture, const char *id, const char *body)
{
    g_autoptr(GError) error = NULL;
    document_free(documents_create(fixture->store, DOCUMENT_MODEL, id, body, &error));
    assert_no_error(error);
}

static Job *claim(Fixture *fixture, const char *owner)
{
    g_autoptr(GError) error = NULL;
    Job *job = jobs_claim(fixture->store, owner, LEASE, &error);
    assert_no_error(error);
    return job;
}

static void end(Fixture *fixture, const Job *job)
{
    g_autoptr(GError) error = NULL;
    assert_true(jobs_succeed(fixture->store, job, "{}", &error));
}

/* A running training of `prediction` on a copy of `mapping`. */
static Job *training(Fixture *fixture, const char *prediction, const char *mapping)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *params = g_strdup_printf("{\"models\":{\"products\":%s}}", mapping);
    job_free(jobs_enqueue(fixture->store, "training", prediction, params, &error));
    assert_no_error(error);
    return claim(fixture, "trainer");
}

static void save(Fixture *fixture, const Job *job)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_strdup_printf("v%d-%d.snapshot", job->version, job->attempt);
    Version version = {.prediction = job->prediction,
                       .version = job->version,
                       .learner = "als",
                       .grade = "B",
                       .card = "{}",
                       .report = "{}",
                       .file = file};
    versions_save(fixture->store, job, &version, &error);
    assert_no_error(error);
}

static void train(Fixture *fixture, const char *prediction, const char *mapping)
{
    g_autoptr(Job) job = training(fixture, prediction, mapping);
    save(fixture, job);
    end(fixture, job);
}

/* Changes the model "products"; the predictions whose columns are mapped again, joined by blanks.
 */
static char *change(Fixture *fixture, const char *body)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Remaps) remaps = NULL;
    g_autoptr(Document) now = documents_get(fixture->store, DOCUMENT_MODEL, "products", &error);
    g_autoptr(Document) changed =
        remaps_replace_model(fixture->store, "products", now->revision, body, &remaps, &error);
    assert_no_error(error);
    assert_int_equal(changed->revision, now->revision + 1);
    GString *names = g_string_new(NULL);
    for (size_t i = 0; i < remaps->n; i++) {
        g_autoptr(Job) job = jobs_get(fixture->store, remaps->list[i].job, &error);
        assert_string_equal(job->kind, REMAP_KIND);
        assert_string_equal(job->prediction, remaps->list[i].prediction);
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", job->prediction);
    }
    return g_string_free(names, FALSE);
}

static void expect_change(Fixture *fixture, const char *body, const char *predictions)
{
    g_autofree char *queued = change(fixture, body);
    assert_string_equal(queued, predictions);
}

static int64_t waiting(Fixture *fixture)
{
    return ask_sql(fixture, "SELECT count(*) FROM job WHERE kind = 'remap' AND state = 'queued'");
}

static void a_change_queues_one_for_each_version_of_that_model(void **state)
{
    Fixture *fixture = *state;
    store_model(fixture, "products", OLD);
    store_model(fixture, "other", "{\"id\":\"other\"}");
    train(fixture, "b", OLD);
    train(fixture, "a", OLD);
    train(fixture, "elsewhere", "{\"id\":\"other\"}");
    expect_change(fixture, RENAMED, "");
    expect_change(fixture, NEW, "a b");
    assert_int_equal(waiting(fixture), 2);
    expect_change(fixture, RENAMED, "");
    expect_change(fixture, NEW, "a b");
    assert_int_equal(waiting(fixture), 2);
}

static void a_change_of_another_revision_changes_and_queues_nothing(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Remaps) remaps = NULL;
    store_model(fixture, "products", OLD);
    train(fixture, "a", OLD);
    assert_null(remaps_replace_model(fixture->store, "products", 7, NEW, &remaps, &error));
    assert_fails_with(&error, ERR_PRECONDITION_FAILED);
    assert_null(remaps_replace_model(fixture->store, "absent", 1, NEW, &remaps, &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
    assert_null(remaps);
    assert_int_equal(waiting(fixture), 0);
}

static void a_version_of_a_training_that_began_before_the_change_is_followed_by_one(void **state)
{
    Fixture *fixture = *state;
    store_model(fixture, "products", OLD);
    g_autoptr(Job) job = training(fixture, "a", OLD);
    expect_change(fixture, NEW, "");
    save(fixture, job);
    assert_int_equal(waiting(fixture), 1);
    assert_null(claim(fixture, "mapper")); /* not before the training has ended */
    end(fixture, job);
    g_autoptr(Job) remap = claim(fixture, "mapper");
    assert_string_equal(remap->kind, REMAP_KIND);
    assert_int_equal(remap->version, 0);
}

static void a_version_that_knows_the_change_needs_none(void **state)
{
    Fixture *fixture = *state;
    store_model(fixture, "products", OLD);
    train(fixture, "a", OLD);
    assert_int_equal(waiting(fixture), 0);
    /* Versions of before there was a mapping in the tables, or of a model that is gone. */
    train(fixture, "b", "null");
    train(fixture, "c", "{\"id\":\"gone\"}");
    assert_int_equal(waiting(fixture), 0);
}

static void an_older_version_that_is_activated_is_followed_by_one(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    store_model(fixture, "products", NEW);
    train(fixture, "a", NEW);
    train(fixture, "a", NEW);
    run_sql(fixture, "UPDATE version SET mapping = mapping || '{\"fields\":[]}' WHERE version = 1");
    assert_int_equal(waiting(fixture), 0);
    assert_true(versions_activate(fixture->store, "a", 1, &error));
    assert_int_equal(waiting(fixture), 1);
    assert_true(versions_activate(fixture->store, "a", 2, &error));
    assert_int_equal(waiting(fixture), 1);
}

static void a_request_is_given_the_job_that_waits_but_not_the_one_that_runs(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    store_model(fixture, "products", OLD);
    assert_null(remaps_request(fixture->store, "a", &error));
    assert_fails_with(&error, ERR_NOT_READY);
    train(fixture, "a", OLD);
    g_autoptr(Job) first = remaps_request(fixture->store, "a", &error);
    g_autoptr(Job) same = remaps_request(fixture->store, "a", &error);
    assert_string_equal(first->id, same->id);
    g_autoptr(Job) running = claim(fixture, "mapper");
    assert_string_equal(running->id, first->id);
    g_autoptr(Job) second = remaps_request(fixture->store, "a", &error);
    assert_string_not_equal(second->id, first->id);
    assert_null(claim(fixture, "another")); /* one after the other */
    /* Given back while another waits: both are there, none is lost. */
    assert_true(jobs_release(fixture->store, running, &error));
    assert_int_equal(waiting(fixture), 2);
}

static RemapTask *begin(Fixture *fixture, const Job *job)
{
    g_autoptr(GError) error = NULL;
    RemapTask *task = remaps_begin(fixture->store, job, &error);
    assert_no_error(error);
    return task;
}

static Job *requested(Fixture *fixture, const char *prediction)
{
    g_autoptr(GError) error = NULL;
    job_free(remaps_request(fixture->store, prediction, &error));
    return claim(fixture, "mapper");
}

static void what_is_saved_is_the_version_s_from_then_on(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    store_model(fixture, "products", OLD);
    train(fixture, "a", OLD);
    expect_change(fixture, NEW, "a");
    g_autoptr(Job) job = claim(fixture, "mapper");
    g_autoptr(RemapTask) task = begin(fixture, job);
    assert_int_equal(task->version, 1);
    assert_int_equal(task->revision, 2);
    assert_string_equal(task->model, "products");
    assert_non_null(strstr(task->mapping, "brand"));
    g_autoptr(RemapTask) again = begin(fixture, job);
    assert_int_equal(again->revision, 3); /* no two attempts write one file */
    assert_true(remaps_save(fixture->store, job, again, "v1-3.snapshot", &error));
    g_autoptr(Version) version = versions_get(fixture->store, "a", 1, &error);
    assert_string_equal(version->file, "v1-3.snapshot");
    assert_true(version->active);
    assert_int_equal(waiting(fixture), 0);
    end(fixture, job);
    expect_change(fixture, RENAMED, "a");
}

static void a_mapping_that_changed_meanwhile_is_saved_and_followed_by_another(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    store_model(fixture, "products", OLD);
    train(fixture, "a", OLD);
    expect_change(fixture, NEW, "a");
    g_autoptr(Job) job = claim(fixture, "mapper");
    g_autoptr(RemapTask) task = begin(fixture, job);
    expect_change(fixture, OLD, ""); /* the version is as it was trained: not behind yet */
    assert_true(remaps_save(fixture->store, job, task, "v1-2.snapshot", &error));
    assert_int_equal(waiting(fixture), 1);
}

static void a_version_that_is_no_longer_active_is_not_changed(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    store_model(fixture, "products", OLD);
    train(fixture, "a", OLD);
    train(fixture, "a", OLD);
    g_autoptr(Job) job = requested(fixture, "a");
    g_autoptr(RemapTask) task = begin(fixture, job);
    assert_true(versions_activate(fixture->store, "a", 1, &error));
    assert_false(remaps_save(fixture->store, job, task, "v2-2.snapshot", &error));
    assert_fails_with(&error, ERR_CONFLICT);
    g_autoptr(Version) version = versions_get(fixture->store, "a", 2, &error);
    assert_string_equal(version->file, "v2-1.snapshot");
    g_autoptr(RemapTask) now = begin(fixture, job);
    assert_int_equal(now->version, 1);
}

static void an_attempt_that_lost_its_lease_saves_nothing(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    store_model(fixture, "products", OLD);
    train(fixture, "a", OLD);
    g_autoptr(Job) lost = requested(fixture, "a");
    g_autoptr(RemapTask) task = begin(fixture, lost);
    run_sql(fixture, "UPDATE job SET lease_until = now() WHERE state = 'running'");
    g_autoptr(Job) next = claim(fixture, "next");
    assert_string_equal(next->id, lost->id);
    assert_false(remaps_save(fixture->store, lost, task, "v1-2.snapshot", &error));
    assert_fails_with(&error, ERR_CANCELLED);
    assert_null(remaps_begin(fixture->store, lost, &error));
    assert_fails_with(&error, ERR_CANCELLED);
    g_autoptr(RemapTask) other = begin(fixture, next);
    assert_true(other->revision > task->revision);
}

static void a_version_whose_model_is_gone_says_so(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    train(fixture, "a", OLD);
    g_autoptr(Job) job = requested(fixture, "a");
    assert_null(remaps_begin(fixture->store, job, &error));
    assert_non_null(strstr(error->message, "\"products\""));
    assert_fails_with(&error, ERR_NOT_READY);
    run_sql(fixture, "UPDATE version SET mapping = NULL");
    assert_null(remaps_begin(fixture->store, job, &error));
    assert_fails_with(&error, ERR_NOT_READY);
    run_sql(fixture, "DELETE FROM version");
    assert_null(remaps_begin(fixture->store, job, &error));
    assert_fails_with(&error, ERR_NOT_READY);
}

/* A state schema of the release before, with a version in it. */
static Fixture *first_schema(void)
{
    Fixture *fixture = fixture_bare(fixture_connection());
    g_autofree char *create = g_strdup_printf("CREATE SCHEMA \"%s\"", fixture->schema);
    run_sql(fixture, create);
    g_autofree char *script = NULL;
    assert_true(g_file_get_contents("src/store/schema/001_foundation.sql", &script, NULL, NULL));
    g_autoptr(PGresult) made = PQexec(fixture->admin, script);
    assert_int_equal(PQresultStatus(made), PGRES_COMMAND_OK);
    run_sql(fixture, "CREATE TABLE schema_version (version integer PRIMARY KEY, name text NOT NULL,"
                     " applied_at timestamptz NOT NULL DEFAULT now())");
    run_sql(fixture, "INSERT INTO schema_version (version, name) VALUES (1, 'foundation')");
    run_sql(fixture, "WITH made AS (INSERT INTO job (kind, prediction, params, state, version) "
                     "VALUES ('training', 'a', '{\"models\":{\"products\":{\"id\":\"products\","
                     "\"fields\":[]}}}', 'succeeded', 4) RETURNING id) INSERT INTO version "
                     "(prediction, version, job, learner, grade, card, report, file, active) "
                     "SELECT 'a', 4, id, 'als', 'B', '{}', '{}', 'v4-3.snapshot', true FROM made");
    return fixture;
}

static void a_version_of_the_release_before_can_be_mapped_again(void **state)
{
    Fixture *fixture = first_schema();
    g_autoptr(GError) error = NULL;
    int from = 0, to = 0;
    store_migrate(fixture->store, &from, &to, &error);
    assert_no_error(error);
    assert_int_equal(from, 1);
    store_model(fixture, "products", OLD);
    expect_change(fixture, NEW, "a");
    g_autoptr(Job) job = claim(fixture, "mapper");
    g_autoptr(RemapTask) task = begin(fixture, job);
    assert_int_equal(task->version, 4);
    assert_int_equal(task->revision, 4); /* above its file's attempt */
    fixture_drop(fixture);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        FRESH(a_change_queues_one_for_each_version_of_that_model),
        FRESH(a_change_of_another_revision_changes_and_queues_nothing),
        FRESH(a_version_of_a_training_that_began_before_the_change_is_followed_by_one),
        FRESH(a_version_that_knows_the_change_needs_none),
        FRESH(an_older_version_that_is_activated_is_followed_by_one),
        FRESH(a_request_is_given_the_job_that_waits_but_not_the_one_that_runs),
        FRESH(what_is_saved_is_the_version_s_from_then_on),
        FRESH(a_mapping_that_changed_meanwhile_is_saved_and_followed_by_another),
        FRESH(a_version_that_is_no_longer_active_is_not_changed),
        FRESH(an_attempt_that_lost_its_lease_saves_nothing),
        FRESH(a_version_whose_model_is_gone_says_so),
        cmocka_unit_test(a_version_of_the_release_before_can_be_mapped_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
