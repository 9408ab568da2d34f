#include "fixture.h"

#include "store/documents.h"

static void create(Fixture *fixture, DocumentKind kind, const char *id, const char *body)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Document) made = documents_create(fixture->store, kind, id, body, &error);
    assert_no_error(error);
    assert_int_equal(made->revision, 1);
}

static void a_document_comes_back_as_it_was_created(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    create(fixture, DOCUMENT_MODEL, "lines", "{\"name\": \"Zeilen ü \\\" \\\\\", \"n\": 12.50}");
    g_autoptr(Document) read = documents_get(fixture->store, DOCUMENT_MODEL, "lines", &error);
    assert_string_equal(read->id, "lines");
    assert_non_null(strstr(read->body, "\"Zeilen ü \\\" \\\\\""));
    assert_non_null(strstr(read->body, "12.50"));
    assert_true(read->created_at > INT64_C(1600000000000000));
    assert_int_equal(read->created_at, read->updated_at);
}

static void an_id_is_taken_once_per_kind(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    create(fixture, DOCUMENT_MODEL, "x", "{}");
    create(fixture, DOCUMENT_PREDICTION, "x", "{}");
    assert_null(documents_create(fixture->store, DOCUMENT_MODEL, "x", "{}", &error));
    assert_string_equal(error->message, "model \"x\" exists already");
    assert_fails_with(&error, ERR_CONFLICT);
    assert_null(documents_get(fixture->store, DOCUMENT_AUDIENCE, "x", &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
}

static void a_stale_revision_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    create(fixture, DOCUMENT_MODEL, "x", "{\"v\": 1}");
    g_autoptr(Document) second =
        documents_replace(fixture->store, DOCUMENT_MODEL, "x", 1, "{\"v\": 2}", &error);
    assert_int_equal(second->revision, 2);
    assert_true(second->updated_at >= second->created_at);
    assert_null(documents_replace(fixture->store, DOCUMENT_MODEL, "x", 1, "{\"v\": 3}", &error));
    assert_fails_with(&error, ERR_PRECONDITION_FAILED);
    assert_false(documents_remove(fixture->store, DOCUMENT_MODEL, "x", 1, &error));
    assert_fails_with(&error, ERR_PRECONDITION_FAILED);
    g_autoptr(Document) read = documents_get(fixture->store, DOCUMENT_MODEL, "x", &error);
    assert_string_equal(read->body, "{\"v\": 2}");
}

static void a_removed_document_is_gone(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    create(fixture, DOCUMENT_MODEL, "x", "{}");
    assert_true(documents_remove(fixture->store, DOCUMENT_MODEL, "x", 1, &error));
    assert_false(documents_remove(fixture->store, DOCUMENT_MODEL, "x", 1, &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
    assert_null(documents_replace(fixture->store, DOCUMENT_MODEL, "x", 1, "{}", &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
}

static void a_list_pages_by_id_without_gap_or_repeat(void **state)
{
    static const char *const ids[] = {"B", "a", "a-1", "a_1", "b", "é"}; /* in order of bytes */
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    for (size_t i = G_N_ELEMENTS(ids); i-- > 0;)
        create(fixture, DOCUMENT_MODEL, ids[i], "{}");
    create(fixture, DOCUMENT_AUDIENCE, "c", "{}");
    const char *after = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i += 2) {
        g_autoptr(Documents) page =
            documents_list(fixture->store, DOCUMENT_MODEL, after, 2, NULL, &error);
        assert_no_error(error);
        assert_int_equal(page->n, 2);
        assert_string_equal(page->list[0].id, ids[i]);
        assert_string_equal(page->list[1].id, ids[i + 1]);
        assert_int_equal(page->more, i + 2 < G_N_ELEMENTS(ids));
        after = ids[i + 1];
    }
}

static void holding_finds_what_refers_to_a_model(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    create(fixture, DOCUMENT_PREDICTION, "p",
           "{\"models\": {\"users\": \"x\", \"events\": \"y\"}}");
    create(fixture, DOCUMENT_PREDICTION, "q", "{\"models\": {\"users\": \"y\"}}");
    g_autoptr(Documents) found = documents_list(fixture->store, DOCUMENT_PREDICTION, NULL, 10,
                                                "{\"models\": {\"users\": \"x\"}}", &error);
    assert_int_equal(found->n, 1);
    assert_string_equal(found->list[0].id, "p");
    assert_false(found->more);
}

static void a_body_that_is_no_object_is_refused(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    assert_null(documents_create(fixture->store, DOCUMENT_MODEL, "x", "{\"a\":", &error));
    assert_fails_with(&error, ERR_INVALID);
    assert_null(documents_create(fixture->store, DOCUMENT_MODEL, "x\xff", "{}", &error));
    assert_fails_with(&error, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_document_comes_back_as_it_was_created),
        FRESH(an_id_is_taken_once_per_kind),
        FRESH(a_stale_revision_changes_nothing),
        FRESH(a_removed_document_is_gone),
        FRESH(a_list_pages_by_id_without_gap_or_repeat),
        FRESH(holding_finds_what_refers_to_a_model),
        FRESH(a_body_that_is_no_object_is_refused),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("documents", tests, NULL, NULL);
}
