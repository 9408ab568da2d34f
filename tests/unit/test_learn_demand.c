#include "learn_shop.h"

#include "learn/demand.h"

#define USERS   600u
#define ITEMS   60u
#define HORIZON (30 * US_PER_DAY)

/* Every item at a steady rate of its own; item 0 three times as often from day `surge` on. */
static Dataset *shop(double days, double surge, bool has_future)
{
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    Rng rng;
    rng_init(&rng, 5, 0);
    for (uint32_t item = 0; item < ITEMS; item++) {
        double gap = 0.2 + 0.02 * item;
        for (double at = gap; at < days; at += gap * (item == 0 && at > surge ? 1.0 / 3 : 1)) {
            Bought one = {rng_below(&rng, USERS), item, at};
            g_array_append_val(bought, one);
        }
    }
    Bought later = {1, 2, days + 5};
    if (has_future)
        g_array_append_val(bought, later);
    return shop_new(USERS, ITEMS, (const Bought *)(void *)bought->data, bought->len);
}

static double *forecast(const Dataset *raw, double as_of, unsigned *windows)
{
    g_autoptr(GError) error = NULL;
    double *demand = g_new0(double, raw->n_items);
    DemandOptions options = {.as_of = day(as_of), .horizon = HORIZON};
    if (!demand_forecast(raw, &options, demand, windows, &error))
        fail_msg("%s", error->message);
    return demand;
}

static void a_steady_shop_goes_on_as_it_was(void **state) /* F20 */
{
    unsigned windows;
    g_autoptr(Dataset) raw = shop(240, 1000, false);
    g_autofree double *demand = forecast(raw, 210, &windows);
    g_autoptr(Csr) after = window_targets(raw, day(210), day(240), NULL);
    double expected = 0, actual = 0;
    for (uint32_t user = 0; user < USERS; user++)
        actual += (double)(after->start[user + 1] - after->start[user]);
    for (uint32_t item = 0; item < ITEMS; item++)
        expected += demand[item];
    assert_int_equal(windows, 3);
    assert_true(expected > 0.93 * actual && expected < 1.07 * actual);
    assert_true(demand[0] > demand[ITEMS - 1]);
}

static void what_takes_off_is_expected_to_stay_up(void **state) /* F20 */
{
    unsigned windows;
    g_autoptr(Dataset) steady = shop(240, 1000, false), surging = shop(240, 195, false);
    g_autofree double *before = forecast(steady, 210, &windows);
    g_autofree double *after = forecast(surging, 210, &windows);
    assert_true(after[0] > 1.5 * before[0]);
}

/* Each product is sold once in half a year or so: most of the next sales are of products that
 * nobody bought in the last three months. */
static void what_sells_seldom_is_expected_all_the_same(void **state) /* F20 */
{
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    Rng rng;
    rng_init(&rng, 7, 0);
    const uint32_t items = 2000, sold = 4000;
    const double days = 360, as_of = 330;
    for (uint32_t i = 0; i < sold; i++) {
        Bought one = {rng_below(&rng, USERS), rng_below(&rng, items), days * rng_uniform(&rng)};
        g_array_append_val(bought, one);
    }
    unsigned windows;
    g_autoptr(Dataset) raw =
        shop_new(USERS, items, (const Bought *)(void *)bought->data, bought->len);
    g_autofree double *demand = forecast(raw, as_of, &windows);
    g_autoptr(Csr) after = window_targets(raw, day(as_of), day(days), NULL);
    g_autofree bool *is_known = g_new0(bool, items);
    double expected = 0, actual = 0;
    for (uint64_t r = 0; r < raw->rows.n; r++)
        is_known[raw->rows.item[r]] |= raw->rows.time[r] < day(as_of);
    for (uint64_t e = 0; e < after->start[USERS]; e++)
        actual += is_known[after->column[e]];
    for (uint32_t item = 0; item < items; item++) {
        assert_true((demand[item] > 0) == is_known[item]);
        expected += demand[item];
    }
    assert_true(expected > 0.85 * actual && expected < 1.15 * actual);
}

static void later_rows_change_no_byte(void **state) /* F20 */
{
    unsigned windows;
    g_autoptr(Dataset) known = shop(210, 1000, false), more = shop(210, 1000, true);
    g_autofree double *a = forecast(known, 210, &windows), *b = forecast(more, 210, &windows);
    assert_memory_equal(a, b, ITEMS * sizeof *a);
}

static void too_short_a_past_forecasts_nothing(void **state) /* F20 */
{
    unsigned windows = 9;
    g_autoptr(Dataset) raw = shop(50, 1000, false);
    g_autofree double *demand = forecast(raw, 50, &windows);
    assert_int_equal(windows, 0);
    for (uint32_t item = 0; item < ITEMS; item++)
        assert_true(demand[item] == 0);
}

static void a_cancel_is_obeyed(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Dataset) raw = shop(240, 1000, false);
    g_autofree double *demand = g_new0(double, ITEMS);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    DemandOptions options = {.as_of = day(210), .horizon = HORIZON, .cancel = &cancel};
    unsigned windows;
    assert_false(demand_forecast(raw, &options, demand, &windows, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_shop_goes_on_as_it_was),
        cmocka_unit_test(what_takes_off_is_expected_to_stay_up),
        cmocka_unit_test(what_sells_seldom_is_expected_all_the_same),
        cmocka_unit_test(later_rows_change_no_byte),
        cmocka_unit_test(too_short_a_past_forecasts_nothing),
        cmocka_unit_test(a_cancel_is_obeyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
