#include "plain_linear.h"
#include "twins_shop.h"

#include "learn/ease.h"
#include "learn/slim.h"

DEFINE_FIT_WITH(fit_with, slim_fit_with, SlimParams)
DEFINE_FIT_WITH(fit_ease_with, ease_fit_with, EaseParams)

static Fitted *fit(const Dataset *shop, double as_of, unsigned threads)
{
    return fit_with(shop, &slim_defaults, as_of, threads);
}

static void the_product_that_goes_with_another_comes_first(void **state)
{
    uint32_t left_out[TWINS_OUT];
    g_autoptr(Dataset) shop = shop_of_twins(left_out);
    SlimParams params = slim_defaults;
    params.neighbours = 3;
    g_autoptr(Fitted) few = fit_with(shop, &params, 60, 2);
    g_autoptr(Fitted) usual = fit(shop, 60, 2);
    expect_twins_first(few, shop, left_out);
    expect_twins_first(usual, shop, left_out);
}

/* ---- a plain version: dense, in double, nothing kept from one product to the next ---- */

static double plain_likeness(const PlainLinear *plain, uint32_t i, uint32_t j)
{
    const double *g = plain->g;
    uint32_t n = plain->n;
    return g[i * n + j] / sqrt((g[i * n + i] + plain->ridge) * (g[j * n + j] + plain->ridge));
}

/* Whether fewer than `most` others are more like the item, and they ever met. */
static bool is_neighbour(const PlainLinear *plain, uint32_t item, uint32_t other, uint32_t most)
{
    uint32_t before = 0;
    for (uint32_t j = 0; j < plain->n; j++)
        before += j != item && plain_likeness(plain, item, j) > plain_likeness(plain, item, other);
    return other != item && before < most && plain->g[item * plain->n + other] > 0;
}

/* Gauss-Jordan; the answer stays in b. */
static void plain_solve(double *a, double *b, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        for (uint32_t i = 0; i < n; i++) {
            double factor = i == k ? 0 : a[i * n + k] / a[k * n + k];
            for (uint32_t j = k; j < n && i != k; j++)
                a[i * n + j] -= factor * a[k * n + j];
            b[i] -= factor * b[k];
        }
    }
    for (uint32_t k = 0; k < n; k++)
        b[k] /= a[k * n + k];
}

/* w(·, item) into n_items numbers. */
static void plain_weights(const PlainLinear *plain, uint32_t item, uint32_t most, double *weight)
{
    uint32_t n = plain->n, k = 0;
    g_autofree uint32_t *at = g_new(uint32_t, n);
    g_autofree double *a = g_new(double, (size_t)n *n);
    g_autofree double *b = g_new(double, n);
    for (uint32_t j = 0; j < n; j++) {
        weight[j] = 0;
        if (is_neighbour(plain, item, j, most))
            at[k++] = j;
    }
    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = 0; j < k; j++)
            a[i * k + j] = plain->g[at[i] * n + at[j]] + (i == j ? plain->ridge : 0);
        b[i] = plain->g[at[i] * n + item];
    }
    plain_solve(a, b, k);
    for (uint32_t i = 0; i < k; i++)
        weight[at[i]] = b[i];
}

static double *plain_scores(const Dataset *shop, double as_of, const SlimParams *p)
{
    g_auto(PlainLinear) plain = plain_linear_new(
        shop, as_of, (PlainParams){p->half_life_days, p->row_exponent, p->regularization});
    double *scores = g_new0(double, (size_t)plain.m *plain.n);
    g_autofree double *weight = g_new(double, plain.n);
    for (uint32_t item = 0; item < plain.n; item++) {
        plain_weights(&plain, item, p->neighbours, weight);
        plain_linear_score(&plain, item, weight, scores);
    }
    return scores;
}

static void slim_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(1500, 60, 40, 200, 2);
    g_autoptr(Dataset) shop = shop_new(61, 40, bought, 1500); /* the last user bought nothing */
    const SlimParams cases[] = {
        {4, 90, 0.25f, 20}, {12, 30, 0, 5}, {39, 90, 0.4f, 20}, {1000, 240, 0.25f, 80}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Fitted) fitted = fit_with(shop, &cases[i], 200, 2);
        g_autofree float *scores = all_scores(fitted);
        g_autofree double *expected = plain_scores(shop, 200, &cases[i]);
        for (size_t at = 0; at < 61 * 40; at++)
            assert_float_equal(scores[at], expected[at], 1e-4);
        expect_items_as_users(fitted);
        expect_finite_scores(fitted);
    }
}

/* Where each has met each. */
static void with_all_products_as_neighbours_it_is_ease(void **state)
{
    g_autofree Bought *bought = random_purchases(3000, 60, 20, 200, 5);
    g_autoptr(Dataset) shop = shop_new(60, 20, bought, 3000);
    SlimParams params = slim_defaults;
    params.neighbours = 19;
    g_autoptr(Fitted) slim = fit_with(shop, &params, 200, 1);
    EaseParams same = ease_defaults;
    same.half_life_days = params.half_life_days;
    same.row_exponent = params.row_exponent;
    same.regularization = params.regularization;
    g_autoptr(Fitted) ease = fit_ease_with(shop, &same, 200, 1);
    g_autofree float *scores = all_scores(slim);
    g_autofree float *expected = all_scores(ease);
    for (size_t at = 0; at < 60 * 20; at++)
        assert_float_equal(scores[at], expected[at], 1e-4);
}

/* Two products that always go together are one column twice: without a ridge worth the name no
 * positive definite matrix has both. */
static void what_cannot_be_told_apart_is_solved_all_the_same(void **state)
{
    Bought bought[60];
    for (uint32_t i = 0; i < G_N_ELEMENTS(bought); i++)
        bought[i] = (Bought){i / 3, i % 3, 50};
    g_autoptr(Dataset) shop = shop_new(21, 3, bought, G_N_ELEMENTS(bought) - 1);
    SlimParams params = slim_defaults;
    params.regularization = 1e-12f;
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 60, 1);
    g_autofree float *scores = all_scores(fitted);
    expect_finite_scores(fitted);
    /* User 19 has the first two; 19 of the 20 that do have the third. */
    assert_float_equal(scores[19 * 3 + 2], logf(1 + exp2f(-10.0f / 90)) * 19 / 20, 1e-2);
}

/* Rows of G that are longer than what is kept of them. */
static void large_catalogues_are_learned_from(void **state)
{
    g_autofree Bought *bought = g_new(Bought, 3 * 1200 + 400);
    size_t n = 0;
    for (uint32_t user = 0; user < 3; user++) {
        for (uint32_t item = 0; item < 1200; item++)
            bought[n++] = (Bought){user, item, 50};
    }
    for (uint32_t user = 3; user < 203; user++) { /* products 7 and 8 go together */
        bought[n++] = (Bought){user, 7, 50};
        if (user < 202)
            bought[n++] = (Bought){user, 8, 50};
    }
    g_autoptr(Dataset) shop = shop_new(203, 1200, bought, n);
    g_autoptr(Fitted) fitted = fit(shop, 60, 2);
    g_autofree float *scores = all_scores(fitted);
    expect_finite_scores(fitted);
    for (uint32_t item = 0; item < 1200; item++)
        assert_true(item == 8 || scores[202 * 1200 + 8] > scores[202 * 1200 + item]);
}

static void threads_do_not_change_a_byte(void **state)
{
    expect_threads_agree("slim", 9000, 300, 420);
}

static void hard_shops_are_learned_from(void **state)
{
    expect_hard_shops_learned("slim", 900);
}

static void no_purchase_and_cancellation_are_refused(void **state)
{
    uint32_t left_out[TWINS_OUT];
    g_autoptr(Dataset) shop = shop_of_twins(left_out);
    expect_refusals("slim", shop);
}

static void slim_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    expect_survives_its_file(fitted);
}

static uint64_t slim_bytes(uint32_t n_items)
{
    FitSize size = {.rows = 1000, .n_users = 100, .n_items = n_items, .threads = 1};
    return learner_slim.fit_bytes(&size);
}

static void bytes_grow_with_the_products_and_not_with_their_square(void **state)
{
    assert_true(slim_bytes(100) < 1000000);
    assert_true(slim_bytes(1000) > UINT64_C(8) * 999 * 1000); /* all of G */
    assert_true(slim_bytes(200000) < 3 * slim_bytes(100000));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_product_that_goes_with_another_comes_first),
        cmocka_unit_test(slim_is_its_formula),
        cmocka_unit_test(with_all_products_as_neighbours_it_is_ease),
        cmocka_unit_test(what_cannot_be_told_apart_is_solved_all_the_same),
        cmocka_unit_test(large_catalogues_are_learned_from),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(no_purchase_and_cancellation_are_refused),
        cmocka_unit_test(slim_survives_its_file),
        cmocka_unit_test(bytes_grow_with_the_products_and_not_with_their_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
