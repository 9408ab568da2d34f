/* The values of all categorical columns as one numbering, in which they stand for items. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "data/sections.h"

/* Facts of a value that the ranker does not know of a product. */
enum { VALUE_COLUMN, VALUE_COLUMN_VALUES, VALUE_PRODUCTS, VALUE_SHARE, VALUE_FEATURES };

typedef struct Values {
    uint32_t n, n_columns;
    uint32_t *first;       /* n_columns + 1: a column's values are first[c] … first[c + 1] - 1 */
    Ids *names;            /* n + 1: column, '\x1f', value; the last stands for no value at all */
    uint64_t *fingerprint; /* n: of its predictable items */
    float *products;       /* n: how many items have it */
    uint64_t *start;       /* items + 1, and: */
    uint32_t *group;       /* the values of an item, or the one that stands for none */
    bool is_borrowed;      /* the arrays are a mapped file's; no start and group */
} Values;

/* NULL without an error when no column of `view` is categorical. Items that are not predictable as
 * of `as_of` do not count for fingerprints. ERR_NO_MEMORY. */
bool values_new(const Dataset *view, int64_t as_of, Values **values, GError **error);
void values_free(Values *values);

/* Any order of the items gives the same. */
uint64_t values_fingerprint(const uint32_t *items, uint32_t n);

/* Lines of values in the place of lines of products. */
Dataset *values_dataset(const Values *values, const Dataset *raw, GError **error);

/* IDS_NONE when there is none. */
uint32_t values_find(const Values *values, const char *column, const char *value, size_t length);
uint32_t values_column(const Values *values, uint32_t value);
/* The parts of a name; not terminated. */
const char *values_text(const Values *values, uint32_t value, size_t *length);
const char *values_column_name(const Values *values, uint32_t value, size_t *length);

bool values_save(const Values *values, SectionsWriter *writer, GError **error);
Values *values_load(const Sections *sections, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Values, values_free)
