#include "handlers.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "configuration.h"
#include "jobs/estimate.h"
#include "resource.h"
#include "served.h"
#include "spec/model.h"
#include "spec/prediction.h"
#include "store/backtests.h"
#include "store/doctor.h"
#include "store/jobs.h"
#include "store/output.h"
#include "store/versions.h"

static void *read_prediction(const cJSON *body, Faults *faults)
{
    return prediction_read(body, faults);
}

static void write_prediction(const void *spec, JsonWriter *json)
{
    prediction_write(spec, json);
}

static void free_prediction(void *spec)
{
    prediction_free(spec);
}

static const char *prediction_id(const void *spec)
{
    return ((const Prediction *)spec)->id;
}

/* ---- what the models must be ---- */

static void unknown_model(Api *api, const char *pointer, const char *type, const char *id,
                          Faults *faults)
{
    g_autofree char *holding = g_strdup_printf("{\"type\":\"%s\"}", type);
    g_auto(GStrv) ids = resource_ids(&MODELS, api, holding);
    g_auto(GStrv) near = ids ? near_misses(id, (const char *const *)ids, 3) : NULL;
    faults_add(faults, pointer, "unknown_reference", "describe it first: POST /v1/models",
               (const char *const *)near, "there is no model \"%s\"", id);
}

/* The named model when it fits its role, NULL when it does not. False: no answer. */
static bool check_model_at(Api *api, const char *pointer, const char *id, ModelType role,
                           Model **model, Faults *faults, GError **error)
{
    GError *failure = NULL;
    g_autoptr(Model) found = resource_load(&MODELS, api, id, &failure);
    if (found && found->type == (int)role)
        *model = g_steal_pointer(&found);
    else if (found)
        faults_add(faults, pointer, "wrong_type", NULL, NULL, "model \"%s\" is of type %s, not %s",
                   id, model_type_name(found->type), model_type_name(role));
    else if (error_code(failure) == ERR_NOT_FOUND)
        unknown_model(api, pointer, model_type_name(role), id, faults);
    else {
        g_propagate_error(error, failure);
        return false;
    }
    g_clear_error(&failure);
    return true;
}

/* The same of the role's own member; NULL as well when none is named. */
static bool check_role(Api *api, const char *id, ModelType role, Model **model, Faults *faults,
                       GError **error)
{
    if (!id)
        return true;
    g_autofree char *pointer = g_strdup_printf("/models/%s", model_type_name(role));
    return check_model_at(api, pointer, id, role, model, faults, error);
}

static void check_source_at(const char *pointer, const Model *events, const Model *other,
                            Faults *faults)
{
    if (!events || !other || strcmp(events->source, other->source) == 0)
        return;
    faults_add(faults, pointer, "different_source", "all models of a prediction live in one source",
               NULL, "model \"%s\" is in source \"%s\", the events are in \"%s\"", other->id,
               other->source, events->source);
}

static void check_source(const Model *events, const Model *other, Faults *faults)
{
    g_autofree char *pointer =
        g_strdup_printf("/models/%s", other ? model_type_name(other->type) : "");
    check_source_at(pointer, events, other, faults);
}

/* Each event type beside the target: there, of type events, in the same source. */
static bool check_signals(Api *api, const PredictionModels *models, const Model *events,
                          Faults *faults, GError **error)
{
    for (size_t s = 0; s < models->n_signals; s++) {
        g_autofree char *pointer = g_strdup_printf("/models/signals/%zu/model", s);
        g_autoptr(Model) model = NULL;
        if (!check_model_at(api, pointer, models->signals[s].model, MODEL_EVENTS, &model, faults,
                            error))
            return false;
        check_source_at(pointer, events, model, faults);
    }
    return true;
}

/* Only an event type beside the target may count its rows as one each. */
static void check_quantity(const Model *events, Faults *faults)
{
    if (events && !events->quantity)
        faults_add(faults, "/models/events", "no_quantity",
                   "map \"quantity\" in that model, or name it in models.signals", NULL,
                   "model \"%s\" has no quantity: the target needs order lines", events->id);
}

static void check_mapped(const Model *products, const char *name, const char *pointer,
                         Faults *faults)
{
    g_autofree const char **known = g_new0(const char *, products->n_fields + 1);
    for (size_t i = 0; i < products->n_fields; i++)
        known[i] = products->fields[i].name;
    if (g_strv_contains(known, name))
        return;
    g_auto(GStrv) near = near_misses(name, known, 3);
    faults_add(faults, pointer, "unknown_reference", "map it in the products model",
               (const char *const *)near, "model \"%s\" maps no column \"%s\"", products->id, name);
}

/* Every product column that the prediction names. */
static void check_columns(const Prediction *prediction, const Model *products, Faults *faults)
{
    for (size_t i = 0; prediction->attributes && prediction->attributes[i]; i++) {
        g_autofree char *pointer = g_strdup_printf("/attributes/%zu", i);
        check_mapped(products, prediction->attributes[i], pointer, faults);
    }
    for (size_t i = 0; i < prediction->period.n_excluded; i++) {
        const char *name = prediction->period.excluded[i].products.column;
        g_autofree char *pointer = g_strdup_printf("/period/excluded/%zu/products/column", i);
        if (name)
            check_mapped(products, name, pointer, faults);
    }
}

static bool check_prediction(Api *api, const cJSON *body, const void *spec, const void *before,
                             Faults *faults, GError **error)
{
    const Prediction *prediction = spec;
    if (!prediction)
        return true;
    g_autoptr(Model) users = NULL;
    g_autoptr(Model) events = NULL;
    g_autoptr(Model) products = NULL;
    const PredictionModels *models = &prediction->models;
    if (!check_role(api, models->users, MODEL_USERS, &users, faults, error) ||
        !check_role(api, models->events, MODEL_EVENTS, &events, faults, error) ||
        !check_role(api, models->products, MODEL_PRODUCTS, &products, faults, error) ||
        !check_signals(api, models, events, faults, error))
        return false;
    check_quantity(events, faults);
    check_source(events, users, faults);
    check_source(events, products, faults);
    if (products)
        check_columns(prediction, products, faults);
    return true;
}

/* ---- what is computed ---- */

static bool describe_prediction(Api *api, const void *spec, bool single, JsonWriter *json,
                                GError **error)
{
    const Prediction *prediction = spec;
    const char *missing[4] = {NULL};
    bool complete = prediction_is_complete(prediction, missing);
    uint32_t version = 0;
    if (!served_version(api, prediction->id, &version, error))
        return false;
    json_key(json, "status");
    json_string(json, complete ? "ready" : "draft");
    json_key(json, "missing");
    json_begin_array(json);
    for (size_t i = 0; !complete && missing[i]; i++)
        json_string(json, missing[i]);
    json_end_array(json);
    json_key(json, "active_version");
    if (version)
        json_uint(json, version);
    else
        json_null(json);
    return true;
}

static uint32_t version_of(Api *api, const void *spec)
{
    uint32_t version = 0;
    served_version(api, prediction_id(spec), &version, NULL);
    return version;
}

/* ---- forgetting ---- */

static bool check_no_audience(Api *api, const char *id, GError **error)
{
    g_autofree char *holding = g_strdup_printf("{\"prediction\":\"%s\"}", id);
    g_autoptr(Documents) found =
        documents_list(api->store, DOCUMENT_AUDIENCE, NULL, 1, holding, error);
    if (found && found->n)
        error_set(error, ERR_CONFLICT, "audience \"%s\" is made from prediction \"%s\"",
                  found->list[0].id, id);
    return found && !found->n;
}

static bool check_no_job(Api *api, const char *id, const char *state, GError **error)
{
    g_autoptr(Jobs) found = jobs_list(api->store, id, state, NULL, 1, error);
    if (found && found->n)
        error_set(error, ERR_CONFLICT, "job %s of prediction \"%s\" is %s: cancel it first",
                  found->list[0]->id, id, state);
    return found && !found->n;
}

/* The output goes first: what fails here can be asked for again. A prediction whose models are no
 * longer there has no output that we could find. */
static bool drop_output(Api *api, const char *id, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(Configuration) configuration = configuration_load(api, id, &failure);
    if (configuration)
        return output_drop(configuration->source, id, error);
    if (error_code(failure) == ERR_NOT_READY)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool forget_prediction(Api *api, const void *spec, int64_t revision, GError **error)
{
    const char *id = prediction_id(spec);
    if (!check_no_audience(api, id, error) || !check_no_job(api, id, "running", error) ||
        !check_no_job(api, id, "queued", error) || !drop_output(api, id, error) ||
        !documents_remove(api->store, DOCUMENT_PREDICTION, id, revision, error))
        return false;
    register_withdraw(api->reg, id);
    return versions_forget(api->store, id, error) && backtests_forget(api->store, id, error);
}

const Resource PREDICTIONS = {
    .kind = DOCUMENT_PREDICTION,
    .noun = "prediction",
    .list = "predictions",
    .read = read_prediction,
    .write = write_prediction,
    .free = free_prediction,
    .id = prediction_id,
    .check = check_prediction,
    .forget = forget_prediction,
    .describe = describe_prediction,
    .version = version_of,
};

HANDLER(predictions_create)
{
    resource_create(&PREDICTIONS, request, response, context);
}

HANDLER(predictions_list)
{
    g_autoptr(Faults) faults = faults_new();
    resource_list(&PREDICTIONS, NULL, request, response, context, faults);
}

HANDLER(predictions_get)
{
    resource_get(&PREDICTIONS, request, response, context);
}

HANDLER(predictions_update)
{
    resource_update(&PREDICTIONS, request, response, context);
}

HANDLER(predictions_delete)
{
    resource_delete(&PREDICTIONS, request, response, context);
}

/* The prediction of the path, complete; NULL when the answer was given. */
static Configuration *configuration_of_path(Api *api, Request *request, Response *response)
{
    const char *id = request_param(request, "prediction", NULL);
    GError *error = NULL;
    Configuration *configuration = configuration_load(api, id, &error);
    if (!configuration)
        resource_fail(&PREDICTIONS, api, id, error, response);
    return configuration;
}

HANDLER(predictions_validate)
{
    g_autoptr(Configuration) of = configuration_of_path(context, request, response);
    if (!of)
        return;
    GError *error = NULL;
    unsigned errors = 0;
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "findings");
    if (!doctor_examine(of->source, of->users, of->events, of->products, of->signals,
                        of->prediction, json, &errors, NULL, &error)) {
        response_error(response, error);
        return;
    }
    json_key(json, "errors");
    json_uint(json, errors);
    json_key(json, "ok");
    json_bool(json, errors == 0);
    json_end_object(json);
}

static void write_estimate(const SourceCounts *counts, const Estimate *estimate, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "rows");
    json_uint(json, counts->rows);
    json_key(json, "signal_rows");
    json_uint(json, counts->signal_rows);
    json_key(json, "users");
    json_uint(json, counts->users);
    json_key(json, "products");
    json_uint(json, counts->products);
    json_key(json, "exact");
    json_bool(json, counts->exact);
    json_key(json, "memory_bytes");
    json_uint(json, estimate->memory_bytes);
    json_key(json, "memory_budget_bytes");
    json_uint(json, estimate->memory_budget_bytes);
    json_key(json, "fits");
    json_bool(json, estimate->memory_bytes <= estimate->memory_budget_bytes);
    json_key(json, "seconds");
    json_number(json, estimate->seconds);
    json_key(json, "basis");
    json_string(json, estimate->basis);
    json_end_object(json);
}

HANDLER(predictions_estimate)
{
    Api *api = context;
    g_autoptr(Configuration) of = configuration_of_path(api, request, response);
    if (!of)
        return;
    GError *error = NULL;
    SourceCounts counts;
    if (!doctor_count(of->source, of->users, of->events, of->products, of->signals, of->prediction,
                      NULL, &counts, &error)) {
        response_error(response, error);
        return;
    }
    g_auto(Estimate) estimate = {0};
    if (estimate_training(api->store, api->settings, of->prediction->id, &counts, &estimate,
                          &error))
        write_estimate(&counts, &estimate, response_json(response));
    else
        response_error(response, error);
}
