/* Fields of a binary COPY row, decoded. A key's text is canonical: equal values have equal text
 * whatever their types, so that 17850 as int4, int8, numeric 17850.0, float8 and text '17850' are
 * one user. Numbers: shortest decimal, no trailing zeros of a fraction; bool: true, false; uuid:
 * lower case; date: 2011-11-10; timestamps: RFC 3339 UTC (one without zone counts as UTC); bpchar
 * without its padding; all other text as it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPY_TEXT_MAX 160

typedef enum CopyType {
    COPY_TEXT,
    COPY_BPCHAR,
    COPY_INT2,
    COPY_INT4,
    COPY_INT8,
    COPY_FLOAT4,
    COPY_FLOAT8,
    COPY_NUMERIC,
    COPY_UUID,
    COPY_BOOL,
    COPY_DATE,
    COPY_TIMESTAMP
} CopyType;

typedef struct CopyField {
    const char *bytes; /* borrowed from the row */
    int32_t length;    /* -1: null */
} CopyField;

/* How values of a PostgreSQL type (its oid) arrive; false: have the server cast it to text. */
bool copy_type_of(uint32_t oid, CopyType *type);

/* Splits one row (field count, then length and bytes of each) into n fields. False when the bytes
 * are not such a row. */
bool copy_split(const char *row, size_t length, unsigned n, CopyField *fields);

/* Canonical text of a field, borrowed from the row or written into scratch; NULL and length 0 for a
 * null. False when it does not fit (a numeric of more than about 140 digits) or its bytes are not
 * of its type. */
bool copy_text(CopyType type, CopyField field, char scratch[COPY_TEXT_MAX], const char **text,
               size_t *length);

/* NAN for a null and for what is no number; seconds since 1970 for dates and timestamps. */
double copy_number(CopyType type, CopyField field);

/* µs since 1970; INT64_MIN for a null, an infinite time and what is no time. */
int64_t copy_time(CopyType type, CopyField field);
