/* The engine stopped anywhere: memory that is not there (every allocation sized by data can fail)
 * and cancellation, at places all along the choice, the fit, the calibration and the levels. Each
 * ends with its own error, and AddressSanitizer sees that nothing is left behind. */
#include "levels_shop.h"
#include "refused_memory.h"

#include "learn/calibrate.h"
#include "learn/choose.h"
#include "learn/evaluate.h"

#define PLACES 11u

/* What one stage needs of those before it. */
typedef struct Shop {
    Dataset *raw, *view;
    Scope *scope;
    Csr *targets;
    Fitted *ranked;
} Shop;

#define SMALL_USERS 150u

/* Of the first users only. */
static Dataset *small_shop(void)
{
    GArray *all = purchases(1, true), *few = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (guint i = 0; i < all->len; i++) {
        if (g_array_index(all, Bought, i).user < SMALL_USERS)
            g_array_append_val(few, g_array_index(all, Bought, i));
    }
    g_array_unref(all);
    return shop_of(few, COLUMN_CATEGORICAL);
}

static FitContext context_of(const Shop *shop)
{
    return (FitContext){
        .as_of = day(AS_OF), .seed = 3, .threads = 1, .cancel = &cancel, .raw = shop->raw};
}

static bool choose(const Shop *shop, GError **error)
{
    ChooseOptions options = {.horizon_days = 30,
                             .k = 10,
                             .purchased_auto = true,
                             .seed = 3,
                             .threads = 1,
                             .cancel = &cancel};
    g_autoptr(Choice) choice = choose_learner(shop->raw, &options, error);
    return choice != NULL;
}

static bool fit_ranked(const Shop *shop, GError **error)
{
    FitContext context = context_of(shop);
    g_autoptr(Fitted) fitted = learners_find("ranked")->fit(shop->view, &context, error);
    return fitted != NULL;
}

static bool judge(const Shop *shop, GError **error)
{
    EvaluateOptions how = {.k = 10, .seed = 3, .resamples = 10, .threads = 1, .cancel = &cancel};
    g_autoptr(Evaluation) judged =
        evaluate(shop->ranked, shop->view, shop->scope, shop->targets, &how, error);
    return judged != NULL;
}

static bool calibrate(const Shop *shop, GError **error)
{
    CalibrateMoment moment = {shop->ranked, shop->view, shop->scope, shop->targets};
    CalibrateOptions options = {
        .raw = shop->raw, .horizon = HORIZON, .k = 10, .seed = 3, .threads = 1, .cancel = &cancel};
    g_autoptr(Calibration) calibration = NULL;
    g_autoptr(Samples) samples = samples_new(&moment, &options, error);
    return samples && calibration_fit(&moment, samples, &options, &calibration, error) &&
           calibration_aim(calibration, &moment, samples, &options, error);
}

static bool fit_levels(const Shop *shop, GError **error)
{
    LevelsOptions options = options_at(AS_OF, 1);
    options.cancel = &cancel;
    g_autoptr(Levels) levels = NULL;
    g_autofree char *report = NULL;
    return levels_fit(shop->raw, &options, &levels, &report, error);
}

static bool ask_about_products(const Shop *shop, GError **error)
{
    const uint32_t items[] = {1, 5};
    g_autofree float *scores = g_new(float, shop->view->n_users);
    return shop->ranked->learner->score_items(shop->ranked, items, 2, scores, error);
}

typedef bool (*Stage)(const Shop *shop, GError **error);

static unsigned count_allocations(Stage stage, const Shop *shop)
{
    g_autoptr(GError) error = NULL;
    allocations = fail_at = cancel_at = 0;
    if (!stage(shop, &error))
        fail_msg("%s", error->message);
    return allocations;
}

static void expect_out_of_memory(Stage stage, const Shop *shop, unsigned at, unsigned *refused)
{
    g_autoptr(GError) error = NULL;
    allocations = cancel_at = 0;
    fail_at = at;
    bool good = stage(shop, &error);
    fail_at = 0;
    if (good)
        return; /* only shrinking failed, which costs nothing */
    assert_int_equal(error_code(error), ERR_NO_MEMORY);
    assert_non_null(strstr(error->message, "no memory"));
    ++*refused;
}

static void expect_cancelled(Stage stage, const Shop *shop, unsigned at, unsigned *cancelled)
{
    g_autoptr(GError) error = NULL;
    allocations = fail_at = 0;
    cancel_at = at;
    bool good = stage(shop, &error);
    cancel_at = 0;
    cancel_init(&cancel);
    if (good)
        return; /* so near the end that nobody looks any more */
    assert_int_equal(error_code(error), ERR_CANCELLED);
    ++*cancelled;
}

/* At PLACES places from the first allocation to the last. */
static void stop_everywhere(Stage stage, const Shop *shop, bool can_cancel)
{
    unsigned all = count_allocations(stage, shop), refused = 0, cancelled = 0;
    unsigned places = MIN(PLACES, all);
    assert_true(all > 0);
    for (unsigned place = 0; place < places; place++) {
        unsigned at = 1 + (unsigned)((uint64_t)place * (all - 1) / places);
        expect_out_of_memory(stage, shop, at, &refused);
        if (can_cancel)
            expect_cancelled(stage, shop, at, &cancelled);
    }
    assert_true(3 * refused >= 2 * places);
    assert_true(!can_cancel || 3 * cancelled >= 2 * places);
}

static void a_choice_stops_where_it_is(void **state)
{
    stop_everywhere(choose, *state, true);
}

static void a_fit_of_the_ranker_stops_where_it_is(void **state)
{
    stop_everywhere(fit_ranked, *state, true);
}

static void judging_by_the_ranker_stops_where_it_is(void **state)
{
    stop_everywhere(judge, *state, false);
}

static void a_calibration_stops_where_it_is(void **state)
{
    stop_everywhere(calibrate, *state, false);
}

static void levels_stop_where_they_are(void **state)
{
    stop_everywhere(fit_levels, *state, true);
}

static void an_audience_without_memory_is_said_so(void **state)
{
    count_allocations(ask_about_products, *state); /* the first asks for more: it is kept */
    stop_everywhere(ask_about_products, *state, false);
}

static void expect_cancelled_at_once(Stage stage, const Shop *shop)
{
    g_autoptr(GError) error = NULL;
    cancel_raise(&cancel);
    assert_false(stage(shop, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    cancel_init(&cancel);
}

static void what_was_cancelled_before_it_began_does_nothing(void **state)
{
    const Stage stages[] = {choose, fit_ranked, judge, calibrate, fit_levels};
    for (size_t s = 0; s < G_N_ELEMENTS(stages); s++)
        expect_cancelled_at_once(stages[s], *state);
}

static int set_up(void **state)
{
    static Shop shop;
    cancel_init(&cancel);
    shop.raw = small_shop();
    shop.view = dataset_before(shop.raw, day(AS_OF), NULL);
    shop.scope = scope_new(shop.view, day(AS_OF), NULL);
    shop.targets = window_targets(shop.raw, day(AS_OF), day(AS_OF) + HORIZON, NULL);
    FitContext context = context_of(&shop);
    shop.ranked = learners_find("ranked")->fit(shop.view, &context, NULL);
    *state = &shop;
    return shop.ranked && shop.targets ? 0 : 1;
}

static int tear_down(void **state)
{
    Shop *shop = *state;
    fitted_free(shop->ranked);
    csr_free(shop->targets);
    scope_free(shop->scope);
    dataset_unref(shop->view);
    dataset_unref(shop->raw);
    return 0;
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_stops_where_it_is),
        cmocka_unit_test(a_fit_of_the_ranker_stops_where_it_is),
        cmocka_unit_test(judging_by_the_ranker_stops_where_it_is),
        cmocka_unit_test(a_calibration_stops_where_it_is),
        cmocka_unit_test(levels_stop_where_they_are),
        cmocka_unit_test(an_audience_without_memory_is_said_so),
        cmocka_unit_test(what_was_cancelled_before_it_began_does_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
