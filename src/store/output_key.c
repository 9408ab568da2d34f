#include "output_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

/* Digits of a numeric that we take: PostgreSQL's own limit is far above any key. */
#define NUMERIC_MAX   400
#define NUMERIC_GROUP 4

static const struct {
    uint32_t oid;
    const char *sql;
} key_types[] = {
    [KEY_TEXT] = {25, "text"},         [KEY_VARCHAR] = {1043, "character varying"},
    [KEY_BPCHAR] = {1042, "bpchar"},   [KEY_INT2] = {21, "smallint"},
    [KEY_INT4] = {23, "integer"},      [KEY_INT8] = {20, "bigint"},
    [KEY_NUMERIC] = {1700, "numeric"}, [KEY_UUID] = {2950, "uuid"},
};

KeyType key_type_of(uint32_t oid)
{
    for (size_t i = 0; i < G_N_ELEMENTS(key_types); i++) {
        if (key_types[i].oid == oid)
            return (KeyType)i;
    }
    return KEY_TEXT;
}

const char *key_type_sql(KeyType type)
{
    return key_types[type].sql;
}

static void append_field(Buffer *out, const void *bytes, uint32_t length)
{
    uint32_t prefix = GUINT32_TO_BE(length);
    char *at = buffer_extend(out, sizeof prefix + length);
    if (!at)
        return;
    at = mempcpy(at, &prefix, sizeof prefix);
    if (length > 0)
        memcpy(at, bytes, length);
}

static bool encode_integer(const char *text, uint32_t length, unsigned width, Buffer *out)
{
    char copy[24], *end;
    if (length == 0 || length >= sizeof copy || !(g_ascii_isdigit(text[0]) || text[0] == '-'))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    errno = 0;
    int64_t value = strtoll(copy, &end, 10);
    if (errno != 0 || end != copy + length)
        return false;
    unsigned unused = 64 - 8 * width;
    if ((int64_t)((uint64_t)value << unused) >> unused != value)
        return false;
    uint64_t wire = GUINT64_TO_BE((uint64_t)value);
    append_field(out, (const char *)&wire + sizeof wire - width, width);
    return true;
}

static bool encode_uuid(const char *text, uint32_t length, Buffer *out)
{
    char copy[UUID_STR_LEN];
    uuid_t uuid;
    if (length != UUID_STR_LEN - 1)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (uuid_parse(copy, uuid) != 0)
        return false;
    append_field(out, uuid, sizeof uuid);
    return true;
}

/* The decimal digits of a number, set so that the point lies between two groups of four. */
typedef struct Digits {
    char digit[NUMERIC_MAX + 3 * NUMERIC_GROUP];
    unsigned n, before; /* all of them, and those before the point */
    unsigned scale;     /* digits after the point, as written */
    bool negative;
} Digits;

static void put_digits(Digits *digits, const char *text, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        digits->digit[digits->n++] = text[i] - '0';
}

static void put_zeros(Digits *digits, unsigned n)
{
    while (n-- > 0)
        digits->digit[digits->n++] = 0;
}

static unsigned digits_length(const char *text, unsigned length)
{
    unsigned n = 0;
    while (n < length && g_ascii_isdigit(text[n]))
        n++;
    return n;
}

static bool parse_decimal(const char *text, uint32_t length, Digits *digits)
{
    digits->n = 0;
    digits->negative = length > 0 && text[0] == '-';
    text += digits->negative;
    length -= digits->negative;
    if (length == 0 || length > NUMERIC_MAX)
        return false;
    unsigned whole = digits_length(text, length);
    bool has_point = whole < length && text[whole] == '.';
    const char *rest = text + whole + has_point;
    digits->scale = digits_length(rest, length - whole - has_point);
    if (whole == 0 || whole + has_point + digits->scale != length)
        return false;
    put_zeros(digits, (NUMERIC_GROUP - whole % NUMERIC_GROUP) % NUMERIC_GROUP);
    put_digits(digits, text, whole);
    digits->before = digits->n;
    put_digits(digits, rest, digits->scale);
    put_zeros(digits, (NUMERIC_GROUP - digits->n % NUMERIC_GROUP) % NUMERIC_GROUP);
    return true;
}

/* numeric_send's form: number of base-10000 groups, weight of the first, sign, scale, groups. */
static bool encode_numeric(const char *text, uint32_t length, Buffer *out)
{
    Digits digits;
    if (!parse_decimal(text, length, &digits))
        return false;
    uint16_t wire[4 + NUMERIC_MAX / NUMERIC_GROUP + 3];
    unsigned n = 0;
    int weight = (int)(digits.before / NUMERIC_GROUP) - 1;
    for (unsigned i = 0; i < digits.n; i += NUMERIC_GROUP) {
        const char *d = digits.digit + i;
        unsigned group = d[0] * 1000u + d[1] * 100u + d[2] * 10u + d[3];
        if (n == 0 && group == 0)
            weight--;
        else
            wire[4 + n++] = GUINT16_TO_BE(group);
    }
    while (n > 0 && wire[4 + n - 1] == 0)
        n--;
    wire[0] = GUINT16_TO_BE(n);
    wire[1] = GUINT16_TO_BE((uint16_t)(n > 0 ? weight : 0));
    wire[2] = GUINT16_TO_BE(digits.negative && n > 0 ? 0x4000 : 0);
    wire[3] = GUINT16_TO_BE(digits.scale);
    append_field(out, wire, (4 + n) * sizeof wire[0]);
    return true;
}

bool key_encode(KeyType type, const char *text, uint32_t length, Buffer *out)
{
    switch (type) {
    case KEY_INT2:
        return encode_integer(text, length, 2, out);
    case KEY_INT4:
        return encode_integer(text, length, 4, out);
    case KEY_INT8:
        return encode_integer(text, length, 8, out);
    case KEY_NUMERIC:
        return encode_numeric(text, length, out);
    case KEY_UUID:
        return encode_uuid(text, length, out);
    case KEY_TEXT:
    case KEY_VARCHAR:
    case KEY_BPCHAR:
        append_field(out, text, length);
        return true;
    }
    return false;
}

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = MIN(a_length, b_length);
    int order = shorter > 0 ? memcmp(a, b, shorter) : 0;
    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

static int compare_uuids(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = g_ascii_strncasecmp(a, b, MIN(a_length, b_length));
    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

/* A decimal's text without the zeros that say nothing. */
typedef struct Decimal {
    const char *whole, *fraction;
    size_t whole_length, fraction_length;
    bool negative;
} Decimal;

static Decimal decimal_of(const char *text, size_t length)
{
    Decimal decimal = {.negative = length > 0 && text[0] == '-'};
    text += decimal.negative;
    length -= decimal.negative;
    while (length > 0 && *text == '0')
        text++, length--;
    const char *point = length > 0 ? memchr(text, '.', length) : NULL;
    decimal.whole = text;
    decimal.whole_length = point ? (size_t)(point - text) : length;
    decimal.fraction = point ? point + 1 : text + length;
    decimal.fraction_length = point ? length - decimal.whole_length - 1 : 0;
    while (decimal.fraction_length > 0 && decimal.fraction[decimal.fraction_length - 1] == '0')
        decimal.fraction_length--;
    if (decimal.whole_length + decimal.fraction_length == 0)
        decimal.negative = false;
    return decimal;
}

static int compare_decimals(const char *a, size_t a_length, const char *b, size_t b_length)
{
    Decimal left = decimal_of(a, a_length), right = decimal_of(b, b_length);
    if (left.negative != right.negative)
        return left.negative ? -1 : 1;
    int order = (left.whole_length > right.whole_length) - (left.whole_length < right.whole_length);
    if (order == 0)
        order = compare_bytes(left.whole, left.whole_length, right.whole, right.whole_length);
    if (order == 0)
        order = compare_bytes(left.fraction, left.fraction_length, right.fraction,
                              right.fraction_length);
    return left.negative ? -order : order;
}

int key_compare(KeyType type, const char *a, uint32_t a_length, const char *b, uint32_t b_length)
{
    int order = 0;
    switch (type) {
    case KEY_INT2:
    case KEY_INT4:
    case KEY_INT8:
    case KEY_NUMERIC:
        order = compare_decimals(a, a_length, b, b_length);
        break;
    case KEY_UUID:
        order = compare_uuids(a, a_length, b, b_length);
        break;
    case KEY_TEXT:
    case KEY_VARCHAR:
    case KEY_BPCHAR:
        break;
    }
    return order != 0 ? order : compare_bytes(a, a_length, b, b_length);
}
