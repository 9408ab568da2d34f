#include <xgboost/c_api.h>

#include "learn/ranked_forest.h"
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

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_walked_by_its_thresholds),
        cmocka_unit_test(joined_trees_add_up),
        cmocka_unit_test(what_is_no_tree_is_refused),
        cmocka_unit_test(the_forest_predicts_what_the_library_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
