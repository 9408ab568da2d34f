#include "mapped.h"

#include <math.h>
#include <string.h>

static void read_name(Mapped *mapped, const Snapshot *snapshot, const char *name, size_t length,
                      Faults *faults)
{
    g_autofree char *text = g_strndup(name, length);
    const Column *column = mapped_find(snapshot, text, "?fields", faults);
    if (column && mapped->n < MAPPED_MAX)
        mapped->columns[mapped->n++] = column;
}

static void take_all(Mapped *mapped, const Attributes *attributes)
{
    for (size_t i = 0; i < attributes->n_columns && mapped->n < MAPPED_MAX; i++)
        mapped->columns[mapped->n++] = &attributes->columns[i];
}

void mapped_read(Mapped *mapped, const Snapshot *snapshot, const Request *request, Faults *faults)
{
    mapped->n = 0;
    const char *text = request_query(request, "fields", NULL);
    if (!text)
        return;
    if (strcmp(text, "*") == 0) {
        take_all(mapped, snapshot_item_attributes(snapshot));
        return;
    }
    for (const char *name = text;; name++) {
        size_t length = strcspn(name, ",");
        read_name(mapped, snapshot, name, length, faults);
        name += length;
        if (*name == '\0')
            return;
    }
}

static void write_text(const Column *column, uint32_t value, JsonWriter *json)
{
    size_t length = 0;
    const char *bytes = ids_get(column->values, value, &length);
    json_string_n(json, bytes, length);
}

void mapped_write_cell(const Column *column, uint32_t row, JsonWriter *json)
{
    if (row >= column->n_rows) {
        json_null(json);
        return;
    }
    uint64_t first = column->start[row], last = column->start[row + (size_t)1];
    if (column->kind == COLUMN_NUMERIC && column->number) {
        json_number(json, column->number[row]); /* null when it is NaN */
        return;
    }
    if (first == last) {
        json_null(json);
        return;
    }
    if (last == first + 1) {
        write_text(column, column->value[first], json);
        return;
    }
    json_begin_array(json);
    for (uint64_t i = first; i < last; i++)
        write_text(column, column->value[i], json);
    json_end_array(json);
}

void mapped_write(const Mapped *mapped, uint32_t item, JsonWriter *json)
{
    if (mapped->n == 0)
        return;
    json_key(json, "fields");
    json_begin_object(json);
    for (size_t i = 0; i < mapped->n; i++) {
        json_key(json, mapped->columns[i]->name);
        mapped_write_cell(mapped->columns[i], item, json);
    }
    json_end_object(json);
}
