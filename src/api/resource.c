#include "resource.h"

#include <string.h>

#include "base/error.h"
#include "cursor.h"
#include "near.h"
#include "revision.h"

#define IDS_LISTED 1000

/* What a stored document says. */
static void *read_stored(const Resource *resource, const Document *document, GError **error)
{
    g_autoptr(cJSON) body = json_parse(document->body, strlen(document->body), error);
    if (!body)
        return NULL;
    g_autoptr(Faults) faults = faults_new();
    void *spec = resource->read(body, faults);
    if (!spec)
        error_set(error, ERR_INTERNAL, "stored %s \"%s\" can no longer be read: %s", resource->noun,
                  document->id, faults->n ? faults->list[0].detail : "no object");
    return spec;
}

void *resource_load(const Resource *resource, Api *api, const char *id, GError **error)
{
    g_autoptr(Document) document = documents_get(api->store, resource->kind, id, error);
    return document ? read_stored(resource, document, error) : NULL;
}

char **resource_ids(const Resource *resource, Api *api, const char *holding)
{
    g_autoptr(Documents) documents =
        documents_list(api->store, resource->kind, NULL, IDS_LISTED, holding, NULL);
    if (!documents)
        return NULL;
    char **ids = g_new0(char *, documents->n + 1);
    for (size_t i = 0; i < documents->n; i++)
        ids[i] = g_strdup(documents->list[i].id);
    return ids;
}

void resource_fail(const Resource *resource, Api *api, const char *id, GError *takes_error,
                   Response *response)
{
    bool missing = error_code(takes_error) == ERR_NOT_FOUND;
    response_error(response, takes_error);
    g_auto(GStrv) ids = missing ? resource_ids(resource, api, NULL) : NULL;
    g_autofree char *hint = near_hint(id, ids);
    if (hint)
        response_hint(response, hint);
}

/* The specification as it is stored: with defaults, so that later defaults do not change it. */
static char *body_of(const Resource *resource, const void *spec)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    resource->write(spec, &json);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}

/* What an answer is about. */
typedef struct Shown {
    const Document *document;
    const void *spec;
    bool single;
    const Remaps *jobs; /* that a change set going, or NULL */
} Shown;

static void write_jobs(const Remaps *jobs, JsonWriter *json)
{
    json_key(json, "jobs");
    json_begin_array(json);
    for (size_t i = 0; i < jobs->n; i++) {
        json_begin_object(json);
        json_key(json, "id");
        json_string(json, jobs->list[i].job);
        json_key(json, "kind");
        json_string(json, REMAP_KIND);
        json_key(json, "prediction");
        json_string(json, jobs->list[i].prediction);
        json_end_object(json);
    }
    json_end_array(json);
}

static bool write_members(const Resource *resource, Api *api, const Shown *shown, JsonWriter *json,
                          GError **error)
{
    const Document *document = shown->document;
    json_begin_object(json);
    resource->write(shown->spec, json);
    if (resource->describe && !resource->describe(api, shown->spec, shown->single, json, error))
        return false;
    json_key(json, "revision");
    json_int(json, document->revision);
    json_key(json, "created_at");
    json_time(json, document->created_at);
    json_key(json, "updated_at");
    json_time(json, document->updated_at);
    if (shown->jobs)
        write_jobs(shown->jobs, json);
    json_end_object(json);
    return true;
}

static char *tag_of(const Resource *resource, Api *api, const Document *document, const void *spec,
                    char tag[REVISION_TAG_MAX])
{
    return revision_tag(document->revision, resource->version ? resource->version(api, spec) : 0,
                        tag);
}

/* The answer to a change: as it is now, with its tag. */
static void answer_changed(const Resource *resource, Api *api, const Shown *shown, unsigned status,
                           Response *response)
{
    char tag[REVISION_TAG_MAX];
    const Document *document = shown->document;
    g_autofree char *quoted =
        g_strdup_printf("\"%s\"", tag_of(resource, api, document, shown->spec, tag));
    GError *error = NULL;
    response_status(response, status);
    if (!write_members(resource, api, shown, response_json(response), &error)) {
        response_error(response, error);
        return;
    }
    response_header(response, "ETag", quoted);
    if (status != 201)
        return;
    g_autofree char *location = g_strdup_printf("/v1/%s/%s", resource->list, document->id);
    response_header(response, "Location", location);
}

static void fail_check(const Resource *resource, const void *spec, GError *takes_error,
                       Response *response)
{
    int code = error_code(takes_error);
    response_error(response, takes_error);
    if (resource->advise && spec)
        resource->advise(spec, code, response);
}

/* Reads and checks a whole body; NULL when the answer was given. */
static void *read_checked(const Resource *resource, Api *api, const cJSON *body, const void *before,
                          Response *response)
{
    g_autoptr(Faults) faults = faults_new();
    GError *error = NULL;
    void *spec = resource->read(body, faults);
    if (spec && before && strcmp(resource->id(spec), resource->id(before)) != 0)
        faults_add(faults, "/id", "immutable", "leave it out", NULL,
                   "the %s's id cannot be changed", resource->noun);
    if (!resource->check(api, body, spec, before, faults, &error))
        fail_check(resource, spec, error, response);
    else if (!response_faults(response, faults))
        return spec;
    if (spec)
        resource->free(spec);
    return NULL;
}

void resource_create(const Resource *resource, Request *request, Response *response, Api *api)
{
    GError *error = NULL;
    const cJSON *body = request_json(request, &error);
    if (!body) {
        response_error(response, error);
        return;
    }
    void *spec = read_checked(resource, api, body, NULL, response);
    if (!spec)
        return;
    g_autofree char *text = body_of(resource, spec);
    g_autoptr(Document) document =
        documents_create(api->store, resource->kind, resource->id(spec), text, &error);
    if (document)
        answer_changed(resource, api, &(Shown){document, spec, true, NULL}, 201, response);
    else {
        bool taken = error_code(error) == ERR_CONFLICT;
        response_error(response, error);
        if (taken)
            response_hint(response, "give another \"id\", or change the one there is by PATCH");
    }
    resource->free(spec);
}

void resource_get(const Resource *resource, Request *request, Response *response, Api *api)
{
    const char *id = request_param(request, resource->noun, NULL);
    GError *error = NULL;
    g_autoptr(Document) document = documents_get(api->store, resource->kind, id, &error);
    void *spec = document ? read_stored(resource, document, &error) : NULL;
    if (!spec) {
        resource_fail(resource, api, id, error, response);
        return;
    }
    char tag[REVISION_TAG_MAX];
    if (!response_etag(response, tag_of(resource, api, document, spec, tag)) &&
        !write_members(resource, api, &(Shown){document, spec, true, NULL}, response_json(response),
                       &error))
        response_error(response, error);
    resource->free(spec);
}

/* The stored document with the patch over it, as a specification; NULL when the answer was given.
 */
static void *read_patched(const Resource *resource, Api *api, const Document *document,
                          const cJSON *patch, Response *response)
{
    GError *error = NULL;
    void *before = read_stored(resource, document, &error);
    cJSON *body = before ? json_parse(document->body, strlen(document->body), &error) : NULL;
    if (!body) {
        response_error(response, error);
        if (before)
            resource->free(before);
        return NULL;
    }
    g_autoptr(cJSON) merged = json_merge_patch(body, patch);
    void *spec = read_checked(resource, api, merged, before, response);
    resource->free(before);
    return spec;
}

static Document *replace(const Resource *resource, Api *api, const Document *before,
                         const char *text, Remaps **jobs, GError **error)
{
    if (resource->replace)
        return resource->replace(api, before->id, before->revision, text, jobs, error);
    return documents_replace(api->store, resource->kind, before->id, before->revision, text, error);
}

void resource_update(const Resource *resource, Request *request, Response *response, Api *api)
{
    const char *id = request_param(request, resource->noun, NULL);
    GError *error = NULL;
    g_autoptr(Document) document = documents_get(api->store, resource->kind, id, &error);
    const cJSON *patch = document && revision_check(request, document->revision, &error)
                             ? request_json(request, &error)
                             : NULL;
    if (!patch) {
        resource_fail(resource, api, id, error, response);
        return;
    }
    void *spec = read_patched(resource, api, document, patch, response);
    if (!spec)
        return;
    g_autofree char *text = body_of(resource, spec);
    g_autoptr(Remaps) jobs = NULL;
    g_autoptr(Document) changed = replace(resource, api, document, text, &jobs, &error);
    if (changed)
        answer_changed(resource, api, &(Shown){changed, spec, true, jobs}, 200, response);
    else
        response_error(response, error);
    resource->free(spec);
}

static bool forget(const Resource *resource, Api *api, const Document *document, GError **error)
{
    if (!resource->forget)
        return documents_remove(api->store, resource->kind, document->id, document->revision,
                                error);
    void *spec = read_stored(resource, document, error);
    if (!spec)
        return false;
    bool gone = resource->forget(api, spec, document->revision, error);
    resource->free(spec);
    return gone;
}

void resource_delete(const Resource *resource, Request *request, Response *response, Api *api)
{
    const char *id = request_param(request, resource->noun, NULL);
    GError *error = NULL;
    g_autoptr(Document) document = documents_get(api->store, resource->kind, id, &error);
    if (document && revision_check(request, document->revision, &error) &&
        forget(resource, api, document, &error))
        response_status(response, 204);
    else
        resource_fail(resource, api, id, error, response);
}

static bool write_item(const Resource *resource, Api *api, const Document *document,
                       JsonWriter *json, GError **error)
{
    void *spec = read_stored(resource, document, error);
    bool written =
        spec && write_members(resource, api, &(Shown){document, spec, false, NULL}, json, error);
    if (spec)
        resource->free(spec);
    return written;
}

static bool write_page(const Resource *resource, Api *api, const Documents *documents,
                       const Page *page, JsonWriter *json, GError **error)
{
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (size_t i = 0; i < documents->n; i++)
        if (!write_item(resource, api, &documents->list[i], json, error))
            return false;
    json_end_array(json);
    page_write_next(page, documents->more ? documents->list[documents->n - 1].id : NULL, json);
    json_end_object(json);
    return true;
}

void resource_list(const Resource *resource, const char *holding, Request *request,
                   Response *response, Api *api, Faults *faults)
{
    g_auto(Page) page;
    page_read(&page, resource->list, request, faults);
    if (response_faults(response, faults))
        return;
    GError *error = NULL;
    g_autoptr(Documents) documents =
        documents_list(api->store, resource->kind, page.after, page.limit, holding, &error);
    if (!documents || !write_page(resource, api, documents, &page, response_json(response), &error))
        response_error(response, error);
}
