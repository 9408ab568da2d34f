#include "request_state.h"

#include <string.h>

#include "base/error.h"

#define KEPT_BYTES 65536

void request_init(Request *request, const char *default_host)
{
    memset(request, 0, sizeof *request);
    buffer_init(&request->body);
    request->default_host = default_host;
}

void request_reset(Request *request)
{
    g_clear_pointer(&request->json, cJSON_Delete);
    if (request->body.capacity > KEPT_BYTES)
        buffer_clear(&request->body);
    buffer_reset(&request->body);
    request->head.method = NULL;
    request->head.n_lines = 0;
    request->target.n_segments = 0;
    request->target.n_arguments = 0;
    request->plan = NULL;
    request->key[0] = '\0';
    request->scopes = 0;
}

void request_clear(Request *request)
{
    g_clear_pointer(&request->json, cJSON_Delete);
    buffer_clear(&request->body);
    auth_forget(&request->memory);
}

const char *request_id(const Request *request)
{
    return request->id;
}

const char *request_method(const Request *request)
{
    return request->head.method;
}

const char *request_target(const Request *request)
{
    return request->raw_target;
}

static const char *give_text(const Text *text, size_t *length)
{
    if (length)
        *length = text->length;
    return text->bytes;
}

const char *request_param(const Request *request, const char *name, size_t *length)
{
    const RoutePlan *plan = request->plan;
    for (size_t i = 0; i < plan->n_parameters; i++)
        if (strcmp(plan->parameters[i].name, name) == 0)
            return give_text(&request->target.segments[plan->parameters[i].segment], length);
    g_error("route %s has no parameter {%s}", plan->route->path, name);
}

const char *request_query(const Request *request, const char *name, size_t *length)
{
    const Argument *argument = target_argument(&request->target, name);
    return argument ? give_text(&argument->value, length) : NULL;
}

static bool read_int(const char *text, int64_t min, int64_t max, int64_t *value)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (!g_ascii_isdigit(digits[0]))
        return false;
    return g_ascii_string_to_signed(text, 10, min, max, value, NULL);
}

int64_t request_query_int(const Request *request, const char *name, int64_t min, int64_t max,
                          int64_t fallback, Faults *faults)
{
    size_t length = 0;
    const char *text = request_query(request, name, &length);
    int64_t value = fallback;
    if (!text || read_int(text, min, max, &value))
        return text ? value : fallback;
    g_autofree char *pointer = g_strconcat("?", name, NULL);
    faults_add(faults, pointer, "out_of_range", NULL, NULL,
               "\"%s\" must be an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name,
               min, max);
    return fallback;
}

const char *request_header(const Request *request, const char *name)
{
    return framing_find(&request->head, name);
}

const char *request_body(const Request *request, size_t *length)
{
    if (length)
        *length = request->body.length;
    return request->body.data ? request->body.data : "";
}

static bool is_json_type(const char *content_type)
{
    if (!content_type)
        return false;
    g_autofree char *type = g_strndup(content_type, strcspn(content_type, ";"));
    g_strchomp(type);
    return g_ascii_strcasecmp(type, "application/json") == 0 ||
           g_ascii_strcasecmp(type, "application/merge-patch+json") == 0;
}

const cJSON *request_json(Request *request, GError **error)
{
    if (request->json)
        return request->json;
    if (!is_json_type(request_header(request, "Content-Type"))) {
        error_set(error, ERR_UNSUPPORTED_MEDIA, "the Content-Type must be application/json");
        return NULL;
    }
    g_autoptr(cJSON) json = json_parse(request_body(request, NULL), request->body.length, error);
    if (!json)
        return NULL;
    if (!cJSON_IsObject(json)) {
        error_set(error, ERR_MALFORMED, "the body must be a JSON object");
        return NULL;
    }
    request->json = g_steal_pointer(&json);
    return request->json;
}

const char *request_key(const Request *request)
{
    return request->key[0] ? request->key : NULL;
}

unsigned request_scopes(const Request *request)
{
    return request->scopes;
}

const char *request_host(const Request *request)
{
    const char *host = request_header(request, "Host");
    return host && host[0] ? host : request->default_host;
}
