/* data/exclusions by way of data/dataset: F11, periods left out for all or for some products */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "data/split.h"
#include "data_rows.h"

#define TO_DAY   20
#define FROM_DAY 10

/* i0 is for Christmas, i1 for Christmas and Easter, i2 for Easter, i3 for nothing. */
static const char *const occasions[] = {"Christmas", "Easter, Christmas", "Easter", NULL};

static DatasetBuilder *builder_of(const Period *excluded, size_t n)
{
    static const char *const names[] = {"occasion"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL};
    DatasetOptions options = {.now = day(10000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .excluded = excluded,
                              .n_excluded = n,
                              .has_order = true};
    DatasetBuilder *builder =
        dataset_builder_new(&options, attributes_builder_new(1, names, kinds, ","), NULL);
    char id[16];
    for (uint32_t i = 0; i < G_N_ELEMENTS(occasions); i++) {
        dataset_builder_add_item(builder, id, (size_t)snprintf(id, 16, "i%u", i), NULL);
        const char *text = occasions[i];
        attributes_builder_set(dataset_builder_item_attributes(builder), i, 0, text,
                               text ? strlen(text) : 0, NAN, NULL);
    }
    for (uint32_t i = 0; i < 2; i++)
        dataset_builder_add_user(builder, id, (size_t)snprintf(id, 16, "u%u", i), NULL);
    return builder;
}

/* Every product once within the period, and i0 on the days around it. */
static const Row rows[] = {{0, 0, FROM_DAY - 0.1, 1, 1, 1},
                           {0, 0, FROM_DAY, 1, 2, 1},
                           {0, 1, 12, 2, 3, 1},
                           {1, 2, 12, 1, 4, 1},
                           {1, 3, 12, 1, 5, 1},
                           {1, 1, 13, -2, 6, 1},
                           {1, 0, TO_DAY - 0.1, 1, 7, 1},
                           {1, 0, TO_DAY, 1, NO_ORDER, 1}};

static Dataset *read_without(const Period *excluded, size_t n)
{
    g_autoptr(DatasetBuilder) builder = builder_of(excluded, n);
    rows_add(builder, rows, G_N_ELEMENTS(rows));
    return dataset_builder_finish(builder, NULL, NULL);
}

static void expect_rows_of(const Dataset *dataset, const uint64_t expected[4])
{
    uint64_t found[4] = {0}, n = 0;
    for (uint64_t row = 0; row < dataset->rows.n; row++)
        found[dataset->rows.item[row]]++;
    for (int item = 0; item < 4; item++) {
        assert_int_equal(found[item], expected[item]);
        n += found[item];
    }
    assert_int_equal(dataset->dropped[DROP_EXCLUDED_PERIOD].rows, G_N_ELEMENTS(rows) - n);
}

static Period in_days(const char *column, const char *const *values, const char *const *ids)
{
    return (Period){day(FROM_DAY), day(TO_DAY), column, values, ids};
}

static void F11_a_period_without_products_leaves_every_line_out(void **state)
{
    Period period = in_days(NULL, NULL, NULL);
    g_autoptr(Dataset) dataset = read_without(&period, 1);
    expect_rows_of(dataset, (uint64_t[]){2, 0, 0, 0});
}

static void F11_only_products_with_the_value_are_left_out_within_the_period(void **state)
{
    static const char *const values[] = {"Christmas", NULL};
    Period period = in_days("occasion", values, NULL);
    g_autoptr(Dataset) dataset = read_without(&period, 1);
    expect_rows_of(dataset, (uint64_t[]){2, 0, 1, 1});
    const DropCount *dropped = &dataset->dropped[DROP_EXCLUDED_PERIOD];
    assert_int_equal(dropped->n_samples, 2);
    assert_string_equal(dropped->samples[0], "i0");
    assert_string_equal(dropped->samples[1], "i1");
}

static void F11_any_of_several_values_leaves_a_product_out(void **state)
{
    static const char *const values[] = {"Whitsun", "Easter", "Christmas", NULL};
    Period period = in_days("occasion", values, NULL);
    g_autoptr(Dataset) dataset = read_without(&period, 1);
    expect_rows_of(dataset, (uint64_t[]){2, 0, 0, 1});
}

static void F11_products_are_left_out_by_id(void **state)
{
    static const char *const ids[] = {"i3", "i2", "nothing", NULL};
    Period period = in_days(NULL, NULL, ids);
    g_autoptr(Dataset) dataset = read_without(&period, 1);
    expect_rows_of(dataset, (uint64_t[]){4, 2, 0, 0});
}

static void F11_value_and_ids_together_leave_out_both(void **state)
{
    static const char *const values[] = {"Christmas", NULL}, *const ids[] = {"i3", NULL};
    Period period = in_days("occasion", values, ids);
    g_autoptr(Dataset) dataset = read_without(&period, 1);
    expect_rows_of(dataset, (uint64_t[]){2, 0, 1, 0});
}

static void F11_values_are_exact_and_those_that_nothing_has_leave_nothing_out(void **state)
{
    static const char *const values[] = {"christmas", "Easter, Christmas", "Christmas ", NULL};
    Period period = in_days("occasion", values, NULL);
    g_autoptr(Dataset) dataset = read_without(&period, 1);
    expect_rows_of(dataset, (uint64_t[]){4, 2, 1, 1});
    Period unknown = in_days("season", values, NULL);
    g_autoptr(Dataset) whole = read_without(&unknown, 1);
    assert_int_equal(whole->rows.n, G_N_ELEMENTS(rows));
}

static void F11_each_period_has_its_own_products(void **state)
{
    static const char *const values[] = {"Easter", NULL}, *const ids[] = {"i0", NULL};
    const Period periods[] = {{day(0), day(13), "occasion", values, NULL},
                              {day(TO_DAY - 1), day(TO_DAY + 1), NULL, NULL, ids}};
    g_autoptr(Dataset) dataset = read_without(periods, 2);
    expect_rows_of(dataset, (uint64_t[]){2, 1, 0, 1});
}

/* More products than one word of bits has. */
static void F11_the_right_ones_of_many_products_are_left_out(void **state)
{
    enum { N = 200 };
    static const char *const ids[] = {"i0", "i63", "i64", "i127", "i199", NULL};
    Period period = in_days(NULL, NULL, ids);
    DatasetOptions options = {.now = day(10000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .excluded = &period,
                              .n_excluded = 1};
    g_autoptr(DatasetBuilder) builder = options_builder(&options, 1, N);
    for (uint32_t i = 0; i < N; i++)
        rows_add(builder, &(Row){0, i, 15, 1, NO_ORDER, 1}, 1);
    g_autoptr(Dataset) dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_int_equal(dataset->rows.n, N - 5);
    for (uint64_t row = 0; row < dataset->rows.n; row++)
        for (const char *const *id = ids; *id; id++)
            assert_true(dataset->rows.item[row] != (uint32_t)atoi(*id + 1));
}

static void F11_targets_and_counts_do_not_see_what_was_left_out(void **state)
{
    static const char *const values[] = {"Christmas", NULL};
    Period period = in_days("occasion", values, NULL);
    g_autoptr(Dataset) raw = read_without(&period, 1);
    g_autoptr(Csr) targets = window_targets(raw, day(FROM_DAY), day(TO_DAY), NULL);
    for (uint64_t cell = 0; cell < targets->start[2]; cell++)
        assert_true(targets->column[cell] == 2 || targets->column[cell] == 3);
    assert_int_equal(targets->start[2], 2);
    g_autoptr(Dataset) view = dataset_before(raw, day(TO_DAY), NULL);
    g_autoptr(Csr) counts = decayed_counts(view, day(TO_DAY), 0, NULL);
    assert_int_equal(counts->start[1], 1); /* u0 bought i0 before the period */
    assert_int_equal(counts->start[2] - counts->start[1], 2);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(F11_a_period_without_products_leaves_every_line_out),
        cmocka_unit_test(F11_only_products_with_the_value_are_left_out_within_the_period),
        cmocka_unit_test(F11_any_of_several_values_leaves_a_product_out),
        cmocka_unit_test(F11_products_are_left_out_by_id),
        cmocka_unit_test(F11_value_and_ids_together_leave_out_both),
        cmocka_unit_test(F11_values_are_exact_and_those_that_nothing_has_leave_nothing_out),
        cmocka_unit_test(F11_each_period_has_its_own_products),
        cmocka_unit_test(F11_the_right_ones_of_many_products_are_left_out),
        cmocka_unit_test(F11_targets_and_counts_do_not_see_what_was_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
