#include "plain_linear.h"
#include "twins_shop.h"

#include "learn/dense_inverse.h"
#include "learn/ease.h"

DEFINE_FIT_WITH(fit_with, ease_fit_with, EaseParams)

static Fitted *fit(const Dataset *shop, double as_of, unsigned threads)
{
    return fit_with(shop, &ease_defaults, as_of, threads);
}

/* AAᵀ + n·I of random A, so well-conditioned. */
static float *random_matrix(uint32_t n, uint64_t seed)
{
    g_autofree float *a = g_new(float, (size_t)n *n);
    float *matrix = g_new0(float, (size_t)n *n);
    Rng rng;
    rng_init(&rng, seed, 0);
    for (size_t i = 0; i < (size_t)n * n; i++)
        a[i] = rng_normal(&rng);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double sum = i == j ? n : 0;
            for (uint32_t k = 0; k < n; k++)
                sum += (double)a[i * n + k] * a[j * n + k];
            matrix[i * n + j] = matrix[j * n + i] = (float)(sum / n);
        }
    }
    return matrix;
}

static void the_inverse_times_the_matrix_is_one(void **state)
{
    const uint32_t sizes[] = {1, 2, 65, 192, 193, 500}; /* less than a tile, one, several */
    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        uint32_t n = sizes[s];
        g_autofree float *matrix = random_matrix(n, n);
        g_autofree float *inverse = g_memdup2(matrix, (size_t)n * n * sizeof(float));
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = i + 1; j < n; j++)
                inverse[i * n + j] = 1e9f; /* the upper triangle is not read */
        }
        assert_true(dense_inverse(inverse, n, 2, NULL, NULL));
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < n; j++) {
                double sum = 0;
                for (uint32_t k = 0; k < n; k++)
                    sum += (double)inverse[i * n + k] * matrix[k * n + j];
                assert_float_equal(sum, i == j, 1e-4);
            }
        }
    }
}

static void what_is_not_positive_definite_is_refused(void **state)
{
    const float broken[] = {-1, NAN, 0};
    for (size_t i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree float *matrix = random_matrix(300, 4);
        g_autoptr(GError) error = NULL;
        matrix[250 * 300 + 250] = broken[i];
        assert_false(dense_inverse(matrix, 300, 2, NULL, &error));
        assert_int_equal(error_code(error), ERR_INVALID);
    }
}

static void the_product_that_goes_with_another_comes_first(void **state)
{
    uint32_t left_out[TWINS_OUT];
    g_autoptr(Dataset) shop = shop_of_twins(left_out);
    g_autoptr(Fitted) fitted = fit(shop, 60, 2);
    expect_twins_first(fitted, shop, left_out);
}

/* Gauss-Jordan in double, with nothing blocked. */
static void plain_inverse(double *a, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        double pivot = a[k * n + k];
        a[k * n + k] = 1;
        for (uint32_t j = 0; j < n; j++)
            a[k * n + j] /= pivot;
        for (uint32_t i = 0; i < n; i++) {
            double factor = a[i * n + k];
            if (i == k)
                continue;
            a[i * n + k] = 0;
            for (uint32_t j = 0; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
}

static double *plain_scores(const Dataset *shop, double as_of, const EaseParams *p)
{
    g_auto(PlainLinear) plain = plain_linear_new(
        shop, as_of, (PlainParams){p->half_life_days, p->row_exponent, p->regularization});
    uint32_t n = plain.n;
    double *scores = g_new0(double, (size_t)plain.m *n);
    g_autofree double *weight = g_new(double, n);
    for (uint32_t i = 0; i < n; i++)
        plain.g[i * n + i] += plain.ridge;
    plain_inverse(plain.g, n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++)
            weight[j] = i == j ? 0 : -plain.g[j * n + i] / plain.g[i * n + i];
        plain_linear_score(&plain, i, weight, scores);
    }
    return scores;
}

static void ease_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(1500, 60, 40, 200, 2);
    g_autoptr(Dataset) shop = shop_new(61, 40, bought, 1500); /* the last user bought nothing */
    for (unsigned i = 0; i < 2; i++) {
        EaseParams params = ease_defaults;
        params.row_exponent = i == 0 ? 0 : 0.25f; /* the paper's, and ours */
        g_autoptr(Fitted) fitted = fit_with(shop, &params, 200, 2);
        g_autofree float *scores = all_scores(fitted);
        g_autofree double *expected = plain_scores(shop, 200, &params);
        for (size_t at = 0; at < 61 * 40; at++)
            assert_float_equal(scores[at], expected[at], 1e-4);
        expect_items_as_users(fitted);
        expect_finite_scores(fitted);
    }
}

static void only_the_largest_weights_are_kept(void **state)
{
    g_autofree Bought *bought = random_purchases(1500, 60, 40, 200, 2);
    const Bought single = {60, 0, 199};
    bought[0] = single; /* user 60 bought nothing but product 0 */
    g_autoptr(Dataset) shop = shop_new(61, 40, bought, 1500);
    EaseParams params = ease_defaults;
    g_autoptr(Fitted) whole = fit_with(shop, &params, 200, 1);
    params.kept = 5;
    g_autoptr(Fitted) pruned = fit_with(shop, &params, 200, 1);
    g_autofree float *all = all_scores(whole);
    g_autofree float *kept = all_scores(pruned);
    unsigned n = 0;
    for (uint32_t i = 60 * 40; i < 61 * 40; i++) {
        n += kept[i] > 0;
        assert_true(kept[i] == 0 || kept[i] == all[i]);
    }
    assert_in_range(n, 1, 5);
}

static void the_most_bought_products_take_part(void **state)
{
    /* product i has 10 - i buyers, of equals the lower number comes first */
    Bought bought[64];
    size_t n = 0;
    for (uint32_t item = 0; item < 6; item++) {
        for (uint32_t user = 0; user < 10 - MIN(item, 4); user++)
            bought[n++] = (Bought){user, item, 50};
    }
    g_autoptr(Dataset) shop = shop_new(10, 6, bought, n);
    EaseParams params = ease_defaults;
    params.items_max = 5; /* product 5 has as many buyers as 4 */
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 60, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 6; item++) {
        float sum = 0;
        for (uint32_t user = 0; user < 10; user++)
            sum += scores[user * 6 + item];
        assert_int_equal(sum > 0, item < 5);
    }
    expect_items_as_users(fitted);
}

static void threads_do_not_change_a_byte(void **state)
{
    expect_threads_agree("ease", 9000, 300, 420); /* three tiles */
}

static void hard_shops_are_learned_from(void **state)
{
    expect_hard_shops_learned("ease", 900);
}

static void no_purchase_and_cancellation_are_refused(void **state)
{
    uint32_t left_out[TWINS_OUT];
    g_autoptr(Dataset) shop = shop_of_twins(left_out);
    expect_refusals("ease", shop);
}

static void ease_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    expect_survives_its_file(fitted);
}

static uint64_t ease_bytes(uint32_t n_items)
{
    FitSize size = {.rows = 1000, .n_users = 100, .n_items = n_items, .threads = 1};
    return learner_ease.fit_bytes(&size);
}

static void bytes_grow_with_the_products_that_take_part(void **state)
{
    uint64_t small = ease_bytes(100);
    uint64_t most = ease_bytes(ease_defaults.items_max);
    uint64_t beyond = ease_bytes(100000);
    assert_true(small < 1000000);
    assert_true(most > UINT64_C(4) * ease_defaults.items_max * ease_defaults.items_max);
    assert_true(beyond < 2 * most);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_inverse_times_the_matrix_is_one),
        cmocka_unit_test(what_is_not_positive_definite_is_refused),
        cmocka_unit_test(the_product_that_goes_with_another_comes_first),
        cmocka_unit_test(ease_is_its_formula),
        cmocka_unit_test(only_the_largest_weights_are_kept),
        cmocka_unit_test(the_most_bought_products_take_part),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(no_purchase_and_cancellation_are_refused),
        cmocka_unit_test(ease_survives_its_file),
        cmocka_unit_test(bytes_grow_with_the_products_that_take_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
