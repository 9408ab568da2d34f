#include "base/json.h"
#include "learn/backtest.h"
#include "learn_shop.h"

#define AS_OF 170.0

static const ChooseOptions OPTIONS = {
    .horizon_days = 30, .k = 10, .purchased_auto = true, .seed = 3};

/* 300 users who buy an own dozen of 200 products again and again, until day 230. After AS_OF their
 * dozen is another, by `shift` products. For g_free(). */
static Bought *habits(size_t n, uint32_t shift)
{
    Bought *bought = g_new(Bought, n);
    Rng rng;
    rng_init(&rng, 1, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t user = rng_below(&rng, 300);
        uint32_t item = user * 7919 + rng_below(&rng, 12) * 104729;
        double when = 230 * rng_uniform(&rng);
        bought[i] = (Bought){user, (item + (when >= AS_OF ? shift : 0)) % 200, when};
    }
    return bought;
}

/* What a backtest over such a shop says. */
typedef struct Told {
    Choice *choice;
    Hindsight *hindsight;
    cJSON *report;
} Told;

static Told look_back(uint32_t shift, unsigned threads)
{
    g_autofree Bought *bought = habits(14000, shift);
    g_autoptr(Dataset) raw = shop_new(300, 200, bought, 14000);
    g_autoptr(Dataset) past = dataset_as_of(raw, day(AS_OF), NULL);
    g_autoptr(GError) error = NULL;
    ChooseOptions options = OPTIONS;
    options.threads = threads;
    Told told = {.choice = choose_learner(past, &options, &error)};
    assert_non_null(told.choice);
    told.hindsight = backtest_compare(raw, past, told.choice, day(AS_OF), &options, &error);
    if (!told.hindsight)
        fail_msg("%s", error->message);
    told.report = json_parse(told.hindsight->report, strlen(told.hindsight->report), NULL);
    assert_non_null(told.report);
    return told;
}

static void told_clear(Told *told)
{
    choice_free(told->choice);
    hindsight_free(told->hindsight);
    cJSON_Delete(told->report);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Told, told_clear)

static double chosen_ndcg(const Told *told)
{
    const cJSON *candidate = NULL;
    cJSON_ArrayForEach(candidate, json_member(told->report, "candidates"))
    {
        if (g_strcmp0(json_member_string(candidate, "learner"), told->choice->learner->name) == 0) {
            const cJSON *any = json_member(json_member(candidate, "test"), "any");
            return json_member_number(json_member(any, "ndcg"), "mean", -1);
        }
    }
    fail_msg("the chosen learner is not in the report");
    return 0;
}

static double expected_pairs(const Told *told)
{
    const cJSON *calibration = json_member(told->report, "calibration");
    return json_member_number(json_member(calibration, "overall"), "expected", -1);
}

/* F24: the choice and what it expects are of that day; only the comparison sees what came. */
static void the_future_changes_the_comparison_and_nothing_else(void **state)
{
    g_auto(Told) same = look_back(0, 2);
    g_auto(Told) other = look_back(100, 2);
    assert_string_equal(same.choice->report, other.choice->report);
    assert_ptr_equal(same.choice->learner, other.choice->learner);
    assert_true(expected_pairs(&same) > 100);
    assert_float_equal(expected_pairs(&same), expected_pairs(&other), 1e-9);
    assert_true(chosen_ndcg(&same) > 2 * chosen_ndcg(&other));
    assert_true(other.hindsight->grade > same.hindsight->grade);
}

static void any_number_of_threads_tells_the_same(void **state) /* F21 F24 */
{
    g_auto(Told) one = look_back(0, 1);
    g_auto(Told) three = look_back(0, 3);
    assert_string_equal(one.hindsight->report, three.hindsight->report);
    assert_string_equal(one.hindsight->reason, three.hindsight->reason);
}

/* F24: the habits go on, so what was expected comes true. */
static void what_goes_on_is_what_was_expected(void **state)
{
    g_auto(Told) told = look_back(0, 2);
    const cJSON *overall = json_member(json_member(told.report, "calibration"), "overall");
    double ratio = json_member_number(overall, "ratio", -1);
    assert_true(ratio > 0.8 && ratio < 1.25);
    const cJSON *windows = json_member(told.report, "windows");
    assert_true(cJSON_IsNull(json_member(windows, "validation_from")));
    assert_true(json_member_number(json_member(told.report, "evaluated_users"), "any", 0) > 250);
}

static void comparing_stops_when_cancelled(void **state) /* F17 */
{
    g_autofree Bought *bought = habits(4000, 0);
    g_autoptr(Dataset) raw = shop_new(300, 200, bought, 4000);
    g_autoptr(Dataset) past = dataset_as_of(raw, day(AS_OF), NULL);
    ChooseOptions options = OPTIONS;
    g_autoptr(Choice) choice = choose_learner(past, &options, NULL);
    assert_non_null(choice);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    options.cancel = &cancel;
    g_autoptr(GError) error = NULL;
    assert_null(backtest_compare(raw, past, choice, day(AS_OF), &options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_future_changes_the_comparison_and_nothing_else),
        cmocka_unit_test(any_number_of_threads_tells_the_same),
        cmocka_unit_test(what_goes_on_is_what_was_expected),
        cmocka_unit_test(comparing_stops_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
