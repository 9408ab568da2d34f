/* Data at the edges of what a shop can hold: each choice and fit ends with a clear result or a
 * clear error, never with scores that are no numbers. */
#include "learn_shop.h"

#include <float.h>

#include "base/json.h"
#include "learn/choose.h"
#include "learn/evaluate.h"

/* One order line of a shop with orders and prices. */
typedef struct Line {
    uint32_t user, item;
    double day;
    float quantity, price;
} Line;

static void add_line(DatasetBuilder *builder, const Line *line)
{
    char user[16], item[16], order[32];
    EventRow row = {.user = user,
                    .item = item,
                    .order = order,
                    .user_length = (uint32_t)snprintf(user, sizeof user, "u%u", line->user),
                    .item_length = (uint32_t)snprintf(item, sizeof item, "i%u", line->item),
                    .order_length =
                        (uint32_t)snprintf(order, sizeof order, "%u %.0f", line->user, line->day),
                    .time = day(line->day),
                    .quantity = line->quantity,
                    .price = line->price};
    assert_true(dataset_builder_add_events(builder, &row, 1, NULL));
}

/* With a categorical and a numeric column, of which no cell is set. */
static Dataset *lines_shop(uint32_t n_users, uint32_t n_items, const Line *lines, size_t n)
{
    static const char *const names[] = {"brand", "weight"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_NUMERIC};
    DatasetOptions options = {.now = day(100000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .has_order = true,
                              .has_price = true};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(2, names, kinds, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    for (uint32_t item = 0; item < n_items; item++)
        add_id(builder, 'i', item);
    for (uint32_t user = 0; user < n_users; user++)
        add_id(builder, 'u', user);
    for (size_t i = 0; i < n; i++)
        add_line(builder, &lines[i]);
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

static const ChooseOptions AUTO = {.horizon_days = 30, .k = 10, .purchased_auto = true, .seed = 3};

/* Some users, all items: numbers, not below 0. */
static void expect_numbers(const Fitted *fitted)
{
    uint32_t n = MIN(fitted->n_users, 20);
    uint32_t users[20];
    g_autofree float *tile = g_new(float, (size_t)n * fitted->n_items);
    for (uint32_t u = 0; u < n; u++)
        users[u] = u;
    assert_true(fitted->learner->score_users(fitted, users, n, tile, NULL));
    for (size_t i = 0; i < (size_t)n * fitted->n_items; i++)
        assert_true(isfinite(tile[i]) && tile[i] >= 0);
    g_autofree float *column = g_new(float, fitted->n_users);
    assert_true(fitted->learner->score_items(fitted, &(uint32_t){0}, 1, column, NULL));
    for (uint32_t u = 0; u < fitted->n_users; u++)
        assert_true(isfinite(column[u]) && column[u] >= 0);
}

static void expect_probabilities(Choice *choice, const Fitted *fitted, const Dataset *raw,
                                 const Dataset *view)
{
    if (!choice->calibration)
        return;
    g_autoptr(Scope) scope = scope_new(view, view->last + 1, NULL);
    CalibrateMoment now = {.fitted = fitted, .view = view, .scope = scope};
    CalibrateOptions options = {
        .raw = raw, .rules = choice->rules, .horizon = 30 * US_PER_DAY, .seed = 3};
    g_autoptr(Samples) samples = samples_new(&now, &options, NULL);
    assert_non_null(samples);
    assert_true(calibration_aim(choice->calibration, &now, samples, &options, NULL));
    for (uint32_t item = 0; item < view->n_items; item++) {
        for (float score = 1e-30f; score < 1e30f; score *= 1000) {
            float chance = calibration_probability(choice->calibration, item, score);
            assert_true(chance >= 0 && chance <= 1);
        }
    }
}

/* Every learner fits, with scores that are numbers, or says what it lacks; so the chosen one. */
static Choice *expect_survival(const Dataset *raw)
{
    g_autoptr(GError) error = NULL;
    Choice *choice = choose_learner(raw, &AUTO, &error);
    if (!choice)
        fail_msg("%s", error->message);
    g_autoptr(cJSON) report = json_parse(choice->report, strlen(choice->report), NULL);
    assert_non_null(report);
    assert_true(strlen(choice->reason) > 20);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GError) why = NULL;
        FitContext context = {.as_of = view->last + 1, .seed = 3, .raw = raw};
        g_autoptr(Fitted) fitted = learners[i]->fit(view, &context, &why);
        assert_true(fitted || learners[i] != choice->learner);
        if (fitted) {
            expect_numbers(fitted);
        } else {
            assert_int_equal(error_code(why), ERR_INVALID);
            assert_true(strlen(why->message) > 20);
        }
        if (learners[i] == choice->learner)
            expect_probabilities(choice, fitted, raw, view);
    }
    return choice;
}

static void expect_refused(const Dataset *raw)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Choice) choice = choose_learner(raw, &AUTO, &error);
    assert_null(choice);
    assert_int_equal(error_code(error), ERR_INVALID);
    assert_non_null(strstr(error->message, "no purchase to learn from"));
}

static void without_a_purchase_it_says_what_a_row_needs(void **state)
{
    const Line returned[] = {{0, 0, 1, -1, 2}, {1, 1, 2, -3, 2}};
    g_autoptr(Dataset) empty = lines_shop(3, 4, NULL, 0);
    g_autoptr(Dataset) nobody = lines_shop(0, 0, NULL, 0);
    g_autoptr(Dataset) returns = lines_shop(3, 4, returned, 2);
    expect_refused(empty);
    expect_refused(nobody);
    expect_refused(returns);
}

static void everything_taken_back_leaves_nothing_and_no_crash(void **state)
{
    const Line lines[] = {{0, 0, 1, 2, 2}, {0, 0, 3, -2, 2}, {1, 1, 100, 1, 2}, {1, 1, 101, -1, 2}};
    g_autoptr(Dataset) raw = lines_shop(2, 2, lines, 4);
    g_autoptr(GError) error = NULL;
    g_autoptr(Choice) choice = choose_learner(raw, &AUTO, &error);
    assert_true(choice || (error_code(error) == ERR_INVALID && strlen(error->message) > 20));
}

/* n lines, one a tenth of a day, of users and items in turn. */
static Dataset *turns_shop(uint32_t n_users, uint32_t n_items, size_t n, double days)
{
    g_autofree Line *lines = g_new(Line, n);
    for (size_t i = 0; i < n; i++)
        lines[i] = (Line){(uint32_t)(i % n_users), (uint32_t)(i * 7 / 3 % n_items),
                          days * (double)i / (double)n, 1, 5};
    return lines_shop(n_users, n_items, lines, n);
}

static void one_line_is_enough_to_end_well(void **state)
{
    g_autoptr(Dataset) raw = turns_shop(1, 1, 1, 0);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_int_equal(choice->grade, 'C');
}

static void one_user_is_served_by_a_baseline(void **state)
{
    g_autoptr(Dataset) raw = turns_shop(1, 40, 400, 300);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_int_equal(choice->grade, 'C');
}

static void one_product_is_served_by_a_baseline(void **state)
{
    g_autoptr(Dataset) raw = turns_shop(80, 1, 800, 300);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_true(choice->learner->is_baseline);
}

static void one_day_is_judged_by_lot(void **state)
{
    g_autoptr(Dataset) raw = turns_shop(60, 40, 900, 0.5);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_true(choice->windows.none);
}

static void lines_of_one_product_in_a_large_catalogue_end_well(void **state)
{
    g_autofree Line *lines = g_new(Line, 900);
    for (uint32_t i = 0; i < 900; i++)
        lines[i] = (Line){i % 90, 17, i / 3.0, 1, 5};
    g_autoptr(Dataset) raw = lines_shop(90, 50, lines, 900);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_true(choice->learner->is_baseline);
}

static void a_catalogue_larger_than_the_events_ends_well(void **state)
{
    g_autoptr(Dataset) raw = turns_shop(70, 30000, 500, 200);
    choice_free(expect_survival(raw));
}

/* Two tastes, so that the ranker has something to learn, with what `edge` makes of each line. */
static Dataset *edge_shop(void (*edge)(Line *line, uint32_t number))
{
    const size_t n = 6000;
    g_autofree Line *lines = g_new(Line, n);
    Rng rng;
    rng_init(&rng, 8, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t user = rng_below(&rng, 150);
        lines[i] = (Line){user, user % 2 * 30 + rng_below(&rng, 8 + user % 22),
                          240 * rng_uniform(&rng), 1, 5};
        edge(&lines[i], (uint32_t)i);
    }
    return lines_shop(150, 60, lines, n);
}

static void extreme_quantity(Line *line, uint32_t number)
{
    static const float edges[] = {FLT_MAX,     FLT_MIN, 0x1p-149f, 1,
                                  FLT_EPSILON, 1e30f,   -FLT_MAX,  -0x1p-149f};
    line->quantity = edges[number % G_N_ELEMENTS(edges)];
}

static void quantities_at_the_edges_of_float_leave_scores_numbers(void **state)
{
    g_autoptr(Dataset) raw = edge_shop(extreme_quantity);
    choice_free(expect_survival(raw));
}

static void extreme_price(Line *line, uint32_t number)
{
    static const float edges[] = {NAN, FLT_MAX, 0, -5, INFINITY, -INFINITY, FLT_MIN, 0x1p-149f};
    line->price = edges[number % G_N_ELEMENTS(edges)];
}

static void prices_that_are_no_prices_leave_scores_numbers(void **state)
{
    g_autoptr(Dataset) raw = edge_shop(extreme_price);
    choice_free(expect_survival(raw));
}

static void no_price(Line *line, uint32_t number)
{
    line->price = NAN;
}

static void attributes_and_prices_all_null_are_as_if_there_were_none(void **state)
{
    g_autoptr(Dataset) raw = edge_shop(no_price);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_string_not_equal(choice->learner->name, "popularity");
}

static void many_times(Line *line, uint32_t number)
{
    static const double edges[] = {0, 0.0000000001, 239.9999999, 120};
    line->day = edges[number % G_N_ELEMENTS(edges)] + (number % 97 == 0 ? 90000 : 0);
}

static void a_gap_of_centuries_between_lines_ends_well(void **state)
{
    g_autoptr(Dataset) raw = edge_shop(many_times);
    choice_free(expect_survival(raw));
}

/* Who buys in the last windows never bought before: nobody to judge by. */
static void a_window_without_known_buyers_is_not_measured(void **state)
{
    g_autofree Line *lines = g_new(Line, 900);
    for (uint32_t i = 0; i < 900; i++)
        lines[i] = (Line){i / 3, i % 40, 200.0 * (i / 3) / 300, 1, 5};
    g_autoptr(Dataset) raw = lines_shop(300, 40, lines, 900);
    g_autoptr(Choice) choice = expect_survival(raw);
    assert_int_equal(choice->grade, 'C');
    assert_true(choice->learner->is_baseline);
    assert_non_null(strstr(choice->reason, "measured"));
}

static void a_user_of_very_many_lines_among_others_ends_well(void **state)
{
    const size_t n = 300000, others = 4000;
    g_autofree Line *lines = g_new(Line, n + others);
    Rng rng;
    rng_init(&rng, 9, 0);
    for (size_t i = 0; i < n; i++)
        lines[i] = (Line){0, rng_below(&rng, 2000), 300 * rng_uniform(&rng), 1, 5};
    for (size_t i = 0; i < others; i++) {
        uint32_t user = 1 + rng_below(&rng, 100);
        lines[n + i] =
            (Line){user, user % 2 * 30 + rng_below(&rng, 30), 300 * rng_uniform(&rng), 1, 5};
    }
    g_autoptr(Dataset) raw = lines_shop(101, 2000, lines, n + others);
    choice_free(expect_survival(raw));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_purchase_it_says_what_a_row_needs),
        cmocka_unit_test(everything_taken_back_leaves_nothing_and_no_crash),
        cmocka_unit_test(one_line_is_enough_to_end_well),
        cmocka_unit_test(one_user_is_served_by_a_baseline),
        cmocka_unit_test(one_product_is_served_by_a_baseline),
        cmocka_unit_test(one_day_is_judged_by_lot),
        cmocka_unit_test(lines_of_one_product_in_a_large_catalogue_end_well),
        cmocka_unit_test(a_catalogue_larger_than_the_events_ends_well),
        cmocka_unit_test(quantities_at_the_edges_of_float_leave_scores_numbers),
        cmocka_unit_test(prices_that_are_no_prices_leave_scores_numbers),
        cmocka_unit_test(attributes_and_prices_all_null_are_as_if_there_were_none),
        cmocka_unit_test(a_gap_of_centuries_between_lines_ends_well),
        cmocka_unit_test(a_window_without_known_buyers_is_not_measured),
        cmocka_unit_test(a_user_of_very_many_lines_among_others_ends_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
