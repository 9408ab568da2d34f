/* Is a request one that everybody on its way reads alike? libmicrohttpd takes two Content-Lengths,
 * a blank before the colon, folded lines, bare LF, NUL and Transfer-Encoding beside Content-Length;
 * each lets a proxy and us disagree on where a request ends (request smuggling). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define HEADER_LINES_MAX 64

/* Headers that mean something else when there are two of them. */
typedef enum SingleHeader {
    HEADER_HOST,
    HEADER_CONTENT_LENGTH,
    HEADER_TRANSFER_ENCODING,
    HEADER_CONTENT_TYPE,
    HEADER_AUTHORIZATION,
    HEADER_IF_MATCH,
    HEADER_EXPECT,
    HEADER_IDEMPOTENCY_KEY,
    HEADERS_SINGLE /* how many */
} SingleHeader;

typedef struct HeaderLine {
    const char *name;
    size_t name_length;
    const char *value; /* NUL-terminated */
    size_t value_length;
} HeaderLine;

/* Method, target, version and lines as they lie in libmicrohttpd's buffer: it ends each in place by
 * writing NUL over the delimiter, so distances tell what stood between them. */
typedef struct RequestHead {
    const char *method;
    const char *target;
    size_t target_length;
    const char *version;
    HeaderLine lines[HEADER_LINES_MAX];
    size_t n_lines; /* may be above HEADER_LINES_MAX: the rest was not kept */
    const HeaderLine *single[HEADERS_SINGLE]; /* or NULL; since framing_check_headers() */
    size_t bytes;                             /* of the whole block, with its empty line */
} RequestHead;

typedef struct Framing {
    bool has_body;
    bool chunked;
    bool expects_continue;
    uint64_t content_length;
} Framing;

/* Are all bytes of the block accounted for: single blanks in the request line, CRLF at each end,
 * nothing but blanks between colon and value? ERR_MALFORMED. */
bool framing_check_layout(const RequestHead *head, GError **error);

/* Names, values, Host, Content-Length, Transfer-Encoding; finds the single headers. ERR_MALFORMED.
 */
bool framing_check_headers(RequestHead *head, Framing *framing, GError **error);

/* The value of a header that comes once, or NULL; after framing_check_headers(). */
const char *framing_single(const RequestHead *head, SingleHeader header);

/* The value of a header, or NULL; the name ignores case. */
const char *framing_find(const RequestHead *head, const char *name);
