#include "fixture.h"

#include <sodium.h>

#include "store/keys.h"

static void a_key_is_shown_once_and_kept_as_its_hash(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    uint8_t hash[KEY_HASH_BYTES];
    g_autoptr(Key) key =
        keys_create(fixture->store, "shop", KEY_STOREFRONT | KEY_EVENTS, 0, &text, &error);
    assert_no_error(error);
    assert_int_equal(strlen(key->id), 12);
    assert_int_equal(strlen(text), 3 + 12 + 1 + 43);
    assert_true(g_str_has_prefix(text, "sl_") && g_str_has_prefix(text + 3, key->id));
    assert_int_equal(text[15], '_');
    for (const char *c = text + 16; *c; c++)
        assert_true(g_ascii_isalnum(*c));
    crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
    assert_memory_equal(hash, key->hash, KEY_HASH_BYTES);
    g_autofree char *secret = db_literal(fixture->admin, text + 16);
    g_autofree char *sql = g_strdup_printf(
        "SELECT count(*) FROM api_key WHERE api_key::text LIKE '%%' || %s || '%%'", secret);
    assert_int_equal(ask_sql(fixture, sql), 0);
}

static void keys_are_listed_oldest_first_with_what_they_may(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *first_text = NULL, *second_text = NULL;
    int64_t expiry = INT64_C(4102444800123456);
    g_autoptr(Key) first = keys_create(fixture->store, "one", KEY_ADMIN, 0, &first_text, &error);
    g_autoptr(Key) second =
        keys_create(fixture->store, "two", KEY_MARKETER, expiry, &second_text, &error);
    assert_string_not_equal(first_text, second_text);
    g_autoptr(KeyList) keys = keys_list(fixture->store, &error);
    assert_int_equal(keys->n, 2);
    assert_string_equal(keys->list[0].id, first->id);
    assert_string_equal(keys->list[0].name, "one");
    assert_int_equal(keys->list[0].scopes, KEY_ADMIN);
    assert_int_equal(keys->list[0].expires_at, 0);
    assert_memory_equal(keys->list[1].hash, second->hash, KEY_HASH_BYTES);
    assert_int_equal(keys->list[1].expires_at, expiry);
    assert_true(keys->list[1].created_at >= keys->list[0].created_at);
}

static void a_revoked_key_is_gone(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autoptr(Key) key = keys_create(fixture->store, "shop", KEY_EVENTS, 0, &text, &error);
    assert_true(keys_revoke(fixture->store, key->id, &error));
    g_autoptr(KeyList) keys = keys_list(fixture->store, &error);
    assert_int_equal(keys->n, 0);
    assert_false(keys_revoke(fixture->store, key->id, &error));
    assert_fails_with(&error, ERR_NOT_FOUND);
}

static void scopes_have_names_both_ways(void **state)
{
    for (unsigned scope = KEY_ADMIN; scope <= KEY_EVENTS; scope *= 2)
        assert_int_equal(key_scope_find(key_scope_name(scope)), scope);
    assert_int_equal(key_scope_find("Admin"), 0);
    assert_null(key_scope_name(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_key_is_shown_once_and_kept_as_its_hash),
        FRESH(keys_are_listed_oldest_first_with_what_they_may),
        FRESH(a_revoked_key_is_gone),
        cmocka_unit_test(scopes_have_names_both_ways),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
