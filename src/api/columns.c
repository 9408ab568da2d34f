#include "handlers.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cursor.h"
#include "index/audience.h"
#include "job_json.h"
#include "mapped.h"
#include "near.h"
#include "resource.h"
#include "served.h"
#include "spec/model.h"
#include "spec/prediction.h"
#include "store/jobs.h"
#include "store/remaps.h"

#define PRODUCT_COLUMN "product"
#define JOBS_LOOKED_AT 20

static const char *kind_name(ColumnKind kind)
{
    static const char *const names[] = {
        [COLUMN_CATEGORICAL] = "categorical",
        [COLUMN_NUMERIC] = "numeric",
        [COLUMN_TEXT] = "text",
        [COLUMN_TIME] = "time",
        [COLUMN_ID] = "id",
    };
    return names[kind];
}

static void write_column(const char *name, ColumnKind kind, uint32_t values, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "name");
    json_string(json, name);
    json_key(json, "kind");
    json_string(json, kind_name(kind));
    json_key(json, "values");
    json_uint(json, values);
    json_end_object(json);
}

/* The snapshot of the path's prediction; NULL when the answer was given. */
static Snapshot *snapshot_of_path(Api *api, Request *request, Response *response)
{
    const char *prediction = request_param(request, "prediction", NULL);
    GError *error = NULL;
    Snapshot *snapshot = served_find(api, prediction, &error);
    if (!snapshot)
        served_fail(api, prediction, error, response);
    return snapshot;
}

HANDLER(columns_list)
{
    g_autoptr(Snapshot) snapshot = snapshot_of_path(context, request, response);
    if (!snapshot)
        return;
    const Attributes *attributes = snapshot_item_attributes(snapshot);
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (size_t i = 0; i < attributes->n_columns; i++) {
        const Column *column = &attributes->columns[i];
        if (strcmp(column->name, PRODUCT_COLUMN) != 0)
            write_column(column->name, column->kind, ids_count(column->values), json);
    }
    write_column(PRODUCT_COLUMN, COLUMN_ID, ids_count(snapshot_items(snapshot)), json);
    json_end_array(json);
    json_key(json, "next_cursor");
    json_null(json);
    json_end_object(json);
}

/* ---- values ---- */

/* A page of values; `list` has room for PAGE_LIMIT_MAX. */
typedef struct Values {
    const Ids *ids;
    ValueCount list[PAGE_LIMIT_MAX];
    uint32_t n, total;
} Values;

static bool product_has_prefix(const Ids *ids, uint32_t item, const char *prefix, size_t length)
{
    size_t id_length = 0;
    const char *id = ids_get(ids, item, &id_length);
    return id_length >= length && g_ascii_strncasecmp(id, prefix, length) == 0;
}

/* Predictable products themselves, in the shop's order. */
static void list_products(const Snapshot *snapshot, const char *prefix, uint32_t offset,
                          uint32_t limit, Values *values)
{
    size_t length = strlen(prefix);
    values->ids = snapshot_items(snapshot);
    for (uint32_t item = 0; item < ids_count(values->ids); item++) {
        if (!snapshot_item_predictable(snapshot, item) ||
            !product_has_prefix(values->ids, item, prefix, length))
            continue;
        if (values->total++ >= offset && values->n < limit)
            values->list[values->n++] = (ValueCount){item, 1};
    }
}

static bool list_values(const Snapshot *snapshot, const Column *column, const char *prefix,
                        uint32_t offset, uint32_t limit, Values *values, GError **error)
{
    GError *failure = NULL;
    values->ids = column->values;
    values->n = snapshot_values(snapshot, column, prefix, offset, limit, values->list,
                                &values->total, &failure);
    if (!failure)
        return true;
    g_propagate_error(error, failure);
    return false;
}

static void answer_values(const Snapshot *snapshot, const Values *values, const Page *page,
                          uint32_t offset, Response *response)
{
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (uint32_t i = 0; i < values->n; i++) {
        size_t length = 0;
        const char *value = ids_get(values->ids, values->list[i].value, &length);
        json_begin_object(json);
        json_key(json, "value");
        json_string_n(json, value, length);
        json_key(json, "products");
        json_uint(json, values->list[i].products);
        json_end_object(json);
    }
    json_end_array(json);
    uint32_t next = offset + values->n;
    g_autofree char *place = values->n > 0 && next < values->total
                                 ? g_strdup_printf("%u.%u.%u", snapshot_version(snapshot),
                                                   snapshot_revision(snapshot), next)
                                 : NULL;
    page_write_next(page, place, json);
    json_end_object(json);
}

/* A place "version.revision.offset"; false when it is of another mapping. */
static bool read_place(const char *place, const Snapshot *snapshot, uint32_t *offset)
{
    *offset = 0;
    if (!place)
        return true;
    g_autofree char *of =
        g_strdup_printf("%u.%u.", snapshot_version(snapshot), snapshot_revision(snapshot));
    if (!g_str_has_prefix(place, of))
        return false;
    *offset = (uint32_t)MIN(g_ascii_strtoull(place + strlen(of), NULL, 10), UINT32_MAX);
    return true;
}

/* The open remap of a prediction, for g_free(); NULL when there is none. */
static char *open_remap(Api *api, const char *prediction)
{
    g_autoptr(Jobs) jobs = jobs_list(api->store, prediction, NULL, NULL, JOBS_LOOKED_AT, NULL);
    for (size_t i = 0; jobs && i < jobs->n; i++)
        if (strcmp(jobs->list[i]->kind, REMAP_KIND) == 0 && !job_has_ended(jobs->list[i]))
            return g_strdup(jobs->list[i]->id);
    return NULL;
}

/* Whether the prediction's products model maps the column now. */
static bool is_mapped(Api *api, const char *prediction, const char *name)
{
    g_autoptr(Prediction) spec = resource_load(&PREDICTIONS, api, prediction, NULL);
    g_autoptr(Model) products = spec && spec->models.products
                                    ? resource_load(&MODELS, api, spec->models.products, NULL)
                                    : NULL;
    for (size_t i = 0; products && i < products->n_fields; i++)
        if (strcmp(products->fields[i].name, name) == 0)
            return true;
    return false;
}

static char *unmapped_hint(Api *api, const Snapshot *snapshot, const char *name)
{
    const char *prediction = snapshot_prediction(snapshot);
    if (is_mapped(api, prediction, name)) {
        g_autofree char *job = open_remap(api, prediction);
        return job ? g_strdup_printf("it is mapped and on its way: GET /v1/jobs/%s", job)
                   : g_strdup_printf("it is mapped, but was not read yet: POST /v1/predictions/%s"
                                     "/columns/refresh",
                                     prediction);
    }
    g_autofree const char **names = mapped_names(snapshot);
    g_auto(GStrv) near = near_misses(name, names, 3);
    g_autofree char *mean = near_sentence(near);
    return g_strdup_printf("%s%smap it in the products model (fields): it is there once its job "
                           "has ended",
                           mean ? mean : "", mean ? " Else " : "");
}

/* F5: a missing mapping is a 409 that says what to do. */
static void fail_unmapped(Api *api, const Snapshot *snapshot, const char *name, Response *response)
{
    g_autofree char *hint = unmapped_hint(api, snapshot, name);
    response_fail(response, ERR_NOT_READY, "no column \"%s\" is mapped in version %u", name,
                  snapshot_version(snapshot));
    response_hint(response, hint);
}

HANDLER(columns_values)
{
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "values", request, faults);
    if (response_faults(response, faults))
        return;
    g_autoptr(Snapshot) snapshot = snapshot_of_path(context, request, response);
    if (!snapshot)
        return;
    const char *name = request_param(request, "column", NULL);
    const char *given = request_query(request, "prefix", NULL);
    const char *prefix = given ? given : "";
    const Column *column = attributes_find(snapshot_item_attributes(snapshot), name);
    uint32_t offset = 0;
    if (!column && strcmp(name, PRODUCT_COLUMN) != 0) {
        fail_unmapped(context, snapshot, name, response);
        return;
    }
    if (!read_place(page.after, snapshot, &offset)) {
        response_fail(response, ERR_CONFLICT, "the cursor is of another version or mapping");
        response_hint(response, "start again without a cursor");
        return;
    }
    Values values = {0};
    GError *error = NULL;
    if (!column)
        list_products(snapshot, prefix, offset, (uint32_t)page.limit, &values);
    else if (!list_values(snapshot, column, prefix, offset, (uint32_t)page.limit, &values,
                          &error)) {
        response_error(response, error);
        return;
    }
    answer_values(snapshot, &values, &page, offset, response);
}
