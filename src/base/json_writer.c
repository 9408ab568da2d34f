/* The writing half of base/json.h. */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

/* Above this a fixed number has no exact digit behind the point any more. */
#define FIXED_MAX       9e15
#define INTEGER_MAX     9007199254740992.0 /* 2^53 */
#define DIGITS_MAX      20
#define REPLACEMENT     "\xEF\xBF\xBD" /* U+FFFD */
#define NUMBER_TEXT_MAX G_ASCII_DTOSTR_BUF_SIZE

/* Inline, since most pieces are a byte or two long, and a call costs more than they do. */
static inline void put(Buffer *out, const char *bytes, size_t length)
{
    if (out->failed || length == 0 || out->capacity - out->length < length) {
        buffer_append(out, bytes, length);
        return;
    }
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

/* Bytes at `text` that stand in JSON as they are. */
static size_t plain_run(const char *text, size_t length)
{
    size_t n = 0;
    while (n < length) {
        unsigned char c = (unsigned char)text[n];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            n++;
            continue;
        }
        if (c < 0x80)
            break;
        if (g_utf8_get_char_validated(text + n, (gssize)(length - n)) > 0x10FFFF)
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

/* Nearly all text is plain: room for it is asked for once. */
static void append_quoted(Buffer *out, const char *text, size_t length)
{
    if (length > SIZE_MAX - 2 || !buffer_reserve(out, length + 2))
        return;
    out->data[out->length++] = '"';
    append_escaped(out, text, length);
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
    char text[NUMBER_TEXT_MAX];
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
    char text[DIGITS_MAX], *end = text + sizeof text;
    char *start = put_digits(end, value);
    json_raw(writer, start, (size_t)(end - start));
}

void json_number(JsonWriter *writer, double value)
{
    if (!isfinite(value)) {
        json_null(writer);
        return;
    }
    char text[NUMBER_TEXT_MAX];
    g_ascii_formatd(text, sizeof text, "%.6g", value == 0 ? 0 : value);
    json_raw(writer, text, strlen(text));
}

void json_fixed(JsonWriter *writer, double value, unsigned decimals)
{
    static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    decimals = decimals < G_N_ELEMENTS(powers) ? decimals : G_N_ELEMENTS(powers) - 1;
    double size = fabs(value) * powers[decimals];
    if (!(size < FIXED_MAX)) {
        json_number(writer, value);
        return;
    }
    uint64_t scaled = (uint64_t)(size + 0.5);
    uint64_t whole = scaled / powers[decimals], fraction = scaled % powers[decimals];
    char text[2 * DIGITS_MAX], *end = text + sizeof text, *start = end;
    if (fraction) {
        for (; fraction % 10 == 0; fraction /= 10)
            decimals--;
        start = put_digits(end, fraction);
        while ((size_t)(end - start) < decimals)
            *--start = '0';
        *--start = '.';
    }
    start = put_digits(start, whole);
    if (value < 0 && scaled)
        *--start = '-';
    json_raw(writer, start, (size_t)(end - start));
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
