/* Every allocation sized by data fails in turn: ERR_NO_MEMORY, nothing leaked (AddressSanitizer
 * looks), nothing half done. GLib's g_try_ functions are replaced by the ones below. */
#include "data_rows.h"

#include <stdlib.h>

#include "data/split.h"

static unsigned allocations; /* since the last start */
static unsigned fail_at;     /* the allocation that fails; 0: none */

static bool may_allocate(void)
{
    return ++allocations != fail_at;
}

void *g_try_realloc_n(void *memory, gsize n, gsize size)
{
    gsize bytes;
    if (!may_allocate() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return realloc(memory, bytes);
}

void *g_try_malloc_n(gsize n, gsize size)
{
    return g_try_realloc_n(NULL, n, size);
}

void *g_try_malloc0_n(gsize n, gsize size)
{
    return may_allocate() ? calloc(n, size) : NULL;
}

void *g_try_malloc(gsize bytes)
{
    return g_try_malloc_n(bytes, 1);
}

void *g_try_malloc0(gsize bytes)
{
    return g_try_malloc0_n(bytes, 1);
}

void *g_try_realloc(void *memory, gsize bytes)
{
    return g_try_realloc_n(memory, bytes, 1);
}

static DatasetBuilder *mapped_builder(void)
{
    static const char *const names[] = {"colour", "price"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_NUMERIC};
    static const char *const values[] = {"blue", NULL}, *const ids[] = {"i1", NULL};
    static const Period excluded = {0, US_PER_DAY, "colour", values, ids};
    const DatasetOptions options = {.now = day(10000),
                                    .from = INT64_MIN,
                                    .to = INT64_MAX,
                                    .excluded = &excluded,
                                    .n_excluded = 1,
                                    .has_order = true,
                                    .has_price = true};
    return dataset_builder_new(&options, attributes_builder_new(2, names, kinds, ",\0"),
                               attributes_builder_new(1, names, kinds, NULL));
}

static bool add_products(DatasetBuilder *builder, uint32_t n, GError **error)
{
    char id[16];
    AttributesBuilder *attributes = dataset_builder_item_attributes(builder);
    for (uint32_t i = 0; i < n; i++) {
        size_t length = (size_t)snprintf(id, 16, "i%u", i);
        if (dataset_builder_add_item(builder, id, length, error) == IDS_NONE ||
            !attributes_builder_set(attributes, i, 0, "red,blue", 8, NAN, error) ||
            !attributes_builder_set(attributes, i, 1, id + 1, length - 1, i, error))
            return false;
    }
    return true;
}

static bool add_users(DatasetBuilder *builder, uint32_t n, GError **error)
{
    char id[16];
    for (uint32_t i = 0; i < n; i++)
        if (dataset_builder_add_user(builder, id, (size_t)snprintf(id, 16, "u%u", i), error) ==
            IDS_NONE)
            return false;
    return true;
}

/* Newest first, so that each user is sorted; every fourth is a return. */
static bool add_event(DatasetBuilder *builder, uint32_t i, GError **error)
{
    char user[16], item[16], order[16];
    EventRow event = {.user = user, .item = item, .order = order};
    event.user_length = (uint32_t)snprintf(user, 16, "u%u", i % 7);
    event.item_length = (uint32_t)snprintf(item, 16, "i%u", i % 5);
    event.order_length = (uint32_t)snprintf(order, 16, "o%u", i);
    event.time = day(1000 - i);
    event.quantity = i % 4 ? 2 : -1;
    return dataset_builder_add_events(builder, &event, 1, error);
}

static Dataset *read_shop(GError **error)
{
    g_autoptr(DatasetBuilder) builder = mapped_builder();
    if (!add_products(builder, 80, error) || !add_users(builder, 80, error))
        return NULL;
    for (uint32_t i = 0; i < 200; i++)
        if (!add_event(builder, i, error))
            return NULL;
    return dataset_builder_finish(builder, NULL, error);
}

static bool split_shop(const Dataset *raw, GError **error)
{
    g_autoptr(Dataset) view = dataset_before(raw, day(950), error);
    if (!view)
        return false;
    g_autoptr(Scope) scope = scope_new(view, day(950), error);
    if (!scope)
        return false;
    g_autoptr(Csr) targets = window_targets(raw, day(950), day(980), error);
    if (!targets)
        return false;
    g_autoptr(Csr) counts = decayed_counts(view, day(950), 30, error);
    return counts != NULL;
}

static bool store_shop(const Dataset *raw, const char *path, GError **error)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, error);
    if (!writer || !ids_save(raw->users, writer, "users", error) ||
        !attributes_save(raw->item_attributes, writer, "items", error) ||
        !sections_finish(writer, error))
        return false;
    g_autoptr(Sections) sections = sections_open(path, error);
    if (!sections)
        return false;
    g_autoptr(Attributes) attributes = attributes_map(sections, "items", error);
    return attributes != NULL;
}

/* Columns alone, that came in another order than the products have. */
static bool arrange_columns(GError **error)
{
    static const char *const names[] = {"price"};
    static const ColumnKind kinds[] = {COLUMN_NUMERIC};
    static const uint32_t row_of[] = {1, IDS_NONE, 0};
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(1, names, kinds, NULL);
    for (uint32_t row = 0; row < 2; row++)
        if (!attributes_builder_set(builder, row, 0, "7", 1, 7, error))
            return false;
    Attributes *attributes = attributes_builder_finish(builder, 2, error);
    g_autoptr(Attributes) arranged =
        attributes ? attributes_arrange(attributes, row_of, 3, error) : NULL;
    return arranged != NULL;
}

static bool run(const char *path, GError **error)
{
    g_autoptr(Dataset) raw = read_shop(error);
    return raw && split_shop(raw, error) && store_shop(raw, path, error) && arrange_columns(error);
}

/* F48 */
static void each_failed_allocation_is_reported_and_leaks_nothing(void **state)
{
    g_auto(DataFile) file = data_file_new();
    unsigned failures = 0;
    allocations = fail_at = 0;
    assert_true(run(file.path, NULL));
    unsigned total = allocations;
    for (unsigned i = 1; i <= total; i++) {
        g_autoptr(GError) error = NULL;
        allocations = 0;
        fail_at = i;
        bool is_done = run(file.path, &error);
        fail_at = 0;
        /* Shrinking an array may fail without harm. */
        if (is_done)
            continue;
        expect_error(error, ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 30);
    assert_true(total - failures < 20);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failed_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
