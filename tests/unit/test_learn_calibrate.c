#include "learn_shop.h"

#include "base/buffer.h"
#include "base/json.h"
#include "learn/calibrate.h"
#include "learn/calibration.h"

#define USERS   1500u
#define ITEMS   40u
#define MOMENT  120.0
#define HORIZON (30 * US_PER_DAY)

/* The chance that a user buys an item in a month: what the learner's scores stand for. */
static double chance(uint32_t user, uint32_t item)
{
    double taste = (double)((user * 7919 + item * 104729) % 97) / 97;
    return 0.002 + 0.3 * taste * taste * taste / (1 + 0.1 * item);
}

/* Scores that are right in their order and wrong in their level. */
static float score(uint32_t user, uint32_t item)
{
    return (float)(0.2 * pow(chance(user, item), 0.7));
}

static bool score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                        GError **error)
{
    for (uint32_t u = 0; u < n; u++) {
        for (uint32_t item = 0; item < ITEMS; item++)
            tile[u * ITEMS + item] = score(users[u], item);
    }
    return true;
}

static const Learner probable = {
    .name = "probable", .is_probability = true, .candidate_min = 1e-6f, .score_users = score_users};
static const Learner ordered = {.name = "ordered", .score_users = score_users};

/* Six months, the chance of every month alike; `growth` times as much in the last, and `favour`
 * times as much for each third product, which the scores do not know. */
static Dataset *shop_with_favour(uint64_t seed, double growth, double favour)
{
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    Rng rng;
    rng_init(&rng, seed, 0);
    for (uint32_t user = 0; user < USERS; user++) {
        Bought first = {user, user % ITEMS, 0.5};
        g_array_append_val(bought, first);
        for (uint32_t item = 0; item < ITEMS; item++) {
            for (unsigned month = 0; month < 6; month++) {
                double more = (month >= 5 ? growth : 1) * (item % 3 == 0 ? favour : 1);
                if (rng_uniform(&rng) >= more * chance(user, item))
                    continue;
                Bought one = {user, item, 30 * (month + rng_uniform(&rng))};
                g_array_append_val(bought, one);
            }
        }
    }
    return shop_new(USERS, ITEMS, (const Bought *)(void *)bought->data, bought->len);
}

static Dataset *shop(uint64_t seed, double growth)
{
    return shop_with_favour(seed, growth, 1);
}

typedef struct Setting {
    Dataset *raw, *view;
    Scope *scope;
    Csr *targets;
    Fitted fitted;
    CalibrateMoment moment;
    CalibrateOptions options;
    Samples *samples;
} Setting;

static void setting_open(Setting *setting, Dataset *takes_raw, double at, const Learner *learner)
{
    *setting = (Setting){.raw = takes_raw, .fitted = {learner, USERS, ITEMS}};
    setting->view = dataset_before(setting->raw, day(at), NULL);
    setting->scope = scope_new(setting->view, day(at), NULL);
    setting->targets = window_targets(setting->raw, day(at), day(at) + HORIZON, NULL);
    setting->moment =
        (CalibrateMoment){&setting->fitted, setting->view, setting->scope, setting->targets};
    setting->options = (CalibrateOptions){
        .raw = setting->raw, .horizon = HORIZON, .k = 10, .seed = 1, .threads = 2};
    setting->samples = samples_new(&setting->moment, &setting->options, NULL);
    assert_non_null(setting->samples);
}

static void setting_clear(Setting *setting)
{
    samples_free(setting->samples);
    csr_free(setting->targets);
    scope_free(setting->scope);
    dataset_unref(setting->view);
    dataset_unref(setting->raw);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setting, setting_clear)

static Calibration *fit(const Setting *setting)
{
    Calibration *calibration;
    assert_true(
        calibration_fit(&setting->moment, setting->samples, &setting->options, &calibration, NULL));
    assert_non_null(calibration);
    return calibration;
}

static void aim(Calibration *calibration, const Setting *setting)
{
    assert_true(
        calibration_aim(calibration, &setting->moment, setting->samples, &setting->options, NULL));
}

static cJSON *report(const Calibration *calibration, const Setting *setting)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    assert_true(calibration_report(calibration, &setting->moment, setting->samples,
                                   &setting->options, &json, NULL));
    cJSON *parsed = json_parse(buffer_text(&text), text.length, NULL);
    assert_non_null(parsed);
    return parsed;
}

static double ratio_of(const cJSON *all, const char *part)
{
    return json_member_number(json_member(all, part), "ratio", -1);
}

static void expect_calibrated(const Learner *learner)
{
    g_auto(Setting) before, now;
    setting_open(&before, shop(1, 1), MOMENT, learner);
    setting_open(&now, dataset_ref(before.raw), MOMENT + 30, learner);
    g_autoptr(Calibration) calibration = fit(&before);
    aim(calibration, &now);
    g_autoptr(cJSON) figures = report(calibration, &now);
    assert_true(fabs(ratio_of(figures, "overall") - 1) < 0.08);
    assert_true(fabs(ratio_of(figures, "top_1_percent") - 1) < 0.15);
    assert_true(fabs(ratio_of(figures, "lists") - 1) < 0.08);
    assert_true(json_member_number(json_member(figures, "lists"), "ece", 1) < 0.02);
    double squares = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            double miss =
                calibration_probability(calibration, item, score(user, item)) - chance(user, item);
            squares += miss * miss;
        }
    }
    assert_true(sqrt(squares / (USERS * ITEMS)) < 0.02);
}

static void wrong_levels_become_the_planted_chances(void **state) /* F20 */
{
    expect_calibrated(&probable);
    expect_calibrated(&ordered);
}

static void a_growing_shop_is_aimed_higher(void **state) /* F20 */
{
    g_auto(Setting) before, now;
    setting_open(&before, shop(2, 1.8), MOMENT, &probable);
    setting_open(&now, dataset_ref(before.raw), MOMENT + 59, &probable);
    g_autoptr(Calibration) flat = fit(&before), aimed = fit(&before);
    aim(aimed, &now);
    double before_aim = 0, after_aim = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        before_aim += calibration_probability(flat, 1, score(user, 1));
        after_aim += calibration_probability(aimed, 1, score(user, 1));
    }
    assert_true(after_aim > 1.2 * before_aim);
}

static double own_weight_where(double favour)
{
    g_auto(Setting) setting;
    setting_open(&setting, shop_with_favour(7, 1, favour), MOMENT, &probable);
    g_autoptr(Calibration) calibration = fit(&setting);
    return calibration->own_weight;
}

/* Scores that tell the chances leave nothing but chance to a forecast. */
static void a_products_own_forecast_counts_where_it_told_more(void **state) /* F20 */
{
    assert_true(own_weight_where(1) < 0.5);
    assert_true(own_weight_where(2.5) > 0.8);
}

/* However far its product is shifted. */
static void a_likelier_pair_of_a_product_stays_likelier(void **state) /* F20 */
{
    g_auto(Setting) setting;
    setting_open(&setting, shop(8, 1), MOMENT, &probable);
    g_autoptr(Calibration) calibration = fit(&setting);
    aim(calibration, &setting);
    const float most[] = {-2.7f, 0, 2.7f};
    for (uint32_t item = 0; item < ITEMS; item++) {
        float last = 0;
        calibration->shift[item] = most[item % 3];
        for (float x = 1e-6f; x < 1; x *= 1.02f) {
            float probability = calibration_probability(calibration, item, x);
            assert_true(probability > last);
            last = probability;
        }
    }
}

static void scores_that_are_no_probabilities_keep_their_order(void **state) /* F20 F25 */
{
    g_auto(Setting) setting;
    setting_open(&setting, shop(3, 1), MOMENT, &ordered);
    g_autoptr(Calibration) calibration = fit(&setting);
    aim(calibration, &setting);
    assert_false(calibration_by_item(calibration));
    float last = 0;
    for (float x = 1e-6f; x < 10; x *= 1.05f) {
        float probability = calibration_probability(calibration, (uint32_t)(x * 7) % ITEMS, x);
        assert_true(probability > 0 && probability < 1);
        assert_true(probability >= last);
        last = probability;
    }
    assert_true(calibration_probability(calibration, 0, 0) == 0);
}

static void every_way_to_ask_gives_one_answer(void **state) /* F20 */
{
    g_auto(Setting) setting;
    setting_open(&setting, shop(4, 1), MOMENT, &probable);
    g_autoptr(Calibration) calibration = fit(&setting);
    aim(calibration, &setting);
    for (uint32_t user = 0; user < 20; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            float column = score(user, item);
            calibration_map_users(calibration, item, &column, 1);
            assert_true(column == calibration_probability(calibration, item, score(user, item)));
        }
    }
}

static void it_survives_its_file(void **state)
{
    g_auto(Setting) setting;
    g_autoptr(GError) error = NULL;
    setting_open(&setting, shop(5, 1), MOMENT, &probable);
    g_autoptr(Calibration) calibration = fit(&setting), loaded = NULL, refused = NULL;
    aim(calibration, &setting);
    g_autofree char *path = g_strdup_printf("%s/calibration-%d", g_get_tmp_dir(), (int)getpid());
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(calibration_save(calibration, writer, NULL));
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) sections = sections_open(path, NULL);
    g_unlink(path);
    assert_true(calibration_load(sections, ITEMS, &loaded, NULL));
    for (uint32_t item = 0; item < ITEMS; item++)
        assert_true(calibration_probability(loaded, item, 0.05f) ==
                    calibration_probability(calibration, item, 0.05f));
    assert_false(calibration_load(sections, ITEMS + 1, &refused, &error));
    assert_int_equal(error_code(error), ERR_DAMAGED);
}

static void too_few_events_calibrate_nothing(void **state) /* F20 */
{
    const Bought bought[] = {{0, 0, 1}, {0, 1, 2}, {1, 1, 125}, {2, 3, 126}};
    g_auto(Setting) setting;
    setting_open(&setting, shop_new(USERS, ITEMS, bought, 4), MOMENT, &probable);
    Calibration *calibration = NULL;
    assert_true(
        calibration_fit(&setting.moment, setting.samples, &setting.options, &calibration, NULL));
    assert_null(calibration);
}

static void threads_do_not_change_a_byte(void **state) /* F21 */
{
    g_auto(Setting) setting;
    setting_open(&setting, shop(6, 1), MOMENT, &probable);
    g_autoptr(Calibration) two = fit(&setting);
    aim(two, &setting);
    setting.options.threads = 1;
    samples_free(setting.samples);
    setting.samples = samples_new(&setting.moment, &setting.options, NULL);
    g_autoptr(Calibration) one = fit(&setting);
    aim(one, &setting);
    for (uint32_t item = 0; item < ITEMS; item++)
        assert_true(calibration_probability(one, item, 0.03f) ==
                    calibration_probability(two, item, 0.03f));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_levels_become_the_planted_chances),
        cmocka_unit_test(a_growing_shop_is_aimed_higher),
        cmocka_unit_test(a_products_own_forecast_counts_where_it_told_more),
        cmocka_unit_test(a_likelier_pair_of_a_product_stays_likelier),
        cmocka_unit_test(scores_that_are_no_probabilities_keep_their_order),
        cmocka_unit_test(every_way_to_ask_gives_one_answer),
        cmocka_unit_test(it_survives_its_file),
        cmocka_unit_test(too_few_events_calibrate_nothing),
        cmocka_unit_test(threads_do_not_change_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
