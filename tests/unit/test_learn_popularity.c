#include "learn_shop.h"

static void popularity_counts_purchases_with_decay(void **state)
{
    const Bought bought[] = {{0, 0, 93}, {1, 0, 100}, {2, 1, 100}, {0, 2, 86}};
    g_autoptr(Dataset) shop = shop_new(3, 4, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("popularity", shop, 100, 1);
    g_autofree float *scores = all_scores(fitted);
    const float expected[] = {1.5f, 1, 0.25f, 0};
    for (uint32_t user = 0; user < 3; user++) {
        for (uint32_t item = 0; item < 4; item++)
            assert_float_equal(scores[user * 4 + item], expected[item], 1e-6);
    }
}

static void popularity_of_long_ago_is_still_above_never(void **state)
{
    const Bought bought[] = {{0, 0, 0}, {0, 1, 20000}};
    g_autoptr(Dataset) shop = shop_new(1, 3, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("popularity", shop, 20000, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[0] > 0);
    assert_true(scores[1] > scores[0]);
    assert_true(scores[2] == 0);
}

static void popularity_of_several_items_adds_up(void **state)
{
    const Bought bought[] = {{0, 0, 10}, {1, 0, 10}, {1, 1, 10}};
    g_autoptr(Dataset) shop = shop_new(2, 2, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("popularity", shop, 10, 1);
    const uint32_t items[] = {0, 1};
    float scores[2];
    assert_true(fitted->learner->score_items(fitted, items, 2, scores, NULL));
    assert_float_equal(scores[0], 3, 1e-6);
    assert_float_equal(scores[1], 3, 1e-6);
    expect_items_as_users(fitted);
}

static void popularity_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 1);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit_shop("popularity", shop, 100, 1);
    expect_round_trip(fitted);
    expect_misfits_refused(fitted);
}

static void popularity_refuses_a_file_with_numbers_that_are_no_counts(void **state)
{
    const float bad[][2] = {{1, NAN}, {1, -1}, {INFINITY, 0}};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(TestFile) file = test_file_new();
        g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
        assert_true(sections_write(writer, "learner.popularity", bad[i], sizeof(float), 2, NULL));
        assert_true(sections_finish(writer, NULL));
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        expect_damaged(learners_find("popularity"), sections, 1, 2);
    }
}

static void popularity_of_nothing_is_refused(void **state)
{
    g_autoptr(Dataset) shop = shop_new(2, 2, NULL, 0);
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(1)};
    assert_null(learners_find("popularity")->fit(shop, &context, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
}

static void learners_are_found_by_name_and_complete(void **state)
{
    size_t n;
    const Learner *const *learners = learners_all(&n);
    FitSize size = {.rows = 1000, .n_users = 100, .n_items = 100, .threads = 1};
    assert_true(n >= 3);
    for (size_t i = 0; i < n; i++) {
        const Learner *l = learners[i];
        assert_ptr_equal(learners_find(l->name), l);
        assert_true(l->title && l->paper && l->fit && l->score_users && l->score_items && l->save);
        assert_true(l->load && l->describe && l->fit_bytes && l->free);
        assert_true(l->fit_bytes(&size) > 0);
    }
    assert_null(learners_find("no such learner"));
    fitted_free(NULL);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popularity_counts_purchases_with_decay),
        cmocka_unit_test(popularity_of_long_ago_is_still_above_never),
        cmocka_unit_test(popularity_of_several_items_adds_up),
        cmocka_unit_test(popularity_survives_its_file),
        cmocka_unit_test(popularity_refuses_a_file_with_numbers_that_are_no_counts),
        cmocka_unit_test(popularity_of_nothing_is_refused),
        cmocka_unit_test(learners_are_found_by_name_and_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
