#include "json_scan.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"

/* cJSON copies a number into 64 bytes and reads what does not fit as a second value. */
#define NUMBER_LENGTH_MAX 63
#define LARGEST_INTEGER   "9007199254740992" /* 2^53 */

/* One key of an object that is still open: where it stands in the input, and its decoded text. */
typedef struct Key {
    size_t at;
    size_t start; /* in `text` */
    size_t length;
} Key;

typedef struct Scanner {
    const char *bytes;
    size_t length;
    size_t at;
    size_t tokens;
    unsigned depth;
    Buffer text; /* decoded keys of the open objects, innermost last */
    Buffer keys; /* of Key, in the same order */
    GError **error;
} Scanner;

static bool scan_value(Scanner *scanner);

static bool refuse(Scanner *scanner, size_t at, const char *rule)
{
    error_set(scanner->error, ERR_MALFORMED, "JSON is not well formed at byte %zu: %s", at, rule);
    return false;
}

static int peek(const Scanner *scanner)
{
    return scanner->at < scanner->length ? (unsigned char)scanner->bytes[scanner->at] : -1;
}

static bool accept(Scanner *scanner, char wanted)
{
    if (peek(scanner) != wanted)
        return false;
    scanner->at++;
    return true;
}

static bool count_token(Scanner *scanner)
{
    if (++scanner->tokens <= JSON_TOKENS_MAX)
        return true;
    return refuse(scanner, scanner->at, "more than " G_STRINGIFY(JSON_TOKENS_MAX) " tokens");
}

static void skip_space(Scanner *scanner)
{
    for (int c = peek(scanner); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(scanner))
        scanner->at++;
}

static bool scan_literal(Scanner *scanner, const char *word)
{
    size_t length = strlen(word);
    if (scanner->length - scanner->at < length ||
        memcmp(scanner->bytes + scanner->at, word, length) != 0)
        return refuse(scanner, scanner->at, "a value is expected here");
    scanner->at += length;
    return true;
}

static bool scan_digits(Scanner *scanner)
{
    size_t start = scanner->at;
    while (peek(scanner) >= '0' && peek(scanner) <= '9')
        scanner->at++;
    if (scanner->at > start)
        return true;
    return refuse(scanner, scanner->at, "a number needs a digit here");
}

/* The digits of an integer, compared as text: a double would round before it compares. */
static bool integer_is_exact(const char *digits, size_t length)
{
    size_t limit = strlen(LARGEST_INTEGER);
    return length < limit || (length == limit && memcmp(digits, LARGEST_INTEGER, limit) <= 0);
}

static bool number_is_finite(const char *digits, size_t length)
{
    char copy[NUMBER_LENGTH_MAX + 1];
    memcpy(copy, digits, length);
    copy[length] = '\0';
    return isfinite(g_ascii_strtod(copy, NULL));
}

static bool scan_fraction_and_exponent(Scanner *scanner)
{
    if (accept(scanner, '.') && !scan_digits(scanner))
        return false;
    if (!accept(scanner, 'e') && !accept(scanner, 'E'))
        return true;
    if (!accept(scanner, '+'))
        accept(scanner, '-');
    return scan_digits(scanner);
}

static bool scan_number(Scanner *scanner)
{
    size_t start = scanner->at;
    accept(scanner, '-');
    size_t digits = scanner->at;
    if (!scan_digits(scanner))
        return false;
    size_t whole = scanner->at - digits;
    if (whole > 1 && scanner->bytes[digits] == '0')
        return refuse(scanner, digits, "a number must not begin with 0");
    if (!scan_fraction_and_exponent(scanner))
        return false;
    size_t length = scanner->at - start;
    bool is_integer = scanner->at == digits + whole;
    if (is_integer && !integer_is_exact(scanner->bytes + digits, whole))
        return refuse(scanner, start, "an integer beyond 2^53 must be sent as a string");
    if (length > NUMBER_LENGTH_MAX)
        return refuse(scanner, start,
                      "a number has at most " G_STRINGIFY(NUMBER_LENGTH_MAX) " characters");
    if (!number_is_finite(scanner->bytes + start, length))
        return refuse(scanner, start, "the number is too large");
    return true;
}

static bool scan_hex(Scanner *scanner, gunichar *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, scanner->at++) {
        int digit = peek(scanner) < 0 ? -1 : g_ascii_xdigit_value((char)peek(scanner));
        if (digit < 0)
            return refuse(scanner, scanner->at, "\\u needs four hexadecimal digits");
        *unit = *unit * 16 + (gunichar)digit;
    }
    return true;
}

/* Behind "\u". */
static bool scan_unicode_escape(Scanner *scanner, size_t start, gunichar *c)
{
    gunichar low;
    if (!scan_hex(scanner, c))
        return false;
    if (*c == 0)
        return refuse(scanner, start, "the character NUL is not allowed");
    if (*c < 0xD800 || *c > 0xDFFF)
        return true;
    if (*c > 0xDBFF || !accept(scanner, '\\') || !accept(scanner, 'u'))
        return refuse(scanner, start, "half a surrogate pair");
    if (!scan_hex(scanner, &low))
        return false;
    if (low < 0xDC00 || low > 0xDFFF)
        return refuse(scanner, start, "half a surrogate pair");
    *c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static bool scan_escape(Scanner *scanner, Buffer *decoded)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t start = scanner->at++;
    int letter = peek(scanner);
    scanner->at++;
    gunichar c;
    if (letter == 'u') {
        if (!scan_unicode_escape(scanner, start, &c))
            return false;
    } else {
        const char *found = letter > 0 ? strchr(letters, letter) : NULL;
        if (!found)
            return refuse(scanner, start, "an unknown escape");
        c = (gunichar)meanings[found - letters];
    }
    if (decoded) {
        char utf8[6];
        buffer_append(decoded, utf8, (size_t)g_unichar_to_utf8(c, utf8));
    }
    return true;
}

static bool is_plain(int c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static bool scan_raw_character(Scanner *scanner)
{
    int c = peek(scanner);
    if (c < 0)
        return refuse(scanner, scanner->at, "a string is not closed");
    if (c == 0)
        return refuse(scanner, scanner->at, "the character NUL is not allowed");
    if (c < 0x20)
        return refuse(scanner, scanner->at, "a control character in a string must be escaped");
    const char *text = scanner->bytes + scanner->at;
    gunichar decoded = g_utf8_get_char_validated(text, (gssize)(scanner->length - scanner->at));
    if (decoded > 0x10FFFF)
        return refuse(scanner, scanner->at, "not UTF-8");
    scanner->at += (size_t)g_unichar_to_utf8(decoded, NULL);
    return true;
}

/* From the opening quote. `decoded`, when given, gets the text with its escapes resolved. */
static bool scan_string(Scanner *scanner, Buffer *decoded)
{
    if (!accept(scanner, '"'))
        return refuse(scanner, scanner->at, "a string is expected here");
    while (!accept(scanner, '"')) {
        size_t start = scanner->at;
        if (peek(scanner) == '\\') {
            if (!scan_escape(scanner, decoded))
                return false;
            continue;
        }
        if (is_plain(peek(scanner)))
            while (is_plain(peek(scanner)))
                scanner->at++;
        else if (!scan_raw_character(scanner))
            return false;
        if (decoded)
            buffer_append(decoded, scanner->bytes + start, scanner->at - start);
    }
    return true;
}

static int compare_keys(const void *a, const void *b, void *text)
{
    const Key *left = a, *right = b;
    if (left->length != right->length)
        return left->length < right->length ? -1 : 1;
    int order = memcmp((char *)text + left->start, (char *)text + right->start, left->length);
    return order ? order : (left->at < right->at ? -1 : 1);
}

/* Sorting stays n·log(n) whatever keys a caller makes up; a hash table could be flooded. */
static bool check_keys(Scanner *scanner, size_t first)
{
    size_t n = scanner->keys.length / sizeof(Key) - first;
    if (n < 2)
        return true;
    Key *keys = (Key *)(void *)scanner->keys.data + first;
    const char *text = scanner->text.data ? scanner->text.data : "";
    qsort_r(keys, n, sizeof *keys, compare_keys, (void *)text);
    for (size_t i = 1; i < n; i++)
        if (keys[i].length == keys[i - 1].length &&
            memcmp(text + keys[i].start, text + keys[i - 1].start, keys[i].length) == 0)
            return refuse(scanner, keys[i].at, "the key stands twice in its object");
    return true;
}

static bool scan_key(Scanner *scanner)
{
    Key key = {.at = scanner->at, .start = scanner->text.length};
    if (!count_token(scanner) || !scan_string(scanner, &scanner->text))
        return false;
    key.length = scanner->text.length - key.start;
    buffer_append(&scanner->keys, &key, sizeof key);
    if (!scanner->text.failed && !scanner->keys.failed)
        return true;
    error_set(scanner->error, ERR_NO_MEMORY, "memory is short to read JSON");
    return false;
}

static bool scan_member(Scanner *scanner)
{
    skip_space(scanner);
    if (!scan_key(scanner))
        return false;
    skip_space(scanner);
    if (!accept(scanner, ':'))
        return refuse(scanner, scanner->at, "':' is expected behind a key");
    return scan_value(scanner);
}

/* From the first byte inside the bracket; `item` reads one element or member. */
static bool scan_list(Scanner *scanner, char close, bool (*item)(Scanner *))
{
    skip_space(scanner);
    if (accept(scanner, close))
        return true;
    for (;;) {
        if (!item(scanner))
            return false;
        skip_space(scanner);
        if (accept(scanner, close))
            return true;
        if (!accept(scanner, ','))
            return refuse(scanner, scanner->at, "',' or the end of the list is expected here");
    }
}

static bool scan_object(Scanner *scanner)
{
    size_t text = scanner->text.length, keys = scanner->keys.length;
    if (!scan_list(scanner, '}', scan_member) || !check_keys(scanner, keys / sizeof(Key)))
        return false;
    scanner->text.length = text;
    scanner->keys.length = keys;
    return true;
}

static bool scan_container(Scanner *scanner, bool is_object)
{
    if (++scanner->depth > JSON_DEPTH_MAX)
        return refuse(scanner, scanner->at, "deeper than " G_STRINGIFY(JSON_DEPTH_MAX) " levels");
    scanner->at++;
    if (is_object ? !scan_object(scanner) : !scan_list(scanner, ']', scan_value))
        return false;
    scanner->depth--;
    return true;
}

static bool scan_value(Scanner *scanner)
{
    skip_space(scanner);
    if (!count_token(scanner))
        return false;
    int c = peek(scanner);
    switch (c) {
    case '{':
    case '[':
        return scan_container(scanner, c == '{');
    case '"':
        return scan_string(scanner, NULL);
    case 't':
        return scan_literal(scanner, "true");
    case 'f':
        return scan_literal(scanner, "false");
    case 'n':
        return scan_literal(scanner, "null");
    default:
        if (c == '-' || (c >= '0' && c <= '9'))
            return scan_number(scanner);
        return refuse(scanner, scanner->at, "a value is expected here");
    }
}

static bool scan_document(Scanner *scanner)
{
    if (scanner->length >= 3 && memcmp(scanner->bytes, "\xEF\xBB\xBF", 3) == 0)
        return refuse(scanner, 0, "a byte order mark is not allowed");
    if (!scan_value(scanner))
        return false;
    skip_space(scanner);
    if (scanner->at == scanner->length)
        return true;
    return refuse(scanner, scanner->at, "bytes behind the end of the value");
}

bool json_scan(const char *bytes, size_t length, GError **error)
{
    Scanner scanner = {.bytes = bytes, .length = length, .error = error};
    bool valid = scan_document(&scanner);
    buffer_clear(&scanner.text);
    buffer_clear(&scanner.keys);
    return valid;
}
