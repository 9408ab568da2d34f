/* Mapped columns of products or users: one Column per mapped column, each with a dictionary of its
 * values and, per row, none, one or several of them (multi-valued columns are split before).
 * Numbers and times keep their value too. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/ids.h"
#include "data/sections.h"

typedef enum ColumnKind {
    COLUMN_CATEGORICAL,
    COLUMN_NUMERIC,
    COLUMN_TEXT,
    COLUMN_TIME,
    COLUMN_ID
} ColumnKind;

typedef struct Column {
    char *name; /* the mapped name: brand, category, … */
    ColumnKind kind;
    Ids *values; /* the distinct values as the shop wrote them */
    uint32_t n_rows;
    uint64_t *start;  /* n_rows + 1 */
    uint32_t *value;  /* start[n_rows] numbers of `values`, in the shop's order */
    float *number;    /* n_rows for COLUMN_NUMERIC, COLUMN_TIME (seconds), NaN: null; else NULL */
    bool is_left_out; /* not for learners to look at; not stored */
} Column;

typedef struct Attributes {
    Column *columns;
    size_t n_columns;
    uint32_t n_rows;
} Attributes;

/* The numbers of `values` in a row, how many into *n; borrowed. Empty for a row beyond n_rows. */
const uint32_t *column_values(const Column *column, uint32_t row, uint32_t *n);

/* Filled row by row: set values for row `row` in ascending order of rows, each cell once; rows left
 * out are null. `separators` holds n_columns characters, '\0' where a column is single-valued; NULL
 * when all are. Borrows nothing after the call. */
typedef struct AttributesBuilder AttributesBuilder;
AttributesBuilder *attributes_builder_new(size_t n_columns, const char *const *names,
                                          const ColumnKind *kinds, const char *separators);
void attributes_builder_free(AttributesBuilder *builder);

/* One cell as text (length bytes), split at the column's separator when it has one (not '\0'),
 * blank ends trimmed, empty parts dropped and a repeated part taken once; NULL bytes is a null.
 * `number` is NaN or the value of a numeric or time column. */
bool attributes_builder_set(AttributesBuilder *builder, uint32_t row, size_t column,
                            const char *bytes, size_t length, double number, GError **error);

/* Takes the builder's content; n_rows rows. For attributes_free(). ERR_NO_MEMORY. */
Attributes *attributes_builder_finish(AttributesBuilder *builder, uint32_t n_rows, GError **error);

/* The rows in another order: row i becomes what row row_of[i] was, or null when that is IDS_NONE.
 * No row may be named twice. Only of what a builder made. For attributes_free(). ERR_NO_MEMORY. */
Attributes *attributes_arrange(Attributes *takes_from, const uint32_t *row_of, uint32_t n_rows,
                               GError **error);

void attributes_free(Attributes *attributes);
uint64_t attributes_bytes(const Attributes *attributes);

/* NULL when there is none of that name (case-sensitive). */
const Column *attributes_find(const Attributes *attributes, const char *name);

/* Sections "<prefix>.<index>.…", "<prefix>.rows" and "<prefix>.columns" (a JSON array of name and
 * kind). `prefix` has at most 16 bytes. */
bool attributes_save(const Attributes *attributes, SectionsWriter *writer, const char *prefix,
                     GError **error);
/* Borrowed from sections; checked so that no index leaves its array, which reads every start and
 * value: small for products. ERR_DAMAGED. */
Attributes *attributes_map(const Sections *sections, const char *prefix, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attributes, attributes_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AttributesBuilder, attributes_builder_free)
