#include "data_files.h"

#include <math.h>
#include <string.h>

#include "data/attributes.h"

#define N_COLUMNS 3
#define N_ROWS    6

enum { BRAND, CATEGORY, PRICE };

static const char *const names[] = {"brand", "category", "price"};
static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_CATEGORICAL, COLUMN_NUMERIC};
static const char separators[] = {'\0', '|', '\0'};

static void set(AttributesBuilder *builder, uint32_t row, size_t column, const char *text,
                double number)
{
    assert_true(
        attributes_builder_set(builder, row, column, text, text ? strlen(text) : 0, number, NULL));
}

static Attributes *example(void)
{
    g_autoptr(AttributesBuilder) builder =
        attributes_builder_new(N_COLUMNS, names, kinds, separators);
    set(builder, 0, BRAND, "Acme", NAN);
    set(builder, 0, CATEGORY, " Toys | Gifts||Toys ", NAN);
    set(builder, 0, PRICE, "12.5", 12.5);
    set(builder, 1, BRAND, NULL, NAN);
    set(builder, 1, CATEGORY, "|", NAN);
    set(builder, 3, BRAND, "a|b", NAN);
    set(builder, 3, CATEGORY, "Gifts", NAN);
    set(builder, 4, BRAND, "  Acme\t", NAN);
    set(builder, 4, PRICE, "-1", -1);
    Attributes *attributes = attributes_builder_finish(builder, N_ROWS, NULL);
    assert_non_null(attributes);
    return attributes;
}

/* The row's values, joined by ",". */
static char *row_text(const Attributes *attributes, size_t index, uint32_t row)
{
    const Column *column = &attributes->columns[index];
    uint32_t n;
    const uint32_t *values = column_values(column, row, &n);
    GString *text = g_string_new(NULL);
    for (uint32_t i = 0; i < n; i++) {
        size_t length;
        const char *bytes = ids_get(column->values, values[i], &length);
        g_string_append(g_string_append_len(text, bytes, (gssize)length), ",");
    }
    return g_string_free(text, FALSE);
}

static void expect_example(const Attributes *attributes)
{
    const char *brands[N_ROWS] = {"Acme,", "", "", "a|b,", "Acme,", ""};
    const char *categories[N_ROWS] = {"Toys,Gifts,", "", "", "Gifts,", "", ""};
    const float prices[N_ROWS] = {12.5f, NAN, NAN, NAN, -1, NAN};
    assert_int_equal(attributes->n_columns, N_COLUMNS);
    assert_int_equal(attributes->n_rows, N_ROWS);
    const Column *price = attributes_find(attributes, "price");
    for (uint32_t row = 0; row < N_ROWS; row++) {
        g_autofree char *brand = row_text(attributes, BRAND, row);
        g_autofree char *category = row_text(attributes, CATEGORY, row);
        assert_string_equal(brand, brands[row]);
        assert_string_equal(category, categories[row]);
        assert_true(price->number[row] == prices[row] ||
                    (isnan(price->number[row]) && isnan(prices[row])));
    }
    assert_null(attributes_find(attributes, "brand")->number);
    assert_int_equal(price->kind, COLUMN_NUMERIC);
}

static void cells_are_trimmed_split_and_kept_in_order(void **state)
{
    g_autoptr(Attributes) attributes = example();
    expect_example(attributes);
    assert_int_equal(ids_count(attributes->columns[BRAND].values), 2);
    assert_int_equal(ids_count(attributes->columns[CATEGORY].values), 2);
}

static void columns_are_found_by_their_exact_name(void **state)
{
    g_autoptr(Attributes) attributes = example();
    assert_ptr_equal(attributes_find(attributes, "brand"), &attributes->columns[BRAND]);
    assert_null(attributes_find(attributes, "Brand"));
    assert_null(attributes_find(attributes, "bran"));
}

static void a_row_beyond_the_last_has_no_values(void **state)
{
    g_autoptr(Attributes) attributes = example();
    uint32_t n = 1;
    column_values(&attributes->columns[BRAND], N_ROWS, &n);
    assert_int_equal(n, 0);
    column_values(&attributes->columns[BRAND], UINT32_MAX, &n);
    assert_int_equal(n, 0);
}

static void many_rows_and_values_survive_growing(void **state)
{
    enum { MANY = 20000 };
    const ColumnKind kind = COLUMN_TIME;
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(1, names, &kind, NULL);
    for (uint32_t row = 0; row < MANY; row += 2) {
        char text[16];
        g_snprintf(text, sizeof text, "%u", row % 1000);
        set(builder, row, 0, text, row);
    }
    g_autoptr(Attributes) attributes = attributes_builder_finish(builder, MANY, NULL);
    const Column *column = &attributes->columns[0];
    assert_int_equal(ids_count(column->values), 500);
    for (uint32_t row = 0; row < MANY; row++) {
        uint32_t n;
        const uint32_t *values = column_values(column, row, &n);
        assert_int_equal(n, row % 2 == 0);
        if (n == 0)
            assert_true(isnan(column->number[row]));
        else
            assert_int_equal(values[0], row % 1000 / 2);
    }
    assert_true(attributes_bytes(attributes) > MANY * 12);
}

static void save(const Attributes *attributes, const char *path)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(attributes_save(attributes, writer, "items", NULL));
    assert_true(sections_finish(writer, NULL));
}

static void mapped_attributes_are_those_that_were_saved(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autoptr(Attributes) attributes = example();
    save(attributes, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    g_autoptr(Attributes) mapped = attributes_map(sections, "items", NULL);
    expect_example(mapped);
}

static void attributes_of_no_columns_or_rows_survive_their_file(void **state)
{
    for (uint32_t n_rows = 0; n_rows < 8; n_rows += 7) {
        for (size_t n_columns = 0; n_columns <= N_COLUMNS; n_columns += N_COLUMNS) {
            g_auto(DataFile) file = data_file_new();
            g_autoptr(AttributesBuilder) builder =
                attributes_builder_new(n_columns, names, kinds, separators);
            g_autoptr(Attributes) attributes = attributes_builder_finish(builder, n_rows, NULL);
            save(attributes, file.path);
            g_autoptr(Sections) sections = sections_open(file.path, NULL);
            g_autoptr(Attributes) mapped = attributes_map(sections, "items", NULL);
            assert_int_equal(mapped->n_columns, n_columns);
            assert_int_equal(mapped->n_rows, n_rows);
        }
    }
}

/* The arrays of a column of two rows with three values, and what the file says of them. */
typedef struct Forged {
    const char *name;
    uint64_t rows, start[3];
    uint32_t value[3];
    const char *columns;
} Forged;

static const Forged forged[] = {
    {"start beyond the values", 2, {0, 9, 3}, {0, 1, 0}, NULL},
    {"start descending", 2, {2, 1, 3}, {0, 1, 0}, NULL},
    {"last start too small", 2, {0, 1, 2}, {0, 1, 0}, NULL},
    {"last start too large", 2, {0, 1, UINT64_MAX}, {0, 1, 0}, NULL},
    {"value beyond the dictionary", 2, {0, 1, 3}, {0, 2, 0}, NULL},
    {"more rows than starts", 3, {0, 1, 3}, {0, 1, 0}, NULL},
    {"fewer rows than starts", 1, {0, 1, 3}, {0, 1, 0}, NULL},
    {"too many rows", UINT64_MAX, {0, 1, 3}, {0, 1, 0}, NULL},
    {"no JSON", 2, {0, 1, 3}, {0, 1, 0}, "[{"},
    {"no array", 2, {0, 1, 3}, {0, 1, 0}, "{}"},
    {"no name", 2, {0, 1, 3}, {0, 1, 0}, "[{\"kind\":\"text\"}]"},
    {"no kind", 2, {0, 1, 3}, {0, 1, 0}, "[{\"name\":\"x\"}]"},
    {"unknown kind", 2, {0, 1, 3}, {0, 1, 0}, "[{\"name\":\"x\",\"kind\":\"y\"}]"},
    {"a column too many",
     2,
     {0, 1, 3},
     {0, 1, 0},
     "[{\"name\":\"x\",\"kind\":\"text\"},{\"name\":\"y\",\"kind\":\"text\"}]"},
    {"numbers missing", 2, {0, 1, 3}, {0, 1, 0}, "[{\"name\":\"x\",\"kind\":\"numeric\"}]"},
};

static void write_forged(const Forged *forge, const char *path)
{
    const char *columns = forge->columns ? forge->columns : "[{\"name\":\"x\",\"kind\":\"text\"}]";
    g_autoptr(Ids) ids = ids_new();
    ids_add(ids, "a", 1, NULL);
    ids_add(ids, "b", 1, NULL);
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(ids_save(ids, writer, "items.0.values", NULL));
    assert_true(sections_write(writer, "items.0.start", forge->start, 8, 3, NULL));
    assert_true(sections_write(writer, "items.0.value", forge->value, 4, 3, NULL));
    assert_true(sections_write(writer, "items.rows", &forge->rows, 8, 1, NULL));
    assert_true(sections_write(writer, "items.columns", columns, 1, strlen(columns), NULL));
    assert_true(sections_finish(writer, NULL));
}

static void columns_that_would_leave_their_arrays_are_damage(void **state)
{
    const Forged right = {"right", 2, {0, 1, 3}, {0, 1, 0}, NULL};
    for (size_t i = 0; i <= G_N_ELEMENTS(forged); i++) {
        g_auto(DataFile) file = data_file_new();
        g_autoptr(GError) error = NULL;
        write_forged(i < G_N_ELEMENTS(forged) ? &forged[i] : &right, file.path);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        g_autoptr(Attributes) mapped = attributes_map(sections, "items", &error);
        if (i == G_N_ELEMENTS(forged)) {
            assert_non_null(mapped);
            continue;
        }
        if (mapped)
            fail_msg("accepted: %s", forged[i].name);
        expect_error(error, ERR_DAMAGED);
    }
}

static void expect_cell(const Column *column, uint32_t row, const char *text)
{
    uint32_t n;
    const uint32_t *values = column_values(column, row, &n);
    g_autoptr(GString) joined = g_string_new(NULL);
    for (uint32_t i = 0; i < n; i++) {
        size_t length;
        const char *bytes = ids_get(column->values, values[i], &length);
        g_string_append_printf(joined, "%s%.*s", i > 0 ? "+" : "", (int)length, bytes);
    }
    assert_string_equal(joined->str, text);
}

static void rows_are_put_in_another_order(void **state)
{
    static const uint32_t row_of[] = {4, IDS_NONE, 0, 3, 1, IDS_NONE, 2, 5};
    g_autoptr(Attributes) arranged = attributes_arrange(example(), row_of, 8, NULL);
    assert_int_equal(arranged->n_rows, 8);
    static const char *const brands[] = {"Acme", "", "Acme", "a|b", "", "", "", ""};
    static const char *const categories[] = {"", "", "Toys+Gifts", "Gifts", "", "", "", ""};
    for (uint32_t row = 0; row < 8; row++) {
        expect_cell(&arranged->columns[BRAND], row, brands[row]);
        expect_cell(&arranged->columns[CATEGORY], row, categories[row]);
    }
    const float *price = arranged->columns[PRICE].number;
    assert_true(price[0] == -1 && price[2] == 12.5F && isnan(price[1]) && isnan(price[7]));
    assert_int_equal(arranged->columns[PRICE].n_rows, 8);
}

static void no_rows_can_be_put_in_order_too(void **state)
{
    g_autoptr(Attributes) none = attributes_arrange(example(), NULL, 0, NULL);
    assert_int_equal(none->n_rows, 0);
    assert_int_equal(none->columns[BRAND].start[0], 0);
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(0, NULL, NULL, NULL);
    static const uint32_t row_of[] = {IDS_NONE};
    g_autoptr(Attributes) bare =
        attributes_arrange(attributes_builder_finish(builder, 0, NULL), row_of, 1, NULL);
    assert_int_equal(bare->n_rows, 1);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_trimmed_split_and_kept_in_order),
        cmocka_unit_test(columns_are_found_by_their_exact_name),
        cmocka_unit_test(a_row_beyond_the_last_has_no_values),
        cmocka_unit_test(many_rows_and_values_survive_growing),
        cmocka_unit_test(mapped_attributes_are_those_that_were_saved),
        cmocka_unit_test(attributes_of_no_columns_or_rows_survive_their_file),
        cmocka_unit_test(columns_that_would_leave_their_arrays_are_damage),
        cmocka_unit_test(rows_are_put_in_another_order),
        cmocka_unit_test(no_rows_can_be_put_in_order_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
