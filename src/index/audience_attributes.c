/* The audience of a product that is not in the data yet: who wants the products most like it. */
#include <string.h>

#include "audience_kinds.h"
#include "base/error.h"
#include "index/mapped.h"
#include "layout.h"
#include "similar.h"

#define NEAR_MAX  5
#define SHOWN_MAX 10

/* ---- what is asked for must be there, or be new ---- */

static void refuse_kind(const Snapshot *snapshot, const Column *column, const char *pointer,
                        Faults *faults)
{
    const Attributes *attributes = snapshot_item_attributes(snapshot);
    g_autofree const char **usable = g_new0(const char *, attributes->n_columns + 1);
    for (size_t i = 0, n = 0; i < attributes->n_columns; i++)
        if (similar_can_use(&attributes->columns[i]))
            usable[n++] = attributes->columns[i].name;
    faults_add(faults, pointer, "wrong_type",
               "candidates are the columns of kind categorical, id and numeric", usable,
               "products cannot be compared by column \"%s\": it is of kind %s", column->name,
               column->kind == COLUMN_TIME ? "time" : "text");
}

static void refuse_value(const Snapshot *snapshot, const Column *column, const char *value,
                         const char *pointer, Faults *faults)
{
    g_auto(GStrv) near = snapshot_near_values(snapshot, column, value, NEAR_MAX);
    faults_add(
        faults, pointer, "unknown_value",
        "values are exact and case sensitive; one that no product has yet: add \"new\": true",
        (const char *const *)near, "column \"%s\" has no value \"%s\"", column->name, value);
}

/* Whether it tells anything. */
static bool check_value(const Snapshot *snapshot, const Column *column,
                        const AudienceAttribute *attribute, const char *pointer, Faults *faults)
{
    double number;
    if (column->kind == COLUMN_NUMERIC) {
        bool is_number = similar_read_number(attribute->value, &number);
        if (!is_number)
            faults_add(faults, pointer, "invalid", "a number as a string: \"4.95\"", NULL,
                       "column \"%s\" is numeric and \"%s\" is no number", column->name,
                       attribute->value);
        return is_number;
    }
    if (ids_find(column->values, attribute->value, strlen(attribute->value)) != IDS_NONE)
        return true;
    if (!attribute->is_new)
        refuse_value(snapshot, column, attribute->value, pointer, faults);
    return false;
}

static bool check_attribute(const Snapshot *snapshot, const AudienceAttribute *attribute, size_t i,
                            Faults *faults)
{
    g_autofree char *of_column = g_strdup_printf("/attributes/%zu/column", i);
    g_autofree char *of_value = g_strdup_printf("/attributes/%zu/value", i);
    const Column *column = mapped_find(snapshot, attribute->column, of_column, faults);
    if (!column)
        return false;
    if (similar_can_use(column))
        return check_value(snapshot, column, attribute, of_value, faults);
    refuse_kind(snapshot, column, of_column, faults);
    return false;
}

static void check(const Snapshot *snapshot, const Audience *audience, Faults *faults)
{
    size_t before = faults->n;
    bool any = false;
    for (size_t i = 0; i < audience->n_attributes; i++)
        any |= check_attribute(snapshot, &audience->attributes[i], i, faults);
    if (!any && faults->n == before)
        faults_add(faults, "/attributes", "unknown_value",
                   "add one that other products have, such as a category or a price", NULL,
                   "all of it is new: there is no product that it is like");
}

/* ---- who wants the like ---- */

/* What the products share is worth what it is of all that is known of the new one; those that share
 * the same are looked at together. */
static bool add_similar(const Snapshot *snapshot, const Similar *list, uint32_t n, float *scores,
                        GError **error)
{
    uint32_t items[AUDIENCE_ITEMS_MAX];
    for (uint32_t first = 0, next; first < n; first = next) {
        for (next = first; next < n && list[next].similarity == list[first].similarity; next++)
            items[next - first] = list[next].item;
        if (!audience_add_items(snapshot, items, next - first, list[first].similarity, scores,
                                error))
            return false;
    }
    return true;
}

static Members *rank(const Snapshot *snapshot, const Audience *audience, uint32_t limit,
                     GError **error)
{
    Similar list[AUDIENCE_ITEMS_MAX];
    uint32_t n, known;
    if (!similar_find(snapshot, audience->attributes, audience->n_attributes, AUDIENCE_ITEMS_MAX,
                      list, &n, &known, error))
        return NULL;
    if (n == 0)
        return audience_nobody(
            snapshot,
            "no product bought in the last year has any of these attributes in version %u",
            snapshot_version(snapshot));
    g_autofree float *scores = g_try_new0(float, (size_t)snapshot->meta.n_users + 1);
    if (!scores) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u users", snapshot->meta.n_users);
        return NULL;
    }
    if (!add_similar(snapshot, list, n, scores, error))
        return NULL;
    return audience_rank_scores(snapshot, scores, false, limit, error);
}

/* ---- what it was made of ---- */

static void write_similar(const Snapshot *snapshot, const Audience *audience,
                          const Similar *similar, JsonWriter *json)
{
    size_t length = 0;
    const char *product = ids_get(snapshot_items(snapshot), similar->item, &length);
    json_begin_object(json);
    json_key(json, "product");
    json_string_n(json, product, length);
    json_key(json, "similarity");
    json_fixed(json, (double)similar->similarity, 4);
    json_key(json, "shared");
    json_begin_array(json);
    for (size_t i = 0; i < audience->n_attributes; i++)
        if (similar->shared & 1u << i)
            json_string(json, audience->attributes[i].column);
    json_end_array(json);
    json_end_object(json);
}

static void write_attribute(const AudienceAttribute *attribute, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "column");
    json_string(json, attribute->column);
    json_key(json, "value");
    json_string(json, attribute->value);
    json_end_object(json);
}

static bool describe(const Snapshot *snapshot, const Audience *audience, JsonWriter *json,
                     GError **error)
{
    Similar list[SHOWN_MAX];
    uint32_t n, known;
    if (!similar_find(snapshot, audience->attributes, audience->n_attributes, SHOWN_MAX, list, &n,
                      &known, error))
        return false;
    json_key(json, "similar_products");
    json_begin_array(json);
    for (uint32_t i = 0; i < n; i++)
        write_similar(snapshot, audience, &list[i], json);
    json_end_array(json);
    json_key(json, "ignored_attributes");
    json_begin_array(json);
    for (size_t i = 0; i < audience->n_attributes; i++)
        if (!(known & 1u << i))
            write_attribute(&audience->attributes[i], json);
    json_end_array(json);
    return true;
}

const AudienceMaker audience_of_attributes = {.check = check, .rank = rank, .describe = describe};
