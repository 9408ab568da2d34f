#include "data_rows.h"

/* i0 is in g0 and g1, i1 in g1, i2 in none, i3 in g2. */
static const uint64_t STARTS[] = {0, 2, 3, 3, 4};
static const uint32_t GROUPS[] = {0, 1, 1, 2};
static const ItemGroups GROUPED = {3, STARTS, GROUPS};

static Ids *three_names(void)
{
    Ids *names = ids_new();
    for (unsigned g = 0; g < 3; g++) {
        char name[8];
        ids_add(names, name, (size_t)snprintf(name, sizeof name, "g%u", g), NULL);
    }
    return names;
}

static Dataset *group(const Dataset *raw)
{
    g_autoptr(GError) error = NULL;
    Dataset *grouped = dataset_grouped(raw, &GROUPED, three_names(), &error);
    if (!grouped)
        fail_msg("%s", error->message);
    return grouped;
}

static void expect_line(const Dataset *grouped, uint64_t at, uint32_t user, uint32_t item,
                        double when, double quantity)
{
    assert_true(at < grouped->rows.n);
    assert_int_equal(grouped->rows.user[at], user);
    assert_int_equal(grouped->rows.item[at], item);
    assert_true(grouped->rows.time[at] == day(when));
    assert_true(grouped->rows.quantity[at] == (float)quantity);
}

static void a_line_stands_once_for_each_group_of_its_item(void **state)
{
    static const Row rows[] = {{0, 0, 1, 2, 0, 5}, {0, 2, 2, 1, 1, 5}, {1, 3, 3, 1, 2, 7}};
    g_autoptr(Dataset) raw = rows_dataset(3, 4, rows, 3);
    g_autoptr(Dataset) grouped = group(raw);
    assert_int_equal(grouped->rows.n, 3);
    expect_line(grouped, 0, 0, 0, 1, 2);
    expect_line(grouped, 1, 0, 1, 1, 2);
    expect_line(grouped, 2, 1, 2, 3, 1);
    assert_true(grouped->rows.price[2] == 7);
    assert_int_equal(grouped->n_users, 3);
    assert_int_equal(grouped->n_items, 3);
    assert_int_equal(grouped->user_start[1], 2);
    assert_int_equal(grouped->user_start[3], 3);
    assert_true(grouped->first == day(1) && grouped->last == day(3));
    assert_int_equal(grouped->item_attributes->n_columns, 0);
}

static void what_an_order_holds_of_a_group_is_one_line(void **state)
{
    static const Row rows[] = {{0, 0, 1, 2, 0, 5}, {0, 1, 1, 3, 0, 1}, {0, 1, 1, 4, 1, NAN}};
    g_autoptr(Dataset) raw = rows_dataset(1, 4, rows, 3);
    g_autoptr(Dataset) grouped = group(raw);
    assert_int_equal(grouped->rows.n, 3);
    expect_line(grouped, 0, 0, 0, 1, 2);
    expect_line(grouped, 1, 0, 1, 1, 5);
    assert_true(grouped->rows.price[1] == 3);
    expect_line(grouped, 2, 0, 1, 1, 4);
    assert_true(isnan(grouped->rows.price[2]));
    assert_true(grouped->rows.order[1] != grouped->rows.order[2]);
}

static void a_return_takes_back_what_was_bought_of_the_group(void **state)
{
    static const Row rows[] = {{0, 0, 1, 2, 0, 5}, {0, 1, 1, -2, 0, 5}, {0, 1, 2, 1, 1, 5}};
    g_autoptr(Dataset) raw = rows_dataset(1, 4, rows, 3);
    g_autoptr(Dataset) grouped = group(raw);
    expect_line(grouped, 1, 0, 1, 1, 2);
    expect_line(grouped, 2, 0, 1, 1, -2);
    g_autoptr(Dataset) netted = dataset_before(grouped, day(10), NULL);
    assert_int_equal(netted->rows.n, 2);
    expect_line(netted, 0, 0, 0, 1, 2);
    expect_line(netted, 1, 0, 1, 2, 1);
}

static void it_outlives_what_it_was_made_of(void **state)
{
    static const Row rows[] = {{0, 0, 1, 2, 0, 5}};
    Dataset *raw = rows_dataset(2, 4, rows, 1);
    g_autoptr(Dataset) grouped = group(raw);
    dataset_unref(raw);
    size_t length;
    assert_memory_equal(ids_get(grouped->users, 1, &length), "u1", 2);
    assert_memory_equal(ids_get(grouped->items, 2, &length), "g2", 2);
    assert_int_equal(grouped->user_attributes->n_columns, 0);
}

static void no_lines_give_no_lines(void **state)
{
    g_autoptr(Dataset) raw = rows_dataset(2, 4, NULL, 0);
    g_autoptr(Dataset) grouped = group(raw);
    assert_int_equal(grouped->rows.n, 0);
    assert_int_equal(grouped->user_start[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_stands_once_for_each_group_of_its_item),
        cmocka_unit_test(what_an_order_holds_of_a_group_is_one_line),
        cmocka_unit_test(a_return_takes_back_what_was_bought_of_the_group),
        cmocka_unit_test(it_outlives_what_it_was_made_of),
        cmocka_unit_test(no_lines_give_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
