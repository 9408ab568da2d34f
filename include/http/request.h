/* One request as a handler sees it. Everything is borrowed until the handler (or its stream) ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"

typedef struct Request Request;

/* 26 characters; also in every answer as X-Request-Id and in every log line. */
const char *request_id(const Request *request);
const char *request_method(const Request *request);

/* Path and query as they came, NUL-terminated. */
const char *request_target(const Request *request);

/* The path parameter {name} of the route, percent-decoded after splitting at '/', valid UTF-8, no
 * NUL, NUL-terminated; its length into *length unless NULL. Never NULL for a name in the route. */
const char *request_param(const Request *request, const char *name, size_t *length);

/* The query parameter, decoded ('+' is a plus sign), or NULL. Only names that the route declares
 * get this far; each at most once. */
const char *request_query(const Request *request, const char *name, size_t *length);

/* An integer query parameter within [min, max], `fallback` when absent; a fault otherwise. */
int64_t request_query_int(const Request *request, const char *name, int64_t min, int64_t max,
                          int64_t fallback, Faults *faults);

/* A header's value, or NULL; the name ignores case. */
const char *request_header(const Request *request, const char *name);

const char *request_body(const Request *request, size_t *length);

/* The body as a JSON object. NULL with ERR_MALFORMED, or ERR_UNSUPPORTED_MEDIA (Content-Type is
 * neither application/json nor application/merge-patch+json). Owned by the request. */
const cJSON *request_json(Request *request, GError **error);

/* The key that authenticated it: its id and scopes; NULL and 0 on a public route. */
const char *request_key(const Request *request);
unsigned request_scopes(const Request *request);

/* The Host header's value, for absolute URLs; never NULL. */
const char *request_host(const Request *request);
