/* The program's one error domain. A code says what the caller may do about it; the table in
 * error.c gives each code its HTTP status and the stable slug that callers see. */
#pragma once

#include <glib.h>

#define ERROR_DOMAIN (error_domain())

typedef enum ErrorCode {
    ERR_MALFORMED = 1,         /* not HTTP or JSON at all: send well-formed bytes */
    ERR_INVALID,               /* understood and refused: change the value named */
    ERR_UNAUTHENTICATED,       /* no key, or an unknown one */
    ERR_FORBIDDEN,             /* the key's scope does not reach this */
    ERR_NOT_FOUND,             /* no such resource */
    ERR_METHOD_NOT_ALLOWED,    /* the path exists with other methods */
    ERR_CONFLICT,              /* it exists already, is in use, or changed meanwhile */
    ERR_NOT_READY,             /* something must be configured or trained first */
    ERR_PRECONDITION_FAILED,   /* If-Match names an older revision: read again */
    ERR_PRECONDITION_REQUIRED, /* a change without If-Match */
    ERR_TOO_LARGE,             /* the body is above the limit */
    ERR_URI_TOO_LONG,          /* the path or query is above the limit */
    ERR_HEADERS_TOO_LARGE,     /* the header block is above the limit */
    ERR_UNSUPPORTED_MEDIA,     /* a Content-Type that this route does not read */
    ERR_NOT_ACCEPTABLE,        /* no representation that Accept allows */
    ERR_RATE_LIMITED,          /* later */
    ERR_CANCELLED,             /* somebody asked to stop, or the lease was lost */
    ERR_UNAVAILABLE,           /* PostgreSQL (or another part) is away: try again */
    ERR_TIMEOUT,               /* it took longer than allowed */
    ERR_NO_MEMORY,             /* an allocation sized by data failed, or the budget forbids it */
    ERR_NO_SPACE,              /* the disk is full */
    ERR_DAMAGED,               /* a file of ours is not what was written */
    ERR_INTERNAL,              /* our fault: shown without detail */
} ErrorCode;

/* Registers the domain; main and every test call it before any thread starts. */
void error_init(void);

GQuark error_domain(void);

/* HTTP status for `error`, 500 for a foreign domain. */
unsigned error_status(const GError *error);

/* Stable snake_case name of a code, as in the `code` member of a problem document. */
const char *error_slug(ErrorCode code);

/* Short human title of a code, as in the `title` member of a problem document. */
const char *error_title(ErrorCode code);

/* `error`'s code, ERR_INTERNAL for a foreign domain. */
ErrorCode error_code(const GError *error);

/* Sets `error` in our domain; the message is one line, lower case, without a full stop. */
void error_set(GError **error, ErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);
