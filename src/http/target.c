#include "target.h"

#include <string.h>

#include "base/error.h"
#include "base/lanes.h"

static int hex_value(char c)
{
    return g_ascii_xdigit_value(c);
}

static bool is_control(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte <= ' ' || byte == 0x7f;
}

/* Nothing to decode and nothing to refuse. */
static bool is_plain(const char *raw, size_t length)
{
    for (size_t i = 0; i < length; i += LANES) {
        uint64_t lanes = lanes_load(raw + i, length - i);
        if (lanes_beyond_ascii(lanes) | lanes_below(lanes, ' ' + 1) | lanes_equal(lanes, '%') |
            lanes_equal(lanes, 0x7f))
            return false;
    }
    return true;
}

static void copy_plain(const char *raw, size_t length, char **scratch, Text *text)
{
    *text = (Text){*scratch, length};
    char *end = mempcpy(*scratch, raw, length);
    *end = '\0';
    *scratch = end + 1;
}

static bool decode_escapes(const char *raw, size_t length, char **scratch, Text *text,
                           const char *what, GError **error)
{
    char *out = *scratch;
    for (size_t i = 0; i < length; i++) {
        char c = raw[i];
        if (is_control(c)) {
            error_set(error, ERR_MALFORMED, "the %s holds a control character or a blank", what);
            return false;
        }
        if (c == '%') {
            if (length - i < 3 || hex_value(raw[i + 1]) < 0 || hex_value(raw[i + 2]) < 0) {
                error_set(error, ERR_MALFORMED,
                          "the %s holds a %% that two hexadecimal digits do not follow", what);
                return false;
            }
            c = (char)(hex_value(raw[i + 1]) * 16 + hex_value(raw[i + 2]));
            i += 2;
        }
        *out++ = c;
    }
    *text = (Text){*scratch, (size_t)(out - *scratch)};
    *out++ = '\0';
    *scratch = out;
    if (!g_utf8_validate(text->bytes, (gssize)text->length, NULL)) {
        error_set(error, ERR_MALFORMED, "the %s holds a NUL or bytes that are not UTF-8", what);
        return false;
    }
    return true;
}

/* Decodes [raw, raw + length) into *scratch, ends it with NUL and moves *scratch behind it. */
static bool decode(const char *raw, size_t length, char **scratch, Text *text, const char *what,
                   GError **error)
{
    if (!is_plain(raw, length))
        return decode_escapes(raw, length, scratch, text, what, error);
    copy_plain(raw, length, scratch, text);
    return true;
}

char *target_parse_path(Target *target, const char *path, size_t length, char *scratch,
                        GError **error)
{
    target->n_segments = 0;
    if (length == 0 || path[0] != '/') {
        error_set(error, ERR_MALFORMED, "the request target must begin with /");
        return NULL;
    }
    const char *end = path + length;
    for (const char *at = path; at < end;) {
        const char *begin = at + 1;
        const char *slash = memchr(begin, '/', (size_t)(end - begin));
        at = slash ? slash : end;
        Text segment;
        if (!decode(begin, (size_t)(at - begin), &scratch, &segment, "path", error))
            return NULL;
        if (target->n_segments < TARGET_SEGMENTS_MAX)
            target->segments[target->n_segments] = segment;
        target->n_segments++;
    }
    return scratch;
}

static bool add_argument(Target *target, const char *piece, size_t length, char **scratch,
                         GError **error)
{
    if (target->n_arguments == TARGET_ARGUMENTS_MAX) {
        error_set(error, ERR_MALFORMED, "the query has more than %d parameters",
                  TARGET_ARGUMENTS_MAX);
        return false;
    }
    Argument *argument = &target->arguments[target->n_arguments];
    const char *equals = memchr(piece, '=', length);
    size_t name_length = equals ? (size_t)(equals - piece) : length;
    if (name_length == 0) {
        error_set(error, ERR_MALFORMED, "the query has a parameter without a name");
        return false;
    }
    if (!decode(piece, name_length, scratch, &argument->name, "query", error))
        return false;
    argument->value = (Text){*scratch - 1, 0}; /* the NUL behind the name */
    if (equals &&
        !decode(equals + 1, length - name_length - 1, scratch, &argument->value, "query", error))
        return false;
    target->n_arguments++;
    return true;
}

char *target_parse_query(Target *target, const char *query, size_t length, char *scratch,
                         GError **error)
{
    target->n_arguments = 0;
    const char *end = query + length;
    while (query < end) {
        const char *ampersand = memchr(query, '&', (size_t)(end - query));
        const char *piece_end = ampersand ? ampersand : end;
        if (piece_end > query &&
            !add_argument(target, query, (size_t)(piece_end - query), &scratch, error))
            return NULL;
        query = piece_end + 1;
    }
    return scratch;
}

/* "http://host/a" is "/a" (RFC 9112, 3.2.2: a server must take it). */
static size_t authority_length(const char *raw, size_t length)
{
    static const char *const schemes[] = {"http://", "https://"};
    if (length > 0 && raw[0] == '/')
        return 0;
    for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (length > n && g_ascii_strncasecmp(raw, schemes[i], n) == 0) {
            const char *slash = memchr(raw + n, '/', length - n);
            return slash ? (size_t)(slash - raw) : 0;
        }
    }
    return 0;
}

bool target_parse(Target *target, const char *raw, size_t length, char *scratch, GError **error)
{
    size_t skipped = authority_length(raw, length);
    raw += skipped;
    length -= skipped;
    const char *mark = length > 0 ? memchr(raw, '?', length) : NULL;
    size_t path_length = mark ? (size_t)(mark - raw) : length;
    target->n_arguments = 0;
    scratch = target_parse_path(target, raw, path_length, scratch, error);
    if (!scratch)
        return false;
    return !mark || target_parse_query(target, mark + 1, length - path_length - 1, scratch, error);
}

const Argument *target_argument(const Target *target, const char *name)
{
    for (size_t i = 0; i < target->n_arguments; i++)
        if (strcmp(target->arguments[i].name.bytes, name) == 0)
            return &target->arguments[i];
    return NULL;
}
