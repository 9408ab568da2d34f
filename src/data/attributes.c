#include "data/attributes.h"

#include <stdio.h>
#include <string.h>

#include "attributes_owner.h"

#include "base/error.h"
#include "base/json.h"

#define COLUMNS_MAX 1000
#define PREFIX_MAX  16

/* The name of each kind in the section ".columns". */
static const char *const kind_names[] = {
    [COLUMN_CATEGORICAL] = "categorical",
    [COLUMN_NUMERIC] = "numeric",
    [COLUMN_TEXT] = "text",
    [COLUMN_TIME] = "time",
    [COLUMN_ID] = "id",
};

typedef struct AttributesOwner {
    Attributes attributes; /* first: one pointer for both */
    bool is_mapped;
} AttributesOwner;

Attributes *attributes_owner_new(size_t n_columns, uint32_t n_rows, bool is_mapped)
{
    AttributesOwner *owner = g_new0(AttributesOwner, 1);
    owner->attributes.columns = g_new0(Column, n_columns);
    owner->attributes.n_columns = n_columns;
    owner->attributes.n_rows = n_rows;
    owner->is_mapped = is_mapped;
    return &owner->attributes;
}

const uint32_t *column_values(const Column *column, uint32_t row, uint32_t *n)
{
    *n = 0;
    if (row >= column->n_rows)
        return column->value;
    uint64_t begin = column->start[row];
    *n = (uint32_t)(column->start[row + (size_t)1] - begin);
    return column->value + begin;
}

void attributes_free(Attributes *attributes)
{
    if (!attributes)
        return;
    bool is_mapped = ((AttributesOwner *)attributes)->is_mapped;
    for (size_t i = 0; i < attributes->n_columns; i++) {
        Column *column = &attributes->columns[i];
        g_free(column->name);
        ids_free(column->values);
        if (is_mapped)
            continue;
        g_free(column->start);
        g_free(column->value);
        g_free(column->number);
    }
    g_free(attributes->columns);
    g_free(attributes);
}

uint64_t attributes_bytes(const Attributes *attributes)
{
    uint64_t bytes = sizeof(AttributesOwner);
    for (size_t i = 0; i < attributes->n_columns; i++) {
        const Column *column = &attributes->columns[i];
        bytes += sizeof *column + ids_bytes(column->values) +
                 (column->n_rows + (uint64_t)1) * sizeof *column->start +
                 column->start[column->n_rows] * sizeof *column->value;
        if (column->number)
            bytes += column->n_rows * sizeof *column->number;
    }
    return bytes;
}

const Column *attributes_find(const Attributes *attributes, const char *name)
{
    for (size_t i = 0; i < attributes->n_columns; i++)
        if (strcmp(attributes->columns[i].name, name) == 0)
            return &attributes->columns[i];
    return NULL;
}

/* "<prefix>.<index>.<part>" */
typedef struct PartName {
    char text[SECTION_NAME_MAX + 1];
} PartName;

static PartName part_name(const char *prefix, size_t index, const char *part)
{
    PartName name;
    snprintf(name.text, sizeof name.text, "%s.%zu.%s", prefix, index, part);
    return name;
}

static PartName whole_name(const char *prefix, const char *part)
{
    PartName name;
    snprintf(name.text, sizeof name.text, "%s.%s", prefix, part);
    return name;
}

static bool save_column(const Column *column, SectionsWriter *writer, const char *prefix,
                        size_t index, GError **error)
{
    uint64_t n_values = column->start[column->n_rows];
    return ids_save(column->values, writer, part_name(prefix, index, "values").text, error) &&
           sections_write(writer, part_name(prefix, index, "start").text, column->start,
                          sizeof *column->start, column->n_rows + (uint64_t)1, error) &&
           sections_write(writer, part_name(prefix, index, "value").text, column->value,
                          sizeof *column->value, n_values, error) &&
           (!column->number ||
            sections_write(writer, part_name(prefix, index, "number").text, column->number,
                           sizeof *column->number, column->n_rows, error));
}

static void write_columns(const Attributes *attributes, Buffer *out)
{
    JsonWriter writer;
    json_writer_init(&writer, out);
    json_begin_array(&writer);
    for (size_t i = 0; i < attributes->n_columns; i++) {
        json_begin_object(&writer);
        json_key(&writer, "name");
        json_string(&writer, attributes->columns[i].name);
        json_key(&writer, "kind");
        json_string(&writer, kind_names[attributes->columns[i].kind]);
        json_end_object(&writer);
    }
    json_end_array(&writer);
}

static bool save_columns(const Attributes *attributes, SectionsWriter *writer, const char *prefix,
                         GError **error)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    write_columns(attributes, &text);
    if (text.failed) {
        error_set(error, ERR_NO_MEMORY, "no memory for the names of columns");
        return false;
    }
    return sections_write(writer, whole_name(prefix, "columns").text, text.data, 1, text.length,
                          error);
}

bool attributes_save(const Attributes *attributes, SectionsWriter *writer, const char *prefix,
                     GError **error)
{
    g_assert(strlen(prefix) <= PREFIX_MAX && attributes->n_columns <= COLUMNS_MAX);
    uint64_t n_rows = attributes->n_rows;
    if (!sections_write(writer, whole_name(prefix, "rows").text, &n_rows, sizeof n_rows, 1, error))
        return false;
    for (size_t i = 0; i < attributes->n_columns; i++)
        if (!save_column(&attributes->columns[i], writer, prefix, i, error))
            return false;
    return save_columns(attributes, writer, prefix, error);
}

static bool damaged(const char *what, GError **error)
{
    error_set(error, ERR_DAMAGED, "the mapped columns are damaged: %s", what);
    return false;
}

static bool find_kind(const char *name, ColumnKind *kind)
{
    for (size_t i = 0; name && i < G_N_ELEMENTS(kind_names); i++) {
        if (strcmp(name, kind_names[i]) != 0)
            continue;
        *kind = (ColumnKind)i;
        return true;
    }
    return false;
}

static bool values_fit(const Column *column, uint64_t n_values)
{
    uint32_t n_distinct = ids_count(column->values);
    if (column->start[0] != 0 || column->start[column->n_rows] != n_values)
        return false;
    for (uint32_t row = 0; row < column->n_rows; row++) {
        uint64_t begin = column->start[row], end = column->start[row + (size_t)1];
        if (begin > end || end - begin > UINT32_MAX)
            return false;
    }
    for (uint64_t i = 0; i < n_values; i++)
        if (column->value[i] >= n_distinct)
            return false;
    return true;
}

static bool map_number(const Sections *sections, const char *prefix, size_t index, Column *column,
                       GError **error)
{
    uint64_t n;
    PartName name = part_name(prefix, index, "number");
    if (column->kind != COLUMN_NUMERIC && column->kind != COLUMN_TIME)
        return true;
    column->number = (float *)sections_get(sections, name.text, sizeof *column->number, &n, error);
    return column->number && (n == column->n_rows || damaged("numbers and rows differ", error));
}

static bool map_column(const Sections *sections, const char *prefix, size_t index, Column *column,
                       GError **error)
{
    uint64_t n_starts, n_values;
    column->values = ids_map(sections, part_name(prefix, index, "values").text, error);
    if (!column->values)
        return false;
    column->start = (uint64_t *)sections_get(sections, part_name(prefix, index, "start").text,
                                             sizeof *column->start, &n_starts, error);
    if (!column->start)
        return false;
    column->value = (uint32_t *)sections_get(sections, part_name(prefix, index, "value").text,
                                             sizeof *column->value, &n_values, error);
    if (!column->value)
        return false;
    if (n_starts != column->n_rows + (uint64_t)1)
        return damaged("starts and rows differ", error);
    if (!values_fit(column, n_values))
        return damaged("a value lies outside of its array", error);
    return map_number(sections, prefix, index, column, error);
}

static bool read_column(const cJSON *item, Column *column)
{
    const char *name = json_member_string(item, "name");
    column->name = g_strdup(name);
    return name && find_kind(json_member_string(item, "kind"), &column->kind);
}

static cJSON *parse_columns(const Sections *sections, const char *prefix, GError **error)
{
    uint64_t length;
    PartName name = whole_name(prefix, "columns");
    const char *text = sections_get(sections, name.text, 1, &length, error);
    if (!text)
        return NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(cJSON) list = json_parse(text, length, &failure);
    if (list && cJSON_IsArray(list) && cJSON_GetArraySize(list) <= COLUMNS_MAX)
        return g_steal_pointer(&list);
    if (failure && error_code(failure) == ERR_NO_MEMORY)
        g_propagate_error(error, g_steal_pointer(&failure));
    else
        damaged("their names cannot be read", error);
    return NULL;
}

static bool map_rows(const Sections *sections, const char *prefix, uint32_t *n_rows, GError **error)
{
    uint64_t n;
    const uint64_t *rows =
        sections_get(sections, whole_name(prefix, "rows").text, sizeof *rows, &n, error);
    if (!rows)
        return false;
    if (n != 1 || *rows >= UINT32_MAX)
        return damaged("the number of rows cannot be", error);
    *n_rows = (uint32_t)*rows;
    return true;
}

Attributes *attributes_map(const Sections *sections, const char *prefix, GError **error)
{
    g_assert(strlen(prefix) <= PREFIX_MAX);
    uint32_t n_rows;
    if (!map_rows(sections, prefix, &n_rows, error))
        return NULL;
    g_autoptr(cJSON) list = parse_columns(sections, prefix, error);
    if (!list)
        return NULL;
    g_autoptr(Attributes) attributes =
        attributes_owner_new((size_t)cJSON_GetArraySize(list), n_rows, true);
    size_t index = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        Column *column = &attributes->columns[index];
        column->n_rows = n_rows;
        if (!read_column(item, column)) {
            damaged("a column has no name or kind", error);
            return NULL;
        }
        if (!map_column(sections, prefix, index++, column, error))
            return NULL;
    }
    return g_steal_pointer(&attributes);
}
