#include "handlers.h"

#include <string.h>

#include "base/error.h"
#include "resource.h"
#include "spec/model.h"
#include "store/source.h"

static void *read_model(const cJSON *body, Faults *faults)
{
    return model_read(body, faults);
}

static void write_model(const void *spec, JsonWriter *json)
{
    model_write(spec, json);
}

static void free_model(void *spec)
{
    model_free(spec);
}

static const char *model_id(const void *spec)
{
    return ((const Model *)spec)->id;
}

static const SourceSettings *find_source(const Api *api, const char *name, GError **error)
{
    const SourceSettings *source = settings_find_source(api->settings, name);
    if (!source)
        error_set(error, ERR_NOT_READY, "source \"%s\" is not in the settings", name);
    return source;
}

static void unknown_source(const Api *api, const char *name, Faults *faults)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (size_t i = 0; i < api->settings->n_sources; i++)
        g_ptr_array_add(names, api->settings->sources[i].name);
    g_ptr_array_add(names, NULL);
    const char *const *known = (const char *const *)names->pdata;
    g_auto(GStrv) near = near_misses(name, known, 3);
    faults_add(faults, "/source", "unknown_reference", "sources are named in the settings",
               near ? (const char *const *)near : known, "there is no source \"%s\"", name);
}

/* Any text will do where the database is not concerned. */
static void set_if_missing(cJSON *body, const char *name)
{
    if (body && !json_member(body, name))
        cJSON_AddStringToObject(body, name, "any");
}

/* The body without its faulty members, if a model can be read from that: so the database's faults
 * are found in the same answer as the others. */
static Model *read_despite(const cJSON *body, const Faults *faults)
{
    g_autoptr(cJSON) rest = cJSON_Duplicate(body, true);
    for (size_t i = 0; rest && i < faults->n; i++) {
        const char *pointer = faults->list[i].pointer;
        g_auto(GStrv) parts = g_strsplit(pointer, "/", 3);
        if (pointer[0] == '/' && parts[1])
            cJSON_DeleteItemFromObjectCaseSensitive(rest, parts[1]);
    }
    set_if_missing(rest, "name");
    set_if_missing(rest, "id");
    g_autoptr(Faults) ignored = faults_new();
    return rest ? model_read(rest, ignored) : NULL;
}

/* A source that is away is no fault: the model is stored unseen. */
static bool check_tables(const Api *api, const Model *model, Faults *faults, GError **error)
{
    const SourceSettings *source = settings_find_source(api->settings, model->source);
    if (!source) {
        unknown_source(api, model->source, faults);
        return true;
    }
    g_autoptr(GError) failure = NULL;
    if (source_validate_model(source, model, faults, &failure) ||
        error_code(failure) == ERR_UNAVAILABLE)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

/* The first prediction that names the model, for g_free(); NULL without error when there is none.
 */
typedef char *FindUser(Api *api, const Model *model, GError **error);

static char *first_holding(Api *api, const char *holding, GError **error)
{
    g_autoptr(Documents) found =
        documents_list(api->store, DOCUMENT_PREDICTION, NULL, 1, holding, error);
    return found && found->n ? g_strdup(found->list[0].id) : NULL;
}

static char *first_role_of(Api *api, const Model *model, GError **error)
{
    g_autofree char *holding =
        g_strdup_printf("{\"models\":{\"%s\":\"%s\"}}", model_type_name(model->type), model->id);
    return first_holding(api, holding, error);
}

/* Also as an event type beside the target. */
static char *first_user_of(Api *api, const Model *model, GError **error)
{
    GError *failure = NULL;
    char *user = first_role_of(api, model, &failure);
    if (user || failure || model->type != MODEL_EVENTS) {
        if (failure)
            g_propagate_error(error, failure);
        return user;
    }
    g_autofree char *holding =
        g_strdup_printf("{\"models\":{\"signals\":[{\"model\":\"%s\"}]}}", model->id);
    return first_holding(api, holding, error);
}

/* False with ERR_CONFLICT when there is a `user`: a prediction. */
static bool check_unused(Api *api, const Model *model, FindUser *find, const char *what,
                         GError **error)
{
    GError *failure = NULL;
    g_autofree char *user = find(api, model, &failure);
    if (failure) {
        g_propagate_error(error, failure);
        return false;
    }
    if (user)
        error_set(error, ERR_CONFLICT, "prediction \"%s\" uses model \"%s\": %s", user, model->id,
                  what);
    return !user;
}

static bool check_model(Api *api, const cJSON *body, const void *spec, const void *before,
                        Faults *faults, GError **error)
{
    const Model *model = spec, *old = before;
    if (old && model && (old->type != model->type || strcmp(old->source, model->source) != 0) &&
        !check_unused(api, old, first_user_of, "its type and source stay as they are", error))
        return false;
    if (old && model && old->quantity && !model->quantity &&
        !check_unused(api, old, first_role_of, "order lines keep their quantity", error))
        return false;
    g_autoptr(Model) despite = model ? NULL : read_despite(body, faults);
    const Model *readable = model ? model : despite;
    return !readable || check_tables(api, readable, faults, error);
}

static Document *replace_model(Api *api, const char *id, int64_t revision, const char *body,
                               Remaps **jobs, GError **error)
{
    return remaps_replace_model(api->store, id, revision, body, jobs, error);
}

static bool forget_model(Api *api, const void *spec, int64_t revision, GError **error)
{
    const Model *model = spec;
    return check_unused(api, model, first_user_of, "change or delete that first", error) &&
           documents_remove(api->store, DOCUMENT_MODEL, model->id, revision, error);
}

const Resource MODELS = {
    .kind = DOCUMENT_MODEL,
    .noun = "model",
    .list = "models",
    .read = read_model,
    .write = write_model,
    .free = free_model,
    .id = model_id,
    .check = check_model,
    .replace = replace_model,
    .forget = forget_model,
};

HANDLER(models_create)
{
    resource_create(&MODELS, request, response, context);
}

HANDLER(models_get)
{
    resource_get(&MODELS, request, response, context);
}

HANDLER(models_update)
{
    resource_update(&MODELS, request, response, context);
}

HANDLER(models_delete)
{
    resource_delete(&MODELS, request, response, context);
}

HANDLER(models_list)
{
    static const char *const types[] = {"users", "events", "products", NULL};
    g_autoptr(Faults) faults = faults_new();
    const char *type = request_query(request, "type", NULL);
    if (type && !g_strv_contains(types, type))
        faults_add(faults, "?type", "unknown_value", NULL, types, "there is no type \"%s\"", type);
    g_autofree char *holding =
        type && faults_is_empty(faults) ? g_strdup_printf("{\"type\":\"%s\"}", type) : NULL;
    resource_list(&MODELS, holding, request, response, context, faults);
}

/* The model of the path and its source; NULL when the answer was given. */
static Model *model_of_path(Api *api, Request *request, Response *response,
                            const SourceSettings **source)
{
    const char *id = request_param(request, "model", NULL);
    GError *error = NULL;
    g_autoptr(Model) model = resource_load(&MODELS, api, id, &error);
    *source = model ? find_source(api, model->source, &error) : NULL;
    if (*source)
        return g_steal_pointer(&model);
    resource_fail(&MODELS, api, id, error, response);
    return NULL;
}

HANDLER(models_profile)
{
    const SourceSettings *source = NULL;
    g_autoptr(Model) model = model_of_path(context, request, response, &source);
    if (!model)
        return;
    GError *error = NULL;
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    if (!source_profile(source, model, json, &error)) {
        response_error(response, error);
        return;
    }
    json_end_object(json);
}

HANDLER(models_preview)
{
    g_autoptr(Faults) faults = faults_new();
    size_t limit = (size_t)request_query_int(request, "limit", 1, 100, 10, faults);
    if (response_faults(response, faults))
        return;
    const SourceSettings *source = NULL;
    g_autoptr(Model) model = model_of_path(context, request, response, &source);
    GError *error = NULL;
    if (model && !source_preview(source, model, limit, response_json(response), &error))
        response_error(response, error);
}
