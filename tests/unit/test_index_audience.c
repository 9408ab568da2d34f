#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include "index/audience.h"

static Members *rank(const Snapshot *snapshot, const uint32_t *items, uint32_t n, uint32_t limit)
{
    g_autoptr(GError) error = NULL;
    Members *members = audience_rank(snapshot, items, n, limit, &error);
    assert_non_null(members);
    return members;
}

/* The learner behind the file is `repeat`: who bought a product wants it most, the others by its
 * popularity; u0 bought i1 on day 395, u1 on day 380, u4 on day 397. */
static void f35_members_are_predictable_users_best_first(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    g_autoptr(Members) members = rank(snapshot, (const uint32_t[]){1}, 1, 10);
    assert_int_equal(members->predictable, 3);
    assert_int_equal(members->wanting, 3);
    assert_int_equal(members->n, 3);
    assert_int_equal(members->user[0], 4);
    assert_int_equal(members->user[1], 0);
    assert_int_equal(members->user[2], 1);
    assert_true(members->score[0] == 1);
    assert_true(members->score[1] < 1 && members->score[2] < members->score[1] &&
                members->score[2] > 0);
    assert_non_null(strstr(members->short_because, "only 3 of the 3"));
}

static void f36_the_size_is_a_maximum(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autoptr(Members) two = rank(snapshot, (const uint32_t[]){1}, 1, 2);
    assert_int_equal(two->n, 2);
    assert_int_equal(two->wanting, 3);
    assert_null(two->short_because);
    g_autoptr(Members) none = rank(snapshot, (const uint32_t[]){1}, 1, 0);
    assert_int_equal(none->n, 0);
    assert_null(none->short_because);
}

static void products_of_a_value_count_together(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    const Column *brand = attributes_find(snapshot_item_attributes(snapshot), "brand");
    uint32_t n;
    const uint32_t *items =
        snapshot_items_with(snapshot, brand, ids_find(brand->values, "Acme", 4), &n);
    assert_int_equal(n, 2);
    assert_int_equal(items[0], 1); /* the more popular one first */
    assert_int_equal(items[1], 0);
    g_autoptr(Members) members = rank(snapshot, items, n, 10);
    assert_int_equal(members->user[0], 0); /* the only one who bought both */
}

static void nobody_who_scores_0_is_a_member(void **state)
{
    g_autoptr(Shop) shop = shop_new_of(shop_data(), "popularity");
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autoptr(Members) never = rank(snapshot, (const uint32_t[]){4, 99, IDS_NONE}, 3, 10);
    assert_int_equal(never->n, 0);
    assert_int_equal(never->wanting, 0);
    assert_non_null(strstr(never->short_because, "none of the 3"));
    g_autoptr(Members) nothing = rank(snapshot, NULL, 0, 10);
    assert_int_equal(nothing->n, 0);
}

static void equal_scores_go_by_user_number(void **state)
{
    g_autoptr(Shop) shop = shop_new_of(shop_data(), "popularity");
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autoptr(Members) members = rank(snapshot, (const uint32_t[]){1}, 1, 2);
    assert_int_equal(members->n, 2);
    assert_int_equal(members->user[0], 0);
    assert_int_equal(members->user[1], 1);
    assert_true(members->score[1] == 1);
}

static char *values_text(const Snapshot *snapshot, const char *name, const char *prefix,
                         uint32_t offset, uint32_t limit, uint32_t *total)
{
    const Column *column = attributes_find(snapshot_item_attributes(snapshot), name);
    ValueCount list[16];
    uint32_t n = snapshot_values(snapshot, column, prefix, offset, limit, list, total, NULL);
    GString *text = g_string_new(NULL);
    for (uint32_t i = 0; i < n; i++) {
        size_t length;
        const char *bytes = ids_get(column->values, list[i].value, &length);
        g_string_append_printf(text, "%s%.*s:%u", i > 0 ? " " : "", (int)length, bytes,
                               list[i].products);
    }
    return g_string_free(text, FALSE);
}

/* i4 (Grey) and i5 (Blue, ÉCLAIR) are not predictable and count nowhere. */
static void f35_values_come_with_counts_by_prefix(void **state)
{
    static const struct {
        const char *column, *prefix;
        uint32_t offset, limit, total;
        const char *expected;
    } cases[] = {
        {"colour", "", 0, 10, 3, "Blue:2 Green:1 Red:1"},
        {"colour", NULL, 0, 10, 3, "Blue:2 Green:1 Red:1"},
        {"colour", "", 1, 1, 3, "Green:1"},
        {"colour", "", 3, 10, 3, ""},
        {"colour", "", 4000000000u, 10, 3, ""},
        {"colour", "bLU", 0, 10, 1, "Blue:2"},
        {"colour", "gr", 0, 10, 1, "Green:1"},
        {"colour", "x", 0, 10, 0, ""},
        {"brand", "b", 0, 10, 1, "Best:2"},
    };
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint32_t total;
        g_autofree char *text = values_text(snapshot, cases[i].column, cases[i].prefix,
                                            cases[i].offset, cases[i].limit, &total);
        assert_string_equal(text, cases[i].expected);
        assert_int_equal(total, cases[i].total);
    }
}

static void f35_near_misses_are_offered(void **state)
{
    static const struct {
        const char *column, *typed, *expected;
    } cases[] = {
        {"colour", "Bleu", "Blue"},    {"colour", "blue", "Blue"}, {"brand", "éclair", "ÉCLAIR"},
        {"colour", "mauve-ish", NULL}, {NULL, "I3", "i3"},
    };
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Column *column =
            cases[i].column ? attributes_find(snapshot_item_attributes(snapshot), cases[i].column)
                            : NULL;
        g_auto(GStrv) near = snapshot_near_values(snapshot, column, cases[i].typed, 1);
        if (g_strcmp0(near ? near[0] : NULL, cases[i].expected) != 0)
            fail_msg("%s gives %s", cases[i].typed, near ? near[0] : "nothing");
    }
}

static void an_absurdly_long_value_has_no_near_miss(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autofree char *typed = g_strnfill(10000, 'x');
    assert_null(snapshot_near_values(snapshot, NULL, typed, 3));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f35_members_are_predictable_users_best_first),
        cmocka_unit_test(f36_the_size_is_a_maximum),
        cmocka_unit_test(products_of_a_value_count_together),
        cmocka_unit_test(nobody_who_scores_0_is_a_member),
        cmocka_unit_test(equal_scores_go_by_user_number),
        cmocka_unit_test(f35_values_come_with_counts_by_prefix),
        cmocka_unit_test(f35_near_misses_are_offered),
        cmocka_unit_test(an_absurdly_long_value_has_no_near_miss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
