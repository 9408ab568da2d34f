#include "learn_shop.h"

#include "base/json.h"
#include "learn/choose.h"
#include "learn/contexts.h"
#include "learn/levels.h"
#include "learn/relations.h"

static Choice *choose(const Dataset *raw, const ChooseOptions *options)
{
    g_autoptr(GError) error = NULL;
    Choice *choice = choose_learner(raw, options, &error);
    if (!choice)
        fail_msg("%s", error->message);
    return choice;
}

static const ChooseOptions AUTO = {.horizon_days = 30, .k = 10, .purchased_auto = true, .seed = 3};

static cJSON *report_of(const Choice *choice)
{
    cJSON *report = json_parse(choice->report, strlen(choice->report), NULL);
    assert_non_null(report);
    return report;
}

/* A grocer: each of 300 users buys an own dozen of 200 products again and again. */
static Dataset *grocer(void)
{
    const size_t n = 12000;
    g_autofree Bought *bought = g_new(Bought, n);
    Rng rng;
    rng_init(&rng, 1, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t user = rng_below(&rng, 300);
        uint32_t item = (user * 7919 + rng_below(&rng, 12) * 104729) % 200;
        bought[i] = (Bought){user, item, 200 * rng_uniform(&rng)};
    }
    return shop_new(300, 200, bought, n);
}

/* A fashion shop: four tastes of 60 products each, and nobody buys a thing twice. */
static Dataset *fashion(void)
{
    g_autofree Bought *bought = g_new(Bought, 400 * 20);
    size_t n = 0;
    Rng rng;
    rng_init(&rng, 2, 0);
    for (uint32_t user = 0; user < 400; user++) {
        bool owned[60] = {false};
        for (unsigned i = 0; i < 20; i++) {
            uint32_t of_taste = rng_below(&rng, 60);
            if (owned[of_taste])
                continue;
            owned[of_taste] = true;
            bought[n++] = (Bought){user, of_taste * 4 + user % 4, 200 * rng_uniform(&rng)};
        }
    }
    return shop_new(400, 240, bought, n);
}

static void a_grocer_keeps_repeats_and_personal_frequency(void **state) /* F15 F18 */
{
    g_autoptr(Dataset) raw = grocer();
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    assert_int_equal(choice->rules.purchased, PURCHASED_ALLOW);
    assert_string_not_equal(choice->learner->name, "popularity");
    assert_true(choice->grade == 'A' || choice->grade == 'B');
    g_autoptr(cJSON) report = report_of(choice);
    const cJSON *rules = json_member(report, "purchased_items");
    assert_string_equal(json_member_string(rules, "policy"), "allow");
    assert_string_equal(json_member_string(rules, "decided"), "auto");
}

static void
a_fashion_shop_leaves_purchased_items_out_and_beats_the_baselines(void **state) /* F15 F18 */
{
    g_autoptr(Dataset) raw = fashion();
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    assert_int_equal(choice->rules.purchased, PURCHASED_EXCLUDE);
    assert_false(choice->learner->is_baseline);
    assert_int_equal(choice->grade, 'A');
    g_autoptr(cJSON) report = report_of(choice);
    const cJSON *candidate = NULL;
    unsigned chosen = 0;
    cJSON_ArrayForEach(candidate, json_member(report, "candidates"))
    {
        if (g_strcmp0(json_member_string(candidate, "learner"), choice->learner->name) != 0)
            continue;
        const cJSON *against = json_member(candidate, "against_best_baseline");
        assert_true(cJSON_IsTrue(json_member(against, "better")));
        chosen++;
    }
    assert_int_equal(chosen, 1);
}

static void without_structure_a_baseline_is_taken(void **state) /* F18 */
{
    g_autofree Bought *bought = random_purchases(6000, 300, 150, 200, 4);
    g_autoptr(Dataset) raw = shop_new(300, 150, bought, 6000);
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    assert_true(choice->learner->is_baseline);
    assert_int_equal(choice->grade, 'C');
}

/* Two tastes of 30 products each, all bought at one moment. */
static void without_times_products_are_held_out_by_lot(void **state) /* F18 F19 */
{
    g_autofree Bought *bought = g_new(Bought, 300 * 12);
    Rng rng;
    rng_init(&rng, 6, 0);
    for (uint32_t i = 0; i < 300 * 12; i++) {
        uint32_t user = i / 12;
        bought[i] = (Bought){user, user % 2 * 30 + rng_below(&rng, 30), 100};
    }
    g_autoptr(Dataset) raw = shop_new(300, 60, bought, 300 * 12);
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    assert_false(choice->learner->is_baseline);
    assert_int_equal(choice->grade, 'A');
    assert_int_equal(choice->rules.purchased, PURCHASED_EXCLUDE);
    assert_null(choice->calibration);
    g_autoptr(cJSON) report = report_of(choice);
    assert_true(cJSON_IsTrue(json_member(json_member(report, "windows"), "by_lot")));
    assert_true(cJSON_IsNull(json_member(report, "calibration")));
}

static void a_configured_rule_stays(void **state) /* F15 */
{
    g_autoptr(Dataset) raw = grocer();
    ChooseOptions options = AUTO;
    options.purchased_auto = false;
    options.rules = (ListRules){PURCHASED_EXCLUDE_WITHIN, 7};
    g_autoptr(Choice) choice = choose(raw, &options);
    assert_int_equal(choice->rules.purchased, PURCHASED_EXCLUDE_WITHIN);
    assert_int_equal(choice->rules.days, 7);
    g_autoptr(cJSON) report = report_of(choice);
    const cJSON *rules = json_member(report, "purchased_items");
    assert_string_equal(json_member_string(rules, "decided"), "configured");
    assert_float_equal(json_member_number(rules, "days", -1), 7, 0);
}

static void the_report_holds_every_candidate_and_window(void **state) /* F19 */
{
    g_autoptr(Dataset) raw = fashion();
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    g_autoptr(cJSON) report = report_of(choice);
    size_t n;
    learners_all(&n);
    const cJSON *candidates = json_member(report, "candidates"), *candidate;
    /* content and segments have nothing to go by in a shop without columns */
    assert_int_equal(cJSON_GetArraySize(candidates), n - 2);
    cJSON_ArrayForEach(candidate, candidates)
    {
        const cJSON *test = json_member(candidate, "test");
        assert_true(cJSON_IsObject(json_member(candidate, "validation")));
        assert_true(cJSON_IsObject(json_member(json_member(test, "any"), "ndcg")));
        assert_true(cJSON_IsObject(json_member(json_member(test, "new"), "hit_rate")));
    }
    const cJSON *windows = json_member(report, "windows");
    const char *times[] = {"learning_from", "validation_from", "test_from", "test_to"};
    int64_t before = 0, at;
    for (size_t i = 0; i < G_N_ELEMENTS(times); i++, before = at) {
        assert_true(clock_parse(json_member_string(windows, times[i]), &at));
        assert_true(at > before);
    }
    assert_true(cJSON_IsFalse(json_member(windows, "single")));
    assert_true(json_member_number(json_member(report, "evaluated_users"), "any", 0) > 100);
    assert_string_equal(json_member_string(report, "chosen"), choice->learner->name);
    assert_string_equal(json_member_string(report, "reason"), choice->reason);
    assert_int_equal(json_member_string(report, "grade")[0], choice->grade);
}

static void the_choice_repeats_with_its_seed_on_any_number_of_threads(void **state)
{
    g_autoptr(Dataset) raw = fashion();
    ChooseOptions options = AUTO;
    options.threads = 1;
    g_autoptr(Choice) one = choose(raw, &options);
    options.threads = 3;
    g_autoptr(Choice) three = choose(raw, &options);
    assert_string_equal(one->report, three->report);
}

static void few_users_are_graded_c_and_told(void **state) /* F19 */
{
    g_autofree Bought *bought = random_purchases(900, 20, 30, 200, 4);
    g_autoptr(Dataset) raw = shop_new(20, 30, bought, 900);
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    assert_int_equal(choice->grade, 'C');
    assert_non_null(strstr(choice->reason, "users"));
}

static void tiny_shops_get_a_baseline_and_no_figures(void **state)
{
    const Bought once[] = {{0, 0, 1}};
    const Bought again[] = {{0, 0, 1}, {0, 0, 1.1}};
    const struct {
        const Bought *bought;
        size_t n;
        const char *learner;
        PurchasedPolicy policy;
    } cases[] = {
        {once, 1, "popularity", PURCHASED_EXCLUDE},
        {again, 2, "repeat", PURCHASED_ALLOW},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Dataset) raw = shop_new(1, 1, cases[i].bought, cases[i].n);
        g_autoptr(Choice) choice = choose(raw, &AUTO);
        assert_string_equal(choice->learner->name, cases[i].learner);
        assert_int_equal(choice->rules.purchased, cases[i].policy);
        assert_int_equal(choice->grade, 'C');
        assert_non_null(strstr(choice->reason, "Nothing could be measured"));
        g_autoptr(cJSON) report = report_of(choice);
        const cJSON *first = cJSON_GetArrayItem(json_member(report, "candidates"), 0);
        assert_true(cJSON_IsNull(json_member(first, "validation")));
        assert_true(cJSON_IsNull(json_member(json_member(first, "test"), "any")));
    }
}

/* Long enough for windows, but nobody comes back: there is a window and nobody to judge by. */
static void customers_who_come_once_leave_nothing_to_measure(void **state)
{
    Bought bought[200];
    for (uint32_t i = 0; i < 200; i++)
        bought[i] = (Bought){i, i % 20, i};
    g_autoptr(Dataset) raw = shop_new(200, 20, bought, 200);
    g_autoptr(Choice) choice = choose(raw, &AUTO);
    assert_string_equal(choice->learner->name, "popularity");
    assert_non_null(strstr(choice->reason, "Nothing could be measured"));
}

static void a_shop_without_a_purchase_is_refused(void **state)
{
    g_autoptr(Dataset) raw = shop_new(2, 2, NULL, 0);
    g_autoptr(GError) error = NULL;
    assert_null(choose_learner(raw, &AUTO, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
    assert_non_null(strstr(error->message, "no purchase"));
}

static void choosing_stops_when_cancelled(void **state)
{
    g_autoptr(Dataset) raw = fashion();
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    ChooseOptions options = AUTO;
    options.cancel = &cancel;
    g_autoptr(GError) error = NULL;
    assert_null(choose_learner(raw, &options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

static void note_progress(void *context, double fraction, const char *what)
{
    double *last = context;
    assert_true(fraction >= *last && fraction <= 1);
    assert_true(strlen(what) > 0);
    *last = fraction;
}

static void progress_never_goes_back(void **state) /* F17 */
{
    g_autoptr(Dataset) raw = grocer();
    double last = 0;
    ChooseOptions options = AUTO;
    options.progress = note_progress;
    options.progress_context = &last;
    g_autoptr(Choice) choice = choose(raw, &options);
    assert_true(last > 0.5);
}

static uint64_t bytes_of(uint64_t rows, uint32_t n_users, uint32_t n_items, unsigned threads)
{
    FitSize size = {.rows = rows, .n_users = n_users, .n_items = n_items, .threads = threads};
    return choose_bytes(&size);
}

/* F7: what is done beside the fitted learner is part of the peak, though not beside the lessons
 * that are gone by then. */
static void needed_bytes_hold_the_levels_and_relations(void **state)
{
    FitSize size = {.rows = 20000000, .n_users = 500000, .n_items = 20000, .threads = 2};
    uint64_t all = choose_bytes(&size);
    uint64_t beside = MAX(levels_bytes(&size), relations_bytes(size.rows, size.n_items, 2));
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++) {
        uint64_t fit = learners[i]->fit_bytes(&size);
        uint64_t kept = learners[i]->kept_bytes ? learners[i]->kept_bytes(&size) : fit;
        assert_true(all > fit && fit >= kept);
        assert_true(all > beside + kept);
    }
    assert_true(choose_spare_bytes(&size) < all);
}

/* F7: so are the contexts of users, most of whom never bought. */
static void needed_bytes_hold_the_contexts(void **state)
{
    FitSize size = {.rows = 10000, .n_users = 20000000, .n_items = 1000, .threads = 2};
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++) {
        const Learner *one = learners[i];
        uint64_t kept = one->kept_bytes ? one->kept_bytes(&size) : one->fit_bytes(&size);
        assert_true(choose_bytes(&size) > contexts_bytes(&size) + kept);
    }
}

/* F4, F7: event types widen what the ranker learns from. */
static void needed_bytes_grow_with_the_event_types(void **state)
{
    FitSize size = {.rows = 100000, .n_users = 50000, .n_items = 5000, .threads = 1};
    uint64_t plain = choose_bytes(&size);
    size.n_signals = 9;
    assert_true(choose_bytes(&size) > plain);
}

static void needed_bytes_grow_with_the_data(void **state)
{
    uint64_t small = bytes_of(1000000, 50000, 5000, 1);
    assert_true(small > 1000000 * 8);
    assert_true(bytes_of(10000000, 50000, 5000, 1) > small);
    assert_true(bytes_of(1000000, 500000, 5000, 1) > small);
    assert_true(bytes_of(1000000, 50000, 5000, 4) > small);
    assert_true(bytes_of(UINT64_C(1) << 40, UINT32_MAX, UINT32_MAX, 8) > UINT64_C(1) << 40);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grocer_keeps_repeats_and_personal_frequency),
        cmocka_unit_test(a_fashion_shop_leaves_purchased_items_out_and_beats_the_baselines),
        cmocka_unit_test(without_structure_a_baseline_is_taken),
        cmocka_unit_test(without_times_products_are_held_out_by_lot),
        cmocka_unit_test(a_configured_rule_stays),
        cmocka_unit_test(the_report_holds_every_candidate_and_window),
        cmocka_unit_test(the_choice_repeats_with_its_seed_on_any_number_of_threads),
        cmocka_unit_test(few_users_are_graded_c_and_told),
        cmocka_unit_test(tiny_shops_get_a_baseline_and_no_figures),
        cmocka_unit_test(customers_who_come_once_leave_nothing_to_measure),
        cmocka_unit_test(a_shop_without_a_purchase_is_refused),
        cmocka_unit_test(choosing_stops_when_cancelled),
        cmocka_unit_test(progress_never_goes_back),
        cmocka_unit_test(needed_bytes_hold_the_contexts),
        cmocka_unit_test(needed_bytes_grow_with_the_event_types),
        cmocka_unit_test(needed_bytes_grow_with_the_data),
        cmocka_unit_test(needed_bytes_hold_the_levels_and_relations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
