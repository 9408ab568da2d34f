/* What users without a list of their own get: popular where the same is known of users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "context_shop.h"
#include "index_readers.h"

#include "index/recommend.h"

#define SMALL 4u

/* "i0s i1c": s popular in the segment, c with everybody. */
static char *list_of(const Snapshot *snapshot, uint32_t user, const uint32_t *excluded, size_t n)
{
    Recommendation list[RECOMMEND_MAX];
    GString *text = g_string_new(NULL);
    size_t found = recommend_user(snapshot, user, 10, excluded, n, list);
    for (size_t i = 0; i < found; i++) {
        const char *source = item_source_name(list[i].source);
        assert_int_equal(list[i].rank, i + 1);
        assert_true(list[i].probability == 0 && list[i].score <= 1);
        assert_true(i == 0 || list[i].score <= list[i - 1].score);
        assert_string_not_equal(source, "personal");
        g_string_append_printf(text, "%si%u%c", i > 0 ? " " : "", list[i].item,
                               strcmp(source, "popular_segment") == 0 ? 's' : 'c');
    }
    return g_string_free(text, FALSE);
}

static void expect_list(const Snapshot *snapshot, uint32_t user, const char *expected)
{
    g_autofree char *text = list_of(snapshot, user, NULL, 0);
    assert_string_equal(text, expected);
}

static void f26_who_never_bought_gets_what_is_bought_in_the_country(void **state)
{
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    expect_list(snapshot, new_french, "i0s i1s i2s");
    expect_list(snapshot, new_british, "i1s i2s i0s");
}

static void f26_who_bought_nothing_for_a_year_gets_it_too(void **state)
{
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    assert_int_equal(snapshot_user_scope(snapshot, lapsed), USER_NO_RECENT_PURCHASE);
    expect_list(snapshot, lapsed, "i0s i1s i2s");
}

static void f26_who_is_unknown_or_of_no_known_country_gets_what_everybody_buys(void **state)
{
    static const uint32_t users[] = {new_elsewhere, new_somebody, CONTEXT_USERS, IDS_NONE};
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
        expect_list(snapshot, users[i], "i1c i2c i0c");
        assert_int_equal(snapshot_context(snapshot, users[i]), IDS_NONE);
    }
}

static void predictable_users_keep_to_their_own_list(void **state)
{
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    expect_list(snapshot, 0, "i1c i2c i0c");
    assert_int_equal(snapshot_context(snapshot, 0), IDS_NONE);
    Recommendation list[RECOMMEND_MAX];
    assert_int_equal(recommend_personal(snapshot, new_french, 10, list), 0);
}

static void f15_what_was_bought_stays_out_of_what_is_popular_in_context(void **state)
{
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    expect_list(snapshot, lapsed, "i1s i2s");
    expect_list(snapshot, new_french, "i0s i1s i2s");
}

static void f26_excluded_products_leave_it(void **state)
{
    static const uint32_t excluded[] = {0, 77};
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autofree char *text = list_of(snapshot, new_french, excluded, 2);
    assert_string_equal(text, "i1s i2s");
    Recommendation list[RECOMMEND_MAX];
    assert_int_equal(recommend_user(snapshot, new_french, 1, excluded, 2, list), 1);
    assert_true(list[0].item == 1 && list[0].score == 1);
}

/* The list of a context ends at 200; the shop has more. */
static void what_runs_short_is_filled_up_with_what_everybody_buys(void **state)
{
    enum { ITEMS = 251 };
    g_autoptr(Shop) shop = context_shop(ITEMS);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    uint32_t used[ITEMS];
    size_t n = 0, n_context = 0;
    Recommendation list[RECOMMEND_MAX];
    for (size_t found = 1; found > 0; n += found) {
        found = recommend_user(snapshot, new_french, RECOMMEND_MAX, used, n, list);
        touch_list(snapshot, list, found);
        for (size_t i = 0; i < found; i++) {
            bool in_context = list[i].source == SOURCE_POPULAR_SEGMENT;
            for (size_t other = 0; other < n + i; other++)
                assert_int_not_equal(used[other], list[i].item);
            assert_int_not_equal(list[i].item, 3);
            assert_true(!in_context || n_context == n + i);
            n_context += in_context;
            used[n + i] = list[i].item;
        }
    }
    assert_int_equal(n, ITEMS - 1);
    assert_int_equal(n_context, 200);
}

static char *known_of(const Snapshot *snapshot, uint32_t user)
{
    const Attributes *contexts = snapshot_contexts(snapshot);
    GString *text = g_string_new(NULL);
    for (size_t c = 0; c < contexts->n_columns; c++) {
        const Column *column = &contexts->columns[c];
        uint32_t n;
        const uint32_t *values = column_values(column, snapshot_context(snapshot, user), &n);
        g_string_append_printf(text, "%s:", column->name);
        for (uint32_t v = 0; v < n; v++) {
            size_t length;
            const char *bytes = ids_get(column->values, values[v], &length);
            g_string_append_printf(text, " %.*s", (int)length, bytes);
        }
    }
    return g_string_free(text, FALSE);
}

static void f26_the_context_can_be_told(void **state)
{
    static const struct {
        uint32_t user;
        const char *known;
    } cases[] = {{new_french, "country: France"},
                 {lapsed, "country: France"},
                 {new_british, "country: United Kingdom"},
                 {new_both, "country: United Kingdom France"}};
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    assert_int_equal(snapshot_contexts(snapshot)->n_rows, 3);
    assert_int_equal(snapshot_context(snapshot, lapsed), snapshot_context(snapshot, new_french));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *known = known_of(snapshot, cases[i].user);
        assert_string_equal(known, cases[i].known);
    }
}

static void a_shop_that_knows_nothing_of_its_users_has_no_contexts(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    assert_null(snapshot_contexts(snapshot));
    assert_int_equal(snapshot_context(snapshot, 3), IDS_NONE);
}

static void f5_columns_mapped_anew_leave_contexts_as_they_are(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) before = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(0, NULL, NULL, NULL);
    g_autoptr(Attributes) none = attributes_builder_finish(builder, SMALL, NULL);
    const RemapOptions options = {.revision = 2, .mapped_at = shop_day(402)};
    assert_true(index_remap(shop->path, before, none, &options, &error));
    g_autoptr(Snapshot) after = shop_open(shop->path);
    expect_list(after, new_french, "i0s i1s i2s");
    expect_list(after, new_british, "i1s i2s i0s");
    g_autofree char *known = known_of(after, new_british);
    assert_string_equal(known, "country: United Kingdom");
}

static void the_file_does_not_depend_on_the_number_of_threads(void **state)
{
    g_autoptr(Shop) shop = context_shop(300);
    g_autofree char *one = NULL, *many = NULL;
    gsize one_length, many_length;
    BuildOptions options = shop_options(PURCHASED_EXCLUDE, 0);
    shop_build(shop, shop->path, &options);
    assert_true(g_file_get_contents(shop->path, &one, &one_length, NULL));
    options.threads = 3;
    shop_build(shop, shop->path, &options);
    assert_true(g_file_get_contents(shop->path, &many, &many_length, NULL));
    assert_int_equal(one_length, many_length);
    assert_memory_equal(one, many, one_length);
}

static void where_nothing_can_be_recommended_contexts_are_empty(void **state)
{
    g_autoptr(Shop) shop = context_shop(SMALL);
    scope_free(shop->scope);
    shop->scope = scope_new(shop->view, shop_day(5000), NULL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    touch_all(snapshot);
    for (uint32_t user = 0; user < CONTEXT_USERS; user++)
        expect_list(snapshot, user, "");
}

/* Every seventh byte: the whole file is gone through with a smaller shop. */
static void damaged_contexts_are_refused_or_lead_nowhere(void **state)
{
    g_autoptr(Shop) shop = context_shop(SMALL);
    g_autoptr(Snapshot) healthy = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    g_autofree char *content = NULL;
    gsize length;
    assert_true(g_file_get_contents(shop->path, &content, &length, NULL));
    for (gsize at = 0; at < length; at += 7) {
        content[at] ^= (char)0xff;
        g_unlink(shop->path);
        assert_true(g_file_set_contents(shop->path, content, (gssize)length, NULL));
        content[at] ^= (char)0xff;
        g_autoptr(GError) error = NULL;
        g_autoptr(Snapshot) snapshot = snapshot_open(shop->path, &error);
        if (snapshot)
            touch_all(snapshot);
        else
            assert_int_equal(error_code(error), ERR_DAMAGED);
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f26_who_never_bought_gets_what_is_bought_in_the_country),
        cmocka_unit_test(f26_who_bought_nothing_for_a_year_gets_it_too),
        cmocka_unit_test(f26_who_is_unknown_or_of_no_known_country_gets_what_everybody_buys),
        cmocka_unit_test(predictable_users_keep_to_their_own_list),
        cmocka_unit_test(f15_what_was_bought_stays_out_of_what_is_popular_in_context),
        cmocka_unit_test(f26_excluded_products_leave_it),
        cmocka_unit_test(what_runs_short_is_filled_up_with_what_everybody_buys),
        cmocka_unit_test(f26_the_context_can_be_told),
        cmocka_unit_test(a_shop_that_knows_nothing_of_its_users_has_no_contexts),
        cmocka_unit_test(f5_columns_mapped_anew_leave_contexts_as_they_are),
        cmocka_unit_test(the_file_does_not_depend_on_the_number_of_threads),
        cmocka_unit_test(where_nothing_can_be_recommended_contexts_are_empty),
        cmocka_unit_test(damaged_contexts_are_refused_or_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
