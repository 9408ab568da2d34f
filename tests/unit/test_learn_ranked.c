#include <stdlib.h>

#include "base/buffer.h"
#include "base/json.h"
#include "learn/ranked.h"
#include "learn/ranked_features.h"
#include "learn/ranked_model.h"
#include "learn_shop.h"

#define N_USERS 120u
#define N_ITEMS 60u
#define AS_OF   240.0

/* Two tastes: even users buy even products, odd users odd ones, each a few of them again and again;
 * days 0 to 280, so that there is a future after AS_OF. For g_free(). */
static Bought *shop_of_habits(size_t n)
{
    Bought *bought = g_new(Bought, n);
    Rng rng;
    rng_init(&rng, 11, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t user = rng_below(&rng, N_USERS);
        uint32_t own = user * 7 % N_ITEMS + 2 * rng_below(&rng, 3);
        uint32_t other = (uint32_t)(N_ITEMS * pow(rng_uniform(&rng), 2));
        uint32_t item = (rng_uniform(&rng) < 0.6 ? own : other) % N_ITEMS;
        bought[i] = (Bought){user, item / 2 * 2 + user % 2, 280 * rng_uniform(&rng)};
    }
    return bought;
}

#define N_BOUGHT 9000u

static Fitted *fit_at(const Dataset *raw, double as_of, unsigned threads, GError **error)
{
    g_autoptr(Dataset) view = dataset_before(raw, day(as_of), NULL);
    FitContext context = {.as_of = day(as_of), .seed = 5, .threads = threads, .raw = raw};
    return learner_ranked.fit(view, &context, error);
}

static Dataset *habits(void)
{
    g_autofree Bought *bought = shop_of_habits(N_BOUGHT);
    return shop_new(N_USERS, N_ITEMS, bought, N_BOUGHT);
}

static Fitted *fit_habits(unsigned threads)
{
    g_autoptr(Dataset) raw = habits();
    g_autoptr(GError) error = NULL;
    Fitted *fitted = fit_at(raw, AS_OF, threads, &error);
    if (!fitted)
        fail_msg("%s", error->message);
    return fitted;
}

static void every_pair_has_a_finite_score(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    expect_finite_scores(fitted);
    g_autofree float *scores = all_scores(fitted);
    for (size_t i = 0; i < N_USERS * N_ITEMS; i++)
        assert_true(scores[i] < 1);
}

static void a_taste_is_ranked_before_the_other(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    g_autofree float *scores = all_scores(fitted);
    unsigned right = 0;
    for (uint32_t user = 0; user < N_USERS; user++) {
        uint32_t best = 0;
        for (uint32_t item = 1; item < N_ITEMS; item++) {
            if (scores[user * N_ITEMS + item] > scores[user * N_ITEMS + best])
                best = item;
        }
        right += best % 2 == user % 2;
    }
    assert_true(right > N_USERS * 9 / 10);
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    g_autoptr(Fitted) one = fit_habits(1);
    g_autoptr(Fitted) three = fit_habits(3);
    g_autofree float *by_one = all_scores(one);
    g_autofree float *by_three = all_scores(three);
    assert_memory_equal(by_one, by_three, N_USERS * N_ITEMS * sizeof(float));
}

/* Proves the leak test of the issue end to end: F4. */
static void later_rows_removed_or_permuted_change_no_byte(void **state)
{
    g_autofree Bought *bought = shop_of_habits(N_BOUGHT);
    g_autoptr(Dataset) whole = shop_new(N_USERS, N_ITEMS, bought, N_BOUGHT);
    size_t n_past = 0;
    for (size_t i = 0; i < N_BOUGHT; i++) {
        if (bought[i].day < AS_OF)
            n_past++;
        else
            bought[i].item = (bought[i].item * 31 + 17) % N_ITEMS;
    }
    assert_true(n_past < N_BOUGHT);
    g_autoptr(Dataset) permuted = shop_new(N_USERS, N_ITEMS, bought, N_BOUGHT);
    size_t kept = 0;
    for (size_t i = 0; i < N_BOUGHT; i++) {
        if (bought[i].day < AS_OF)
            bought[kept++] = bought[i];
    }
    g_autoptr(Dataset) past = shop_new(N_USERS, N_ITEMS, bought, kept);
    g_autoptr(Fitted) of_whole = fit_at(whole, AS_OF, 0, NULL);
    g_autoptr(Fitted) of_permuted = fit_at(permuted, AS_OF, 0, NULL);
    g_autoptr(Fitted) of_past = fit_at(past, AS_OF, 0, NULL);
    g_autofree float *a = all_scores(of_whole);
    g_autofree float *b = all_scores(of_permuted);
    g_autofree float *c = all_scores(of_past);
    assert_memory_equal(a, b, N_USERS * N_ITEMS * sizeof(float));
    assert_memory_equal(a, c, N_USERS * N_ITEMS * sizeof(float));
}

static void a_list_and_an_audience_agree_on_every_candidate(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    g_autofree float *scores = all_scores(fitted);
    float column[N_USERS];
    unsigned n_candidates = 0;
    for (uint32_t item = 0; item < N_ITEMS; item++) {
        assert_true(learner_ranked.score_items(fitted, &item, 1, column, NULL));
        for (uint32_t user = 0; user < N_USERS; user++) {
            float in_list = scores[user * N_ITEMS + item];
            if (in_list < 1.5e-6f)
                continue;
            n_candidates++;
            assert_float_equal(column[user], in_list, 1e-5);
        }
    }
    assert_true(n_candidates > N_USERS);
}

static void several_products_score_their_sum(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    const uint32_t items[] = {3, 8};
    float both[N_USERS], first[N_USERS], second[N_USERS];
    assert_true(learner_ranked.score_items(fitted, items, 2, both, NULL));
    assert_true(learner_ranked.score_items(fitted, &items[0], 1, first, NULL));
    assert_true(learner_ranked.score_items(fitted, &items[1], 1, second, NULL));
    for (uint32_t user = 0; user < N_USERS; user++)
        assert_float_equal(both[user], first[user] + second[user], 1e-6);
}

static void what_was_saved_scores_the_same_bytes(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    expect_round_trip(fitted);
    g_auto(TestFile) file = test_file_new();
    save_fitted(fitted, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    g_autoptr(Fitted) mapped = learner_ranked.load(sections, N_USERS, N_ITEMS, NULL);
    float before[N_USERS], after[N_USERS];
    uint32_t item = 4;
    assert_true(learner_ranked.score_items(fitted, &item, 1, before, NULL));
    assert_true(learner_ranked.score_items(mapped, &item, 1, after, NULL));
    assert_memory_equal(before, after, sizeof before);
}

static void a_file_of_another_shop_is_refused(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    expect_misfits_refused(fitted);
}

static void expect_refused_after_saving(const Fitted *fitted)
{
    g_auto(TestFile) file = test_file_new();
    save_fitted(fitted, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    expect_damaged(&learner_ranked, sections, N_USERS, N_ITEMS);
}

static void numbers_that_leave_their_arrays_are_refused(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    Ranked *ranked = (Ranked *)fitted;
    FeatureState *facts = ranked->state;
    uint32_t *numbers[] = {&facts->pair_item[3],         &facts->basket_item[2],
                           &facts->basket_last[1],       &facts->to.item[5],
                           &facts->from.item[5],         &ranked->forest->root[0],
                           &ranked->forest->node[0].left};
    uint64_t *starts[] = {&facts->pair_start[2], &facts->basket_start[2], &facts->to.start[2]};
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        uint32_t held = *numbers[i];
        *numbers[i] = 1u << 30;
        expect_refused_after_saving(fitted);
        *numbers[i] = held;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
        uint64_t held = *starts[i];
        *starts[i] = UINT64_C(1) << 40;
        expect_refused_after_saving(fitted);
        *starts[i] = held;
    }
}

static void a_tree_that_turns_back_is_refused(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    Forest *forest = ((Ranked *)fitted)->forest;
    uint64_t n = 0;
    while (n < forest->n_nodes && (forest->node[n].feature == FOREST_LEAF || n == 0))
        n++;
    assert_true(n < forest->n_nodes);
    forest->node[n].left = 0;
    expect_refused_after_saving(fitted);
}

static void expect_invalid(const Dataset *raw, double as_of)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Fitted) fitted = fit_at(raw, as_of, 1, &error);
    assert_null(fitted);
    assert_int_equal(error_code(error), ERR_INVALID);
}

static void data_too_short_or_too_thin_is_said_so(void **state)
{
    g_autoptr(Dataset) empty = shop_new(2, 2, NULL, 0);
    expect_invalid(empty, 10);
    const Bought one_day[] = {{0, 0, 1.0}, {1, 1, 1.1}, {0, 1, 1.2}};
    g_autoptr(Dataset) short_one = shop_new(2, 2, one_day, G_N_ELEMENTS(one_day));
    expect_invalid(short_one, 1.5);
    const Bought few[] = {{0, 0, 1}, {1, 1, 50}, {0, 1, 150}};
    g_autoptr(Dataset) thin = shop_new(2, 2, few, G_N_ELEMENTS(few));
    expect_invalid(thin, 200);
}

/* Everything at one moment: a share of every user's products is put aside to learn from. */
static Fitted *fit_one_moment(unsigned threads)
{
    g_autofree Bought *bought = shop_of_habits(N_BOUGHT / 4);
    for (size_t i = 0; i < N_BOUGHT / 4; i++)
        bought[i].day = 3;
    g_autoptr(Dataset) shop = shop_new(N_USERS, N_ITEMS, bought, N_BOUGHT / 4);
    g_autoptr(GError) error = NULL;
    Fitted *fitted = fit_at(shop, 3.001, threads, &error);
    if (!fitted)
        fail_msg("%s", error->message);
    return fitted;
}

static void purchases_of_one_moment_are_learned_from_by_lot(void **state) /* F18 */
{
    g_autoptr(Fitted) fitted = fit_one_moment(1);
    expect_finite_scores(fitted);
    g_autofree float *scores = all_scores(fitted);
    double own_taste = 0, other_taste = 0;
    for (uint32_t user = 0; user < N_USERS; user++) {
        for (uint32_t item = 0; item < N_ITEMS; item++)
            *(item % 2 == user % 2 ? &own_taste : &other_taste) += scores[user * N_ITEMS + item];
    }
    assert_true(own_taste > 3 * other_taste);
    g_autoptr(Fitted) again = fit_one_moment(3);
    g_autofree float *same = all_scores(again);
    assert_memory_equal(scores, same, N_USERS * N_ITEMS * sizeof(float));
}

static void one_product_for_all_works_or_is_refused(void **state)
{
    g_autofree Bought *bought = shop_of_habits(3000);
    for (size_t i = 0; i < 3000; i++)
        bought[i].item = 0;
    g_autoptr(Dataset) shop = shop_new(N_USERS, 1, bought, 3000);
    g_autoptr(GError) error = NULL;
    g_autoptr(Fitted) fitted = fit_at(shop, AS_OF, 1, &error);
    if (!fitted)
        assert_int_equal(error_code(error), ERR_INVALID);
    else
        expect_finite_scores(fitted);
}

static void a_raised_cancel_stops_it(void **state)
{
    g_autoptr(Dataset) raw = habits();
    g_autoptr(Dataset) view = dataset_before(raw, day(AS_OF), NULL);
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    FitContext context = {.as_of = day(AS_OF), .seed = 5, .threads = 1, .cancel = &cancel};
    g_autoptr(Fitted) fitted = learner_ranked.fit(view, &context, &error);
    assert_null(fitted);
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

/* F22: one group per kind of knowledge, in plain words, largest share first; all of it. */
static void importance_is_shared_out_among_named_groups(void **state)
{
    g_autoptr(Fitted) fitted = fit_habits(0);
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter writer;
    json_writer_init(&writer, &text);
    fitted->learner->importance(fitted, &writer);
    const char *json = buffer_text(&text);
    g_autoptr(cJSON) groups = json_parse(json, strlen(json), NULL);
    assert_non_null(groups);
    const Ranked *ranked = (const Ranked *)fitted;
    unsigned n = 0, methods = 0;
    double sum = 0, last = 1, history = 0;
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, groups)
    {
        double share = json_member_number(group, "share", -1);
        assert_true(share >= 0 && share <= last + 1e-6);
        assert_true(strlen(json_member_string(group, "title")) > 5);
        methods += g_str_equal(json_member_string(group, "kind"), "method");
        if (g_str_equal(json_member_string(group, "kind"), "history"))
            history = share;
        last = share;
        sum += share;
        n++;
    }
    assert_int_equal(n, 4 + ranked->groupings->n + ranked->recallers->n);
    assert_int_equal(methods, ranked->recallers->n);
    assert_float_equal(sum, 1, 1e-4);
    double gain = 0, all = 0;
    for (uint32_t f = 0; f < features_count(ranked->state, ranked->recallers->n); f++) {
        g_autofree char *name = features_name(ranked->state, ranked->recallers->name, f);
        all += ranked->gain[f];
        gain += g_str_has_prefix(name, "pair.") ? ranked->gain[f] : 0;
    }
    assert_float_equal(history, gain / all, 1e-4);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_has_a_finite_score),
        cmocka_unit_test(a_taste_is_ranked_before_the_other),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
        cmocka_unit_test(later_rows_removed_or_permuted_change_no_byte),
        cmocka_unit_test(a_list_and_an_audience_agree_on_every_candidate),
        cmocka_unit_test(several_products_score_their_sum),
        cmocka_unit_test(what_was_saved_scores_the_same_bytes),
        cmocka_unit_test(a_file_of_another_shop_is_refused),
        cmocka_unit_test(numbers_that_leave_their_arrays_are_refused),
        cmocka_unit_test(a_tree_that_turns_back_is_refused),
        cmocka_unit_test(data_too_short_or_too_thin_is_said_so),
        cmocka_unit_test(purchases_of_one_moment_are_learned_from_by_lot),
        cmocka_unit_test(one_product_for_all_works_or_is_refused),
        cmocka_unit_test(a_raised_cancel_stops_it),
        cmocka_unit_test(importance_is_shared_out_among_named_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
