/* What an answer is made of; handlers fill it through response.h, the server sends it. */
#pragma once

#include "http/request.h"
#include "http/response.h"

#define RESPONSE_HEADERS_MAX  16
#define RESPONSE_HEADER_BYTES 1024 /* of all names and values: they share libmicrohttpd's 8 KB */

typedef struct Stream {
    StreamNext next; /* NULL: the body is whole */
    void *state;
    void (*free_state)(void *state);
    size_t sent; /* of the piece in the body's buffer */
    int64_t due_ns;
    bool waits; /* the last step was STREAM_WAIT */
    bool ended;
    bool failed; /* cut the connection: an end would look like success */
} Stream;

struct Response {
    const Request *request;
    unsigned status;
    struct {
        size_t name, value; /* offsets into header_text */
    } headers[RESPONSE_HEADERS_MAX];
    size_t n_headers;
    char header_text[RESPONSE_HEADER_BYTES];
    size_t header_bytes;
    const char *cache_policy; /* NULL: no-store */
    const char *content_type; /* "" without a body */
    Buffer body;
    JsonWriter writer;
    bool problem_open; /* a problem document misses its closing brace */
    Stream stream;
    char fallback[256]; /* the problem when memory is short */
};

void response_init(Response *response, const Request *request);

/* Makes it ready for the next request; frees the stream's state, keeps a small body's memory. */
void response_reset(Response *response);
void response_clear(Response *response);

const char *response_header_name(const Response *response, size_t i);
const char *response_header_value(const Response *response, size_t i);
