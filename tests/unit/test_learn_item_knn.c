/* The learner of similar products, and what all learners of two sparse matrices share. */
#include "learn_shop.h"

#include "learn/item_knn.h"
#include "learn/sparse_slots.h"

DEFINE_FIT_WITH(fit_with, item_knn_fit_with, ItemKnnParams)

static Fitted *fit(const Dataset *shop, double as_of, unsigned threads)
{
    return fit_with(shop, &item_knn_defaults, as_of, threads);
}

/* Two tastes: users 0 to 19 buy items 0 to 4, users 20 to 39 items 5 to 9; each leaves one out. */
static Dataset *two_tastes(void)
{
    Bought bought[160];
    size_t n = 0;
    for (uint32_t user = 0; user < 40; user++) {
        for (uint32_t item = 0; item < 5; item++) {
            if (item != user % 5)
                bought[n++] = (Bought){user, user / 20 * 5 + item, 50 + item};
        }
    }
    return shop_new(40, 10, bought, n);
}

static void what_like_minded_users_bought_comes_next(void **state)
{
    g_autoptr(Dataset) shop = two_tastes();
    g_autoptr(Fitted) fitted = fit(shop, 60, 2);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < 40; user++) {
        for (uint32_t item = 0; item < 10; item++)
            assert_int_equal(scores[user * 10 + item] > 0, item / 5 == user / 20);
    }
}

static void a_chance_meeting_of_rare_products_counts_for_little(void **state)
{
    /* user 0 bought 0; ten bought 0 and 1, each with products of their own; one bought 0 and 2 */
    Bought bought[64] = {{0, 0, 9}};
    size_t n = 1;
    for (uint32_t user = 1; user <= 11; user++) {
        bought[n++] = (Bought){user, 0, 9};
        bought[n++] = (Bought){user, user <= 10 ? 1 : 2, 9};
    }
    for (uint32_t user = 12; user <= 31; user++) /* others who bought 1 without 0 */
        bought[n++] = (Bought){user, 1, 9};
    g_autoptr(Dataset) shop = shop_new(32, 3, bought, n);
    ItemKnnParams params = item_knn_defaults;
    params.length = 0;
    g_autoptr(Fitted) shrunk = fit_with(shop, &params, 10, 1);
    params.shrinkage = 0;
    g_autoptr(Fitted) plain = fit_with(shop, &params, 10, 1);
    g_autofree float *with = all_scores(shrunk);
    g_autofree float *without = all_scores(plain);
    assert_true(with[1] > 2 * with[2]);
    assert_true(without[1] < 2 * without[2]);
}

/* The formulae of item_knn.h, each pair on its own, in double. */
static double *plain_scores(const Dataset *shop, double as_of, const ItemKnnParams *p)
{
    uint32_t m = shop->n_users, n = shop->n_items;
    g_autofree double *count = g_new0(double, (size_t)m *n);
    g_autofree double *weight = g_new0(double, (size_t)m *n);
    g_autofree double *sum = g_new0(double, m);
    double mean = 0, active = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
        count[(size_t)shop->rows.user[r] * n + shop->rows.item[r]] +=
            exp2(-age / p->half_life_days);
    }
    for (uint32_t u = 0; u < m; u++) {
        for (uint32_t i = 0; i < n; i++)
            sum[u] += count[u * n + i];
        mean += sum[u];
        active += sum[u] > 0;
    }
    mean /= active;
    for (size_t at = 0; at < (size_t)m * n; at++) {
        double relative = 1 - p->length + p->length * sum[at / n] / mean;
        weight[at] = count[at] > 0
                         ? count[at] * (p->saturation + 1) / (count[at] + p->saturation * relative)
                         : 0;
    }
    double *scores = g_new0(double, (size_t)m *n);
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t i = 0; i < n; i++) {
            double dot = 0, jj = 0, ii = 0, both = 0;
            for (uint32_t u = 0; u < m; u++) {
                dot += weight[u * n + j] * weight[u * n + i];
                jj += weight[u * n + j] * weight[u * n + j];
                ii += weight[u * n + i] * weight[u * n + i];
                both += weight[u * n + j] > 0 && weight[u * n + i] > 0;
            }
            double like = i == j     ? p->own
                          : both > 0 ? dot / sqrt(jj * ii) * both / (both + p->shrinkage)
                                     : 0;
            for (uint32_t u = 0; u < m; u++)
                scores[u * n + i] += count[u * n + j] * like;
        }
    }
    return scores;
}

static void item_knn_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(900, 40, 30, 200, 2);
    g_autoptr(Dataset) shop = shop_new(40, 30, bought, 900);
    g_autoptr(Fitted) fitted = fit(shop, 200, 2);
    g_autofree float *scores = all_scores(fitted);
    g_autofree double *expected = plain_scores(shop, 200, &item_knn_defaults);
    for (size_t i = 0; i < 40 * 30; i++)
        assert_float_equal(scores[i], expected[i], 1e-4 * (1 + expected[i]));
    expect_items_as_users(fitted);
    expect_finite_scores(fitted);
}

static void only_the_nearest_are_kept(void **state)
{
    g_autofree Bought *bought = random_purchases(900, 40, 30, 200, 2);
    g_autoptr(Dataset) shop = shop_new(41, 30, bought, 900); /* the last user bought nothing, */
    ItemKnnParams params = item_knn_defaults;
    params.neighbours = 3;
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 200, 2);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 30; item++)
        assert_true(scores[40 * 30 + item] == 0); /* and scores nothing */
    const Bought one[] = {{0, 0, 9}, {1, 0, 9}, {1, 1, 9}, {1, 2, 9}, {1, 3, 9}, {1, 4, 9}};
    g_autoptr(Dataset) small = shop_new(2, 6, one, G_N_ELEMENTS(one));
    g_autoptr(Fitted) few = fit_with(small, &params, 10, 1);
    g_autofree float *kept = all_scores(few);
    unsigned scored = 0;
    for (uint32_t item = 0; item < 6; item++)
        scored += kept[item] > 0;
    assert_int_equal(scored, 4); /* itself and three */
}

static void threads_do_not_change_a_byte(void **state)
{
    expect_threads_agree("item_knn", 4000, 150, 120);
}

static void several_items_add_up_however_far_apart(void **state)
{
    const uint32_t n_items = 300000; /* more than one pass over rows and items */
    const Bought bought[] = {{0, 1, 10}, {0, 299999, 10}, {1, 299999, 10},
                             {1, 5, 10}, {2, 100000, 10}, {2, 1, 10}};
    g_autoptr(Dataset) shop = shop_new(3, n_items, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    const uint32_t items[] = {299999, 1, 100000};
    float sums[3];
    assert_true(fitted->learner->score_items(fitted, items, 3, sums, NULL));
    for (size_t u = 0; u < 3; u++) {
        const float *row = scores + u * n_items;
        assert_float_equal(sums[u], row[299999] + row[1] + row[100000], 1e-5);
        assert_true(sums[u] > 0);
    }
}

static void hard_shops_are_learned_from(void **state)
{
    expect_hard_shops_learned("item_knn", 90000);
}

static void no_purchase_and_cancellation_are_refused(void **state)
{
    g_autoptr(Dataset) shop = two_tastes();
    expect_refusals("item_knn", shop);
}

static void item_knn_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    expect_survives_its_file(fitted);
}

typedef struct Damage {
    uint64_t left[3], right[4]; /* of 2 users and 3 items */
    uint64_t left_columns;      /* of 2 */
    uint32_t column;            /* the last of each */
} Damage;

static void write_damaged(const char *path, const Damage *damage)
{
    const uint32_t shape[] = {3, 3}, left[] = {0, damage->column}, right[] = {0, 1, damage->column};
    const float value[] = {1, NAN, INFINITY};
    g_autoptr(SectionsWriter) w = sections_writer_new(path, NULL);
    assert_true(sections_write(w, "learner.shape", shape, 4, 2, NULL));
    assert_true(sections_write(w, "learner.left.start", damage->left, 8, 3, NULL));
    assert_true(sections_write(w, "learner.left.column", left, 4, damage->left_columns, NULL));
    assert_true(sections_write(w, "learner.left.value", value, 4, 2, NULL));
    assert_true(sections_write(w, "learner.right.start", damage->right, 8, 4, NULL));
    assert_true(sections_write(w, "learner.right.column", right, 4, 3, NULL));
    assert_true(sections_write(w, "learner.right.value", value, 4, 3, NULL));
    assert_true(sections_finish(w, NULL));
}

static void damaged_indices_never_leave_the_arrays(void **state)
{
    const Damage cases[] = {
        {{0, 1, 2}, {0, 1, 2, 3}, 2, 4000000000u},
        {{0, 99999, 2}, {77, 5, UINT64_MAX, 3}, 2, 3},
        {{UINT64_MAX, UINT64_MAX, 2}, {UINT64_MAX, 0, 99999, 3}, 2, UINT32_MAX},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(TestFile) file = test_file_new();
        write_damaged(file.path, &cases[i]);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        g_autoptr(Fitted) fitted = learner_item_knn.load(sections, 2, 3, NULL);
        assert_non_null(fitted); /* shapes are right: the sanitizer watches the rest */
        expect_finite_scores(fitted);
        for (uint32_t item = 0; item < 3; item++) {
            float scores[2];
            assert_true(fitted->learner->score_items(fitted, &item, 1, scores, NULL));
            assert_true(isfinite(scores[0]) && isfinite(scores[1]));
        }
    }
}

static void damaged_shapes_are_refused(void **state)
{
    const Damage cases[] = {
        {{0, 1, 3}, {0, 1, 2, 3}, 2, 2}, /* the left matrix ends beyond its values */
        {{0, 1, 2}, {0, 1, 2, 2}, 2, 2}, /* the right one before */
        {{0, 1, 2}, {0, 1, 2, 3}, 1, 2}, /* fewer columns than values */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(TestFile) file = test_file_new();
        write_damaged(file.path, &cases[i]);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        expect_damaged(&learner_item_knn, sections, 2, 3);
    }
}

static void many_rows_keep_fewer_entries_each(void **state)
{
    assert_int_equal(sparse_slots_width(0, 200), 200);
    assert_int_equal(sparse_slots_width(100000, 200), 200);
    assert_int_equal(sparse_slots_width(500000, 200), 67);
    assert_int_equal(sparse_slots_width(UINT32_MAX, 200), 20);
    assert_int_equal(sparse_slots_width(UINT32_MAX, 5), 5);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_like_minded_users_bought_comes_next),
        cmocka_unit_test(a_chance_meeting_of_rare_products_counts_for_little),
        cmocka_unit_test(item_knn_is_its_formula),
        cmocka_unit_test(only_the_nearest_are_kept),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(several_items_add_up_however_far_apart),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(no_purchase_and_cancellation_are_refused),
        cmocka_unit_test(item_knn_survives_its_file),
        cmocka_unit_test(damaged_indices_never_leave_the_arrays),
        cmocka_unit_test(damaged_shapes_are_refused),
        cmocka_unit_test(many_rows_keep_fewer_entries_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
