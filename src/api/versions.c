#include "handlers.h"

#include <string.h>

#include "base/error.h"
#include "configuration.h"
#include "cursor.h"
#include "jobs/follow.h"
#include "resource.h"
#include "served.h"
#include "store/versions.h"

static void write_summary(const Version *version, JsonWriter *json)
{
    json_key(json, "prediction");
    json_string(json, version->prediction);
    json_key(json, "version");
    json_int(json, version->version);
    json_key(json, "active");
    json_bool(json, version->active);
    json_key(json, "learner");
    json_string(json, version->learner);
    json_key(json, "grade");
    json_string(json, version->grade);
    json_key(json, "job");
    json_string(json, version->job);
    json_key(json, "created_at");
    json_time(json, version->created_at);
}

static void write_document(JsonWriter *json, const char *name, const char *text)
{
    json_key(json, name);
    json_raw(json, text, strlen(text));
}

static void write_version(const Version *version, JsonWriter *json)
{
    json_begin_object(json);
    write_summary(version, json);
    write_document(json, "card", version->card);
    write_document(json, "report", version->report);
    json_end_object(json);
}

static int parse_version(const char *text)
{
    guint64 number = 0;
    bool good = g_ascii_string_to_unsigned(text, 10, 1, INT32_MAX, &number, NULL);
    return good ? (int)number : 0;
}

/* The version of the path; NULL with ERR_NOT_FOUND, also for what cannot be a number. */
static Version *version_of_path(const Api *api, Request *request, GError **error)
{
    const char *prediction = request_param(request, "prediction", NULL);
    const char *text = request_param(request, "version", NULL);
    int number = parse_version(text);
    if (number)
        return versions_get(api->store, prediction, number, error);
    error_set(error, ERR_NOT_FOUND, "prediction \"%s\" has no version \"%s\"", prediction, text);
    return NULL;
}

HANDLER(versions_get_one)
{
    GError *error = NULL;
    g_autoptr(Version) version = version_of_path(context, request, &error);
    if (version)
        write_version(version, response_json(response));
    else
        response_error(response, error);
}

static void write_name(const Version *version, JsonWriter *json)
{
    json_key(json, "prediction");
    json_string(json, version->prediction);
    json_key(json, "version");
    json_int(json, version->version);
    json_key(json, "learner");
    json_string(json, version->learner);
}

static void write_details(const Version *version, JsonWriter *json)
{
    json_begin_object(json);
    write_name(version, json);
    write_document(json, "details", version->details ? version->details : "null");
    json_end_object(json);
}

/* F22 */
HANDLER(versions_details)
{
    GError *error = NULL;
    g_autoptr(Version) version = version_of_path(context, request, &error);
    if (version)
        write_details(version, response_json(response));
    else
        response_error(response, error);
}

HANDLER(versions_activate_one)
{
    Api *api = context;
    const char *prediction = request_param(request, "prediction", NULL);
    GError *error = NULL;
    g_autoptr(Configuration) of = configuration_load(api, prediction, &error);
    g_autoptr(Version) version = of ? version_of_path(api, request, &error) : NULL;
    if (version &&
        follow_activate(api->store, api->reg, of->source, prediction, version->version, &error)) {
        version->active = true;
        write_version(version, response_json(response));
        return;
    }
    bool gone = version && error_code(error) == ERR_CONFLICT;
    response_error(response, error);
    if (gone)
        response_hint(response, "train again, or activate a newer version");
}

static void write_page(const Versions *versions, const Page *page, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (size_t i = 0; i < versions->n; i++) {
        json_begin_object(json);
        write_summary(versions->list[i], json);
        json_end_object(json);
    }
    json_end_array(json);
    g_autofree char *last =
        versions->more ? g_strdup_printf("%d", versions->list[versions->n - 1]->version) : NULL;
    page_write_next(page, last, json);
    json_end_object(json);
}

HANDLER(versions_list_all)
{
    Api *api = context;
    const char *prediction = request_param(request, "prediction", NULL);
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "versions", request, faults);
    int before = page.after ? parse_version(page.after) : 0;
    if (page.after && !before)
        faults_add(faults, "?cursor", "invalid", NULL, NULL,
                   "\"cursor\" is not one that this list gave");
    if (response_faults(response, faults))
        return;
    GError *error = NULL;
    g_autoptr(Document) document =
        documents_get(api->store, DOCUMENT_PREDICTION, prediction, &error);
    g_autoptr(Versions) versions =
        document ? versions_list(api->store, prediction, before, page.limit, &error) : NULL;
    if (versions)
        write_page(versions, &page, response_json(response));
    else
        resource_fail(&PREDICTIONS, api, prediction, error, response);
}

static void write_quality(const Version *version, JsonWriter *json)
{
    json_begin_object(json);
    write_name(version, json);
    json_key(json, "grade");
    json_string(json, version->grade);
    write_document(json, "report", version->report);
    json_end_object(json);
}

HANDLER(versions_quality)
{
    Api *api = context;
    const char *prediction = request_param(request, "prediction", NULL);
    g_autoptr(Faults) faults = faults_new();
    int number = (int)request_query_int(request, "version", 1, INT32_MAX, 0, faults);
    if (response_faults(response, faults))
        return;
    GError *error = NULL;
    g_autoptr(Document) document =
        documents_get(api->store, DOCUMENT_PREDICTION, prediction, &error);
    g_autoptr(Version) version = !document ? NULL
                                 : number  ? versions_get(api->store, prediction, number, &error)
                                           : versions_active(api->store, prediction, &error);
    if (version)
        write_quality(version, response_json(response));
    else if (document && number)
        response_error(response, error);
    else
        served_fail(api, prediction, error, response);
}
