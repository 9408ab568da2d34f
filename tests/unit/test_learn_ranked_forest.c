#include <float.h>

#include <xgboost/c_api.h>

#include "learn/ranked_forest_lanes.h"
#include "learn_shop.h"

#define ROWS     403u
#define FEATURES 7u

static void a_tree_is_walked_by_its_thresholds(void **state)
{
    const char *text =
        "0:[f1<0.5] yes=1,no=2,missing=2\n\t1:leaf=-1.5\n\t2:[f0<3] yes=3,no=4,missing=3\n"
        "\t\t3:leaf=2\n\t\t4:leaf=8\n";
    g_autoptr(Forest) forest = forest_parse(&text, 1, NULL);
    assert_non_null(forest);
    assert_true(forest_is_sound(forest, 2));
    const float rows[][2] = {{0, 0.49f}, {2.9f, 0.5f}, {3, 0.5f}, {NAN, NAN}, {9, NAN}};
    const float expected[] = {-1.5f, 2, 8, 2, 8};
    float sums[G_N_ELEMENTS(expected)];
    forest_sum(forest, &rows[0][0], G_N_ELEMENTS(expected), 2, sums);
    assert_memory_equal(sums, expected, sizeof sums);
}

static void joined_trees_add_up(void **state)
{
    const char *text = "0:[f0<1] yes=1,no=2,missing=1\n\t1:leaf=2\n\t2:leaf=4\n";
    g_autoptr(Forest) one = forest_parse(&text, 1, NULL);
    g_autoptr(Forest) both = g_new0(Forest, 1);
    forest_join(both, one, 0.5f);
    forest_join(both, one, 0.25f);
    float row = 5, sum;
    forest_sum(both, &row, 1, 1, &sum);
    assert_float_equal(sum, 3, 0);
    assert_true(forest_is_sound(both, 1));
}

static void what_is_no_tree_is_refused(void **state)
{
    static const char *const bad[] = {"", "0:[f1>2] yes=1,no=2,missing=1", "leaf",
                                      "0:[f0<1] yes=1,no=9,missing=1\n1:leaf=2\n",
                                      "0:[f0<1] yes=0,no=0,missing=0\n"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(forest_parse(&bad[i], 1, &error));
        assert_int_equal(error_code(error), ERR_INTERNAL);
    }
}

/* Rows with gaps, and labels that hang on them. */
static void make_rows(float *rows, float *labels)
{
    Rng rng;
    rng_init(&rng, 3, 0);
    for (uint32_t r = 0; r < ROWS; r++) {
        float *row = rows + (size_t)r * FEATURES;
        for (uint32_t f = 0; f < FEATURES; f++)
            row[f] = rng_uniform(&rng) < 0.2 ? NAN : rng_normal(&rng);
        labels[r] = (isnan(row[0]) ? row[1] > 0 : row[0] + row[2] > 0.3f) ? 1 : 0;
    }
}

static void train(BoosterHandle booster, DMatrixHandle matrix)
{
    const char *const params[][2] = {
        {"objective", "binary:logistic"}, {"max_depth", "5"}, {"nthread", "1"}, {"verbosity", "0"}};
    for (size_t p = 0; p < G_N_ELEMENTS(params); p++)
        assert_int_equal(XGBoosterSetParam(booster, params[p][0], params[p][1]), 0);
    for (int round = 0; round < 30; round++)
        assert_int_equal(XGBoosterUpdateOneIter(booster, round, matrix), 0);
}

/* The trees as we walk them against the library's own predictions. */
static void the_forest_predicts_what_the_library_does(void **state)
{
    float rows[ROWS * FEATURES], labels[ROWS], sums[ROWS];
    DMatrixHandle matrix;
    BoosterHandle booster;
    bst_ulong n_trees, n_predicted;
    const char **trees;
    const float *predicted;
    make_rows(rows, labels);
    assert_int_equal(XGDMatrixCreateFromMat(rows, ROWS, FEATURES, NAN, &matrix), 0);
    assert_int_equal(XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS), 0);
    assert_int_equal(XGBoosterCreate(&matrix, 1, &booster), 0);
    train(booster, matrix);
    assert_int_equal(XGBoosterDumpModelEx(booster, "", 0, "text", &n_trees, &trees), 0);
    assert_int_equal(n_trees, 30);
    g_autoptr(Forest) forest = forest_parse(trees, (uint32_t)n_trees, NULL);
    assert_non_null(forest);
    assert_true(forest_is_sound(forest, FEATURES));
    forest_prepare(forest);
    forest_sum(forest, rows, ROWS, FEATURES, sums);
    assert_int_equal(XGBoosterPredict(booster, matrix, 1, 0, 0, &n_predicted, &predicted), 0);
    for (uint32_t r = 0; r < ROWS; r++)
        assert_float_equal(sums[r], predicted[r], 1e-6);
    assert_int_equal(XGBoosterPredict(booster, matrix, 0, 0, 0, &n_predicted, &predicted), 0);
    for (uint32_t r = 0; r < ROWS; r++)
        assert_float_equal(forest_probability(sums[r]), predicted[r], 1e-6);
    XGBoosterFree(booster);
    XGDMatrixFree(matrix);
}

/* One more node of a random tree, of thresholds that many nodes share and extremes. */
static void grow(GString *text, uint32_t number, uint32_t depth, uint32_t n_thresholds, Rng *rng)
{
    static const float extremes[] = {0, -0.0f, INFINITY, -INFINITY, FLT_MAX, FLT_MIN, 1e-45f};
    char value[G_ASCII_DTOSTR_BUF_SIZE];
    uint32_t below = 2 * number + 1, kind = (uint32_t)(rng_uniform(rng) * 20);
    if (depth == 0 || kind == 0) {
        g_ascii_formatd(value, sizeof value, "%.9g", rng_normal(rng));
        g_string_append_printf(text, "%u:leaf=%s\n", number, value);
        return;
    }
    float threshold =
        (float)((uint32_t)(rng_uniform(rng) * n_thresholds)) / (float)n_thresholds - 0.5f;
    if (kind == 1)
        threshold = extremes[(size_t)(rng_uniform(rng) * G_N_ELEMENTS(extremes))];
    g_ascii_formatd(value, sizeof value, "%.9g", threshold);
    g_string_append_printf(text, "%u:[f%u<%s] yes=%u,no=%u,missing=%u\n", number,
                           (uint32_t)(rng_uniform(rng) * FEATURES), value, below, below + 1,
                           below + (rng_uniform(rng) < 0.5));
    grow(text, below, depth - 1, n_thresholds, rng);
    grow(text, below + 1, depth - 1, n_thresholds, rng);
}

static Forest *random_forest(uint32_t n_trees, uint32_t depth, uint32_t n_thresholds)
{
    g_autoptr(GPtrArray) trees = g_ptr_array_new_with_free_func(g_free);
    Rng rng;
    rng_init(&rng, 11, depth);
    for (uint32_t tree = 0; tree < n_trees; tree++) {
        GString *text = g_string_new(NULL);
        grow(text, 0, depth, n_thresholds, &rng);
        g_ptr_array_add(trees, g_string_free(text, FALSE));
    }
    Forest *forest = forest_parse((const char *const *)trees->pdata, n_trees, NULL);
    assert_non_null(forest);
    assert_true(forest_is_sound(forest, FEATURES));
    return forest;
}

/* Values on both sides of every threshold, at it, and where floats end. */
static void make_edges(float *rows, uint32_t n_thresholds)
{
    static const float edges[] = {NAN,   INFINITY, -INFINITY, FLT_MAX, -FLT_MAX,
                                  -0.0f, 0,        1e-45f,    FLT_MIN, -1e-45f};
    Rng rng;
    rng_init(&rng, 12, 0);
    for (uint32_t i = 0; i < ROWS * FEATURES; i++) {
        float near =
            (float)((uint32_t)(rng_uniform(&rng) * n_thresholds)) / (float)n_thresholds - 0.5f;
        switch ((uint32_t)(rng_uniform(&rng) * 5)) {
        case 0:
            rows[i] = edges[(size_t)(rng_uniform(&rng) * G_N_ELEMENTS(edges))];
            break;
        case 1:
            rows[i] = nextafterf(near, -1);
            break;
        case 2:
            rows[i] = near;
            break;
        default:
            rows[i] = rng_normal(&rng);
        }
    }
}

static void assert_same_sums(const Forest *forest, const float *rows)
{
    g_autoptr(ForestLanes) lanes = forest_lanes_new(forest);
    float walked[ROWS], sums[ROWS];
    assert_non_null(lanes);
    assert_null(forest->lanes);
    static const uint32_t counts[] = {1, 2, 15, 16, 63, 64, 65, ROWS};
    for (size_t c = 0; c < G_N_ELEMENTS(counts); c++) {
        uint32_t n = counts[c];
        forest_sum(forest, rows, n, FEATURES, walked);
        for (int wide = 0; wide <= forest_lanes_wide(); wide++) {
            memset(sums, 0xff, sizeof sums);
            forest_lanes_sum(lanes, wide, rows, n, FEATURES, sums);
            assert_memory_equal(sums, walked, n * sizeof *sums);
        }
    }
}

/* Scales of each number of levels, and more thresholds than one scale holds. */
static void many_rows_at_a_time_sum_to_the_same_bits(void **state)
{
    static const uint32_t n_thresholds[] = {1, 9, 27, 60, 200, 5000};
    static const uint32_t depths[] = {0, 1, 3, 6};
    g_autofree float *rows = g_new(float, ROWS *FEATURES);
    for (size_t t = 0; t < G_N_ELEMENTS(n_thresholds); t++) {
        make_edges(rows, n_thresholds[t]);
        for (size_t d = 0; d < G_N_ELEMENTS(depths); d++) {
            g_autoptr(Forest) forest = random_forest(60, depths[d], n_thresholds[t]);
            assert_same_sums(forest, rows);
        }
    }
}

static void a_prepared_forest_sums_as_before(void **state)
{
    g_autoptr(Forest) forest = random_forest(40, 6, 50), other = random_forest(9, 2, 5);
    g_autofree float *rows = g_new(float, ROWS *FEATURES);
    float walked[ROWS], sums[ROWS];
    make_edges(rows, 50);
    forest_sum(forest, rows, ROWS, FEATURES, walked);
    forest_prepare(forest);
    assert_non_null(forest->lanes);
    for (uint32_t n = 0; n <= ROWS; n++) {
        forest_sum(forest, rows, n, FEATURES, sums);
        assert_memory_equal(sums, walked, n * sizeof *sums);
    }
    forest_join(forest, other, 1);
    forest_sum(forest, rows, ROWS, FEATURES, walked);
    forest_prepare(forest);
    forest_sum(forest, rows, ROWS, FEATURES, sums);
    assert_memory_equal(sums, walked, sizeof sums);
}

static void deeper_trees_are_walked(void **state)
{
    g_autoptr(Forest) forest = random_forest(20, 8, 50);
    assert_null(forest_lanes_new(forest));
    forest_prepare(forest);
    g_autofree float *rows = g_new(float, ROWS *FEATURES);
    float all[ROWS], one;
    make_edges(rows, 50);
    forest_sum(forest, rows, ROWS, FEATURES, all);
    for (uint32_t r = 0; r < ROWS; r++) {
        forest_sum(forest, rows + (size_t)r * FEATURES, 1, FEATURES, &one);
        assert_memory_equal(&one, &all[r], sizeof one);
    }
}

static void a_forest_without_trees_sums_to_nothing(void **state)
{
    g_autoptr(Forest) forest = forest_parse(NULL, 0, NULL);
    float rows[ROWS] = {0}, sums[ROWS];
    assert_non_null(forest);
    forest_prepare(forest);
    forest_sum(forest, rows, ROWS, 1, sums);
    for (uint32_t r = 0; r < ROWS; r++)
        assert_float_equal(sums[r], 0, 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_walked_by_its_thresholds),
        cmocka_unit_test(joined_trees_add_up),
        cmocka_unit_test(what_is_no_tree_is_refused),
        cmocka_unit_test(the_forest_predicts_what_the_library_does),
        cmocka_unit_test(many_rows_at_a_time_sum_to_the_same_bits),
        cmocka_unit_test(a_prepared_forest_sums_as_before),
        cmocka_unit_test(deeper_trees_are_walked),
        cmocka_unit_test(a_forest_without_trees_sums_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
