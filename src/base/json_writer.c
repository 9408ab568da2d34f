/* The writing half of base/json.h. */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/lanes.h"

/* Above this a fixed number has no exact digit behind the point any more. */
#define FIXED_MAX    9e15
#define INTEGER_MAX  9007199254740992.0 /* 2^53 */
#define DIGITS_MAX   20
#define DECIMALS_MAX 6
#define REPLACEMENT  "\xEF\xBF\xBD" /* U+FFFD */

_Static_assert(JSON_NUMBER_MAX >= G_ASCII_DTOSTR_BUF_SIZE, "room for any double");

/* Inline, since most pieces are a byte or two long, and a call costs more than they do. */
static inline bool has_room(Buffer *out, size_t length)
{
    return (!out->failed && out->capacity - out->length >= length) || buffer_reserve(out, length);
}

static inline void put(Buffer *out, const char *bytes, size_t length)
{
    if (length == 0 || !has_room(out, length))
        return;
    memcpy(out->data + out->length, bytes, length);
    out->length += length;
}

static inline void begin_value(JsonWriter *writer)
{
    if (writer->depth > JSON_DEPTH_MAX) {
        writer->out->failed = true;
        return;
    }
    if (writer->comma[writer->depth])
        put(writer->out, ",", 1);
    writer->comma[writer->depth] = true;
}

/* Deeper than the limit the buffer is marked as failed, so that nobody sends what was cut. */
static void begin_container(JsonWriter *writer, const char *bracket)
{
    begin_value(writer);
    put(writer->out, bracket, 1);
    if (writer->depth > JSON_DEPTH_MAX)
        return;
    writer->depth++;
    if (writer->depth <= JSON_DEPTH_MAX)
        writer->comma[writer->depth] = false;
}

static void end_container(JsonWriter *writer, const char *bracket)
{
    put(writer->out, bracket, 1);
    if (writer->depth > 0 && !writer->out->failed)
        writer->depth--;
}

static void append_escape(Buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn?fr"; /* from 8 to 13 */
    char text[] = "\\u0000";
    if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v')) {
        text[1] = c >= 0x20 ? (char)c : letters[c - '\b'];
        put(out, text, 2);
        return;
    }
    text[4] = hex[c >> 4];
    text[5] = hex[c & 15];
    put(out, text, 6);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static bool are_plain(uint64_t lanes)
{
    return !(lanes_beyond_ascii(lanes) | lanes_below(lanes, ' ') | lanes_equal(lanes, '"') |
             lanes_equal(lanes, '\\'));
}

/* Bytes at `text` that stand in JSON as they are. */
static size_t plain_run(const char *text, size_t length)
{
    size_t n = 0;
    while (n < length) {
        if (are_plain(lanes_load(text + n, length - n))) {
            n += MIN(LANES, length - n);
            continue;
        }
        unsigned char c = (unsigned char)text[n];
        if (is_plain(c)) {
            n++;
            continue;
        }
        if (c < 0x80 || g_utf8_get_char_validated(text + n, (gssize)(length - n)) > 0x10FFFF)
            break;
        n += (size_t)g_utf8_skip[c];
    }
    return n;
}

static void append_escaped(Buffer *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t run = plain_run(text + at, length - at);
        put(out, text + at, run);
        at += run;
        if (at == length)
            break;
        unsigned char c = (unsigned char)text[at++];
        if (c < 0x80)
            append_escape(out, c);
        else
            buffer_append_text(out, REPLACEMENT);
    }
}

/* Nearly all text is plain: room for it is asked for once, and it is copied once. */
static void append_quoted(Buffer *out, const char *text, size_t length)
{
    if (length > SIZE_MAX - 2 || !has_room(out, length + 2))
        return;
    size_t run = plain_run(text, length);
    char *at = out->data + out->length;
    *at++ = '"';
    at = mempcpy(at, text, run);
    if (run == length)
        *at++ = '"';
    out->length = (size_t)(at - out->data);
    if (run == length)
        return;
    append_escaped(out, text + run, length - run);
    put(out, "\"", 1);
}

/* Writes the digits so that they end before `end`; returns their first. */
static char *put_digits(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return end;
}

/* Shortest of six significant digits. */
static char *put_number(char *at, double value)
{
    if (!isfinite(value))
        return mempcpy(at, "null", 4);
    g_ascii_formatd(at, JSON_NUMBER_MAX, "%.6g", value == 0 ? 0 : value);
    return at + strlen(at);
}

static void put_pair(char *at, uint32_t value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

/* A fraction of DECIMALS_MAX digits, not 0, without the zeros at its end. */
static char *put_fraction(char *at, uint32_t fraction)
{
    *at++ = '.';
    put_pair(at, fraction / 10000);
    put_pair(at + 2, fraction / 100 % 100);
    put_pair(at + 4, fraction % 100);
    size_t n = DECIMALS_MAX;
    while (at[n - 1] == '0')
        n--;
    return at + n;
}

/* The fewest digits that read back as the same double. */
static void write_exact(JsonWriter *writer, double value)
{
    if (!isfinite(value)) {
        json_null(writer);
        return;
    }
    if (value == floor(value) && fabs(value) <= INTEGER_MAX) {
        json_int(writer, (int64_t)value);
        return;
    }
    char text[JSON_NUMBER_MAX];
    g_ascii_formatd(text, sizeof text, "%.15g", value);
    if (g_ascii_strtod(text, NULL) != value)
        g_ascii_dtostr(text, sizeof text, value);
    json_raw(writer, text, strlen(text));
}

static void write_children(JsonWriter *writer, const cJSON *value)
{
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        if (writer->out->failed)
            return;
        if (cJSON_IsObject(value))
            json_key(writer, child->string);
        json_value(writer, child);
    }
}

void json_writer_init(JsonWriter *writer, Buffer *out)
{
    *writer = (JsonWriter){.out = out};
}

void json_begin_object(JsonWriter *writer)
{
    begin_container(writer, "{");
}

void json_end_object(JsonWriter *writer)
{
    end_container(writer, "}");
}

void json_begin_array(JsonWriter *writer)
{
    begin_container(writer, "[");
}

void json_end_array(JsonWriter *writer)
{
    end_container(writer, "]");
}

void json_key(JsonWriter *writer, const char *name)
{
    begin_value(writer);
    append_quoted(writer->out, name, strlen(name));
    put(writer->out, ":", 1);
    if (writer->depth <= JSON_DEPTH_MAX)
        writer->comma[writer->depth] = false;
}

void json_raw_key(JsonWriter *writer, const char *json, size_t length)
{
    json_raw(writer, json, length);
    if (writer->depth <= JSON_DEPTH_MAX)
        writer->comma[writer->depth] = false;
}

void json_string(JsonWriter *writer, const char *text)
{
    if (text)
        json_string_n(writer, text, strlen(text));
    else
        json_null(writer);
}

void json_string_n(JsonWriter *writer, const char *bytes, size_t length)
{
    begin_value(writer);
    append_quoted(writer->out, bytes, length);
}

void json_int(JsonWriter *writer, int64_t value)
{
    char text[DIGITS_MAX + 1], *end = text + sizeof text;
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char *start = put_digits(end, size);
    if (value < 0)
        *--start = '-';
    json_raw(writer, start, (size_t)(end - start));
}

void json_uint(JsonWriter *writer, uint64_t value)
{
    char *at = json_begin_raw(writer, JSON_NUMBER_MAX);
    if (at)
        json_end_raw(writer, json_put_uint(at, value));
}

void json_number(JsonWriter *writer, double value)
{
    char *at = json_begin_raw(writer, JSON_NUMBER_MAX);
    if (at)
        json_end_raw(writer, put_number(at, value));
}

void json_fixed(JsonWriter *writer, double value, unsigned decimals)
{
    char *at = json_begin_raw(writer, JSON_NUMBER_MAX);
    if (at)
        json_end_raw(writer, json_put_fixed(at, value, decimals));
}

void json_bool(JsonWriter *writer, bool value)
{
    json_raw(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_null(JsonWriter *writer)
{
    json_raw(writer, "null", 4);
}

void json_time(JsonWriter *writer, int64_t us)
{
    char text[CLOCK_TEXT_MAX];
    json_string(writer, clock_format(us, text));
}

void json_raw(JsonWriter *writer, const char *json, size_t length)
{
    begin_value(writer);
    put(writer->out, json, length);
}

void json_value(JsonWriter *writer, const cJSON *value)
{
    if (cJSON_IsString(value)) {
        json_string(writer, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        write_exact(writer, value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        json_bool(writer, cJSON_IsTrue(value));
    } else if (cJSON_IsObject(value)) {
        json_begin_object(writer);
        write_children(writer, value);
        json_end_object(writer);
    } else if (cJSON_IsArray(value)) {
        json_begin_array(writer);
        write_children(writer, value);
        json_end_array(writer);
    } else {
        json_null(writer);
    }
}

char *json_begin_raw(JsonWriter *writer, size_t most)
{
    begin_value(writer);
    Buffer *out = writer->out;
    return has_room(out, most) ? out->data + out->length : NULL;
}

void json_end_raw(JsonWriter *writer, const char *end)
{
    writer->out->length = (size_t)(end - writer->out->data);
}

char *json_put_uint(char *at, uint64_t value)
{
    if (value < 10) {
        *at = (char)('0' + value);
        return at + 1;
    }
    char text[DIGITS_MAX], *end = text + sizeof text;
    char *start = put_digits(end, value);
    return mempcpy(at, start, (size_t)(end - start));
}

char *json_put_fixed(char *at, double value, unsigned decimals)
{
    static const uint32_t powers[DECIMALS_MAX + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    decimals = MIN(decimals, DECIMALS_MAX);
    uint32_t power = powers[decimals];
    double size = fabs(value) * power;
    if (!(size < FIXED_MAX))
        return put_number(at, value);
    uint64_t scaled = (uint64_t)(int64_t)(size + 0.5); /* signed: one instruction makes it */
    uint64_t whole = scaled < power ? 0 : scaled / power;
    uint32_t fraction = (uint32_t)(scaled - whole * power) * powers[DECIMALS_MAX - decimals];
    if (value < 0 && scaled)
        *at++ = '-';
    at = json_put_uint(at, whole);
    return fraction ? put_fraction(at, fraction) : at;
}
