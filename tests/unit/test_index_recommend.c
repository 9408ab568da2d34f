#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include "index/recommend.h"

/* One list as text: "i2:1p i1:0.5p i0:0.5c" (p personal, c popular). */
static char *text_of(const Recommendation *list, size_t n)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].rank, i + 1);
        g_string_append_printf(text, "%si%u:%.3g%c", i > 0 ? " " : "", list[i].item, list[i].score,
                               list[i].source == SOURCE_PERSONAL ? 'p' : 'c');
    }
    return g_string_free(text, FALSE);
}

static void expect_list(const Snapshot *snapshot, uint32_t user, size_t n, const uint32_t *excluded,
                        size_t n_excluded, const char *expected)
{
    Recommendation list[RECOMMEND_MAX];
    size_t found = recommend_user(snapshot, user, n, excluded, n_excluded, list);
    g_autofree char *text = text_of(list, found);
    assert_string_equal(text, expected);
}

static void f26_personal_products_come_first_best_first(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    expect_list(snapshot, 0, 1, NULL, 0, "i2:1p");
    expect_list(snapshot, 0, 3, NULL, 0, "i2:1p i1:0.5p i0:0.25p");
    expect_list(snapshot, 1, 3, NULL, 0, "i0:1p i1:1p i2:0.333p");
}

static void f26_short_lists_are_filled_up_with_popular_products(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    expect_list(snapshot, 0, 10, NULL, 0, "i2:1p i1:0.5p i0:0.25p i3:0.25c");
    expect_list(snapshot, 4, 2, NULL, 0, "i1:1c i0:0.713c");
}

static void f26_unknown_and_lapsed_users_see_what_is_popular(void **state)
{
    static const uint32_t users[] = {2, 3, 5, 1000000, IDS_NONE};
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(users); i++)
        expect_list(snapshot, users[i], 10, NULL, 0, "i1:1c i0:0.713c i3:0.398c i2:0.263c");
}

static void f26_excluded_products_leave_and_the_first_that_stays_is_1(void **state)
{
    static const uint32_t excluded[] = {2, IDS_NONE, 77, 1};
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    expect_list(snapshot, 0, 1, excluded, 4, "i0:1p");
    expect_list(snapshot, 0, 10, excluded, 4, "i0:1p i3:1c");
    expect_list(snapshot, IDS_NONE, 10, excluded, 4, "i0:1c i3:0.559c");
}

static void everything_excluded_gives_an_empty_list(void **state)
{
    uint32_t excluded[RECOMMEND_EXCLUDE_MAX];
    for (uint32_t i = 0; i < RECOMMEND_EXCLUDE_MAX; i++)
        excluded[i] = i;
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    expect_list(snapshot, 0, RECOMMEND_MAX, excluded, RECOMMEND_EXCLUDE_MAX, "");
    expect_list(snapshot, 0, 0, NULL, 0, "");
}

static void purchased_products_stay_out_of_popular_ones_too(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    expect_list(snapshot, 0, 10, NULL, 0, "i2:1p i3:1c");
    expect_list(snapshot, 4, 10, NULL, 0, "i0:1c i2:0.369c");
    expect_list(snapshot, 2, 10, NULL, 0, "i1:1c i0:0.713c i3:0.398c"); /* i2 long ago: still */
    expect_list(snapshot, IDS_NONE, 10, NULL, 0, "i1:1c i0:0.713c i3:0.398c i2:0.263c");
}

static void purchased_within_days_are_judged_by_the_last_purchase(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    /* Since day 397: u0 bought i0 (again) on 398, u4 both of its products, nobody else anything. */
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE_WITHIN, 3);
    expect_list(snapshot, 0, 10, NULL, 0, "i2:1p i1:0.5p i3:0.5c");
    expect_list(snapshot, 1, 3, NULL, 0, "i0:1p i1:1p i2:0.333p");
    expect_list(snapshot, 4, 10, NULL, 0, "i0:1c i2:0.369c");
}

static void f31_popular_products_overall_and_by_value(void **state)
{
    static const struct {
        const char *column, *value, *expected;
    } cases[] = {
        {NULL, NULL, "i1:1c i0:0.713c i3:0.398c i2:0.263c"},
        {"colour", "Blue", "i1:1c i0:0.713c"},
        {"colour", "Red", "i0:1c"},
        {"colour", "Grey", ""}, /* only on what is not predictable */
        {"brand", "Best", "i3:1c i2:0.66c"},
    };
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Column *column =
            cases[i].column ? attributes_find(snapshot_item_attributes(snapshot), cases[i].column)
                            : NULL;
        uint32_t value =
            column ? ids_find(column->values, cases[i].value, strlen(cases[i].value)) : 0;
        Recommendation list[RECOMMEND_MAX];
        g_autofree char *text = text_of(list, recommend_popular(snapshot, column, value, 10, list));
        assert_string_equal(text, cases[i].expected);
    }
}

static void the_personal_list_is_not_filled_up(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    Recommendation list[RECOMMEND_MAX];
    g_autofree char *first = text_of(list, recommend_personal(snapshot, 0, 10, list));
    assert_string_equal(first, "i2:1p i1:0.5p i0:0.25p");
    assert_int_equal(recommend_personal(snapshot, 0, 2, list), 2);
    assert_int_equal(recommend_personal(snapshot, 4, 10, list), 0);
    assert_int_equal(recommend_personal(snapshot, 3, 10, list), 0);
    assert_int_equal(recommend_personal(snapshot, IDS_NONE, 10, list), 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f26_personal_products_come_first_best_first),
        cmocka_unit_test(f26_short_lists_are_filled_up_with_popular_products),
        cmocka_unit_test(f26_unknown_and_lapsed_users_see_what_is_popular),
        cmocka_unit_test(f26_excluded_products_leave_and_the_first_that_stays_is_1),
        cmocka_unit_test(everything_excluded_gives_an_empty_list),
        cmocka_unit_test(purchased_products_stay_out_of_popular_ones_too),
        cmocka_unit_test(purchased_within_days_are_judged_by_the_last_purchase),
        cmocka_unit_test(f31_popular_products_overall_and_by_value),
        cmocka_unit_test(the_personal_list_is_not_filled_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
