/* The shop's key types in the output table, and keys as binary COPY fields. Whatever is not listed
 * here is written as text. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

typedef enum KeyType {
    KEY_TEXT,
    KEY_VARCHAR,
    KEY_BPCHAR,
    KEY_INT2,
    KEY_INT4,
    KEY_INT8,
    KEY_NUMERIC,
    KEY_UUID
} KeyType;

/* For a type's oid (a domain's base type). */
KeyType key_type_of(uint32_t oid);

/* As CREATE TABLE takes it and format_type prints it; without a length, which may change. */
const char *key_type_sql(KeyType type);

/* Appends the field (its length and bytes) to `out`; false, and nothing appended, when the text is
 * not of the type. */
bool key_encode(KeyType type, const char *text, uint32_t length, Buffer *out);

/* The order of keys as PostgreSQL has it for numbers and uuids, else and then by bytes: 0 only for
 * the same bytes. Texts that are not of the type get some place in it. */
int key_compare(KeyType type, const char *a, uint32_t a_length, const char *b, uint32_t b_length);
