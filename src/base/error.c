#include "base/error.h"

#include <stdarg.h>

typedef struct ErrorRow {
    unsigned status;
    const char *slug;
    const char *title;
} ErrorRow;

// clang-format off
static const ErrorRow rows[] = {
    [ERR_MALFORMED]             = {400, "malformed",             "The request is not well formed"},
    [ERR_INVALID]               = {422, "invalid",               "The request is understood and refused"},
    [ERR_UNAUTHENTICATED]       = {401, "unauthenticated",       "A valid key is needed"},
    [ERR_FORBIDDEN]             = {403, "forbidden",             "The key does not allow this"},
    [ERR_NOT_FOUND]             = {404, "not_found",             "There is no such resource"},
    [ERR_METHOD_NOT_ALLOWED]    = {405, "method_not_allowed",    "The path does not have this method"},
    [ERR_CONFLICT]              = {409, "conflict",              "The state of the resource forbids this"},
    [ERR_NOT_READY]             = {409, "not_ready",             "Something must be done first"},
    [ERR_PRECONDITION_FAILED]   = {412, "precondition_failed",   "The resource changed meanwhile"},
    [ERR_PRECONDITION_REQUIRED] = {428, "precondition_required", "If-Match is needed"},
    [ERR_TOO_LARGE]             = {413, "too_large",             "The body is too large"},
    [ERR_URI_TOO_LONG]          = {414, "uri_too_long",          "The path or query is too long"},
    [ERR_HEADERS_TOO_LARGE]     = {431, "headers_too_large",     "The headers are too large"},
    [ERR_UNSUPPORTED_MEDIA]     = {415, "unsupported_media",     "The content type is not supported"},
    [ERR_NOT_ACCEPTABLE]        = {406, "not_acceptable",        "No representation is acceptable"},
    [ERR_RATE_LIMITED]          = {429, "rate_limited",          "Too many requests"},
    [ERR_CANCELLED]             = {503, "cancelled",             "The work was cancelled"},
    [ERR_UNAVAILABLE]           = {503, "unavailable",           "A part of the service is away"},
    [ERR_TIMEOUT]               = {504, "timeout",               "It took longer than allowed"},
    [ERR_NO_MEMORY]             = {503, "no_memory",             "Memory is short"},
    [ERR_NO_SPACE]              = {507, "no_space",              "The disk is full"},
    [ERR_DAMAGED]               = {500, "damaged",               "Stored data is damaged"},
    [ERR_INTERNAL]              = {500, "internal",              "Internal error"},
};
// clang-format on

static const ErrorRow *row_of(ErrorCode code)
{
    if ((int)code < ERR_MALFORMED || code > ERR_INTERNAL)
        return &rows[ERR_INTERNAL];
    return &rows[code];
}

void error_init(void)
{
    error_domain();
}

GQuark error_domain(void)
{
    return g_quark_from_static_string("shortlist");
}

unsigned error_status(const GError *error)
{
    return row_of(error_code(error))->status;
}

const char *error_slug(ErrorCode code)
{
    return row_of(code)->slug;
}

const char *error_title(ErrorCode code)
{
    return row_of(code)->title;
}

ErrorCode error_code(const GError *error)
{
    if (!error || error->domain != ERROR_DOMAIN || error->code < ERR_MALFORMED ||
        error->code > ERR_INTERNAL)
        return ERR_INTERNAL;
    return (ErrorCode)error->code;
}

void error_set(GError **error, ErrorCode code, const char *format, ...)
{
    if (!error)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_propagate_error(error, g_error_new_valist(ERROR_DOMAIN, (int)code, format, arguments));
    va_end(arguments);
}
