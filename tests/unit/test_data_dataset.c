#include "data_rows.h"

#include <stdlib.h>

static int compare_rows(const void *left, const void *right)
{
    const Row *a = left, *b = right;
    if (a->user != b->user)
        return a->user < b->user ? -1 : 1;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    if (a->quantity != b->quantity)
        return a->quantity > b->quantity ? -1 : 1;
    if (isnan(a->price) || isnan(b->price))
        return isnan(a->price) - isnan(b->price);
    return (a->price > b->price) - (a->price < b->price);
}

static bool same_float(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void expect_sorted(const Dataset *dataset, Row *rows, size_t n)
{
    if (n > 0)
        qsort(rows, n, sizeof *rows, compare_rows);
    const Interactions *have = &dataset->rows;
    unsigned wrong = 0;
    assert_int_equal(have->n, n);
    for (size_t i = 0; i < n; i++)
        wrong += have->user[i] != rows[i].user || have->item[i] != rows[i].item ||
                 have->time[i] != day(rows[i].day) || have->quantity[i] != rows[i].quantity ||
                 !same_float(have->price[i], rows[i].price);
    assert_int_equal(wrong, 0);
    assert_int_equal(dataset->user_start[0], 0);
    assert_int_equal(dataset->user_start[dataset->n_users], n);
    for (uint32_t user = 0; user < dataset->n_users; user++)
        for (uint64_t i = dataset->user_start[user]; i < dataset->user_start[user + 1]; i++)
            assert_int_equal(have->user[i], user);
}

static void rows_are_ordered_by_user_time_and_item(void **state)
{
    const size_t sizes[] = {0, 1, 2, 31, 32, 33, 3000};
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree Row *rows = rows_random(sizes[i], 40, 30, i);
        g_autoptr(Dataset) dataset = rows_dataset(40, 30, rows, sizes[i]);
        expect_sorted(dataset, rows, sizes[i]);
    }
}

/* Many bands of users, enough rows for several threads; one user has a third of them. */
static void many_rows_of_many_users_are_ordered_too(void **state)
{
    enum { MANY = 600000 };
    g_autofree Row *rows = rows_random(MANY, 5000, 200, 1);
    for (size_t i = 0; i < MANY; i += 3)
        rows[i].user = 4321;
    g_autoptr(Dataset) dataset = rows_dataset(5000, 200, rows, MANY);
    expect_sorted(dataset, rows, MANY);
    assert_true(dataset_bytes(dataset) > MANY * 28);
}

static Dataset *finished_by(unsigned threads, const Row *rows, size_t n)
{
    const DatasetOptions options = {.now = day(10000),
                                    .from = INT64_MIN,
                                    .to = INT64_MAX,
                                    .has_order = true,
                                    .has_price = true,
                                    .threads = threads};
    g_autoptr(DatasetBuilder) builder = options_builder(&options, 300, 50);
    rows_add(builder, rows, n);
    return dataset_builder_finish(builder, NULL, NULL);
}

static void threads_change_nothing(void **state)
{
    enum { N = 200000 };
    g_autofree Row *rows = rows_random(N, 300, 50, 3);
    g_autoptr(Dataset) one = finished_by(1, rows, N);
    for (unsigned threads = 0; threads < 5; threads += 2) {
        g_autoptr(Dataset) other = finished_by(threads, rows, N);
        expect_same_rows(one, other, true);
    }
}

/* Lines that differ in their order only, newest moment first. */
static void rows_that_tie_keep_the_order_they_came_in(void **state)
{
    enum { N = 1000, MOMENTS = 7 };
    Row rows[N];
    for (uint32_t i = 0; i < N; i++)
        rows[i] = (Row){0, 1, MOMENTS - i % MOMENTS, 1, i, 2};
    g_autoptr(Dataset) dataset = rows_dataset(1, 2, rows, N);
    for (uint32_t i = 1; i < N; i++)
        if (dataset->rows.time[i] == dataset->rows.time[i - 1])
            assert_int_equal(dataset->rows.order[i], dataset->rows.order[i - 1] + MOMENTS);
}

/* PostgreSQL promises no order of rows: two readings of the same table give the same data set. */
static void the_order_in_which_rows_come_changes_nothing(void **state)
{
    enum { N = 5000 };
    g_autofree Row *rows = rows_random(N, 50, 10, 2);
    g_autoptr(Dataset) first = rows_dataset(50, 10, rows, N);
    g_autoptr(Dataset) first_view = dataset_before(first, INT64_MAX, NULL);
    for (uint64_t seed = 1; seed < 5; seed++) {
        rows_shuffle(rows, N, seed);
        g_autoptr(Dataset) other = rows_dataset(50, 10, rows, N);
        g_autoptr(Dataset) other_view = dataset_before(other, INT64_MAX, NULL);
        expect_same_rows(first, other, false);
        expect_same_rows(first_view, other_view, true);
    }
}

typedef struct RuleCase {
    const char *user, *item;
    int64_t time;
    float quantity;
    DropRule rule;
    const char *sample; /* NULL: none */
} RuleCase;

#define NOW      (INT64_C(1000) * US_PER_DAY)
#define FROM     (INT64_C(100) * US_PER_DAY)
#define TO       (INT64_C(1001) * US_PER_DAY)
#define OUT_FROM (INT64_C(300) * US_PER_DAY)
#define OUT_TO   (INT64_C(310) * US_PER_DAY)
#define LATEST   (NOW + US_PER_DAY)
#define FINE     (INT64_C(500) * US_PER_DAY)

/* F9, F11: what a row needs to count; the first rule that drops it gets it. */
static const RuleCase rule_cases[] = {
    {"u0", "i0", FINE, 1, DROP_RULES, NULL},
    {"u0", "i0", FINE, -1, DROP_RULES, NULL},
    {"u0", "i0", FROM, 1, DROP_RULES, NULL},
    {"u0", "i0", TO - 1, 1, DROP_RULES, NULL},
    {"u0", "i0", OUT_FROM - 1, 1, DROP_RULES, NULL},
    {"u0", "i0", OUT_TO, 1, DROP_RULES, NULL},
    {NULL, "i0", FINE, 1, DROP_NO_USER, "i0"},
    {"", "i1", FINE, 1, DROP_NO_USER, "i1"},
    {NULL, NULL, FINE, 1, DROP_NO_USER, NULL},
    {"u0", NULL, FINE, 1, DROP_NO_PRODUCT, "u0"},
    {"u9", "", FINE, 1, DROP_NO_PRODUCT, "u9"},
    {"u9", "i9", FINE, 1, DROP_UNKNOWN_USER, "u9"},
    {"u0 ", "i0", FINE, 1, DROP_UNKNOWN_USER, "u0 "},
    {"u0", "i9", INT64_MIN, 1, DROP_UNKNOWN_PRODUCT, "i9"},
    {"u0", "i0", INT64_MIN, 1, DROP_NO_TIME, "i0"},
    {"u0", "i0", INT64_MAX, 1, DROP_NO_TIME, "i0"},
    {"u0", "i0", LATEST + 1, NAN, DROP_FUTURE, "i0"},
    {"u0", "i0", INT64_MAX - 1, 1, DROP_FUTURE, "i0"},
    {"u0", "i0", FINE, 0, DROP_BAD_QUANTITY, "i0"},
    {"u0", "i0", FINE, NAN, DROP_BAD_QUANTITY, "i0"},
    {"u0", "i0", FINE, INFINITY, DROP_BAD_QUANTITY, "i0"},
    {"u0", "i0", FINE, -INFINITY, DROP_BAD_QUANTITY, "i0"},
    {"u0", "i0", FROM - 1, 1, DROP_OUTSIDE_PERIOD, "i0"},
    {"u0", "i0", INT64_MIN + 1, 1, DROP_OUTSIDE_PERIOD, "i0"},
    {"u0", "i0", TO, 1, DROP_OUTSIDE_PERIOD, "i0"},
    {"u0", "i0", OUT_FROM, 1, DROP_EXCLUDED_PERIOD, "i0"},
    {"u0", "i0", OUT_TO - 1, 1, DROP_EXCLUDED_PERIOD, "i0"},
};

static DatasetBuilder *ruled_builder(void)
{
    const Period excluded[] = {{.from = INT64_C(200) * US_PER_DAY, .to = INT64_C(201) * US_PER_DAY},
                               {.from = OUT_FROM, .to = OUT_TO}};
    DatasetOptions options = {
        .now = NOW, .from = FROM, .to = TO, .excluded = excluded, .n_excluded = 2};
    DatasetBuilder *builder = dataset_builder_new(&options, NULL, NULL);
    dataset_builder_add_item(builder, "i0", 2, NULL);
    dataset_builder_add_user(builder, "u0", 2, NULL);
    return builder;
}

static EventRow event_of(const RuleCase *rule_case)
{
    return (EventRow){.user = rule_case->user,
                      .item = rule_case->item,
                      .user_length = rule_case->user ? (uint32_t)strlen(rule_case->user) : 0,
                      .item_length = rule_case->item ? (uint32_t)strlen(rule_case->item) : 0,
                      .time = rule_case->time,
                      .quantity = rule_case->quantity,
                      .price = NAN};
}

static void check_rule(const RuleCase *rule_case, const Dataset *dataset)
{
    for (int rule = 0; rule < DROP_RULES; rule++) {
        const DropCount *count = &dataset->dropped[rule];
        assert_int_equal(count->rows, rule == (int)rule_case->rule);
        bool has_sample = rule == (int)rule_case->rule && rule_case->sample;
        assert_int_equal(count->n_samples, has_sample);
        if (has_sample)
            assert_string_equal(count->samples[0], rule_case->sample);
    }
    assert_int_equal(dataset->rows.n, rule_case->rule == DROP_RULES);
}

static void a_row_is_dropped_by_the_first_rule_it_breaks(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rule_cases); i++) {
        g_autoptr(DatasetBuilder) builder = ruled_builder();
        EventRow event = event_of(&rule_cases[i]);
        assert_true(dataset_builder_add_events(builder, &event, 1, NULL));
        g_autoptr(Dataset) dataset = dataset_builder_finish(builder, NULL, NULL);
        check_rule(&rule_cases[i], dataset);
    }
}

static void rules_hold_for_every_row_of_a_batch(void **state)
{
    enum { N = G_N_ELEMENTS(rule_cases) };
    g_autoptr(DatasetBuilder) builder = ruled_builder();
    EventRow events[N];
    uint64_t expected[DROP_RULES + 1] = {0};
    for (size_t i = 0; i < N; i++) {
        events[i] = event_of(&rule_cases[i]);
        expected[rule_cases[i].rule]++;
    }
    assert_true(N <= IDS_BATCH);
    assert_true(dataset_builder_add_events(builder, events, N, NULL));
    g_autoptr(Dataset) dataset = dataset_builder_finish(builder, NULL, NULL);
    for (int rule = 0; rule < DROP_RULES; rule++)
        assert_int_equal(dataset->dropped[rule].rows, expected[rule]);
    assert_int_equal(dataset->rows.n, expected[DROP_RULES]);
}

/* F13: a moment up to a day ahead of us is a clock or a time zone, not a fault. */
static void a_row_less_than_a_day_ahead_is_kept(void **state)
{
    DatasetOptions options = {.now = NOW, .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder = dataset_builder_new(&options, NULL, NULL);
    dataset_builder_add_item(builder, "i0", 2, NULL);
    dataset_builder_add_user(builder, "u0", 2, NULL);
    const RuleCase at = {"u0", "i0", LATEST, 1, DROP_RULES, NULL};
    EventRow event = event_of(&at);
    assert_true(dataset_builder_add_events(builder, &event, 1, NULL));
    g_autoptr(Dataset) dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_int_equal(dataset->rows.n, 1);
    assert_int_equal(dataset->first, LATEST);
    assert_int_equal(dataset->last, LATEST);
}

static void samples_are_distinct_printable_and_short(void **state)
{
    g_autoptr(DatasetBuilder) builder = ruled_builder();
    g_autofree char *large = g_strnfill(10000, 'x');
    const char *users[] = {"a\nb", "a\nb", "\xff\xfe", large, "\xc3\xa9", "e5", "e6", "e7"};
    for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
        const RuleCase unknown = {users[i], "i0", FINE, 1, DROP_UNKNOWN_USER, NULL};
        EventRow event = event_of(&unknown);
        assert_true(dataset_builder_add_events(builder, &event, 1, NULL));
    }
    g_autoptr(Dataset) dataset = dataset_builder_finish(builder, NULL, NULL);
    const DropCount *count = &dataset->dropped[DROP_UNKNOWN_USER];
    assert_int_equal(count->rows, G_N_ELEMENTS(users));
    assert_int_equal(count->n_samples, DROP_SAMPLES);
    assert_string_equal(count->samples[0], "a\xef\xbf\xbd"
                                           "b");
    assert_string_equal(count->samples[1], "\xef\xbf\xbd\xef\xbf\xbd");
    assert_int_equal(strlen(count->samples[2]), 64);
    assert_string_equal(count->samples[3], "\xc3\xa9");
    assert_string_equal(count->samples[4], "e5");
}

static void every_rule_has_a_name_of_its_own(void **state)
{
    for (int a = 0; a < DROP_RULES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(drop_rule_name(a), drop_rule_name(b));
    assert_string_equal(drop_rule_name(DROP_NO_USER), "no_user");
}

static void keys_that_are_empty_or_repeated_are_left_out_and_counted(void **state)
{
    DatasetOptions options = {.now = NOW, .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder = dataset_builder_new(&options, NULL, NULL);
    g_autoptr(GError) error = NULL;
    assert_int_equal(dataset_builder_add_item(builder, "a", 1, &error), 0);
    assert_int_equal(dataset_builder_add_item(builder, "a", 1, &error), IDS_NONE);
    assert_int_equal(dataset_builder_add_item(builder, NULL, 0, &error), IDS_NONE);
    assert_int_equal(dataset_builder_add_item(builder, "", 0, &error), IDS_NONE);
    assert_int_equal(dataset_builder_add_item(builder, "A", 1, &error), 1);
    assert_int_equal(dataset_builder_add_user(builder, "a", 1, &error), 0);
    assert_int_equal(dataset_builder_add_user(builder, "a", 1, &error), IDS_NONE);
    assert_null(error);
    g_autoptr(Dataset) dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_int_equal(dataset->n_items, 2);
    assert_int_equal(dataset->n_users, 1);
    assert_int_equal(dataset->items_left_out, 3);
    assert_int_equal(dataset->users_left_out, 1);
}

static void orders_are_numbered_and_only_those_of_kept_rows(void **state)
{
    const Row rows[] = {{0, 0, 1, 1, 7, 1},   {0, 1, 1, 1, 7, 1},        {1, 0, 2, 1, 9, 1},
                        {99, 0, 2, 1, 11, 1}, {0, 0, 3, 1, NO_ORDER, 1}, {1, 1, 4, 1, 7, 1}};
    g_autoptr(Dataset) dataset = rows_dataset(2, 2, rows, G_N_ELEMENTS(rows));
    const uint32_t *order = dataset->rows.order;
    assert_int_equal(dataset->n_orders, 2);
    assert_int_equal(dataset->rows.n, 5);
    assert_int_equal(order[0], order[1]);
    assert_int_equal(order[2], IDS_NONE);
    assert_int_not_equal(order[3], order[0]);
    assert_int_equal(order[4], order[0]);
}

static void what_is_not_mapped_takes_no_memory(void **state)
{
    const Row row = {0, 0, 1, 2, 3, 4};
    g_autoptr(DatasetBuilder) builder = rows_builder(1, 1, false, false);
    rows_add(builder, &row, 1);
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    assert_null(raw->rows.order);
    assert_null(raw->rows.price);
    assert_null(view->rows.order);
    assert_null(view->rows.price);
    assert_int_equal(view->rows.n, 1);
    assert_int_equal(view->n_orders, 0);
}

static void a_price_that_is_not_finite_is_a_null(void **state)
{
    const Row rows[] = {{0, 0, 1, 1, 0, INFINITY}, {0, 0, 2, 1, 0, NAN}, {0, 0, 3, 1, 0, 2.5f}};
    g_autoptr(Dataset) dataset = rows_dataset(1, 1, rows, 3);
    assert_true(isnan(dataset->rows.price[0]) && isnan(dataset->rows.price[1]));
    assert_true(dataset->rows.price[2] == 2.5f);
}

static void data_without_users_products_or_rows_is_a_data_set(void **state)
{
    for (uint32_t n_users = 0; n_users < 2; n_users++) {
        for (uint32_t n_items = 0; n_items < 2; n_items++) {
            g_autoptr(Dataset) raw = rows_dataset(n_users, n_items, NULL, 0);
            g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
            assert_int_equal(raw->rows.n, 0);
            assert_int_equal(view->rows.n, 0);
            assert_int_equal(raw->first, 0);
            assert_int_equal(view->last, 0);
            assert_non_null(raw->item_attributes);
            assert_int_equal(raw->user_attributes->n_columns, 0);
        }
    }
}

static void attributes_come_along_with_their_rows(void **state)
{
    const char *name = "colour";
    const ColumnKind kind = COLUMN_CATEGORICAL;
    DatasetOptions options = {.now = NOW, .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(1, &name, &kind, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    uint32_t row = dataset_builder_add_item(builder, "a", 1, NULL);
    AttributesBuilder *items = dataset_builder_item_attributes(builder);
    assert_true(attributes_builder_set(items, row, 0, "red", 3, NAN, NULL));
    dataset_builder_add_item(builder, "b", 1, NULL);
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    assert_int_equal(raw->item_attributes->n_rows, 2);
    assert_ptr_equal(view->item_attributes, raw->item_attributes);
    uint32_t n;
    column_values(attributes_find(view->item_attributes, "colour"), 0, &n);
    assert_int_equal(n, 1);
}

static void a_view_outlives_its_raw_data_set(void **state)
{
    const Row row = {0, 0, 1, 2, 3, 4};
    Dataset *raw = rows_dataset(1, 1, &row, 1);
    Dataset *view = dataset_before(raw, INT64_MAX, NULL);
    Dataset *again = dataset_ref(view);
    dataset_unref(raw);
    dataset_unref(view);
    size_t length;
    assert_memory_equal(ids_get(again->items, again->rows.item[0], &length), "i0", 2);
    dataset_unref(again);
}

static void finishing_can_be_cancelled(void **state)
{
    const Row row = {0, 0, 1, 2, 3, 4};
    g_autoptr(DatasetBuilder) builder = rows_builder(1, 1, true, true);
    rows_add(builder, &row, 1);
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    assert_null(dataset_builder_finish(builder, &cancel, &error));
    expect_error(error, ERR_CANCELLED);
}

/* One letter a row: b where a visit begins. */
static void expect_visits(const Row *rows, size_t n, const char *expected)
{
    g_autoptr(Dataset) dataset = rows_dataset(1, 10, rows, n);
    g_autofree char *found = g_strnfill(n, '.');
    found[0] = 'b';
    for (size_t r = 1; r < n; r++)
        found[r] = interactions_begin_visit(&dataset->rows, r) ? 'b' : '.';
    assert_string_equal(found, expected);
}

static void a_visit_is_an_order_or_a_day_where_orders_are_unknown(void **state)
{
    const Row orders[] = {{0, 1, 1.1, 1, 1, 1},
                          {0, 2, 1.1, 1, 1, 1},
                          {0, 1, 1.2, 1, 2, 1},
                          {0, 3, 2.5, 1, 2, 1},
                          {0, 4, 2.6, 1, 3, 1}};
    expect_visits(orders, G_N_ELEMENTS(orders), "b.b.b");
    const Row days[] = {{0, 1, 1.1, 1, NO_ORDER, 1},
                        {0, 2, 1.2, 1, 7, 1},
                        {0, 3, 2.1, 1, NO_ORDER, 1},
                        {0, 4, 2.9, 1, NO_ORDER, 1}};
    expect_visits(days, G_N_ELEMENTS(days), "b.b.");
}

/* Rows of one moment are ordered by item, so those of two orders alternate. */
static void two_orders_of_one_moment_are_one_visit(void **state)
{
    const Row rows[] = {{0, 1, 1, 1, 1, 1},
                        {0, 2, 1, 1, 2, 1},
                        {0, 3, 1, 1, 1, 1},
                        {0, 4, 1, 1, 2, 1},
                        {0, 1, 3, 1, 3, 1}};
    expect_visits(rows, G_N_ELEMENTS(rows), "b...b");
}

static bool repeats(const Row *rows, size_t n)
{
    g_autoptr(Dataset) dataset = rows_dataset(2, 10, rows, n);
    bool found = false;
    assert_true(dataset_has_repeats(dataset, &found, NULL));
    return found;
}

static void a_repeat_is_the_same_user_product_and_another_time(void **state)
{
    const Row once[] = {
        {0, 1, 1, 1, 1, 1}, {0, 1, 1, 2, 2, 1}, {0, 2, 2, 1, 3, 1}, {1, 1, 5, 1, 4, 1}};
    assert_false(repeats(once, G_N_ELEMENTS(once)));
    const Row again[] = {{0, 1, 1, 1, 1, 1}, {0, 2, 2, 1, 2, 1}, {0, 1, 3, 1, 3, 1}};
    assert_true(repeats(again, G_N_ELEMENTS(again)));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_ordered_by_user_time_and_item),
        cmocka_unit_test(many_rows_of_many_users_are_ordered_too),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(rows_that_tie_keep_the_order_they_came_in),
        cmocka_unit_test(the_order_in_which_rows_come_changes_nothing),
        cmocka_unit_test(a_row_is_dropped_by_the_first_rule_it_breaks),
        cmocka_unit_test(rules_hold_for_every_row_of_a_batch),
        cmocka_unit_test(a_row_less_than_a_day_ahead_is_kept),
        cmocka_unit_test(samples_are_distinct_printable_and_short),
        cmocka_unit_test(every_rule_has_a_name_of_its_own),
        cmocka_unit_test(keys_that_are_empty_or_repeated_are_left_out_and_counted),
        cmocka_unit_test(orders_are_numbered_and_only_those_of_kept_rows),
        cmocka_unit_test(what_is_not_mapped_takes_no_memory),
        cmocka_unit_test(a_price_that_is_not_finite_is_a_null),
        cmocka_unit_test(data_without_users_products_or_rows_is_a_data_set),
        cmocka_unit_test(attributes_come_along_with_their_rows),
        cmocka_unit_test(a_view_outlives_its_raw_data_set),
        cmocka_unit_test(finishing_can_be_cancelled),
        cmocka_unit_test(a_visit_is_an_order_or_a_day_where_orders_are_unknown),
        cmocka_unit_test(two_orders_of_one_moment_are_one_visit),
        cmocka_unit_test(a_repeat_is_the_same_user_product_and_another_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
