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
#define ESCAPE_MAX   6              /* bytes that one byte of text can become */
#define REPLACEMENT  "\xEF\xBF\xBD" /* U+FFFD */

_Static_assert(JSON_NUMBER_MAX >= G_ASCII_DTOSTR_BUF_SIZE, "room for any double");

/* Inline, since most pieces are a byte or two long, and a call costs more than they do. */
static inline bool has_room(Buffer *out, size_t length)
{
    return (!out->failed && out->capacity - out->length >= length) || buffer_reserve(out, length);
}

/* Where a value of at most `most` bytes goes, behind the comma it may need: room for both is asked
 * for once. NULL when memory is short, or deeper than the limit: then the buffer is marked as
 * failed, so that nobody sends what was cut. */
static inline char *begin_piece(JsonWriter *writer, size_t most)
{
    Buffer *out = writer->out;
    if (writer->depth > JSON_DEPTH_MAX) {
        out->failed = true;
        return NULL;
    }
    if (!has_room(out, most < SIZE_MAX ? most + 1 : most))
        return NULL;
    char *at = out->data + out->length;
    if (writer->comma[writer->depth])
        *at++ = ',';
    writer->comma[writer->depth] = true;
    return at;
}

static inline void end_piece(JsonWriter *writer, const char *end)
{
    writer->out->length = (size_t)(end - writer->out->data);
}

static inline void begin_container(JsonWriter *writer, char bracket)
{
    char *at = begin_piece(writer, 1);
    if (at) {
        *at++ = bracket;
        end_piece(writer, at);
    }
    if (writer->depth > JSON_DEPTH_MAX)
        return;
    writer->depth++;
    if (writer->depth <= JSON_DEPTH_MAX)
        writer->comma[writer->depth] = false;
}

static inline void end_container(JsonWriter *writer, char bracket)
{
    Buffer *out = writer->out;
    if (has_room(out, 1))
        out->data[out->length++] = bracket;
    if (writer->depth > 0 && !writer->out->failed)
        writer->depth--;
}

/* At most ESCAPE_MAX bytes. */
static char *put_escape(char *at, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn?fr"; /* from 8 to 13 */
    *at++ = '\\';
    if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v')) {
        *at++ = c >= 0x20 ? (char)c : letters[c - '\b'];
        return at;
    }
    at = mempcpy(at, "u00", 3);
    *at++ = hex[c >> 4];
    *at++ = hex[c & 15];
    return at;
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

/* Most ids are about a word long: two moves, which may overlap, and no call. */
static inline char *put_bytes(char *at, const char *bytes, size_t length)
{
    uint64_t first, last;
    uint32_t first_half, last_half;
    if (length > 2 * sizeof first || length < sizeof first_half)
        return mempcpy(at, bytes, length);
    char *end = at + length;
    if (length >= sizeof first) {
        memcpy(&first, bytes, sizeof first);
        memcpy(&last, bytes + length - sizeof last, sizeof last);
        memcpy(at, &first, sizeof first);
        memcpy(end - sizeof last, &last, sizeof last);
    } else {
        memcpy(&first_half, bytes, sizeof first_half);
        memcpy(&last_half, bytes + length - sizeof last_half, sizeof last_half);
        memcpy(at, &first_half, sizeof first_half);
        memcpy(end - sizeof last_half, &last_half, sizeof last_half);
    }
    return end;
}

/* At most ESCAPE_MAX bytes for each of `text`. */
static char *put_escaped(char *at, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        size_t run = plain_run(text + done, length - done);
        at = put_bytes(at, text + done, run);
        done += run;
        if (done == length)
            break;
        unsigned char c = (unsigned char)text[done++];
        at = c < 0x80 ? put_escape(at, c) : mempcpy(at, REPLACEMENT, sizeof REPLACEMENT - 1);
    }
    return at;
}

/* Nearly all text is plain: room for what it becomes is asked for only when it is not. `behind`
 * follows the quote, or is NUL. */
static void write_quoted(JsonWriter *writer, const char *text, size_t length, char behind)
{
    size_t run = plain_run(text, length), rest = length - run;
    bool fits = length < SIZE_MAX / (2 * ESCAPE_MAX);
    char *at = begin_piece(writer, fits ? run + ESCAPE_MAX * rest + sizeof "\"\":" : SIZE_MAX);
    if (!at)
        return;
    *at++ = '"';
    at = put_escaped(put_bytes(at, text, run), text + run, rest);
    *at++ = '"';
    if (behind)
        *at++ = behind;
    end_piece(writer, at);
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

/* `value` < 100, from a table: half of the work of a number is dividing by ten. */
static inline void put_pair(char *at, uint32_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    memcpy(at, pairs + 2 * value, 2);
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
    begin_container(writer, '{');
}

void json_end_object(JsonWriter *writer)
{
    end_container(writer, '}');
}

void json_begin_array(JsonWriter *writer)
{
    begin_container(writer, '[');
}

void json_end_array(JsonWriter *writer)
{
    end_container(writer, ']');
}

void json_key(JsonWriter *writer, const char *name)
{
    write_quoted(writer, name, strlen(name), ':');
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
    write_quoted(writer, bytes, length, '\0');
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

void json_named_number(JsonWriter *writer, const char *name, double value)
{
    json_key(writer, name);
    json_number(writer, value);
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
    char *at = begin_piece(writer, length);
    if (at)
        end_piece(writer, put_bytes(at, json, length));
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
    return begin_piece(writer, most);
}

void json_end_raw(JsonWriter *writer, const char *end)
{
    end_piece(writer, end);
}

char *json_put_text(char *at, const char *bytes, size_t length)
{
    *at++ = '"';
    if (length <= LANES && are_plain(lanes_load(bytes, length)))
        at = put_bytes(at, bytes, length);
    else
        at = put_escaped(at, bytes, length);
    *at++ = '"';
    return at;
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
