/* Lists that the learner finds itself are those that its tiles of scores give (F9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include "index/history.h"
#include "index/lists.h"
#include "learn/calibration.h"
#include "math/rng.h"

enum { USERS = 900, ITEMS = 700, EVENTS = 9000 };

/* Some items sell most, some never, and some users come back all the time. */
static Dataset *random_data(void)
{
    DatasetOptions options = {.now = shop_day(1000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    Rng rng;
    rng_init(&rng, 31, 0);
    char user[16], item[16];
    for (uint32_t i = 0; i < ITEMS; i++)
        dataset_builder_add_item(builder, item, (size_t)snprintf(item, 16, "i%u", i), NULL);
    for (uint32_t u = 0; u < USERS; u++)
        dataset_builder_add_user(builder, user, (size_t)snprintf(user, 16, "u%u", u), NULL);
    for (size_t i = 0; i < EVENTS; i++) {
        snprintf(user, sizeof user, "u%u", (uint32_t)(USERS * pow(rng_uniform(&rng), 2)));
        snprintf(item, sizeof item, "i%u", (uint32_t)(ITEMS * pow(rng_uniform(&rng), 2)));
        shop_add_event(builder, user, item, SHOP_DAY * rng_uniform(&rng));
    }
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    return dataset_before(raw, INT64_MAX, NULL);
}

static Lists *make_lists(const Shop *shop, const BuildOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Histories) histories =
        histories_new(shop->view, shop->scope, &options->rules, &error);
    assert_non_null(histories);
    Lists *lists = lists_new(shop->planned.stored, shop->scope, histories, options, &error);
    assert_non_null(lists);
    return lists;
}

/* What the learner says without finding anything itself. */
static Lists *lists_from_tiles(const Shop *shop, const BuildOptions *options)
{
    const Learner *learner = shop->planned.stored->learner;
    Learner teller = *learner;
    teller.top_users = NULL;
    shop->planned.stored->learner = &teller;
    Lists *lists = make_lists(shop, options);
    shop->planned.stored->learner = learner;
    return lists;
}

static void assert_same_lists(const Lists *one, const Lists *other)
{
    uint64_t places = (uint64_t)one->n_rows * one->stride;
    assert_int_equal(one->n_rows, other->n_rows);
    assert_int_equal(one->stride, other->stride);
    assert_memory_equal(one->user, other->user, one->n_rows * sizeof *one->user);
    assert_memory_equal(one->count, other->count, one->n_rows);
    assert_memory_equal(one->item, other->item, places * sizeof *one->item);
    assert_memory_equal(one->score, other->score, places * sizeof *one->score);
    assert_memory_equal(one->probability, other->probability, places * sizeof *one->probability);
}

static void lists_found_are_those_of_the_tiles_to_the_byte(void **state)
{
    static const PurchasedPolicy policies[] = {PURCHASED_ALLOW, PURCHASED_EXCLUDE,
                                               PURCHASED_EXCLUDE_WITHIN};
    static const uint32_t lengths[] = {20, 200};
    g_autoptr(Shop) shop = shop_new_of(random_data(), "als");
    assert_non_null(shop->planned.stored->learner->top_users);
    for (uint32_t item = 0; item < ITEMS; item += 9) {
        shop->scope->n_items -= shop->scope->item[item];
        shop->scope->item[item] = 0;
    }
    for (size_t p = 0; p < G_N_ELEMENTS(policies); p++) {
        for (size_t l = 0; l < G_N_ELEMENTS(lengths); l++) {
            BuildOptions options = shop_options(policies[p], 90);
            options.list_length = lengths[l];
            g_autoptr(Lists) told = lists_from_tiles(shop, &options);
            assert_true(told->n_rows > USERS / 2);
            assert_true(told->count[0] > 0);
            for (unsigned threads = 1; threads <= 3; threads++) {
                options.threads = threads;
                g_autoptr(Lists) found = make_lists(shop, &options);
                assert_same_lists(found, told);
            }
        }
    }
}

/* Rises with the score within an item, and puts every other item on another level. */
static Calibration *levels_apart(const Shop *shop)
{
    Calibration *calibration = g_new0(Calibration, 1);
    *calibration = (Calibration){.n_items = shop->view->n_items, .n_bands = 1, .by_item = true};
    calibration->curve[0] = (Curve){.n = 2, .x = {-10, 10}, .y = {-6, -1}};
    calibration->band = g_new0(uint8_t, calibration->n_items);
    calibration->shift = g_new0(float, calibration->n_items);
    for (uint32_t item = 0; item < calibration->n_items; item += 2)
        calibration->shift[item] = 2;
    return calibration;
}

static void F20_lists_are_in_the_order_of_scores_and_tell_the_probability_of_each_pair(void **state)
{
    g_autoptr(Shop) shop = shop_new_of(random_data(), "repeat");
    const Fitted *fitted = shop->planned.stored;
    g_autoptr(Calibration) calibration = levels_apart(shop);
    BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
    g_autoptr(Lists) plain = make_lists(shop, &options);
    options.calibration = calibration;
    g_autoptr(Lists) told = make_lists(shop, &options);
    g_autofree float *scores = g_new(float, fitted->n_items);
    unsigned rises = 0;
    for (uint64_t row = 0; row < told->n_rows; row++) {
        uint64_t first = row * told->stride;
        assert_true(fitted->learner->score_users(fitted, &told->user[row], 1, scores, NULL));
        assert_int_equal(told->count[row], plain->count[row]);
        for (uint64_t at = first; at < first + told->count[row]; at++) {
            uint32_t item = told->item[at];
            assert_int_equal(item, plain->item[at]);
            assert_true(told->score[at] == plain->score[at]);
            assert_true(told->probability[at] ==
                        calibration_probability(calibration, item, scores[item]));
            rises += at > first && told->probability[at] > told->probability[at - 1];
        }
    }
    assert_true(rises > 100);
}

static void note(void *context, double fraction)
{
    double *last = context;
    assert_true(fraction > *last);
    *last = fraction;
}

static void progress_of_found_lists_rises_to_1(void **state)
{
    g_autoptr(Shop) shop = shop_new_of(random_data(), "als");
    BuildOptions options = shop_options(PURCHASED_EXCLUDE, 0);
    double last = 0;
    options.progress = note;
    options.progress_context = &last;
    g_autoptr(Lists) lists = make_lists(shop, &options);
    assert_float_equal(last, 1, 0);
}

static void a_cancelled_search_for_lists_says_so(void **state)
{
    g_autoptr(Shop) shop = shop_new_of(random_data(), "als");
    BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    options.cancel = &cancel;
    g_autoptr(GError) error = NULL;
    g_autoptr(Histories) histories = histories_new(shop->view, shop->scope, &options.rules, &error);
    assert_null(lists_new(shop->planned.stored, shop->scope, histories, &options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_found_are_those_of_the_tiles_to_the_byte),
        cmocka_unit_test(
            F20_lists_are_in_the_order_of_scores_and_tell_the_probability_of_each_pair),
        cmocka_unit_test(progress_of_found_lists_rises_to_1),
        cmocka_unit_test(a_cancelled_search_for_lists_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
