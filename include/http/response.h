/* The answer a handler fills. Errors become problem+json (RFC 9457): type, title, status, code,
 * detail, request_id and errors[]. Nothing here fails: when memory is short the answer is a 503. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/faults.h"
#include "base/json.h"

typedef struct Response Response;

void response_status(Response *response, unsigned status); /* default 200 */

/* At most 16 headers; values with control characters are dropped. */
void response_header(Response *response, const char *name, const char *value);

/* Cache-Control, "no-store" when nobody says so; its text outlives the response. */
void response_cache(Response *response, const char *policy);

/* Content-Type application/json and a writer into the answer's body; reused by the thread, so a
 * small answer allocates nothing. */
JsonWriter *response_json(Response *response);

/* The body's buffer, for anything that is not JSON. The content type's text outlives the response.
 */
Buffer *response_body(Response *response, const char *content_type);

/* Takes the error; drops the status, headers and body set before. 503 and 429 get a Retry-After.
 * ERR_INTERNAL (and foreign domains) are logged here and shown without detail. */
void response_error(Response *response, GError *takes_error);

/* 422 `invalid` with all faults; does nothing and returns false when there are none. */
bool response_faults(Response *response, const Faults *faults);

/* An error made in place. */
void response_fail(Response *response, int error_code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Adds "hint" to the problem made just before. */
void response_hint(Response *response, const char *hint);

/* ETag: "<revision>" (strong), and 304 when If-None-Match has it: then returns true and the handler
 * is done. */
bool response_etag(Response *response, const char *tag);

/* A body that comes in pieces: `next` appends the next piece to `out` and says what to do. It is
 * called on an offload thread, never on an HTTP thread, with never more than one piece waiting;
 * `free` once, at the end or when the client left. */
typedef enum StreamStep {
    STREAM_MORE,
    STREAM_END,
    STREAM_WAIT /* ask again in wait_ms */
} StreamStep;
typedef StreamStep (*StreamNext)(void *state, Buffer *out, uint32_t *wait_ms);

void response_stream(Response *response, const char *content_type, StreamNext next, void *state,
                     void (*free_state)(void *state));

/* What a handler has made, for whoever keeps answers: its status, a header's value or NULL, its
 * content type ("" without a body), whether it is a stream, and its body (a problem is completed:
 * no hint after that). Valid until the answer is changed. */
unsigned response_get_status(const Response *response);
const char *response_get_header(const Response *response, const char *name);
const char *response_get_content_type(const Response *response);
bool response_is_stream(const Response *response);
const char *response_get_body(Response *response, size_t *length);
