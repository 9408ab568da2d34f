/* Members of a resource as a table: one row gives a member's name, type, place in its struct,
 * limits and whether it must be there. Reading (with every fault gathered), writing and freeing
 * follow from the table, and a test holds it against the schema of the same name in openapi/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"

typedef enum FieldType {
    FIELD_STRING,  /* char *; min and max are lengths in characters; no control characters, but for
                      line breaks and tabs when `absent` != 0 */
    FIELD_SLUG,    /* char *; [a-z][a-z0-9_-]*, max length */
    FIELD_ENUM,    /* int; `names` gives the words of 0, 1, … */
    FIELD_INT,     /* int64_t; min, max; absent: `absent`, which outside min and max means none */
    FIELD_NUMBER,  /* double; the same */
    FIELD_BOOL,    /* bool; absent: `absent` != 0 */
    FIELD_TIME,    /* int64_t µs; absent: INT64_MIN */
    FIELD_STRINGS, /* char **, NULL-terminated; min and max are counts; each different, 1 to 200
                      characters, or when `absent` != 0 what an id or a value of the shop may be: 1
                      to 10240, with line breaks and tabs */
    FIELD_OBJECT,  /* the struct itself, embedded; `table` describes it; when `absent` != 0 not
                      written while nothing in it is set */
    FIELD_LIST /* void * to an array of `table` structs, its size_t count right behind it; an empty
                  one is not written when `min` is above 0 */
} FieldType;

typedef struct FieldTable FieldTable;

typedef struct Field {
    const char *name;
    FieldType type;
    size_t offset;
    bool required; /* else absent and null mean the default */
    double min, max, absent;
    const char *const *names;
    const FieldTable *table;
    const char *hint; /* what to send instead, for faults; or NULL */
} Field;

struct FieldTable {
    const char *title; /* name of its schema in openapi */
    size_t size;       /* of the struct */
    const Field *fields;
    size_t n_fields;
};

/* Fills the zeroed struct `into` from `object`; `pointer` is where the object stands in the body
 * ("" at the top). Unknown members are faults with near misses. True when no fault was added. What
 * was filled is freed by fields_clear() either way. */
bool fields_read(const FieldTable *table, const cJSON *object, const char *pointer, void *into,
                 Faults *faults);

/* The members, without the braces; defaults are written out, absent strings, times and numbers that
 * mean none left out: fields_read() takes it back as it was. */
void fields_write(const FieldTable *table, const void *from, JsonWriter *writer);

void fields_clear(const FieldTable *table, void *from);
