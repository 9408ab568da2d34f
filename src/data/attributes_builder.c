#include "data/attributes.h"

#include <math.h>
#include <string.h>

#include "attributes_owner.h"
#include "growing.h"

#include "base/error.h"

typedef struct ColumnBuilder {
    char *name;
    ColumnKind kind;
    char separator; /* '\0': none */
    Ids *values;
    Growing start;  /* of uint64_t: of each row begun so far */
    Growing value;  /* of uint32_t */
    Growing number; /* of float, for kinds that have one */
} ColumnBuilder;

struct AttributesBuilder {
    ColumnBuilder *columns;
    size_t n_columns;
};

static bool has_number(ColumnKind kind)
{
    return kind == COLUMN_NUMERIC || kind == COLUMN_TIME;
}

/* Begins all rows before n_rows that were not: they are null. */
static bool begin_rows(ColumnBuilder *column, uint64_t n_rows, GError **error)
{
    static const float null = NAN;
    uint64_t missing = n_rows - column->start.n;
    if (!growing_reserve(&column->start, missing, error))
        return false;
    if (has_number(column->kind) && !growing_reserve(&column->number, missing, error))
        return false;
    growing_fill(&column->start, &column->value.n, missing);
    if (has_number(column->kind))
        growing_fill(&column->number, &null, missing);
    return true;
}

/* The part of [bytes, end) up to the separator; *next is where the following one begins. */
static const char *part_end(const ColumnBuilder *column, const char *bytes, const char *end)
{
    const char *found = column->separator && bytes < end
                            ? memchr(bytes, column->separator, (size_t)(end - bytes))
                            : NULL;
    return found ? found : end;
}

static bool row_has(const ColumnBuilder *column, uint64_t begin, uint32_t number)
{
    const uint32_t *values = column->value.elements;
    for (uint64_t i = begin; i < column->value.n; i++)
        if (values[i] == number)
            return true;
    return false;
}

static bool add_part(ColumnBuilder *column, uint64_t row_begin, const char *begin, const char *end,
                     GError **error)
{
    while (begin < end && g_ascii_isspace(*begin))
        begin++;
    while (begin < end && g_ascii_isspace(end[-1]))
        end--;
    if (begin == end)
        return true;
    if (!growing_reserve(&column->value, 1, error))
        return false;
    uint32_t number = ids_add(column->values, begin, (size_t)(end - begin), error);
    if (number == IDS_NONE)
        return false;
    if (!row_has(column, row_begin, number))
        growing_fill(&column->value, &number, 1);
    return true;
}

AttributesBuilder *attributes_builder_new(size_t n_columns, const char *const *names,
                                          const ColumnKind *kinds, const char *separators)
{
    AttributesBuilder *builder = g_new0(AttributesBuilder, 1);
    builder->columns = g_new0(ColumnBuilder, n_columns);
    builder->n_columns = n_columns;
    for (size_t i = 0; i < n_columns; i++) {
        ColumnBuilder *column = &builder->columns[i];
        column->name = g_strdup(names[i]);
        column->kind = kinds[i];
        column->separator = separators ? separators[i] : '\0';
        column->values = ids_new();
        growing_init(&column->start, sizeof(uint64_t));
        growing_init(&column->value, sizeof(uint32_t));
        growing_init(&column->number, sizeof(float));
    }
    return builder;
}

void attributes_builder_free(AttributesBuilder *builder)
{
    if (!builder)
        return;
    for (size_t i = 0; i < builder->n_columns; i++) {
        ColumnBuilder *column = &builder->columns[i];
        g_free(column->name);
        ids_free(column->values);
        growing_clear(&column->start);
        growing_clear(&column->value);
        growing_clear(&column->number);
    }
    g_free(builder->columns);
    g_free(builder);
}

bool attributes_builder_set(AttributesBuilder *builder, uint32_t row, size_t index,
                            const char *bytes, size_t length, double number, GError **error)
{
    g_assert(index < builder->n_columns && row >= builder->columns[index].start.n);
    ColumnBuilder *column = &builder->columns[index];
    if (!begin_rows(column, (uint64_t)row + 1, error))
        return false;
    if (has_number(column->kind))
        ((float *)column->number.elements)[row] = (float)number;
    if (!bytes)
        return true;
    uint64_t row_begin = column->value.n;
    const char *end = bytes + length;
    for (const char *begin = bytes; begin < end;) {
        const char *stop = part_end(column, begin, end);
        if (!add_part(column, row_begin, begin, stop, error))
            return false;
        begin = stop < end ? stop + 1 : end;
    }
    return true;
}

static bool finish_column(ColumnBuilder *from, uint32_t n_rows, Column *to, GError **error)
{
    g_assert(from->start.n <= n_rows);
    /* One more row, which is null, ends the last one. */
    if (!begin_rows(from, (uint64_t)n_rows + 1, error))
        return false;
    to->name = g_steal_pointer(&from->name);
    to->kind = from->kind;
    to->n_rows = n_rows;
    to->values = g_steal_pointer(&from->values);
    to->start = growing_steal(&from->start, error);
    if (!to->start)
        return false;
    to->value = growing_steal(&from->value, error);
    if (!to->value)
        return false;
    if (!has_number(from->kind))
        return true;
    to->number = growing_steal(&from->number, error);
    return to->number != NULL;
}

Attributes *attributes_builder_finish(AttributesBuilder *builder, uint32_t n_rows, GError **error)
{
    g_autoptr(Attributes) attributes = attributes_owner_new(builder->n_columns, n_rows, false);
    for (size_t i = 0; i < builder->n_columns; i++)
        if (!finish_column(&builder->columns[i], n_rows, &attributes->columns[i], error))
            return NULL;
    return g_steal_pointer(&attributes);
}
