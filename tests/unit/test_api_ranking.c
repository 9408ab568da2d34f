#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include <pthread.h>

#include "api/members.h"
#include "api/ranking.h"

typedef struct Kit {
    Shop *shop;
    Snapshot *snapshot;
    Rankings rankings;
} Kit;

static int kit_new(void **state)
{
    Kit *kit = g_new0(Kit, 1);
    kit->shop = shop_new();
    kit->snapshot = shop_snapshot(kit->shop, PURCHASED_ALLOW, 0);
    rankings_init(&kit->rankings);
    *state = kit;
    return 0;
}

static int kit_free(void **state)
{
    Kit *kit = *state;
    rankings_clear(&kit->rankings);
    snapshot_unref(kit->snapshot);
    shop_free(kit->shop);
    g_free(kit);
    return 0;
}

static Ranking *rank(Kit *kit, Audience audience)
{
    g_autoptr(GError) error = NULL;
    Ranking *ranking = rankings_get(&kit->rankings, kit->snapshot, &audience, &error);
    assert_non_null(ranking);
    return ranking;
}

static void same_audience_is_ranked_once(void **state)
{
    g_autoptr(Ranking) one = rank(*state, (Audience){.product = "i1", .max_size = 2});
    g_autoptr(Ranking) same = rank(*state, (Audience){.product = "i1", .max_size = 2});
    g_autoptr(Ranking) larger = rank(*state, (Audience){.product = "i1", .max_size = 3});
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, larger);
    assert_string_not_equal(one->fingerprint, larger->fingerprint);
    assert_int_equal(one->members->n, 2);
    assert_int_equal(larger->members->n, 3);
}

/* A product's id and a value that reads the same are two things. */
static void product_and_value_are_not_mixed_up(void **state)
{
    g_autoptr(Ranking) product = rank(*state, (Audience){.product = "colour", .max_size = 2});
    g_autoptr(Ranking) value = rank(
        *state, (Audience){.kind = AUDIENCE_VALUE, .column = "colour", .value = "", .max_size = 2});
    assert_string_not_equal(product->fingerprint, value->fingerprint);
}

static void percentile_is_a_share_of_the_predictable_users(void **state)
{
    static const struct {
        double percentile;
        uint32_t n;
    } cases[] = {{100, 3}, {67, 3}, {66, 2}, {34, 2}, {33, 1}, {0.001, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Ranking) ranking =
            rank(*state, (Audience){.product = "i1", .percentile = cases[i].percentile});
        assert_int_equal(ranking->members->n, cases[i].n);
    }
}

static void what_the_version_does_not_know_makes_an_empty_audience_that_says_so(void **state)
{
    static AudienceAttribute grey = {.column = "colour", .value = "Grey"};
    static const Audience unknown[] = {
        {.product = "i9", .max_size = 2},
        {.kind = AUDIENCE_VALUE, .column = "size", .value = "L", .max_size = 2},
        {.kind = AUDIENCE_VALUE, .column = "colour", .value = "red", .max_size = 2},
        {.kind = AUDIENCE_VALUE, .column = "colour", .value = "Grey", .max_size = 2},
        {.kind = AUDIENCE_ATTRIBUTES, .attributes = &grey, .n_attributes = 1, .max_size = 2}};
    for (size_t i = 0; i < G_N_ELEMENTS(unknown); i++) {
        g_autoptr(Ranking) ranking = rank(*state, unknown[i]);
        assert_int_equal(ranking->members->n, 0);
        assert_int_equal(ranking->members->predictable, 3);
        assert_non_null(strstr(ranking->members->short_because, "version 7"));
    }
}

static void forgotten_rankings_live_as_long_as_they_are_used(void **state)
{
    g_autoptr(Ranking) first = rank(*state, (Audience){.product = "i1", .max_size = 1});
    for (int64_t size = 2; size < 2 + 3 * RANKINGS_KEPT; size++)
        ranking_unref(rank(*state, (Audience){.product = "i1", .max_size = size}));
    assert_int_equal(first->members->n, 1);
    g_autoptr(Ranking) again = rank(*state, (Audience){.product = "i1", .max_size = 1});
    assert_ptr_not_equal(first, again);
    assert_string_equal(first->fingerprint, again->fingerprint);
}

static void *rank_many(void *kit)
{
    for (int64_t i = 0; i < 200; i++)
        ranking_unref(rank(kit, (Audience){.product = i % 2 ? "i0" : "i1", .max_size = 1 + i % 9}));
    return NULL;
}

static void threads_share_rankings(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rank_many, *state), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
}

static void page_goes_on_where_its_cursor_says(void **state)
{
    Kit *kit = *state;
    g_autoptr(Ranking) ranking = rank(kit, (Audience){.product = "i1", .max_size = 3});
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    members_write_page(kit->snapshot, ranking, 1, 1, &json);
    g_autoptr(cJSON) page = json_parse(text.data, text.length, NULL);
    const cJSON *items = json_member(page, "items");
    assert_int_equal(cJSON_GetArraySize(items), 1);
    assert_string_equal(json_member_string(items->child, "user"), "u0");
    assert_int_equal(json_member_number(items->child, "rank", 0), 2);
    assert_non_null(json_member_string(page, "next_cursor"));
    uint32_t first = 9;
    g_autofree char *place = g_strdup_printf("%s.2", ranking->fingerprint);
    assert_true(members_read_place(ranking, place, &first));
    assert_int_equal(first, 2);
}

static void place_of_another_ranking_is_refused(void **state)
{
    g_autoptr(Ranking) ranking = rank(*state, (Audience){.product = "i1", .max_size = 3});
    g_autofree char *absurd = g_strdup_printf("%s.99999999999999999999", ranking->fingerprint);
    g_autofree char *beyond = g_strdup_printf("%s.4000000000", ranking->fingerprint);
    uint32_t first = 0;
    assert_false(members_read_place(ranking, "0123456789abcdef.2", &first));
    assert_false(members_read_place(ranking, ranking->fingerprint, &first));
    assert_false(members_read_place(ranking, absurd, &first));
    assert_true(members_read_place(ranking, beyond, &first));
    assert_int_equal(first, ranking->members->n);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
#define KIT_TEST(test) cmocka_unit_test_setup_teardown(test, kit_new, kit_free)
        KIT_TEST(same_audience_is_ranked_once),
        KIT_TEST(product_and_value_are_not_mixed_up),
        KIT_TEST(percentile_is_a_share_of_the_predictable_users),
        KIT_TEST(what_the_version_does_not_know_makes_an_empty_audience_that_says_so),
        KIT_TEST(forgotten_rankings_live_as_long_as_they_are_used),
        KIT_TEST(threads_share_rankings),
        KIT_TEST(page_goes_on_where_its_cursor_says),
        KIT_TEST(place_of_another_ranking_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
