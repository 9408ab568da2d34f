/* What belongs around a handler: a repeated POST gets its first answer again, and changes leave a
 * line in the audit log. */
#include <string.h>

#include "api/api.h"
#include "base/error.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/idempotency.h"

#define IDEMPOTENCY_KEY_MAX 255

static bool is_visible(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (text[i] < '!' || text[i] > '~')
            return false;
    return length > 0 && length <= IDEMPOTENCY_KEY_MAX;
}

/* False when the answer was given. */
static bool check_key(const Route *route, const char *key, Response *response)
{
    g_autoptr(Faults) faults = faults_new();
    if (!(route->flags & ROUTE_IDEMPOTENT))
        faults_add(faults, "Idempotency-Key:", "unexpected", "leave it out", NULL,
                   "the answer of this operation is a secret, so none is kept for a repeat");
    else if (!is_visible(key))
        faults_add(faults, "Idempotency-Key:", "invalid", NULL, NULL,
                   "\"Idempotency-Key\" must be 1 to %d visible ASCII characters",
                   IDEMPOTENCY_KEY_MAX);
    return !response_faults(response, faults);
}

/* Of method, path, query and body: 64 hex digits, for g_free(). */
static char *fingerprint(const Request *request)
{
    size_t length = 0;
    const char *body = request_body(request, &length);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    const char *method = request_method(request), *target = request_target(request);
    g_checksum_update(sum, (const guchar *)method, (gssize)strlen(method) + 1);
    g_checksum_update(sum, (const guchar *)target, (gssize)strlen(target) + 1);
    if (length > 0)
        g_checksum_update(sum, (const guchar *)body, (gssize)length);
    return g_strdup(g_checksum_get_string(sum));
}

/* ---- idempotency ---- */

static const char *const KEPT_HEADERS[] = {"Location", "ETag"};

static char *headers_of(const Response *response)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    for (size_t i = 0; i < G_N_ELEMENTS(KEPT_HEADERS); i++) {
        const char *value = response_get_header(response, KEPT_HEADERS[i]);
        if (!value)
            continue;
        json_key(&json, KEPT_HEADERS[i]);
        json_string(&json, value);
    }
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}

static void replay(const KeptAnswer *answer, Response *response)
{
    response_status(response, (unsigned)answer->status);
    g_autoptr(cJSON) headers = json_parse(answer->headers, strlen(answer->headers), NULL);
    for (size_t i = 0; headers && i < G_N_ELEMENTS(KEPT_HEADERS); i++) {
        const char *value = json_member_string(headers, KEPT_HEADERS[i]);
        if (value)
            response_header(response, KEPT_HEADERS[i], value);
    }
    response_header(response, "Idempotency-Replayed", "true");
    buffer_append(response_body(response, "application/json"), answer->body, answer->length);
}

static void refuse_reuse(Response *response)
{
    g_autoptr(Faults) faults = faults_new();
    faults_add(faults, "Idempotency-Key:", "idempotency_key_reused", "take a new key", NULL,
               "this \"Idempotency-Key\" was used with another request");
    response_faults(response, faults);
}

/* True when the handler is to run: the key is reserved for this request. */
static bool reserve(const Api *api, const char *key, const Request *request, Response *response)
{
    GError *error = NULL;
    IdempotencyState state = IDEMPOTENCY_NEW;
    g_autoptr(KeptAnswer) answer = NULL;
    g_autofree char *print = fingerprint(request);
    if (!idempotency_begin(api->store, request_key(request), key, print, &state, &answer, &error)) {
        response_error(response, error);
        return false;
    }
    if (state == IDEMPOTENCY_REPLAY)
        replay(answer, response);
    else if (state == IDEMPOTENCY_OTHER)
        refuse_reuse(response);
    else if (state == IDEMPOTENCY_BUSY)
        response_fail(response, ERR_CONFLICT,
                      "the first request with this \"Idempotency-Key\" is still at work");
    return state == IDEMPOTENCY_NEW;
}

/* What was made is kept. A refusal is not: its cause may be gone when the caller tries again. */
static void settle(const Api *api, const char *key, const Request *request, Response *response)
{
    GError *error = NULL;
    const char *owner = request_key(request);
    bool settled;
    if (response_get_status(response) < 300) {
        g_autofree char *headers = headers_of(response);
        KeptAnswer answer = {.status = (int)response_get_status(response), .headers = headers};
        answer.body = (char *)response_get_body(response, &answer.length);
        settled = idempotency_keep(api->store, owner, key, &answer, &error);
    } else
        settled = idempotency_drop(api->store, owner, key, &error);
    if (!settled)
        log_failure("an answer could not be kept for a repeat", error);
    g_clear_error(&error);
}

/* ---- audit ---- */

/* What was made, or what was asked for. */
static char *target_of(const Request *request, const Response *response)
{
    const char *location = response_get_header(response, "Location");
    if (location)
        return g_strdup(location);
    const char *target = request_target(request);
    return g_strndup(target, strcspn(target, "?"));
}

/* The change has happened: a missing line is our trouble, not the caller's. */
static void audit(const Api *api, const Route *route, const Request *request,
                  const Response *response)
{
    unsigned status = response_get_status(response);
    if (!(route->flags & ROUTE_AUDITED) || status >= 300)
        return;
    g_autofree char *target = target_of(request, response);
    g_autoptr(GError) error = NULL;
    if (!audit_append(api->store, request_key(request), route->operation, target, (int)status,
                      request_id(request), &error))
        log_failure("a change is missing in the audit log", error);
}

void api_dispatch(const Route *route, Request *request, Response *response, void *context)
{
    const Api *api = context;
    bool is_post = route->method[0] == 'P' && route->method[1] == 'O';
    const char *key = is_post ? request_header(request, "Idempotency-Key") : NULL;
    if (key && (!check_key(route, key, response) || !reserve(api, key, request, response)))
        return;
    route->handle(request, response, context);
    audit(api, route, request, response);
    if (key)
        settle(api, key, request, response);
}
