#include "data_rows.h"

#define STEPS_MAX 8

/* One user and product: what happened day by day, what is left of it; 0 ends a list. */
typedef struct NettingCase {
    const char *name;
    float quantity[STEPS_MAX];
    float left[STEPS_MAX];
    uint64_t dropped;
} NettingCase;

/* F12: a return takes back the latest earlier purchases, newest first. */
static const NettingCase netting_cases[] = {
    {"no return", {1, 2, 3}, {1, 2, 3}, 0},
    {"the newest goes first", {1, 2, -2}, {1}, 2},
    {"in part keeps the rest", {1, 5, -2}, {1, 3}, 1},
    {"over several lines", {4, 1, 2, -4}, {3}, 3},
    {"everything", {1, 2, -3}, {0}, 3},
    {"more than was bought", {1, 2, -9}, {0}, 3},
    {"without a purchase", {-1}, {0}, 1},
    {"a return takes nothing from later purchases", {-3, 2}, {2}, 1},
    {"twice", {3, -1, -1}, {1}, 2},
    {"what was taken back once is gone", {2, -2, 5, -1}, {4}, 3},
    {"between purchases", {2, -1, 2, -1}, {1, 1}, 2},
    {"tenths leave no crumbs", {0.1f, 0.2f, -0.3f}, {0}, 3},
    {"tenths in part", {0.3f, -0.1f, -0.2f}, {0}, 3},
};

static void returns_take_back_the_latest_earlier_purchases(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(netting_cases); i++) {
        const NettingCase *netting = &netting_cases[i];
        Row rows[STEPS_MAX] = {0};
        size_t n = 0, left = 0;
        for (; n < STEPS_MAX && netting->quantity[n] != 0; n++)
            rows[n] = (Row){0, 0, (double)n, netting->quantity[n], 0, 1};
        g_autoptr(Dataset) raw = rows_dataset(1, 1, rows, n);
        g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
        for (; left < view->rows.n; left++)
            if (fabsf(view->rows.quantity[left] - netting->left[left]) > 1e-6f)
                fail_msg("%s: row %zu is %g", netting->name, left, view->rows.quantity[left]);
        assert_true(netting->left[left] == 0);
        assert_int_equal(view->dropped[DROP_RETURNED].rows, netting->dropped);
    }
}

static void a_return_reaches_no_other_user_or_product(void **state)
{
    const Row rows[] = {{0, 0, 1, 1, 0, 1}, {0, 1, 2, 1, 0, 1},  {1, 0, 3, 1, 0, 1},
                        {1, 1, 4, 1, 0, 1}, {0, 1, 5, -1, 0, 1}, {2, 0, 6, -1, 0, 1}};
    g_autoptr(Dataset) raw = rows_dataset(3, 2, rows, G_N_ELEMENTS(rows));
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    const uint32_t users[] = {0, 1, 1}, items[] = {0, 0, 1};
    assert_int_equal(view->rows.n, 3);
    assert_memory_equal(view->rows.user, users, sizeof users);
    assert_memory_equal(view->rows.item, items, sizeof items);
    assert_int_equal(view->dropped[DROP_RETURNED].rows, 3);
    assert_int_equal(view->dropped[DROP_RETURNED].n_samples, 2);
    assert_string_equal(view->dropped[DROP_RETURNED].samples[0], "i1");
    assert_int_equal(raw->dropped[DROP_RETURNED].rows, 0);
}

static void a_return_of_the_same_moment_takes_back_its_purchase(void **state)
{
    const Row rows[] = {{0, 0, 1, -2, 0, 1}, {0, 0, 1, 2, 0, 1}};
    g_autoptr(Dataset) raw = rows_dataset(1, 1, rows, 2);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    assert_int_equal(view->rows.n, 0);
}

/* The rule of the header, read word for word: for each return, in order, walk back. */
static void plain_net(const Dataset *raw, int64_t until, float *left)
{
    const Interactions *rows = &raw->rows;
    for (uint64_t i = 0; i < rows->n; i++)
        left[i] = rows->time[i] < until ? rows->quantity[i] : 0;
    for (uint64_t i = 0; i < rows->n; i++) {
        for (uint64_t j = i; left[i] < 0 && j-- > raw->user_start[rows->user[i]];) {
            if (rows->item[j] != rows->item[i] || left[j] <= 0)
                continue;
            float taken = MIN(left[j], -left[i]);
            left[j] -= taken;
            left[i] += taken;
        }
        left[i] = MAX(left[i], 0);
    }
}

static void netting_equals_a_plain_walk_back(void **state)
{
    enum { N = 20000 };
    for (uint64_t seed = 0; seed < 6; seed++) {
        g_autofree Row *rows = rows_random(N, 60, seed % 2 ? 3 : 40, seed);
        g_autoptr(Dataset) raw = rows_dataset(60, 40, rows, N);
        int64_t until = seed < 3 ? day(50) : INT64_MAX;
        g_autoptr(Dataset) view = dataset_before(raw, until, NULL);
        g_autofree float *left = g_new(float, N);
        plain_net(raw, until, left);
        uint64_t at = 0;
        for (uint64_t i = 0; i < raw->rows.n; i++) {
            if (left[i] == 0)
                continue;
            assert_true(at < view->rows.n);
            assert_int_equal(view->rows.user[at], raw->rows.user[i]);
            assert_int_equal(view->rows.item[at], raw->rows.item[i]);
            assert_int_equal(view->rows.time[at], raw->rows.time[i]);
            assert_true(view->rows.quantity[at] == left[i]);
            at++;
        }
        assert_int_equal(at, view->rows.n);
    }
}

static void no_view_holds_a_quantity_of_zero_or_less(void **state)
{
    enum { N = 5000 };
    g_autofree Row *rows = rows_random(N, 30, 5, 9);
    g_autoptr(Dataset) raw = rows_dataset(30, 5, rows, N);
    for (int until = 0; until <= 100; until += 10) {
        g_autoptr(Dataset) view = dataset_before(raw, day(until), NULL);
        uint64_t before = 0;
        for (uint64_t i = 0; i < raw->rows.n; i++)
            before += raw->rows.time[i] < day(until);
        /* What is gone was a return or taken back by one: every row is accounted for. */
        assert_int_equal(view->rows.n + view->dropped[DROP_RETURNED].rows, before);
        for (uint64_t i = 0; i < view->rows.n; i++) {
            assert_true(view->rows.quantity[i] > 0);
            assert_true(view->rows.time[i] < day(until));
        }
        if (view->rows.n > 0)
            assert_true(view->last < day(until) && view->first <= view->last);
    }
}

static size_t before(const Row *rows, size_t n, double until, Row *kept)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++)
        if (rows[i].day < until)
            kept[n_kept++] = rows[i];
    return n_kept;
}

/* F17: nothing of the future reaches the past. Rows at or after `until` are removed, reversed,
 * changed and put first: the view has the same bytes, numbers of orders included. */
static void nothing_at_or_after_until_changes_the_view(void **state)
{
    enum { N = 8000, UNTIL = 60 };
    g_autofree Row *rows = rows_random(N, 70, 12, 5);
    g_autofree Row *other = g_new(Row, 2 * N);
    g_autoptr(Dataset) raw = rows_dataset(70, 12, rows, N);
    g_autoptr(Dataset) view = dataset_before(raw, day(UNTIL), NULL);
    assert_true(view->rows.n > N / 4);

    size_t n_past = before(rows, N, UNTIL, other);
    assert_true(n_past < N);
    g_autoptr(Dataset) past = rows_dataset(70, 12, other, n_past);
    g_autoptr(Dataset) past_view = dataset_before(past, day(UNTIL), NULL);
    expect_same_rows(view, past_view, true);
    g_autoptr(Dataset) past_whole = dataset_before(past, INT64_MAX, NULL);
    expect_same_rows(view, past_whole, true);

    size_t n_future = 0;
    for (size_t i = N; i-- > 0;) {
        if (rows[i].day < UNTIL)
            continue;
        other[n_future] = rows[i];
        other[n_future].quantity *= -3;
        other[n_future].order += 17;
        other[n_future++].item = (rows[i].item + 1) % 12;
    }
    n_past = before(rows, N, UNTIL, other + n_future);
    g_autoptr(Dataset) changed = rows_dataset(70, 12, other, n_future + n_past);
    g_autoptr(Dataset) changed_view = dataset_before(changed, day(UNTIL), NULL);
    expect_same_rows(view, changed_view, true);
}

static void orders_of_a_view_are_numbered_from_zero(void **state)
{
    enum { N = 2000 };
    g_autofree Row *rows = rows_random(N, 30, 5, 3);
    for (size_t i = 0; i < N; i += 7)
        rows[i].order = NO_ORDER;
    g_autoptr(Dataset) raw = rows_dataset(30, 5, rows, N);
    g_autoptr(Dataset) view = dataset_before(raw, day(40), NULL);
    uint32_t next = 0;
    for (uint64_t i = 0; i < view->rows.n; i++) {
        if (view->rows.order[i] == IDS_NONE)
            continue;
        assert_true(view->rows.order[i] <= next);
        next += view->rows.order[i] == next;
    }
    assert_int_equal(view->n_orders, next);
    assert_true(next < raw->n_orders);
}

static void a_view_before_everything_is_empty(void **state)
{
    const Row row = {0, 0, 1, 2, 3, 4};
    g_autoptr(Dataset) raw = rows_dataset(1, 1, &row, 1);
    g_autoptr(Dataset) none = dataset_before(raw, day(1), NULL);
    g_autoptr(Dataset) one = dataset_before(raw, day(1) + 1, NULL);
    assert_int_equal(none->rows.n, 0);
    assert_int_equal(one->rows.n, 1);
}

/* F24: as if read on that day: returns still in it, orders numbered by first row. */
static void a_data_set_as_of_a_day_has_its_raw_rows_and_no_later_one(void **state)
{
    const size_t n = 3000;
    g_autofree Row *rows = rows_random(n, 20, 10, 8);
    g_autofree Row *earlier = g_new(Row, n);
    size_t n_earlier = 0, n_returns = 0;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].day >= 30)
            continue;
        n_returns += rows[i].quantity < 0;
        earlier[n_earlier++] = rows[i];
    }
    assert_true(n_earlier > 100 && n_earlier < n && n_returns > 10);
    g_autoptr(Dataset) raw = rows_dataset(20, 10, rows, n);
    g_autoptr(Dataset) past = dataset_as_of(raw, day(30), NULL);
    g_autoptr(Dataset) known = rows_dataset(20, 10, earlier, n_earlier);
    expect_same_rows(past, known, false);
    g_autoptr(Dataset) view = dataset_before(past, day(20), NULL);
    g_autoptr(Dataset) expected = dataset_before(raw, day(20), NULL);
    expect_same_rows(view, expected, true);
}

static void a_data_set_as_of_a_day_before_everything_is_empty(void **state)
{
    const Row row = {0, 0, 1, 2, 3, 4};
    g_autoptr(Dataset) raw = rows_dataset(1, 1, &row, 1);
    g_autoptr(Dataset) past = dataset_as_of(raw, day(1), NULL);
    assert_int_equal(past->rows.n, 0);
    assert_int_equal(past->n_orders, 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_take_back_the_latest_earlier_purchases),
        cmocka_unit_test(a_return_reaches_no_other_user_or_product),
        cmocka_unit_test(a_return_of_the_same_moment_takes_back_its_purchase),
        cmocka_unit_test(netting_equals_a_plain_walk_back),
        cmocka_unit_test(no_view_holds_a_quantity_of_zero_or_less),
        cmocka_unit_test(nothing_at_or_after_until_changes_the_view),
        cmocka_unit_test(orders_of_a_view_are_numbered_from_zero),
        cmocka_unit_test(a_view_before_everything_is_empty),
        cmocka_unit_test(a_data_set_as_of_a_day_has_its_raw_rows_and_no_later_one),
        cmocka_unit_test(a_data_set_as_of_a_day_before_everything_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
