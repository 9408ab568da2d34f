#include "mapped.h"

#include <math.h>
#include <string.h>

#include "index/audience.h"

#define NEAR_MAX 5

const char **mapped_names(const Snapshot *snapshot)
{
    const Attributes *attributes = snapshot_item_attributes(snapshot);
    const char **names = g_new0(const char *, attributes->n_columns + 1);
    for (size_t i = 0; i < attributes->n_columns; i++)
        names[i] = attributes->columns[i].name;
    return names;
}

const Column *mapped_find(const Snapshot *snapshot, const char *name, const char *pointer,
                          Faults *faults)
{
    const Column *column = attributes_find(snapshot_item_attributes(snapshot), name);
    if (column)
        return column;
    g_autofree const char **names = mapped_names(snapshot);
    g_auto(GStrv) near = near_misses(name, names, NEAR_MAX);
    faults_add(faults, pointer, "unknown_reference",
               "map it in the products model, and it is there once its job has ended: candidates "
               "are the mapped columns",
               near ? (const char *const *)near : names, "no column \"%s\" is mapped in version %u",
               name, snapshot_version(snapshot));
    return NULL;
}

uint32_t mapped_find_value(const Snapshot *snapshot, const Column *column, const char *value,
                           const char *pointer, Faults *faults)
{
    uint32_t number = ids_find(column->values, value, strlen(value));
    if (number != IDS_NONE)
        return number;
    g_auto(GStrv) near = snapshot_near_values(snapshot, column, value, NEAR_MAX);
    faults_add(faults, pointer, "unknown_value", "values are exact and case sensitive",
               (const char *const *)near, "column \"%s\" has no value \"%s\"", column->name, value);
    return IDS_NONE;
}

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

static void write_cell(const Column *column, uint32_t item, JsonWriter *json)
{
    uint64_t first = column->start[item], last = column->start[item + 1];
    if (column->kind == COLUMN_NUMERIC && column->number) {
        json_number(json, column->number[item]); /* null when it is NaN */
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
        const Column *column = mapped->columns[i];
        json_key(json, column->name);
        if (item < column->n_rows)
            write_cell(column, item, json);
        else
            json_null(json);
    }
    json_end_object(json);
}
