/* Event types beside the target (F4): kept apart, cut and netted alike, counted per type. */
#include "data_rows.h"

#include "base/error.h"
#include "data/split.h"

static const SignalKind kinds[] = {{.name = "cart", .weight = -1},
                                   {.name = "view", .weight = 0.1, .half_life_days = 7}};

static Dataset *two_signals(const Row *lines, size_t n_lines, const Row *carts, size_t n_carts,
                            const Row *views, size_t n_views)
{
    DatasetOptions options = {.now = day(100),
                              .from = day(0),
                              .to = INT64_MAX,
                              .has_order = true,
                              .has_price = true,
                              .signals = kinds,
                              .n_signals = 2};
    g_autoptr(DatasetBuilder) builder = options_builder(&options, 3, 4);
    rows_add(builder, lines, n_lines);
    assert_true(dataset_builder_begin_signal(builder, 0, NULL));
    rows_add(builder, carts, n_carts);
    assert_true(dataset_builder_begin_signal(builder, 1, NULL));
    rows_add(builder, views, n_views);
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

static const Row lines[] = {{0, 1, 10, 1, 0, 2}, {1, 2, 20, 1, 1, 2}};
static const Row carts[] = {{1, 3, 15, 1, NO_ORDER, NAN}, {0, 2, 12, 1, NO_ORDER, NAN},
                            {0, 1, 9, 2, NO_ORDER, NAN},  {0, 2, 13, -1, NO_ORDER, NAN},
                            {0, 9, 9, 1, NO_ORDER, NAN},  {0, 1, 300, 1, NO_ORDER, NAN}};
static const Row views[] = {{2, 0, 5, 1, NO_ORDER, NAN}, {2, 0, 30, 1, NO_ORDER, NAN}};

static Dataset *usual(void)
{
    return two_signals(lines, G_N_ELEMENTS(lines), carts, G_N_ELEMENTS(carts), views,
                       G_N_ELEMENTS(views));
}

static void F4_rows_of_each_event_type_are_kept_apart(void **state)
{
    g_autoptr(Dataset) raw = usual();
    assert_int_equal(raw->n_signals, 2);
    assert_string_equal(raw->signal_kinds[1].name, "view");
    assert_int_equal(raw->rows.n, 2);
    assert_int_equal(raw->signal[0]->rows.n, 4);
    assert_int_equal(raw->signal[1]->rows.n, 2);
    assert_int_equal(raw->last, day(20));
    const Dataset *cart = raw->signal[0];
    assert_int_equal(cart->user_start[1], 3);
    assert_int_equal(cart->rows.item[0], 1);
    assert_int_equal(cart->rows.item[1], 2);
    assert_true(cart->rows.time[0] < cart->rows.time[1]);
    assert_null(cart->rows.order);
    assert_null(cart->rows.price);
    assert_int_equal(raw->n_orders, 2);
}

static void F4_what_is_dropped_is_counted_per_event_type(void **state)
{
    g_autoptr(Dataset) raw = usual();
    assert_int_equal(raw->dropped[DROP_UNKNOWN_PRODUCT].rows, 0);
    assert_int_equal(raw->signal[0]->dropped[DROP_UNKNOWN_PRODUCT].rows, 1);
    assert_string_equal(raw->signal[0]->dropped[DROP_UNKNOWN_PRODUCT].samples[0], "i9");
    assert_int_equal(raw->signal[0]->dropped[DROP_FUTURE].rows, 1);
    assert_int_equal(raw->signal[1]->dropped[DROP_FUTURE].rows, 0);
}

static void F4_a_view_cuts_and_nets_every_event_type(void **state)
{
    g_autoptr(Dataset) raw = usual();
    g_autoptr(Dataset) before = dataset_before(raw, day(13), NULL);
    assert_int_equal(before->signal[0]->rows.n, 2); /* not yet taken back */
    assert_int_equal(before->signal[1]->rows.n, 1);
    g_autoptr(Dataset) all = dataset_before(raw, INT64_MAX, NULL);
    assert_int_equal(all->signal[0]->rows.n, 2);
    assert_int_equal(all->signal[0]->dropped[DROP_RETURNED].rows, 2);
    assert_int_equal(all->dropped[DROP_RETURNED].rows, 0);
    g_clear_pointer(&raw, dataset_unref);
    assert_string_equal(all->signal_kinds[0].name, "cart");
}

static void F4_only_purchases_are_the_target(void **state)
{
    g_autoptr(Dataset) raw = usual();
    g_autoptr(Csr) targets = window_targets(raw, day(0), day(100), NULL);
    assert_int_equal(targets->start[3], 2);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    g_autoptr(Scope) scope = scope_new(view, day(50), NULL);
    assert_int_equal(scope->user[2], USER_NO_PURCHASE);
    g_autoptr(Dataset) rest = NULL;
    g_autoptr(Csr) aside = NULL;
    assert_true(hold_out(view, 0.5, 1, &rest, &aside, NULL));
    assert_int_equal(rest->signal[0]->rows.n, view->signal[0]->rows.n);
}

static void F4_bytes_of_every_event_type_are_counted(void **state)
{
    g_autoptr(Dataset) with = usual();
    g_autoptr(Dataset) without = two_signals(lines, G_N_ELEMENTS(lines), NULL, 0, NULL, 0);
    assert_int_equal(dataset_bytes(with) - dataset_bytes(without), 6 * 20);
}

static void F4_an_event_type_may_be_empty(void **state)
{
    g_autoptr(Dataset) raw = two_signals(NULL, 0, NULL, 0, views, G_N_ELEMENTS(views));
    assert_int_equal(raw->rows.n, 0);
    assert_int_equal(raw->signal[0]->rows.n, 0);
    assert_int_equal(raw->signal[1]->rows.n, 2);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(F4_rows_of_each_event_type_are_kept_apart),
        cmocka_unit_test(F4_what_is_dropped_is_counted_per_event_type),
        cmocka_unit_test(F4_a_view_cuts_and_nets_every_event_type),
        cmocka_unit_test(F4_only_purchases_are_the_target),
        cmocka_unit_test(F4_bytes_of_every_event_type_are_counted),
        cmocka_unit_test(F4_an_event_type_may_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
