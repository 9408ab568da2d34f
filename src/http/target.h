/* The request target (RFC 9112, 3.2): path and query as they came. The path is split at '/' before
 * percent-decoding, so an encoded slash belongs to its segment. Every decoded text is valid UTF-8
 * without NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#define TARGET_SEGMENTS_MAX  16
#define TARGET_ARGUMENTS_MAX 32

/* Decoded and NUL-terminated, inside the caller's scratch. */
typedef struct Text {
    const char *bytes;
    size_t length;
} Text;

typedef struct Argument {
    Text name, value;
} Argument;

typedef struct Target {
    Text segments[TARGET_SEGMENTS_MAX];
    size_t n_segments; /* above TARGET_SEGMENTS_MAX: more than any route has, and none is kept */
    Argument arguments[TARGET_ARGUMENTS_MAX];
    size_t n_arguments;
} Target;

/* Reads `raw`, in origin form ("/a/b?c=d") or absolute form. `scratch` has length + 2 bytes and
 * lives as long as the target. ERR_MALFORMED: another form, a bad escape, %00, invalid UTF-8, a
 * control character, a query of more than TARGET_ARGUMENTS_MAX arguments or one without a name. */
bool target_parse(Target *target, const char *raw, size_t length, char *scratch, GError **error);

/* Its two halves: `path` begins with '/', `query` is what follows '?'. Both return the scratch that
 * is left, NULL on error. */
char *target_parse_path(Target *target, const char *path, size_t length, char *scratch,
                        GError **error);
char *target_parse_query(Target *target, const char *query, size_t length, char *scratch,
                         GError **error);

/* The argument called `name`, or NULL. */
const Argument *target_argument(const Target *target, const char *name);
