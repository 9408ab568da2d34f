#include "index/mapped.h"

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
