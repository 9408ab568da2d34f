#include "copy_binary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "base/clock.h"

#define NUMERIC_NEGATIVE 0x4000
#define NUMERIC_NAN      0xC000
#define NUMERIC_PLUS     0xD000
#define NUMERIC_MINUS    0xF000

static const struct {
    uint32_t oid;
    CopyType type;
} types[] = {
    {16, COPY_BOOL},        {19, COPY_TEXT},      {20, COPY_INT8},    {21, COPY_INT2},
    {23, COPY_INT4},        {25, COPY_TEXT},      {700, COPY_FLOAT4}, {701, COPY_FLOAT8},
    {1042, COPY_BPCHAR},    {1043, COPY_TEXT},    {1082, COPY_DATE},  {1114, COPY_TIMESTAMP},
    {1184, COPY_TIMESTAMP}, {1700, COPY_NUMERIC}, {2950, COPY_UUID},
};

/* Bytes a value of a type must have; 0: any. */
static const int32_t widths[] = {
    [COPY_INT2] = 2,  [COPY_INT4] = 4, [COPY_INT8] = 8, [COPY_FLOAT4] = 4,    [COPY_FLOAT8] = 8,
    [COPY_UUID] = 16, [COPY_BOOL] = 1, [COPY_DATE] = 4, [COPY_TIMESTAMP] = 8,
};

typedef struct Numeric {
    const char *digits; /* groups of four, big-endian int16 */
    int n, weight;      /* value = Σ digit[i] · 10000^(weight − i) */
    unsigned sign;
} Numeric;

static uint16_t read16(const char *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap16(value);
}

static uint32_t read32(const char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static uint64_t read64(const char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

static float read_float4(const char *bytes)
{
    uint32_t bits = read32(bytes);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double read_float8(const char *bytes)
{
    uint64_t bits = read64(bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool has_width(CopyType type, CopyField field)
{
    int32_t width = (size_t)type < G_N_ELEMENTS(widths) ? widths[type] : 0;
    return width == 0 || field.length == width;
}

static int64_t read_integer(CopyType type, const char *bytes)
{
    if (type == COPY_INT2)
        return (int16_t)read16(bytes);
    return type == COPY_INT4 ? (int32_t)read32(bytes) : (int64_t)read64(bytes);
}

static bool read_numeric(CopyField field, Numeric *numeric)
{
    if (field.length < 8)
        return false;
    numeric->n = (int16_t)read16(field.bytes);
    numeric->weight = (int16_t)read16(field.bytes + 2);
    numeric->sign = read16(field.bytes + 4);
    numeric->digits = field.bytes + 8;
    return numeric->n >= 0 && field.length == 8 + 2 * numeric->n;
}

static unsigned group_at(const Numeric *numeric, int i)
{
    return i >= 0 && i < numeric->n ? read16(numeric->digits + 2 * i) : 0;
}

/* The groups form an integer first, so that 2.55 is 25500 / 10000 and not 2 + 5500 · 10⁻⁴. */
static double numeric_number(CopyField field)
{
    Numeric numeric;
    if (!read_numeric(field, &numeric) || numeric.sign == NUMERIC_NAN)
        return NAN;
    if (numeric.sign == NUMERIC_PLUS || numeric.sign == NUMERIC_MINUS)
        return numeric.sign == NUMERIC_PLUS ? INFINITY : -INFINITY;
    double value = 0;
    for (int i = 0; i < numeric.n; i++)
        value = value * 10000 + group_at(&numeric, i);
    int exponent = numeric.weight - numeric.n + 1;
    if (exponent == -1)
        value /= 10000;
    else if (exponent != 0 && numeric.n > 0)
        value = exponent < 0 ? value / pow(10000, -exponent) : value * pow(10000, exponent);
    return numeric.sign == NUMERIC_NEGATIVE ? -value : value;
}

static size_t format_integer(int64_t value, char *text)
{
    char reversed[24];
    size_t n = 0, length = 0;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        reversed[n++] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        text[length++] = '-';
    while (n > 0)
        text[length++] = reversed[--n];
    return length;
}

static size_t put_text(const char *word, char *text)
{
    return (size_t)(stpcpy(text, word) - text);
}

static size_t format_group(unsigned group, char *text)
{
    for (int i = 3; i >= 0; i--, group /= 10)
        text[i] = (char)('0' + group % 10);
    return 4;
}

static size_t format_fraction(const Numeric *numeric, char *text)
{
    size_t length = 0;
    text[length++] = '.';
    for (int i = numeric->weight + 1; i < numeric->n; i++)
        length += format_group(group_at(numeric, i), text + length);
    while (length > 0 && (text[length - 1] == '0' || text[length - 1] == '.'))
        if (text[--length] == '.')
            break;
    return length;
}

static bool format_numeric(CopyField field, char *text, size_t *length)
{
    Numeric numeric;
    if (!read_numeric(field, &numeric))
        return false;
    const char *special = numeric.sign == NUMERIC_NAN     ? "NaN"
                          : numeric.sign == NUMERIC_PLUS  ? "Infinity"
                          : numeric.sign == NUMERIC_MINUS ? "-Infinity"
                                                          : NULL;
    int groups = MAX(numeric.weight + 1, 0) + MAX(numeric.n - numeric.weight - 1, 0);
    if (special == NULL && 4 * groups + 8 > COPY_TEXT_MAX)
        return false;
    if (special != NULL) {
        *length = put_text(special, text);
        return true;
    }
    size_t n = 0;
    if (numeric.sign == NUMERIC_NEGATIVE)
        text[n++] = '-';
    n += format_integer(numeric.weight < 0 ? 0 : group_at(&numeric, 0), text + n);
    for (int i = 1; i <= numeric.weight; i++)
        n += format_group(group_at(&numeric, i), text + n);
    if (numeric.n > numeric.weight + 1)
        n += format_fraction(&numeric, text + n);
    *length = n;
    return true;
}

/* The fewest digits that give the same value back; whole numbers without exponent, as an integer
 * column would have them. */
static size_t format_double(double value, bool single, char *text)
{
    if (isnan(value))
        return put_text("NaN", text);
    if (isinf(value))
        return put_text(value > 0 ? "Infinity" : "-Infinity", text);
    if (value == trunc(value) && fabs(value) < 1e15)
        return format_integer((int64_t)value, text);
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        char format[8];
        g_snprintf(format, sizeof format, "%%.%dg", digits);
        g_ascii_formatd(text, COPY_TEXT_MAX, format, value);
        double back = g_ascii_strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value)
            break;
    }
    return strlen(text);
}

static size_t format_uuid(const char *bytes, char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t length = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[length++] = '-';
        text[length++] = hex[(unsigned char)bytes[i] >> 4];
        text[length++] = hex[(unsigned char)bytes[i] & 15];
    }
    return length;
}

static size_t format_time(CopyType type, CopyField field, char *text)
{
    int64_t us = copy_time(type, field);
    if (us == INT64_MIN)
        return put_text(field.bytes[0] & 0x80 ? "-infinity" : "infinity", text);
    clock_format(us, text);
    return type == COPY_DATE ? 10 : strlen(text);
}

bool copy_type_of(uint32_t oid, CopyType *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].oid == oid) {
            *type = types[i].type;
            return true;
        }
    return false;
}

bool copy_split(const char *row, size_t length, unsigned n, CopyField *fields)
{
    if (length < 2 || read16(row) != n)
        return false;
    size_t at = 2;
    for (unsigned i = 0; i < n; i++) {
        if (length - at < 4)
            return false;
        int32_t bytes = (int32_t)read32(row + at);
        at += 4;
        fields[i] = (CopyField){row + at, bytes};
        if (bytes < -1 || (bytes > 0 && (size_t)bytes > length - at))
            return false;
        at += bytes > 0 ? (size_t)bytes : 0;
    }
    return at == length;
}

bool copy_text(CopyType type, CopyField field, char scratch[COPY_TEXT_MAX], const char **text,
               size_t *length)
{
    *text = field.length < 0 ? NULL : field.bytes;
    *length = field.length < 0 ? 0 : (size_t)field.length;
    if (type == COPY_TEXT || field.length < 0)
        return true;
    if (!has_width(type, field))
        return false;
    if (type == COPY_BPCHAR) {
        while (*length > 0 && field.bytes[*length - 1] == ' ')
            --*length;
        return true;
    }
    *text = scratch;
    if (type == COPY_NUMERIC)
        return format_numeric(field, scratch, length);
    if (type == COPY_FLOAT4)
        *length = format_double(read_float4(field.bytes), true, scratch);
    else if (type == COPY_FLOAT8)
        *length = format_double(read_float8(field.bytes), false, scratch);
    else if (type == COPY_UUID)
        *length = format_uuid(field.bytes, scratch);
    else if (type == COPY_BOOL)
        *length = put_text(field.bytes[0] ? "true" : "false", scratch);
    else if (type == COPY_DATE || type == COPY_TIMESTAMP)
        *length = format_time(type, field, scratch);
    else
        *length = format_integer(read_integer(type, field.bytes), scratch);
    return true;
}

double copy_number(CopyType type, CopyField field)
{
    if (field.length < 0 || !has_width(type, field))
        return NAN;
    switch (type) {
    case COPY_INT2:
    case COPY_INT4:
    case COPY_INT8:
        return (double)read_integer(type, field.bytes);
    case COPY_FLOAT4:
        return read_float4(field.bytes);
    case COPY_FLOAT8:
        return read_float8(field.bytes);
    case COPY_NUMERIC:
        return numeric_number(field);
    case COPY_BOOL:
        return field.bytes[0] != 0;
    case COPY_DATE:
    case COPY_TIMESTAMP: {
        int64_t us = copy_time(type, field);
        return us == INT64_MIN ? NAN : (double)us / US_PER_SECOND;
    }
    default:
        return NAN;
    }
}

int64_t copy_time(CopyType type, CopyField field)
{
    if (field.length < 0 || !has_width(type, field))
        return INT64_MIN;
    if (type == COPY_DATE) {
        int32_t days = (int32_t)read32(field.bytes);
        bool infinite = days == INT32_MAX || days == INT32_MIN;
        return infinite ? INT64_MIN : days * US_PER_DAY + US_1970_TO_2000;
    }
    if (type != COPY_TIMESTAMP)
        return INT64_MIN;
    int64_t us = (int64_t)read64(field.bytes);
    bool infinite = us == INT64_MAX || us == INT64_MIN || us > INT64_MAX - US_1970_TO_2000;
    return infinite ? INT64_MIN : us + US_1970_TO_2000;
}
