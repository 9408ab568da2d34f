#include "base/buffer.h"
#include "base/json.h"
#include "learn/relations.h"
#include "learn_shop.h"

#define N_USERS 200u
#define N_ITEMS 40u
#define DAYS    30u

static Relations *relate(const Dataset *view, unsigned threads)
{
    g_autoptr(GError) error = NULL;
    Relations *relations = relations_find(view, threads, NULL, &error);
    if (!relations)
        fail_msg("%s", error->message);
    return relations;
}

static Dataset *shop_at_random(void)
{
    g_autofree Bought *bought = random_purchases(12000, N_USERS, N_ITEMS, DAYS, 6);
    g_autoptr(Dataset) raw = shop_new(N_USERS, N_ITEMS, bought, 12000);
    return dataset_before(raw, INT64_MAX, NULL);
}

/* Plainly: which products each user bought on each day, and every pair of them. */
typedef struct Plain {
    unsigned baskets, single[N_ITEMS], both[N_ITEMS][N_ITEMS];
} Plain;

static void count_plainly(const Dataset *view, Plain *plain)
{
    static bool held[N_USERS][DAYS + 2][N_ITEMS];
    int64_t first_day = view->first / US_PER_DAY;
    memset(held, 0, sizeof held);
    memset(plain, 0, sizeof *plain);
    for (uint64_t r = 0; r < view->rows.n; r++)
        held[view->rows.user[r]][view->rows.time[r] / US_PER_DAY - first_day][view->rows.item[r]] =
            true;
    for (unsigned basket = 0; basket < N_USERS * (DAYS + 2); basket++) {
        const bool *has = &held[0][0][0] + (size_t)basket * N_ITEMS;
        bool any = false;
        for (unsigned a = 0; a < N_ITEMS; a++) {
            any |= has[a];
            plain->single[a] += has[a];
            for (unsigned b = 0; b < N_ITEMS; b++)
                plain->both[a][b] += has[a] && has[b];
        }
        plain->baskets += any;
    }
}

static void pairs_are_those_of_a_plain_count(void **state) /* F22 */
{
    g_autoptr(Dataset) view = shop_at_random();
    g_autofree Relations *found = relate(view, 2);
    static Plain plain;
    count_plainly(view, &plain);
    assert_int_equal(found->n_baskets, plain.baskets);
    assert_int_equal(found->n_large, 0);
    assert_int_equal(found->min_baskets, 5);
    unsigned expected = 0;
    for (unsigned a = 0; a < N_ITEMS; a++)
        for (unsigned b = 0; b < a; b++)
            expected += plain.both[a][b] >= 5 && (double)plain.both[a][b] * plain.baskets >
                                                     (double)plain.single[a] * plain.single[b];
    assert_true(expected > 20);
    assert_int_equal(found->n, MIN(expected, RELATIONS_MAX));
    for (size_t i = 0; i < found->n; i++) {
        const Relation *relation = &found->list[i];
        assert_int_equal(relation->together, plain.both[relation->given][relation->other]);
        assert_int_equal(relation->with_given, plain.single[relation->given]);
        assert_int_equal(relation->with_other, plain.single[relation->other]);
        assert_true(relation->with_given <= relation->with_other);
        assert_true(i == 0 ||
                    relation_lift(found, relation) <= relation_lift(found, &found->list[i - 1]));
    }
}

static void any_number_of_threads_finds_the_same_bytes(void **state) /* F21 F22 */
{
    g_autoptr(Dataset) view = shop_at_random();
    g_autofree Relations *one = relate(view, 1);
    g_autofree Relations *three = relate(view, 3);
    assert_memory_equal(one, three, sizeof *one);
}

/* 150 pairs of products that always go together, the later ones ever more often. */
static void the_highest_hundred_stay(void **state)
{
    GArray *bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (unsigned pair = 0; pair < 150; pair++)
        for (unsigned basket = 0; basket < 5 + pair; basket++)
            for (unsigned half = 0; half < 2; half++) {
                Bought row = {pair, 2 * pair + half, basket * 2};
                g_array_append_val(bought, row);
            }
    g_autoptr(Dataset) view = shop_new(150, 300, (Bought *)(void *)bought->data, bought->len);
    g_autofree Relations *found = relate(view, 2);
    assert_int_equal(found->n, RELATIONS_MAX);
    for (size_t i = 0; i < found->n; i++) { /* the rarer a pair, the higher its lift */
        uint32_t pair = found->min_baskets - 5 + (uint32_t)i;
        assert_int_equal(found->list[i].given, 2 * pair);
        assert_int_equal(found->list[i].other, 2 * pair + 1);
        assert_int_equal(found->list[i].together, 5 + pair);
    }
    g_array_free(bought, TRUE);
}

/* F22: a stock list of everything would make every pair a pair, and take the square of it. */
static void a_stock_list_is_left_out_and_counted(void **state)
{
    const uint32_t n_items = RELATIONS_LARGE + 1;
    g_autofree Bought *bought = g_new(Bought, n_items + 24);
    for (uint32_t item = 0; item < n_items; item++)
        bought[item] = (Bought){0, item, 1};
    for (unsigned i = 0; i < 24; i++) /* twelve baskets, two products in half of them */
        bought[n_items + i] = (Bought){1, i < 12 ? i % 2 : 2 + i % 2 * 3, 2.0 * (i / 2)};
    g_autoptr(Dataset) view = shop_new(2, n_items, bought, n_items + 24);
    g_autofree Relations *found = relate(view, 1);
    assert_int_equal(found->n_large, 1);
    assert_int_equal(found->n_baskets, 12);
    assert_int_equal(found->n, 2);
    assert_int_equal(found->list[0].together, 6);
    assert_float_equal(relation_lift(found, &found->list[0]), 2, 1e-9);
}

static void shops_without_pairs_have_none(void **state)
{
    const Bought one = {0, 0, 1};
    for (size_t n = 0; n < 2; n++) {
        g_autoptr(Dataset) view = shop_new(1, 1, &one, n);
        g_autofree Relations *found = relate(view, 0);
        assert_int_equal(found->n_baskets, n);
        assert_int_equal(found->n, 0);
        g_auto(Buffer) text;
        buffer_init(&text);
        JsonWriter json;
        json_writer_init(&json, &text);
        relations_write(found, view->items, &json);
        assert_non_null(strstr(buffer_text(&text), "\"pairs\":[]"));
    }
}

static void finding_stops_when_cancelled(void **state)
{
    g_autoptr(Dataset) view = shop_at_random();
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    assert_null(relations_find(view, 1, &cancel, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_those_of_a_plain_count),
        cmocka_unit_test(any_number_of_threads_finds_the_same_bytes),
        cmocka_unit_test(the_highest_hundred_stay),
        cmocka_unit_test(a_stock_list_is_left_out_and_counted),
        cmocka_unit_test(shops_without_pairs_have_none),
        cmocka_unit_test(finding_stops_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
