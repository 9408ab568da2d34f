/* The learner of what sells more lately than before. */
#include "learn_shop.h"

#include "learn/popularity.h"
#include "learn/trending.h"

static Fitted *fit(const Dataset *shop, double as_of)
{
    return fit_shop("trending", shop, as_of, 2);
}

/* n purchases of an item, spread evenly over the days. */
static void sell(GArray *bought, uint32_t item, unsigned n, double from, double to)
{
    for (unsigned i = 0; i < n; i++) {
        Bought one = {i % 10, item, from + (to - from) * (i + 0.5) / n};
        g_array_append_val(bought, one);
    }
}

static Dataset *shop_of(const GArray *bought, uint32_t n_items)
{
    return shop_new(10, n_items, (const Bought *)bought->data, bought->len);
}

/* A shop open from day 30 to 100, in which product 0 sells as ever. */
static GArray *steady_shop(void)
{
    GArray *bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    sell(bought, 0, 700, 30, 100);
    return bought;
}

static void a_riser_comes_before_what_sells_more_but_falls(void **state)
{
    g_autoptr(GArray) bought = steady_shop();
    sell(bought, 1, 10, 30, 86);
    sell(bought, 1, 40, 86, 100);
    sell(bought, 2, 600, 30, 86);
    sell(bought, 2, 60, 86, 100);
    g_autoptr(Dataset) shop = shop_of(bought, 3);
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    FitContext context = {.as_of = day(100)};
    g_autofree float *popular = popularity_scores(shop, &context, NULL);
    assert_true(popular[2] > popular[1]);
    assert_true(scores[1] > scores[2]);
    assert_memory_equal(scores, scores + 3 * 9, 3 * sizeof(float)); /* whoever it is */
}

static void one_purchase_of_an_unknown_product_is_no_trend(void **state)
{
    g_autoptr(GArray) bought = steady_shop();
    sell(bought, 1, 70, 30, 100);
    sell(bought, 2, 1, 99.5, 100);
    g_autoptr(Dataset) shop = shop_of(bought, 4);
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[0] > scores[1] && scores[1] > 3 * scores[2] && scores[2] > 0);
    assert_true(scores[3] == 0);
}

static void a_season_in_which_everything_sells_is_no_trend(void **state)
{
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    const unsigned sold[] = {8, 80, 4};
    for (uint32_t item = 0; item < 3; item++) {
        sell(bought, item, sold[item], 30, 86);
        sell(bought, item, 3 * sold[item], 86, 100);
    }
    g_autoptr(Dataset) shop = shop_of(bought, 3);
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    FitContext context = {.as_of = day(100)};
    g_autofree float *popular =
        popularity_decayed(shop, &context, trending_defaults.half_life_days, NULL);
    for (uint32_t item = 0; item < 3; item++)
        assert_float_equal(scores[item], popular[item], 1e-5 * popular[item]);
}

static void a_shop_younger_than_a_trend_is_told_by_popularity(void **state)
{
    g_autofree Bought *bought = random_purchases(200, 10, 20, 14, 3);
    g_autoptr(Dataset) shop = shop_new(10, 20, bought, 200);
    g_autoptr(Fitted) fitted = fit(shop, 14);
    g_autofree float *scores = all_scores(fitted);
    FitContext context = {.as_of = day(14)};
    g_autofree float *popular =
        popularity_decayed(shop, &context, trending_defaults.half_life_days, NULL);
    assert_memory_equal(scores, popular, 20 * sizeof(float));
}

/* Lines of an item, or of all (IDS_NONE), of an age above `from` and not above `to` days. */
static double plain_lines(const Dataset *shop, double as_of, uint32_t item, double from, double to)
{
    double n = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
        n += (item == IDS_NONE || shop->rows.item[r] == item) && age > from && age <= to;
    }
    return n;
}

static double plain_score(const Dataset *shop, double as_of, uint32_t item)
{
    double popular = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
        popular += shop->rows.item[r] == item ? exp2(-age / 5) : 0;
    }
    double expected = plain_lines(shop, as_of, item, 14, 70) *
                      plain_lines(shop, as_of, IDS_NONE, -1, 14) /
                      plain_lines(shop, as_of, IDS_NONE, 14, 70);
    return popular * sqrt((plain_lines(shop, as_of, item, -1, 14) + 20) / (expected + 20));
}

static void trending_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(2000, 30, 40, 120, 9);
    g_autoptr(Dataset) shop = shop_new(30, 41, bought, 2000);
    const double as_of[] = {120, 126};
    for (size_t i = 0; i < G_N_ELEMENTS(as_of); i++) {
        g_autoptr(Fitted) fitted = fit(shop, as_of[i]);
        g_autofree float *scores = all_scores(fitted);
        for (uint32_t item = 0; item < 41; item++) {
            double expected = plain_score(shop, as_of[i], item);
            assert_float_equal(scores[item], expected, 1e-5 * (1 + expected));
        }
        expect_items_as_users(fitted);
        expect_finite_scores(fitted);
    }
}

static void what_sold_long_ago_is_still_above_what_never_did(void **state)
{
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    sell(bought, 0, 5, 0, 10);
    sell(bought, 1, 5, 20000, 20070);
    g_autoptr(Dataset) shop = shop_of(bought, 3);
    const double as_of[] = {20070, 90000};
    for (size_t i = 0; i < G_N_ELEMENTS(as_of); i++) {
        g_autoptr(Fitted) fitted = fit(shop, as_of[i]);
        g_autofree float *scores = all_scores(fitted);
        assert_true(scores[0] > 0 && scores[1] > 0 && scores[2] == 0);
        expect_finite_scores(fitted);
    }
}

static void no_purchase_is_refused(void **state)
{
    g_autoptr(Dataset) shop = shop_new(2, 2, NULL, 0);
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(1)};
    assert_null(learner_trending.fit(shop, &context, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
}

static void trending_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 1);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit(shop, 100);
    expect_round_trip(fitted);
    expect_misfits_refused(fitted);
}

static void damaged_scores_and_those_of_another_learner_are_refused(void **state)
{
    const struct {
        const char *name;
        float score[2];
    } bad[] = {{"learner.trending", {1, NAN}},
               {"learner.trending", {1, -1}},
               {"learner.trending", {INFINITY, 0}},
               {"learner.popularity", {1, 1}}};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(TestFile) file = test_file_new();
        g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
        assert_true(sections_write(writer, bad[i].name, bad[i].score, sizeof(float), 2, NULL));
        assert_true(sections_finish(writer, NULL));
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        expect_damaged(&learner_trending, sections, 1, 2);
    }
}

static void parameters_are_described(void **state)
{
    TrendingParams params = trending_defaults;
    params.prior = 7;
    g_autoptr(GArray) bought = steady_shop();
    g_autoptr(Dataset) shop = shop_of(bought, 1);
    FitContext context = {.as_of = day(100)};
    g_autoptr(Fitted) fitted = trending_fit_with(shop, &params, &context, NULL);
    Buffer buffer = {0};
    JsonWriter writer;
    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    learner_trending.describe(fitted, &writer);
    json_end_object(&writer);
    g_autoptr(cJSON) told = json_parse(buffer.data, buffer.length, NULL);
    assert_float_equal(json_member_number(told, "recent_days", 0), 14, 0);
    assert_float_equal(json_member_number(told, "prior", 0), 7, 0);
    buffer_clear(&buffer);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_riser_comes_before_what_sells_more_but_falls),
        cmocka_unit_test(one_purchase_of_an_unknown_product_is_no_trend),
        cmocka_unit_test(a_season_in_which_everything_sells_is_no_trend),
        cmocka_unit_test(a_shop_younger_than_a_trend_is_told_by_popularity),
        cmocka_unit_test(trending_is_its_formula),
        cmocka_unit_test(what_sold_long_ago_is_still_above_what_never_did),
        cmocka_unit_test(no_purchase_is_refused),
        cmocka_unit_test(trending_survives_its_file),
        cmocka_unit_test(damaged_scores_and_those_of_another_learner_are_refused),
        cmocka_unit_test(parameters_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
