#include "data_rows.h"

#include "data/split.h"

/* F13: the year before the anchor, its first moment in, the anchor out. */
static void scope_is_the_year_before_the_anchor(void **state)
{
    const int64_t anchor = day(1000);
    const double year = 1000 - 365, tick = 1.0 / (double)US_PER_DAY;
    const Row rows[] = {{0, 0, year, 1, 0, 1},        {1, 1, year - tick, 1, 0, 1},
                        {2, 2, 1000 - tick, 1, 0, 1}, {3, 3, 1000, 1, 0, 1},
                        {4, 0, 10, 1, 0, 1},          {4, 1, 999, 1, 0, 1}};
    g_autoptr(Dataset) raw = rows_dataset(6, 5, rows, G_N_ELEMENTS(rows));
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    g_autoptr(Scope) scope = scope_new(view, anchor, NULL);
    const uint8_t users[] = {USER_PREDICTABLE, USER_NO_RECENT_PURCHASE, USER_PREDICTABLE,
                             USER_NO_PURCHASE, USER_PREDICTABLE,        USER_NO_PURCHASE};
    const uint8_t items[] = {1, 1, 1, 0, 0};
    assert_memory_equal(scope->user, users, sizeof users);
    assert_memory_equal(scope->item, items, sizeof items);
    assert_int_equal(scope->anchor, anchor);
    assert_int_equal(scope->n_users, 3);
    assert_int_equal(scope->users_never, 2);
    assert_int_equal(scope->users_lapsed, 1);
    assert_int_equal(scope->n_items, 3);
    assert_int_equal(scope->items_never, 2);
    assert_int_equal(scope->items_lapsed, 0);
}

static void scope_of_no_rows_is_nobody(void **state)
{
    g_autoptr(Dataset) view = rows_dataset(2, 3, NULL, 0);
    g_autoptr(Scope) scope = scope_new(view, 1, NULL);
    assert_int_equal(scope->n_users, 0);
    assert_int_equal(scope->users_never, 2);
    assert_int_equal(scope->items_never, 3);
}

static void targets_are_the_distinct_products_bought_in_the_window(void **state)
{
    enum { N = 6000, USERS = 40, ITEMS = 25 };
    g_autofree Row *rows = rows_random(N, USERS, ITEMS, 4);
    g_autoptr(Dataset) raw = rows_dataset(USERS, ITEMS, rows, N);
    g_autoptr(Csr) targets = window_targets(raw, day(60), day(63), NULL);
    bool plain[USERS][ITEMS] = {{false}};
    uint64_t expected = 0;
    for (size_t i = 0; i < N; i++)
        if (rows[i].day >= 60 && rows[i].day < 63 && rows[i].quantity > 0)
            plain[rows[i].user][rows[i].item] = true;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            assert_true(csr_get(targets, user, item) == (plain[user][item] ? 1.0f : 0.0f));
            expected += plain[user][item];
        }
    }
    assert_int_equal(targets->start[USERS], expected);
    assert_true(expected > 50);
}

static void decayed_counts_halve_with_each_half_life(void **state)
{
    const Row rows[] = {
        {0, 0, 100, 9, 0, 1}, {0, 0, 90, 1, 0, 1}, {0, 1, 80, 2, 0, 1}, {1, 1, 95, 1, 0, 1}};
    g_autoptr(Dataset) view = rows_dataset(2, 2, rows, G_N_ELEMENTS(rows));
    g_autoptr(Csr) decayed = decayed_counts(view, day(100), 10, NULL);
    assert_float_equal(csr_get(decayed, 0, 0), 1.5, 1e-6);
    assert_float_equal(csr_get(decayed, 0, 1), 0.25, 1e-6);
    assert_float_equal(csr_get(decayed, 1, 1), sqrt(0.5), 1e-6);
    assert_true(csr_get(decayed, 1, 0) == 0);
    const double plain[] = {0, -1};
    for (int i = 0; i < 2; i++) {
        g_autoptr(Csr) counts = decayed_counts(view, day(100), plain[i], NULL);
        assert_true(csr_get(counts, 0, 0) == 2);
        assert_true(csr_get(counts, 0, 1) == 1);
    }
}

static void a_purchase_of_long_ago_stays_an_entry(void **state)
{
    const Row row = {0, 0, 0, 1, 0, 1};
    g_autoptr(Dataset) view = rows_dataset(1, 1, &row, 1);
    g_autoptr(Csr) decayed = decayed_counts(view, day(100000), 1, NULL);
    assert_int_equal(decayed->start[1], 1);
    assert_true(decayed->value[0] > 0);
}

static void decayed_counts_equal_a_plain_sum(void **state)
{
    enum { N = 3000, USERS = 20, ITEMS = 10 };
    g_autofree Row *rows = rows_random(N, USERS, ITEMS, 6);
    g_autoptr(Dataset) raw = rows_dataset(USERS, ITEMS, rows, N);
    g_autoptr(Csr) decayed = decayed_counts(raw, day(100), 30, NULL);
    double plain[USERS][ITEMS] = {{0}};
    for (size_t i = 0; i < N; i++)
        plain[rows[i].user][rows[i].item] += exp2((rows[i].day - 100) / 30);
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++)
            assert_float_equal(csr_get(decayed, user, item), plain[user][item], 1e-4);
}

typedef struct PlanCase {
    double span_days;
    unsigned horizon_days;
    int windows;        /* 2, 1 or 0 */
    double window_days; /* length of each */
} PlanCase;

/* F17: as many whole horizons as leave half of the span for learning. */
static const PlanCase plan_cases[] = {
    {374, 30, 2, 30},  {120, 30, 2, 30},  {119.9, 30, 1, 30}, {60, 30, 1, 30},
    {59.9, 30, 1, 14}, {8, 30, 1, 2},     {4, 30, 1, 1},      {3.9, 30, 0, 0},
    {0.5, 30, 0, 0},   {3.9, 1, 1, 1},    {4, 1, 2, 1},       {2, 1, 1, 1},
    {1.9, 1, 0, 0},    {100, 365, 1, 25}, {100, 0, 2, 1},     {100, UINT32_MAX, 1, 25},
};

static void windows_leave_half_of_the_span_for_learning(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plan_cases); i++) {
        const PlanCase *plan = &plan_cases[i];
        int64_t first = day(7), end = first + day(plan->span_days), window = day(plan->window_days);
        Windows windows = windows_plan(first, end - 1, plan->horizon_days);
        assert_int_equal(windows.end, end);
        assert_int_equal(windows.none, plan->windows == 0);
        assert_int_equal(windows.test, end - window);
        assert_int_equal(windows.validation, end - MAX(plan->windows, 1) * window);
        assert_int_equal(windows.single, plan->windows != 2);
    }
}

static void windows_of_any_times_do_not_overflow(void **state)
{
    const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        for (size_t j = i; j < G_N_ELEMENTS(times); j++) {
            Windows windows = windows_plan(times[i], times[j], UINT32_MAX);
            assert_true(windows.validation <= windows.test && windows.test <= windows.end);
            assert_true(windows.validation >= times[i] || windows.none);
        }
    }
    assert_true(windows_plan(0, 0, 30).none);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scope_is_the_year_before_the_anchor),
        cmocka_unit_test(scope_of_no_rows_is_nobody),
        cmocka_unit_test(targets_are_the_distinct_products_bought_in_the_window),
        cmocka_unit_test(decayed_counts_halve_with_each_half_life),
        cmocka_unit_test(a_purchase_of_long_ago_stays_an_entry),
        cmocka_unit_test(decayed_counts_equal_a_plain_sum),
        cmocka_unit_test(windows_leave_half_of_the_span_for_learning),
        cmocka_unit_test(windows_of_any_times_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
