#include "data_rows.h"

/* Every user visits `visits_of` times, of two products each; when, says `day_of`. */
static Dataset *visits_shop(uint32_t n_users, uint32_t (*visits_of)(uint32_t user),
                            double (*day_of)(uint32_t user, uint32_t visit))
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(Row));
    for (uint32_t user = 0; user < n_users; user++) {
        for (uint32_t v = 0; v < 2 * visits_of(user); v++) {
            Row row = {user, v % 5, day_of(user, v / 2), 1, NO_ORDER, NAN};
            g_array_append_val(rows, row);
        }
    }
    return rows_dataset(n_users, 5, (const Row *)(const void *)rows->data, rows->len);
}

static uint32_t two_to_six(uint32_t user)
{
    return 2 + user % 5;
}

static uint32_t always_four(uint32_t user)
{
    return 4;
}

static double numbered(uint32_t user, uint32_t visit)
{
    return 100 + visit;
}

static double every_half_hour(uint32_t user, uint32_t visit)
{
    return 100 + visit / 48.0;
}

static double on_its_own_day(uint32_t user, uint32_t visit)
{
    return 100 + user % 7 + visit;
}

static double with_pauses(uint32_t user, uint32_t visit)
{
    return 100 + visit * (1 + user % 3);
}

static void expect_aligned(Dataset *raw, double last)
{
    assert_true(dataset_align_visits(raw));
    assert_true(raw->counts_visits);
    assert_int_equal(raw->last, day(last));
    assert_int_equal(raw->first, day(last - 5));
    for (uint32_t user = 0; user < raw->n_users; user++) {
        uint64_t begin = raw->user_start[user], end = raw->user_start[user + 1];
        assert_int_equal(end - begin, 2 * two_to_six(user));
        for (uint64_t r = begin; r < end; r++)
            assert_int_equal(raw->rows.time[r], day(last - (double)((end - 1 - r) / 2)));
    }
    assert_int_equal(dataset_horizon_days(raw, 30), 1);
}

static void numbers_of_baskets_become_days_before_the_last_one(void **state) /* F18 */
{
    g_autoptr(Dataset) days = visits_shop(50, two_to_six, numbered);
    expect_aligned(days, 105);
    g_autoptr(Dataset) half_hours = visits_shop(50, two_to_six, every_half_hour);
    expect_aligned(half_hours, 100 + 5 / 48.0);
}

static void a_view_holds_everybodys_visits_but_the_last(void **state) /* F18 */
{
    g_autoptr(Dataset) raw = visits_shop(50, two_to_six, numbered);
    dataset_align_visits(raw);
    g_autoptr(Dataset) view = dataset_before(raw, raw->last, NULL);
    for (uint32_t user = 0; user < view->n_users; user++)
        assert_int_equal(view->user_start[user + 1] - view->user_start[user],
                         2 * (two_to_six(user) - 1));
}

static void expect_untouched(Dataset *raw)
{
    size_t bytes = raw->rows.n * sizeof *raw->rows.time;
    g_autofree int64_t *before = g_memdup2(raw->rows.time, bytes);
    assert_false(dataset_align_visits(raw));
    if (bytes > 0)
        assert_memory_equal(before, raw->rows.time, bytes);
    assert_int_equal(dataset_horizon_days(raw, 30), 30);
}

static void times_of_a_clock_are_left_alone(void **state) /* F18 */
{
    g_autoptr(Dataset) own_days = visits_shop(50, two_to_six, on_its_own_day);
    g_autoptr(Dataset) pauses = visits_shop(50, two_to_six, with_pauses);
    g_autoptr(Dataset) together = visits_shop(50, always_four, numbered);
    g_autoptr(Dataset) few = visits_shop(10, two_to_six, numbered);
    g_autoptr(Dataset) empty = visits_shop(0, two_to_six, numbered);
    expect_untouched(own_days);
    expect_untouched(pauses);
    expect_untouched(together);
    expect_untouched(few);
    expect_untouched(empty);
}

static void moments_at_the_ends_of_time_are_left_alone(void **state)
{
    g_autoptr(Dataset) raw = visits_shop(50, two_to_six, numbered);
    for (uint32_t user = 0; user < raw->n_users; user++)
        raw->rows.time[raw->user_start[user]] = INT64_MIN;
    raw->first = INT64_MIN;
    expect_untouched(raw);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_baskets_become_days_before_the_last_one),
        cmocka_unit_test(a_view_holds_everybodys_visits_but_the_last),
        cmocka_unit_test(times_of_a_clock_are_left_alone),
        cmocka_unit_test(moments_at_the_ends_of_time_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
