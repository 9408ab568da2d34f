#include "handlers.h"

#include "base/error.h"
#include "configuration.h"
#include "cursor.h"
#include "near.h"
#include "resource.h"
#include "store/source.h"

static void fail_unknown(const Api *api, const char *name, Response *response)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (size_t i = 0; i < api->settings->n_sources; i++)
        g_ptr_array_add(names, api->settings->sources[i].name);
    g_ptr_array_add(names, NULL);
    response_fail(response, ERR_NOT_FOUND, "there is no source \"%s\" in the settings", name);
    g_autofree char *hint = near_hint(name, (char *const *)names->pdata);
    if (hint)
        response_hint(response, hint);
}

/* The source of the path; NULL when the answer was given. */
static const SourceSettings *source_of_path(const Api *api, Request *request, Response *response)
{
    const char *name = request_param(request, "source", NULL);
    const SourceSettings *source = settings_find_source(api->settings, name);
    if (!source)
        fail_unknown(api, name, response);
    return source;
}

/* Where the page begins: after the source that its cursor names. */
static size_t first_of(const Settings *settings, const char *after)
{
    size_t i = 0;
    while (after && i < settings->n_sources && g_strcmp0(settings->sources[i].name, after) != 0)
        i++;
    return after ? i + 1 : 0;
}

HANDLER(sources_list)
{
    const Settings *settings = ((Api *)context)->settings;
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "sources", request, faults);
    if (response_faults(response, faults))
        return;
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    const char *last = NULL;
    size_t i = first_of(settings, page.after);
    for (size_t n = 0; i < settings->n_sources && n < page.limit; i++, n++) {
        last = settings->sources[i].name;
        json_begin_object(json);
        json_key(json, "name");
        json_string(json, last);
        json_key(json, "output_schema");
        json_string(json, settings->sources[i].output_schema);
        json_end_object(json);
    }
    json_end_array(json);
    page_write_next(&page, i < settings->n_sources ? last : NULL, json);
    json_end_object(json);
}

HANDLER(sources_tables)
{
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "tables", request, faults);
    if (response_faults(response, faults))
        return;
    const SourceSettings *source = source_of_path(context, request, response);
    if (!source)
        return;
    GError *error = NULL;
    bool more = false;
    g_autofree char *last = NULL;
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "items");
    if (!source_tables(source, page.after, page.limit, json, &more, &last, &error)) {
        response_error(response, error);
        return;
    }
    page_write_next(&page, more ? last : NULL, json);
    json_end_object(json);
}

/* Whether what source_check() wrote says that nothing is missing. */
static bool all_there(const Buffer *text)
{
    g_autoptr(cJSON) answer = json_parse(text->data, text->length, NULL);
    const cJSON *missing = answer ? json_member(answer, "missing") : NULL;
    return answer && cJSON_IsTrue(json_member(answer, "reachable")) &&
           cJSON_GetArraySize(missing) == 0;
}

static void answer_check(const SourceSettings *source, Model *const *models, size_t n_models,
                         Response *response)
{
    GError *error = NULL;
    JsonWriter *json = response_json(response);
    const Buffer *body = json->out;
    json_begin_object(json);
    if (!source_check(source, models, n_models, json, &error)) {
        response_error(response, error);
        return;
    }
    json_end_object(json);
    bool ok = !body->failed && all_there(body);
    g_autofree char *members = body->failed ? NULL : g_strndup(body->data, body->length);
    size_t length = body->failed ? 0 : body->length;
    buffer_reset(json->out);
    json = response_json(response);
    json_begin_object(json);
    json_key(json, "source");
    json_string(json, source->name);
    json_key(json, "ok");
    json_bool(json, ok);
    if (length > 2) { /* {"…"}: its members go on in this object */
        buffer_append_text(json->out, ",");
        buffer_append(json->out, members + 1, length - 2);
    }
    json_end_object(json);
}

static void check_configured(const Configuration *of, Response *response)
{
    Model *models[3 + PREDICTION_SIGNALS_MAX] = {of->users, of->events, of->products};
    size_t n_signals = of->prediction->models.n_signals;
    for (size_t s = 0; s < n_signals; s++)
        models[3 + s] = of->signals[s];
    answer_check(of->source, models, 3 + n_signals, response);
}

HANDLER(sources_check)
{
    Api *api = context;
    const SourceSettings *source = source_of_path(api, request, response);
    if (!source)
        return;
    const char *prediction = request_query(request, "prediction", NULL);
    if (!prediction) {
        answer_check(source, NULL, 0, response);
        return;
    }
    GError *error = NULL;
    g_autoptr(Configuration) of = configuration_load(api, prediction, &error);
    bool missing = !of && error_code(error) == ERR_NOT_FOUND;
    if (missing || (of && of->source != source)) {
        g_autoptr(Faults) faults = faults_new();
        faults_add(faults, "?prediction", missing ? "unknown_reference" : "different_source", NULL,
                   NULL,
                   missing ? "there is no prediction \"%s\""
                           : "the models of prediction \"%s\" live in another source",
                   prediction);
        g_clear_error(&error);
        response_faults(response, faults);
    } else if (!of)
        response_error(response, error);
    else
        check_configured(of, response);
}
