/* JSON in and out. Reading checks the bytes before cJSON sees them (it would cut strings at \u0000,
 * take invalid UTF-8, duplicate keys, `0123` and trailing bytes); nothing else calls its parser.
 * Writing goes straight into a Buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <glib.h>

#include "base/buffer.h"

#define JSON_DEPTH_MAX  32
#define JSON_TOKENS_MAX 100000

/* Parses exactly one JSON value. NULL with ERR_MALFORMED (the message gives the byte offset and the
 * rule: UTF-8, no NUL, depth, number grammar, duplicate key, trailing bytes, token cap) or
 * ERR_NO_MEMORY. For cJSON_Delete(); g_autoptr(cJSON) works. */
cJSON *json_parse(const char *bytes, size_t length, GError **error);

/* The member called `name` exactly (case matters), or NULL. */
const cJSON *json_member(const cJSON *object, const char *name);

/* Its string, or NULL when it is absent or no string. */
const char *json_member_string(const cJSON *object, const char *name);

/* Its number, or `fallback`. */
double json_member_number(const cJSON *object, const char *name, double fallback);

/* Compact text of a value, for g_free(). NULL when memory is short. */
char *json_print(const cJSON *value);

/* RFC 7396: members of `patch` replace those of `target`, null removes. Takes target, gives the
 * result for cJSON_Delete(). */
cJSON *json_merge_patch(cJSON *takes_target, const cJSON *patch);

/* Writes well-formed JSON as long as calls are balanced; commas come by themselves. */
typedef struct JsonWriter {
    Buffer *out;
    uint8_t depth;
    bool comma[JSON_DEPTH_MAX + 1];
} JsonWriter;

void json_writer_init(JsonWriter *writer, Buffer *out);
void json_begin_object(JsonWriter *writer);
void json_end_object(JsonWriter *writer);
void json_begin_array(JsonWriter *writer);
void json_end_array(JsonWriter *writer);
void json_key(JsonWriter *writer, const char *name);
/* For the hot path: a literal that needs no escape, quoted by the compiler. */
#define JSON_KEY(writer, literal) json_raw_key(writer, "\"" literal "\":", sizeof literal + 2)
void json_raw_key(JsonWriter *writer, const char *json, size_t length);
/* NULL writes null. Bytes that are not UTF-8 become U+FFFD. */
void json_string(JsonWriter *writer, const char *text);
void json_string_n(JsonWriter *writer, const char *bytes, size_t length);
void json_int(JsonWriter *writer, int64_t value);
void json_uint(JsonWriter *writer, uint64_t value);
/* Shortest of at most 6 significant digits; null when not finite. */
void json_number(JsonWriter *writer, double value);
void json_named_number(JsonWriter *writer, const char *name, double value); /* key and number */
/* Fixed decimals (0 to 6), trailing zeros cut, no locale, no snprintf: for the hot path. */
void json_fixed(JsonWriter *writer, double value, unsigned decimals);
void json_bool(JsonWriter *writer, bool value);
void json_null(JsonWriter *writer);
/* RFC 3339 of microseconds since 1970. */
void json_time(JsonWriter *writer, int64_t us);
/* Text that is JSON already: a value, or members of the object that is open. */
void json_raw(JsonWriter *writer, const char *json, size_t length);
void json_value(JsonWriter *writer, const cJSON *value);

/* A json_raw() of at most `most` bytes that is written in place: returns where, or NULL when memory
 * is short; json_end_raw() takes where it ended. */
char *json_begin_raw(JsonWriter *writer, size_t most);
void json_end_raw(JsonWriter *writer, const char *end);

/* What json_uint() and json_fixed() write, at `at`: at most JSON_NUMBER_MAX bytes and no NUL.
 * Return their end. */
#define JSON_NUMBER_MAX 40
char *json_put_uint(char *at, uint64_t value);
char *json_put_fixed(char *at, double value, unsigned decimals);

/* What json_string_n() writes, at `at`: at most JSON_TEXT_MAX(length) bytes and no NUL. Returns its
 * end. */
#define JSON_TEXT_MAX(length) (6 * (length) + 2)
char *json_put_text(char *at, const char *bytes, size_t length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(cJSON, cJSON_Delete)
