#include "learn_shop.h"

static void own_purchases_come_before_everything_popular(void **state)
{
    /* everybody buys 2 every day; user 0 bought 0 once, long ago */
    Bought bought[101] = {{0, 0, 0}};
    for (uint32_t i = 1; i <= 100; i++)
        bought[i] = (Bought){i, 2, 3000};
    g_autoptr(Dataset) shop = shop_new(101, 3, bought, 101);
    g_autoptr(Fitted) fitted = fit_shop("repeat", shop, 3000, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[0] > scores[2]);
    assert_true(scores[2] > scores[1]);
    assert_true(scores[1] == 0);
}

static void frequency_and_recency_order_own_purchases(void **state)
{
    const Bought bought[] = {{0, 0, 0},  {0, 0, 10}, {0, 0, 20}, /* often, long ago */
                             {0, 1, 95},                         /* once, lately */
                             {0, 2, 90}, {0, 2, 99}};            /* twice, lately */
    g_autoptr(Dataset) shop = shop_new(1, 3, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("repeat", shop, 100, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[2] > scores[0]);
    assert_true(scores[0] > scores[1]);
    g_autoptr(Fitted) later = fit_shop("repeat", shop, 1000, 1);
    g_autofree float *fallen = all_scores(later);
    assert_true(fallen[2] < scores[2]);
}

static void one_order_is_ordered_by_popularity(void **state)
{
    const Bought bought[] = {{0, 0, 50}, {0, 1, 50}, {0, 2, 50},
                             {1, 1, 49}, {2, 1, 49}, {1, 2, 49}};
    g_autoptr(Dataset) shop = shop_new(3, 3, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("repeat", shop, 60, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[1] > scores[2] && scores[2] > scores[0]);
}

/* due() of cycles.h over plain rows, of a horizon of 30 days. */
static double plain_due(const Dataset *shop, double as_of, uint32_t user, uint32_t item)
{
    double first = 0, last = 0, n = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double at = (double)(shop->rows.time[r] - day(0)) / (double)US_PER_DAY;
        if (shop->rows.user[r] != user || shop->rows.item[r] != item || (n > 0 && at <= last + 0.5))
            continue;
        first = n > 0 ? first : at;
        last = at;
        n++;
    }
    if (n < 2)
        return 0;
    double gap = (last - first) / (n - 1), since = as_of - last;
    double off = gap > since + 30 ? gap - since - 30 : since > gap ? since - gap : 0;
    return exp(-off / (gap + 7.5));
}

/* The formula of repeat.h over plain arrays. */
static double *plain_scores(const Dataset *shop, double as_of)
{
    uint32_t n = shop->n_items;
    double *scores = g_new0(double, (size_t)shop->n_users *n);
    g_autofree double *popular = g_new0(double, n);
    double most = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
        popular[shop->rows.item[r]] += exp2(-age / 7);
        scores[(size_t)shop->rows.user[r] * n + shop->rows.item[r]] += exp2(-age / 90);
    }
    for (uint32_t item = 0; item < n; item++)
        most = MAX(most, popular[item]);
    for (uint32_t item = 0; item < n; item++) {
        uint32_t before = 0;
        for (uint32_t other = 0; other < n; other++)
            before += (float)popular[other] > (float)popular[item] ||
                      ((float)popular[other] == (float)popular[item] && other < item);
        double rank = popular[item] > 0 ? (double)(n - before) / n : 0;
        for (uint32_t user = 0; user < shop->n_users; user++) {
            double *score = &scores[(size_t)user * n + item];
            *score *= 1 + 0.5 * plain_due(shop, as_of, user, item);
            *score = popular[item] / most * 0x1p-32 + *score * (1 + rank * 0x1p-10);
        }
    }
    return scores;
}

static void repeat_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(3000, 30, 60, 300, 2);
    g_autoptr(Dataset) shop = shop_new(30, 60, bought, 3000);
    g_autoptr(Fitted) fitted = fit_shop("repeat", shop, 300, 1);
    g_autofree float *scores = all_scores(fitted);
    g_autofree double *expected = plain_scores(shop, 300);
    for (size_t i = 0; i < 30 * 60; i++)
        assert_true(fabs(scores[i] - expected[i]) <= 1e-5 * expected[i]);
    expect_items_as_users(fitted);
    expect_finite_scores(fitted);
}

/* As often and as lately as the others, but at a pace of five days, which is long over, or of 90.
 */
static void what_is_due_comes_before_what_is_as_frequent_and_recent(void **state)
{
    const Bought bought[] = {{0, 0, 50}, {0, 1, 45}, {0, 2, 10}, {0, 0, 55},
                             {0, 1, 60}, {0, 2, 95}, {0, 3, 95}, {0, 3, 95.2}};
    g_autoptr(Dataset) shop = shop_new(1, 5, bought, G_N_ELEMENTS(bought));
    Params *usual = params_new(), *none = params_new();
    const double without[] = {500, 0}, with[] = {500, 0.5};
    params_set(none, learners_find("repeat"), without);
    params_set(usual, learners_find("repeat"), with);
    FitContext context = {.as_of = day(100), .params = none};
    g_autoptr(Fitted) plain = learners_find("repeat")->fit(shop, &context, NULL);
    context.params = usual;
    g_autoptr(Fitted) cycled = learners_find("repeat")->fit(shop, &context, NULL);
    context.horizon = 90 * US_PER_DAY;
    g_autoptr(Fitted) far = learners_find("repeat")->fit(shop, &context, NULL);
    g_autofree float *p = all_scores(plain), *c = all_scores(cycled), *f = all_scores(far);
    params_free(usual);
    params_free(none);
    double gain[4], gain_far[4];
    for (uint32_t item = 0; item < 4; item++) {
        gain[item] = c[item] / p[item];
        gain_far[item] = f[item] / p[item];
    }
    assert_float_equal(gain[0], 1 + 0.5 * exp(-40 / 12.5), 1e-4); /* 45 days since, 5 between */
    assert_float_equal(gain[1], 1 + 0.5 * exp(-25 / 22.5), 1e-4); /* 40 since, 15 between */
    assert_float_equal(gain[2], 1 + 0.5 * exp(-50 / 92.5), 1e-4); /* 5 since, 85 between */
    assert_float_equal(gain[3], 1, 1e-4);                         /* one visit */
    assert_float_equal(gain_far[2], 1.5, 1e-4);                   /* within 90 days */
}

static void several_items_add_up_however_far_apart(void **state)
{
    const uint32_t n_items = 300000; /* more than one pass over the users */
    const Bought bought[] = {{0, 1, 10}, {0, 299999, 10}, {1, 299999, 10}, {1, 5, 10}};
    g_autoptr(Dataset) shop = shop_new(2, n_items, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("repeat", shop, 10, 1);
    const uint32_t items[] = {299999, 1};
    float scores[2];
    assert_true(fitted->learner->score_items(fitted, items, 2, scores, NULL));
    assert_float_equal(scores[0], 2, 0.01);
    assert_float_equal(scores[1], 1, 0.01);
}

static void repeat_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit_shop("repeat", shop, 100, 1);
    expect_survives_its_file(fitted);
}

static void write_repeat(const char *path, const uint64_t *start, const uint32_t *column,
                         uint64_t n_columns)
{
    const float value[] = {1, 2, 3}, popular[] = {0, 0, 0};
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(sections_write(writer, "learner.popular", popular, sizeof(float), 3, NULL));
    assert_true(sections_write(writer, "learner.start", start, sizeof(uint64_t), 3, NULL));
    assert_true(sections_write(writer, "learner.column", column, sizeof *column, n_columns, NULL));
    assert_true(sections_write(writer, "learner.value", value, sizeof(float), 3, NULL));
    assert_true(sections_finish(writer, NULL));
}

static void damaged_indices_never_leave_the_arrays(void **state)
{
    const uint64_t starts[][3] = {{0, 1000000, 3}, {5, 2, 3}, {UINT64_MAX, UINT64_MAX, 3}};
    const uint32_t column[] = {0, 4000000000u, 3};
    for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
        g_auto(TestFile) file = test_file_new();
        write_repeat(file.path, starts[i], column, 3);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        g_autoptr(Fitted) fitted = learners_find("repeat")->load(sections, 2, 3, NULL);
        assert_non_null(fitted); /* shapes are right: the sanitizer watches the rest */
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
    }
}

static void damaged_shapes_are_refused(void **state)
{
    const uint64_t beyond[] = {0, 1, 4}, good[] = {0, 1, 3};
    const uint32_t column[] = {0, 1, 2};
    const struct {
        const uint64_t *start;
        uint64_t n_columns;
    } cases[] = {{beyond, 3}, {good, 2}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(TestFile) file = test_file_new();
        write_repeat(file.path, cases[i].start, column, cases[i].n_columns);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        expect_damaged(learners_find("repeat"), sections, 2, 3);
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_purchases_come_before_everything_popular),
        cmocka_unit_test(frequency_and_recency_order_own_purchases),
        cmocka_unit_test(one_order_is_ordered_by_popularity),
        cmocka_unit_test(repeat_is_its_formula),
        cmocka_unit_test(what_is_due_comes_before_what_is_as_frequent_and_recent),
        cmocka_unit_test(several_items_add_up_however_far_apart),
        cmocka_unit_test(repeat_survives_its_file),
        cmocka_unit_test(damaged_indices_never_leave_the_arrays),
        cmocka_unit_test(damaged_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
