#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include "index_readers.h"

static char *ids_text(const Ids *ids, const uint32_t *numbers, uint32_t n)
{
    GString *text = g_string_new(NULL);
    for (uint32_t i = 0; i < n; i++) {
        size_t length;
        const char *bytes = ids_get(ids, numbers[i], &length);
        g_string_append_printf(text, "%s%.*s", i > 0 ? " " : "", (int)length, bytes);
    }
    return g_string_free(text, FALSE);
}

static void a_snapshot_gives_back_what_was_built(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    assert_string_equal(snapshot_prediction(snapshot), "next-buy");
    assert_string_equal(snapshot_path(snapshot), shop->path);
    assert_int_equal(snapshot_version(snapshot), 7);
    assert_int_equal(snapshot_built_at(snapshot), shop_day(401));
    assert_int_equal(snapshot_predictable_users(snapshot), 3);
    size_t length;
    const char *card = snapshot_card(snapshot, &length);
    assert_int_equal(length, strlen("{\"learner\":\"planned\"}"));
    assert_memory_equal(card, "{\"learner\":\"planned\"}", length);
    const char *report = snapshot_report(snapshot, &length);
    assert_int_equal(length, strlen("{\"grade\":\"B\"}"));
    assert_memory_equal(report, "{\"grade\":\"B\"}", length);
    assert_int_equal(ids_find(snapshot_users(snapshot), "u4", 2), 4);
    assert_int_equal(ids_find(snapshot_items(snapshot), "i5", 2), 5);
    assert_int_equal(ids_find(snapshot_items(snapshot), "i6", 2), IDS_NONE);
    assert_non_null(attributes_find(snapshot_item_attributes(snapshot), "brand"));
    g_autoptr(GError) error = NULL;
    assert_true(snapshot_verify(snapshot, NULL, &error));
}

static void f8_scopes_say_why_somebody_is_not_predictable(void **state)
{
    static const UserScope expected[] = {USER_PREDICTABLE,        USER_PREDICTABLE,
                                         USER_NO_RECENT_PURCHASE, USER_NO_PURCHASE,
                                         USER_PREDICTABLE,        USER_NO_PURCHASE};
    static const bool items[] = {true, true, true, true, false, false, false};
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    for (uint32_t user = 0; user < G_N_ELEMENTS(expected); user++)
        assert_int_equal(snapshot_user_scope(snapshot, user), expected[user]);
    assert_int_equal(snapshot_user_scope(snapshot, IDS_NONE), USER_NO_PURCHASE);
    for (uint32_t item = 0; item < G_N_ELEMENTS(items); item++)
        assert_int_equal(snapshot_item_predictable(snapshot, item), items[item]);
}

static void histories_are_distinct_and_newest_first(void **state)
{
    static const char *const expected[] = {"i0 i1", "i2 i1", "i2 i5", "", "i3 i1", ""};
    g_autoptr(Shop) shop = shop_new();
    for (PurchasedPolicy policy = PURCHASED_ALLOW; policy <= PURCHASED_EXCLUDE_WITHIN; policy++) {
        g_autoptr(Snapshot) snapshot = shop_snapshot(shop, policy, 5);
        for (uint32_t user = 0; user < G_N_ELEMENTS(expected); user++) {
            uint32_t n;
            const uint32_t *items = snapshot_history(snapshot, user, &n);
            g_autofree char *text = ids_text(snapshot_items(snapshot), items, n);
            assert_string_equal(text, expected[user]);
        }
    }
}

static void a_snapshot_outlives_its_file(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autoptr(Snapshot) second = snapshot_ref(snapshot);
    g_unlink(shop->path);
    g_clear_pointer(&snapshot, snapshot_unref);
    touch_all(second);
}

static void a_missing_file_is_not_found(void **state)
{
    g_autoptr(GError) error = NULL;
    assert_null(snapshot_open("/nonexistent/file", &error));
    assert_int_equal(error_code(error), ERR_NOT_FOUND);
}

static void a_file_cut_short_is_damaged(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autofree char *content = NULL;
    gsize length;
    assert_true(g_file_get_contents(shop->path, &content, &length, NULL));
    for (gsize cut = 0; cut < length; cut += 1 + length / 97) {
        assert_true(g_file_set_contents(shop->path, content, (gssize)cut, NULL));
        g_autoptr(GError) error = NULL;
        assert_null(snapshot_open(shop->path, &error));
        assert_int_equal(error_code(error), ERR_DAMAGED);
    }
}

/* Whatever one byte is changed to: either the file is refused, or reading stays within it and the
 * checksums tell. Only alignment gaps may change unseen. */
static void every_damaged_byte_is_survived_and_found(void **state)
{
    static const unsigned char values[] = {0xff, 0x00, 0x80, 0x01};
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) healthy = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    g_autofree char *content = NULL;
    gsize length;
    unsigned unseen = 0;
    assert_true(g_file_get_contents(shop->path, &content, &length, NULL));
    for (gsize at = 0; at < length; at++) {
        char was = content[at];
        unsigned char value = values[at % sizeof values];
        if ((unsigned char)was == value)
            continue;
        content[at] = (char)value;
        g_unlink(shop->path);
        assert_true(g_file_set_contents(shop->path, content, (gssize)length, NULL));
        content[at] = was;
        g_autoptr(GError) error = NULL;
        g_autoptr(Snapshot) snapshot = snapshot_open(shop->path, &error);
        if (!snapshot) {
            assert_int_equal(error_code(error), ERR_DAMAGED);
            continue;
        }
        touch_all(snapshot);
        unseen += snapshot_verify(snapshot, NULL, NULL) && was != 0;
    }
    assert_int_equal(unseen, 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_gives_back_what_was_built),
        cmocka_unit_test(f8_scopes_say_why_somebody_is_not_predictable),
        cmocka_unit_test(histories_are_distinct_and_newest_first),
        cmocka_unit_test(a_snapshot_outlives_its_file),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(a_file_cut_short_is_damaged),
        cmocka_unit_test(every_damaged_byte_is_survived_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
