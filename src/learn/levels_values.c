#include "levels_values.h"

#include <string.h>

#include "base/error.h"
#include "data/split.h"
#include "ranked_arrays.h"

/* Between a column's name and a value: no name has it. */
#define SEPARATOR  '\x1f'
/* A column of more values than that names products, not groups of them. */
#define VALUES_MAX 50000u

static bool is_modelled(const Column *column)
{
    uint32_t n = ids_count(column->values);
    return column->kind == COLUMN_CATEGORICAL && n > 0 && n <= VALUES_MAX;
}

static GString *name_of(const char *column, const char *value, size_t length)
{
    GString *name = g_string_new(column);
    g_string_append_c(name, SEPARATOR);
    g_string_append_len(name, value, (gssize)length);
    return name;
}

static bool add_name(Values *values, const char *column, const char *value, size_t length,
                     GError **error)
{
    GString *name = name_of(column, value, length);
    uint32_t number = ids_add(values->names, name->str, name->len, error);
    g_string_free(name, TRUE);
    return number != IDS_NONE;
}

/* Values in the order of their column's dictionary, so that numbers are first[c] + theirs. */
static bool add_names(Values *values, const Attributes *attributes, GError **error)
{
    values->names = ids_new();
    values->first = g_new0(uint32_t, attributes->n_columns + 1);
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        if (!is_modelled(column))
            continue;
        for (uint32_t v = 0; v < ids_count(column->values); v++) {
            size_t length;
            const char *text = ids_get(column->values, v, &length);
            if (!add_name(values, column->name, text, length, error))
                return false;
        }
        values->first[++values->n_columns] = ids_count(values->names);
    }
    values->n = ids_count(values->names);
    return add_name(values, "", "", 0, error);
}

static uint64_t count_cells(const Attributes *attributes, uint32_t n_items)
{
    uint64_t n = n_items; /* those without any value */
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        n += is_modelled(column) ? column->start[column->n_rows] : 0;
    }
    return n;
}

static void add_item(Values *values, const Attributes *attributes, uint32_t item, uint64_t *at)
{
    uint64_t begin = *at;
    for (size_t c = 0, of_ours = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        if (!is_modelled(column))
            continue;
        uint32_t n;
        const uint32_t *numbers = column_values(column, item, &n);
        for (uint32_t i = 0; i < n; i++)
            values->group[(*at)++] = values->first[of_ours] + numbers[i];
        of_ours++;
    }
    if (*at == begin)
        values->group[(*at)++] = values->n;
    values->start[item + (size_t)1] = *at;
}

static uint64_t mixed(uint32_t item)
{
    uint64_t x = item + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t values_fingerprint(const uint32_t *items, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += mixed(items[i]);
    return sum;
}

static bool group_items(Values *values, const Dataset *view, int64_t as_of, GError **error)
{
    const Attributes *attributes = view->item_attributes;
    g_autoptr(Scope) scope = scope_new(view, as_of, error);
    values->start = kept_new0((uint64_t)view->n_items + 1, sizeof(uint64_t), error);
    values->group = kept_new0(count_cells(attributes, view->n_items), sizeof(uint32_t), error);
    values->fingerprint = kept_new0(values->n, sizeof(uint64_t), error);
    values->products = kept_new0(values->n, sizeof(float), error);
    if (!scope || !values->start || !values->group || !values->fingerprint || !values->products)
        return false;
    uint64_t at = 0;
    for (uint32_t item = 0; item < view->n_items; item++) {
        uint64_t begin = at;
        add_item(values, attributes, item, &at);
        for (uint64_t g = begin; g < at && values->group[g] < values->n; g++) {
            values->products[values->group[g]]++;
            values->fingerprint[values->group[g]] += scope->item[item] ? mixed(item) : 0;
        }
    }
    return true;
}

bool values_new(const Dataset *view, int64_t as_of, Values **result, GError **error)
{
    g_autoptr(Values) values = g_new0(Values, 1);
    *result = NULL;
    if (!add_names(values, view->item_attributes, error))
        return false;
    if (values->n == 0)
        return true;
    if (!group_items(values, view, as_of, error))
        return false;
    *result = g_steal_pointer(&values);
    return true;
}

static Ids *copy_names(const Ids *names, GError **error)
{
    g_autoptr(Ids) copy = ids_new();
    for (uint32_t v = 0; v < ids_count(names); v++) {
        size_t length;
        const char *text = ids_get(names, v, &length);
        if (ids_add(copy, text, length, error) == IDS_NONE)
            return NULL;
    }
    return g_steal_pointer(&copy);
}

Dataset *values_dataset(const Values *values, const Dataset *raw, GError **error)
{
    ItemGroups groups = {values->n + 1, values->start, values->group};
    Ids *names = copy_names(values->names, error);
    return names ? dataset_grouped(raw, &groups, names, error) : NULL;
}

uint32_t values_find(const Values *values, const char *column, const char *value, size_t length)
{
    GString *name = name_of(column, value, length);
    uint32_t number = ids_find(values->names, name->str, name->len);
    g_string_free(name, TRUE);
    return number < values->n ? number : IDS_NONE;
}

uint32_t values_column(const Values *values, uint32_t value)
{
    uint32_t column = 0;
    while (column + 1 < values->n_columns && values->first[column + 1] <= value)
        column++;
    return column;
}

const char *values_text(const Values *values, uint32_t value, size_t *length)
{
    const char *name = ids_get(values->names, value, length);
    const char *separator = memchr(name, SEPARATOR, *length);
    if (!separator)
        return name;
    *length -= (size_t)(separator + 1 - name);
    return separator + 1;
}

const char *values_column_name(const Values *values, uint32_t value, size_t *length)
{
    const char *name = ids_get(values->names, value, length);
    const char *separator = memchr(name, SEPARATOR, *length);
    *length = separator ? (size_t)(separator - name) : 0;
    return name;
}

/* All that is stored but the names. */
static void list_arrays(Values *values, KeptArrays *arrays)
{
    kept_add(arrays, &values->first, sizeof(uint32_t), (uint64_t)values->n_columns + 1,
             "values.first");
    kept_add(arrays, &values->fingerprint, sizeof(uint64_t), values->n, "values.fingerprint");
    kept_add(arrays, &values->products, sizeof(float), values->n, "values.products");
}

bool values_save(const Values *values, SectionsWriter *writer, GError **error)
{
    const uint32_t counts[2] = {values->n, values->n_columns};
    KeptArrays arrays = {0};
    list_arrays((Values *)values, &arrays);
    return sections_write(writer, "values.counts", counts, sizeof counts, 1, error) &&
           kept_save(&arrays, writer, error) &&
           ids_save(values->names, writer, "values.names", error);
}

static bool is_sound(const Values *values)
{
    if (!values->first)
        return false;
    bool sound = values->first[0] == 0 && values->first[values->n_columns] == values->n &&
                 ids_count(values->names) == values->n + 1;
    for (uint32_t c = 0; c < values->n_columns; c++)
        sound &= values->first[c] <= values->first[c + 1];
    return sound;
}

Values *values_load(const Sections *sections, GError **error)
{
    uint64_t n;
    const uint32_t *counts = sections_get(sections, "values.counts", 2 * sizeof *counts, &n, error);
    if (!counts)
        return NULL;
    g_autoptr(Values) values = g_new0(Values, 1);
    values->is_borrowed = true;
    if (n == 1 && counts[0] < IDS_NONE - 1 && counts[1] < IDS_NONE) {
        values->n = counts[0];
        values->n_columns = counts[1];
    }
    KeptArrays arrays = {0};
    list_arrays(values, &arrays);
    values->names = ids_map(sections, "values.names", error);
    if (!values->names || !kept_load(&arrays, sections, error))
        return NULL;
    if (values->n > 0 && is_sound(values))
        return g_steal_pointer(&values);
    error_set(error, ERR_DAMAGED, "the values of the level model do not fit");
    return NULL;
}

void values_free(Values *values)
{
    if (!values)
        return;
    ids_free(values->names);
    if (!values->is_borrowed) {
        g_free(values->first);
        g_free(values->fingerprint);
        g_free(values->products);
        g_free(values->start);
        g_free(values->group);
    }
    g_free(values);
}
