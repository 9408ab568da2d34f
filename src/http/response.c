#include "response_state.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/lanes.h"
#include "base/log.h"

#define KEPT_BYTES   65536
#define PROBLEM_TYPE "application/problem+json"
#define PROBLEM_URN  "urn:shortlist:problem:"
#define RETRY_AFTER  "1"

static void free_stream(Response *response)
{
    Stream stream = response->stream;
    response->stream = (Stream){0};
    if (stream.free_state)
        stream.free_state(stream.state);
}

static void drop_headers(Response *response)
{
    response->n_headers = 0;
    response->header_bytes = 0;
    response->cache_policy = NULL;
}

static void start_over(Response *response)
{
    free_stream(response);
    drop_headers(response);
    buffer_reset(&response->body);
    response->status = 200;
    response->content_type = "";
    response->problem_open = false;
}

void response_init(Response *response, const Request *request)
{
    memset(response, 0, sizeof *response);
    response->request = request;
    buffer_init(&response->body);
    response->status = 200;
    response->content_type = "";
}

void response_reset(Response *response)
{
    if (response->body.capacity > KEPT_BYTES)
        buffer_clear(&response->body);
    start_over(response);
}

void response_clear(Response *response)
{
    free_stream(response);
    buffer_clear(&response->body);
}

void response_status(Response *response, unsigned status)
{
    response->status = status;
}

unsigned response_get_status(const Response *response)
{
    return response->status;
}

static bool is_clean(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i += LANES) {
        uint64_t lanes = lanes_load(text + i, length - i);
        if (lanes_below(lanes, ' ') | lanes_equal(lanes, 0x7f))
            return false;
    }
    return true;
}

static size_t keep_text(Response *response, const char *text, size_t bytes)
{
    size_t at = response->header_bytes;
    memcpy(response->header_text + at, text, bytes);
    response->header_bytes += bytes;
    return at;
}

void response_header(Response *response, const char *name, const char *value)
{
    size_t name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;
    if (!is_clean(value, value_bytes - 1) || response->n_headers == RESPONSE_HEADERS_MAX ||
        response->header_bytes + name_bytes + value_bytes > RESPONSE_HEADER_BYTES)
        return;
    size_t i = response->n_headers++;
    response->headers[i].name = keep_text(response, name, name_bytes);
    response->headers[i].value = keep_text(response, value, value_bytes);
}

void response_cache(Response *response, const char *policy)
{
    response->cache_policy = policy;
}

const char *response_header_name(const Response *response, size_t i)
{
    return response->header_text + response->headers[i].name;
}

const char *response_header_value(const Response *response, size_t i)
{
    return response->header_text + response->headers[i].value;
}

const char *response_get_header(const Response *response, const char *name)
{
    for (size_t i = 0; i < response->n_headers; i++)
        if (g_ascii_strcasecmp(response_header_name(response, i), name) == 0)
            return response_header_value(response, i);
    return NULL;
}

Buffer *response_body(Response *response, const char *content_type)
{
    response->content_type = content_type;
    return &response->body;
}

JsonWriter *response_json(Response *response)
{
    json_writer_init(&response->writer, response_body(response, "application/json"));
    return &response->writer;
}

const char *response_get_content_type(const Response *response)
{
    return response->content_type;
}

static JsonWriter *begin_problem(Response *response, unsigned status, ErrorCode code,
                                 const char *detail)
{
    start_over(response);
    response->status = status;
    JsonWriter *json = &response->writer;
    json_writer_init(json, response_body(response, PROBLEM_TYPE));
    char type[96];
    snprintf(type, sizeof type, PROBLEM_URN "%s", error_slug(code));
    json_begin_object(json);
    json_key(json, "type");
    json_string(json, type);
    json_key(json, "title");
    json_string(json, error_title(code));
    json_key(json, "status");
    json_uint(json, status);
    json_key(json, "code");
    json_string(json, error_slug(code));
    json_key(json, "detail");
    json_string(json, detail);
    json_key(json, "request_id");
    json_string(json, request_id(response->request));
    response->problem_open = true;
    return json;
}

void response_error(Response *response, GError *takes_error)
{
    g_autoptr(GError) error = takes_error;
    ErrorCode code = error_code(error);
    const char *detail = error->message;
    if (code == ERR_INTERNAL) {
        log_failure("request failed", error);
        detail = "something failed on our side; the log has it under this request id";
    }
    unsigned status = error_status(error);
    begin_problem(response, status, code, detail);
    if (code == ERR_UNAUTHENTICATED)
        response_header(response, "WWW-Authenticate", "Bearer");
    if (status == 429 || status == 503)
        response_header(response, "Retry-After", RETRY_AFTER);
}

void response_fail(Response *response, int error_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    GError *error = g_error_new_valist(ERROR_DOMAIN, error_code, format, arguments);
    va_end(arguments);
    response_error(response, error);
}

static void write_optional(JsonWriter *json, const char *name, const char *text)
{
    if (!text)
        return;
    json_key(json, name);
    json_string(json, text);
}

static void write_fault(JsonWriter *json, const Fault *fault)
{
    json_begin_object(json);
    write_optional(json, "pointer", fault->pointer);
    write_optional(json, "code", fault->code);
    write_optional(json, "detail", fault->detail);
    write_optional(json, "hint", fault->hint);
    if (fault->candidates) {
        json_key(json, "candidates");
        json_begin_array(json);
        for (size_t i = 0; fault->candidates[i]; i++)
            json_string(json, fault->candidates[i]);
        json_end_array(json);
    }
    json_end_object(json);
}

bool response_faults(Response *response, const Faults *faults)
{
    if (faults_is_empty(faults))
        return false;
    g_autofree char *detail = faults->n == 1 ? g_strdup(faults->list[0].detail)
                                             : g_strdup_printf("%zu faults, see errors", faults->n);
    g_autoptr(GError) error = g_error_new_literal(ERROR_DOMAIN, ERR_INVALID, detail);
    JsonWriter *json = begin_problem(response, error_status(error), ERR_INVALID, detail);
    json_key(json, "errors");
    json_begin_array(json);
    for (size_t i = 0; i < faults->n; i++)
        write_fault(json, &faults->list[i]);
    json_end_array(json);
    return true;
}

void response_hint(Response *response, const char *hint)
{
    if (response->problem_open)
        write_optional(&response->writer, "hint", hint);
}

/* RFC 9110, 13.1.2: weak comparison with each member of the list. */
static bool lists_tag(const char *list, const char *quoted)
{
    g_auto(GStrv) members = g_strsplit(list, ",", -1);
    for (size_t i = 0; members[i]; i++) {
        const char *member = g_strstrip(members[i]);
        if (g_str_has_prefix(member, "W/"))
            member += 2;
        if (strcmp(member, quoted) == 0 || strcmp(member, "*") == 0)
            return true;
    }
    return false;
}

bool response_etag(Response *response, const char *tag)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", tag);
    response_header(response, "ETag", quoted);
    const char *known = request_header(response->request, "If-None-Match");
    if (!known || !lists_tag(known, quoted))
        return false;
    response->status = 304;
    return true;
}

void response_stream(Response *response, const char *content_type, StreamNext next, void *state,
                     void (*free_state)(void *state))
{
    free_stream(response);
    buffer_reset(response_body(response, content_type));
    response->stream = (Stream){.next = next, .state = state, .free_state = free_state};
}

bool response_is_stream(const Response *response)
{
    return response->stream.next != NULL;
}

static const char *finish_without_memory(Response *response, size_t *length)
{
    start_over(response);
    response->status = 503;
    response->content_type = PROBLEM_TYPE;
    response_header(response, "Retry-After", RETRY_AFTER);
    snprintf(response->fallback, sizeof response->fallback,
             "{\"type\":\"" PROBLEM_URN "%s\",\"title\":\"%s\",\"status\":503,\"code\":\"%s\","
             "\"detail\":\"memory is short\",\"request_id\":\"%s\"}",
             error_slug(ERR_NO_MEMORY), error_title(ERR_NO_MEMORY), error_slug(ERR_NO_MEMORY),
             request_id(response->request));
    *length = strlen(response->fallback);
    return response->fallback;
}

const char *response_get_body(Response *response, size_t *length)
{
    if (response->problem_open)
        json_end_object(&response->writer);
    response->problem_open = false;
    if (response->body.failed)
        return finish_without_memory(response, length);
    *length = response->body.length;
    return response->body.data ? response->body.data : "";
}
