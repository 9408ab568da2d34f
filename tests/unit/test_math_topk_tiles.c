#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "math/panels.h"
#include "math/rng.h"
#include "math/topk_tiles.h"

/* Vectors of one kind, and a question about them. */
typedef struct Case {
    uint32_t n_users, n_items, rank;
    float (*number)(Rng *rng, uint32_t row);
    TopkFactors factors;
    TopkQuery query;
    float *users, *items;
    uint32_t *all, *barred_count, *barred_item;
    uint64_t *barred_start;
    uint8_t *allowed;
} Case;

static float any_number(Rng *rng, uint32_t row)
{
    return rng_normal(rng);
}

/* Of very different lengths, so that most users are done early. */
static float falling(Rng *rng, uint32_t row)
{
    return rng_normal(rng) / (float)(1 + row);
}

/* Products are whole numbers, many of them equal, and exact. */
static float whole(Rng *rng, uint32_t row)
{
    return (float)rng_below(rng, 5) - 2;
}

static float zero(Rng *rng, uint32_t row)
{
    return 0;
}

static float negative_side(Rng *rng, uint32_t row)
{
    return row % 2 ? -1 - (float)rng_uniform(rng) : -(float)rng_uniform(rng);
}

/* Sums that overflow, cancel to NaN, or vanish. */
static float extreme(Rng *rng, uint32_t row)
{
    static const float numbers[] = {FLT_MAX, -FLT_MAX, 1e30f, -1e30f, FLT_MIN, 1e-42f,
                                    -1e-45f, 0,        -0.0f, 1,      -1,      1e-20f};
    return numbers[rng_below(rng, G_N_ELEMENTS(numbers))];
}

static float tiny(Rng *rng, uint32_t row)
{
    return rng_normal(rng) * 1e-22f;
}

static float sometimes_broken(Rng *rng, uint32_t row)
{
    uint32_t chance = rng_below(rng, 200);
    return chance == 0 ? NAN : chance == 1 ? INFINITY : rng_normal(rng);
}

static void fill(float *rows, uint32_t n, const Case *c, uint64_t stream)
{
    Rng rng;
    rng_init(&rng, 21, stream);
    for (uint32_t row = 0; row < n; row++) {
        for (uint32_t f = 0; f < c->rank; f++)
            rows[(size_t)row * c->rank + f] = c->number(&rng, row);
    }
}

static void case_init(Case *c, uint32_t n_users, uint32_t n_items, uint32_t rank,
                      float (*number)(Rng *rng, uint32_t row))
{
    *c = (Case){.n_users = n_users, .n_items = n_items, .rank = rank, .number = number};
    c->users = g_new(float, (size_t)n_users *rank + 1);
    c->items = g_new(float, (size_t)n_items *rank + 1);
    c->all = g_new(uint32_t, n_users + 1);
    fill(c->users, n_users, c, 1);
    fill(c->items, n_items, c, 2);
    for (uint32_t user = 0; user < n_users; user++)
        c->all[user] = n_users - 1 - user; /* not in order: rows are looked up */
    c->factors = (TopkFactors){c->users, c->items, n_items, rank};
    c->query =
        (TopkQuery){.users = c->all, .n = n_users, .k = 10, .above = -INFINITY, .threads = 2};
}

/* Leaves out items for everyone, and for each user some of his own; `share` of them, about. */
static void case_bar(Case *c, double share)
{
    Rng rng;
    rng_init(&rng, 22, 0);
    c->allowed = g_new(uint8_t, c->n_items + 1);
    c->barred_start = g_new(uint64_t, c->n_users + 1);
    c->barred_count = g_new(uint32_t, c->n_users + 1);
    c->barred_item = g_new(uint32_t, (size_t)c->n_users * c->n_items + 1);
    for (uint32_t item = 0; item < c->n_items; item++)
        c->allowed[item] = rng_uniform(&rng) >= share / 2;
    for (uint32_t user = 0; user < c->n_users; user++) {
        c->barred_start[user] = (uint64_t)user * c->n_items;
        c->barred_count[user] = 0;
        for (uint32_t item = 0; item < c->n_items; item++) {
            if (rng_uniform(&rng) < share)
                c->barred_item[c->barred_start[user] + c->barred_count[user]++] = item;
        }
    }
    c->query.allowed = c->allowed;
    c->query.barred_start = c->barred_start;
    c->query.barred_count = c->barred_count;
    c->query.barred_item = c->barred_item;
}

static void case_clear(Case *c)
{
    g_free(c->users);
    g_free(c->items);
    g_free(c->all);
    g_free(c->allowed);
    g_free(c->barred_start);
    g_free(c->barred_count);
    g_free(c->barred_item);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

/* All products, then a selection. */
static uint32_t plain_search(const Case *c, uint32_t user, Scored *best)
{
    g_autofree float *products = g_new(float, c->n_items + 1);
    g_autofree Scored *work = g_new(Scored, 2 * (size_t)c->query.k);
    topk_tile(&c->factors, &user, 1, c->n_items, products);
    for (uint32_t item = 0; c->allowed && item < c->n_items; item++) {
        if (!c->allowed[item])
            products[item] = -INFINITY;
    }
    for (uint32_t b = 0; c->barred_count && b < c->barred_count[user]; b++)
        products[c->barred_item[c->barred_start[user] + b]] = -INFINITY;
    size_t n = topk_select(products, c->n_items, c->query.k, work, best);
    while (n > 0 && !(best[n - 1].score > c->query.above))
        n--;
    return (uint32_t)n;
}

static void assert_finds_the_same(const Case *c)
{
    size_t k = c->query.k;
    g_autofree Scored *best = g_new0(Scored, c->query.n * k + 1), *plain = g_new0(Scored, k + 1);
    g_autofree uint32_t *found = g_new0(uint32_t, c->query.n + 1);
    assert_true(topk_tiles(&c->factors, &c->query, best, found, NULL, NULL));
    for (uint64_t q = 0; q < c->query.n; q++) {
        uint32_t n = plain_search(c, c->query.users[q], plain);
        assert_int_equal(found[q], n);
        assert_memory_equal(best + q * k, plain, n * sizeof *plain);
    }
}

/* Each product as the chain of steps that it is meant to be, in double. */
static void products_are_those_of_the_vectors(void **state)
{
    static const uint32_t ranks[] = {1, 2, 3, 4, 7, 16, 64, 129};
    for (size_t r = 0; r < G_N_ELEMENTS(ranks); r++) {
        g_auto(Case) c;
        case_init(&c, 27, 77, ranks[r], whole);
        g_autofree float *products = g_new(float, 27 * 80);
        topk_tile(&c.factors, c.all, 27, 80, products);
        for (uint32_t u = 0; u < 27; u++) {
            for (uint32_t i = 0; i < 77; i++) {
                double sum = 0;
                for (uint32_t f = 0; f < c.rank; f++)
                    sum += (double)c.users[c.all[u] * c.rank + f] * c.items[i * c.rank + f];
                assert_float_equal(products[u * 80 + i], sum, 0);
            }
        }
    }
}

static void products_hang_on_their_two_vectors_alone(void **state)
{
    g_auto(Case) c;
    case_init(&c, 40, 101, 67, any_number);
    g_autofree float *together = g_new(float, 40 * 101);
    topk_tile(&c.factors, c.all, 40, 101, together);
    for (uint32_t u = 0; u < 40; u++) {
        for (uint32_t i = 0; i < 101; i++) {
            TopkFactors one = {c.users, c.items + (size_t)i * 67, 1, 67};
            float alone;
            topk_tile(&one, &c.all[u], 1, 1, &alone);
            assert_memory_equal(&alone, &together[u * 101 + i], sizeof alone);
        }
    }
}

/* Both variants of the kernel on numbers that are exact in either. */
static void a_panel_tells_products_and_hits(void **state)
{
    const uint32_t rank = 9;
    float users[9 * PANEL_USERS] __attribute__((aligned(64)));
    float items[9 * PANEL_ITEMS] __attribute__((aligned(64)));
    float products[PANEL_USERS * PANEL_ITEMS] __attribute__((aligned(64)));
    float least[PANEL_USERS];
    uint32_t hits[PANEL_USERS];
    Rng rng;
    rng_init(&rng, 23, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(users); i++)
        users[i] = whole(&rng, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(items); i++)
        items[i] = whole(&rng, 0);
    for (uint32_t u = 0; u < PANEL_USERS; u++)
        least[u] = (float)u;
    least[3] = INFINITY;
    for (int wide = 0; wide <= panel_wide(); wide++) {
        uint32_t found = panel_multiply_as(wide, users, items, rank, least, hits, products);
        for (uint32_t u = 0; u < PANEL_USERS; u++) {
            assert_int_equal(found >> u & 1, hits[u] != 0);
            for (uint32_t i = 0; i < PANEL_ITEMS; i++) {
                float sum = 0;
                for (uint32_t f = 0; f < rank; f++)
                    sum += users[f * PANEL_USERS + u] * items[f * PANEL_ITEMS + i];
                assert_float_equal(products[u * PANEL_ITEMS + i], sum, 0);
                assert_int_equal(hits[u] >> i & 1, sum >= least[u]);
            }
        }
    }
}

static void lists_are_those_of_a_plain_search(void **state)
{
    static const struct {
        uint32_t n_users, n_items, rank, k;
    } sizes[] = {{1, 1, 1, 1},       {13, 31, 5, 3},     {12, 32, 16, 10},    {25, 33, 64, 40},
                 {700, 513, 16, 10}, {30, 1500, 64, 10}, {20, 2000, 24, 200}, {3, 0, 8, 5}};
    float (*const kinds[])(Rng *, uint32_t) = {any_number, falling, whole, negative_side,
                                               zero,       extreme, tiny,  sometimes_broken};
    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
            g_auto(Case) c;
            case_init(&c, sizes[s].n_users, sizes[s].n_items, sizes[s].rank, kinds[kind]);
            c.query.k = sizes[s].k;
            assert_finds_the_same(&c);
            c.query.above = 0;
            assert_finds_the_same(&c);
            c.query.above = 2.5f;
            assert_finds_the_same(&c);
        }
    }
}

static void what_is_barred_is_left_out(void **state)
{
    static const double shares[] = {0, 0.1, 0.7, 0.995, 1};
    float (*const kinds[])(Rng *, uint32_t) = {any_number, falling, whole};
    for (size_t s = 0; s < G_N_ELEMENTS(shares); s++) {
        for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
            g_auto(Case) c;
            case_init(&c, 60, 700, 16, kinds[kind]);
            case_bar(&c, shares[s]);
            assert_finds_the_same(&c);
        }
    }
}

static void with_everything_barred_nothing_is_found(void **state)
{
    g_auto(Case) c;
    case_init(&c, 20, 100, 8, any_number);
    case_bar(&c, 1);
    g_autofree Scored *best = g_new(Scored, 20 * 10);
    uint32_t found[20];
    assert_true(topk_tiles(&c.factors, &c.query, best, found, NULL, NULL));
    for (uint32_t u = 0; u < 20; u++)
        assert_int_equal(found[u], 0);
    memset(c.barred_count, 0, 20 * sizeof(uint32_t));
    memset(c.allowed, 0, 100);
    assert_true(topk_tiles(&c.factors, &c.query, best, found, NULL, NULL));
    for (uint32_t u = 0; u < 20; u++)
        assert_int_equal(found[u], 0);
}

/* Of equal products the lower items, although longer vectors are looked at first. */
static void ties_go_to_the_lower_item(void **state)
{
    const float users[] = {1, 0}, items[] = {1, 0, 1, 9, 1, 5, 0.5f, 99, 1, 7};
    TopkFactors factors = {users, items, 5, 2};
    const uint32_t user = 0;
    TopkQuery query = {.users = &user, .n = 1, .k = 3, .above = -INFINITY, .threads = 1};
    Scored best[3];
    uint32_t found;
    assert_true(topk_tiles(&factors, &query, best, &found, NULL, NULL));
    assert_int_equal(found, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(best[i].index, i);
}

static void users_end_early_where_lengths_allow(void **state)
{
    g_auto(Case) c;
    case_init(&c, 504, 4096, 16, falling);
    g_autofree Scored *best = g_new(Scored, 504 * 10);
    g_autofree uint32_t *found = g_new(uint32_t, 504);
    TopkEffort effort = {0};
    assert_true(topk_tiles(&c.factors, &c.query, best, found, &effort, NULL));
    assert_in_range(effort.products, 1, (uint64_t)504 * 4096 / 4);
    TopkEffort whole_effort = {0};
    c.query.k = 4096; /* everything is wanted */
    g_autofree Scored *every = g_new(Scored, (size_t)504 * 4096);
    assert_true(topk_tiles(&c.factors, &c.query, every, found, &whole_effort, NULL));
    assert_int_equal(whole_effort.products, (uint64_t)504 * 4096);
}

static void threads_do_not_change_what_is_found(void **state)
{
    g_auto(Case) c;
    case_init(&c, 1300, 600, 24, whole);
    case_bar(&c, 0.2);
    g_autofree Scored *one = g_new0(Scored, 1300 * 10), *many = g_new0(Scored, 1300 * 10);
    g_autofree uint32_t *n_one = g_new(uint32_t, 1300), *n_many = g_new(uint32_t, 1300);
    c.query.threads = 1;
    assert_true(topk_tiles(&c.factors, &c.query, one, n_one, NULL, NULL));
    for (unsigned threads = 2; threads <= 5; threads++) {
        c.query.threads = threads;
        assert_true(topk_tiles(&c.factors, &c.query, many, n_many, NULL, NULL));
        assert_memory_equal(n_one, n_many, 1300 * sizeof *n_one);
        assert_memory_equal(one, many, 1300 * 10 * sizeof *one);
    }
}

static void nothing_is_asked_nothing_is_found(void **state)
{
    g_auto(Case) c;
    case_init(&c, 5, 9, 4, any_number);
    uint32_t found[5] = {7, 7, 7, 7, 7};
    Scored best;
    c.query.k = 0;
    assert_true(topk_tiles(&c.factors, &c.query, &best, found, NULL, NULL));
    assert_int_equal(found[4], 0);
    c.query.n = 0;
    c.query.k = 3;
    assert_true(topk_tiles(&c.factors, &c.query, &best, found, NULL, NULL));
}

static void a_cancelled_search_says_so(void **state)
{
    g_auto(Case) c;
    case_init(&c, 5, 9, 4, any_number);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    c.query.cancel = &cancel;
    Scored best[50];
    uint32_t found[5];
    g_autoptr(GError) error = NULL;
    assert_false(topk_tiles(&c.factors, &c.query, best, found, NULL, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_the_vectors),
        cmocka_unit_test(products_hang_on_their_two_vectors_alone),
        cmocka_unit_test(a_panel_tells_products_and_hits),
        cmocka_unit_test(lists_are_those_of_a_plain_search),
        cmocka_unit_test(what_is_barred_is_left_out),
        cmocka_unit_test(with_everything_barred_nothing_is_found),
        cmocka_unit_test(ties_go_to_the_lower_item),
        cmocka_unit_test(users_end_early_where_lengths_allow),
        cmocka_unit_test(threads_do_not_change_what_is_found),
        cmocka_unit_test(nothing_is_asked_nothing_is_found),
        cmocka_unit_test(a_cancelled_search_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
