/* Products like one that is only described: those that share most of what its attributes tell.
 *
 * A value tells the more the fewer products have it: its weight is ln(1 + N/n) for n of the N
 * predictable products (inverse document frequency; Spärck Jones: A statistical interpretation of
 * term specificity and its application in retrieval, 1972). A number is taken by nearness: the
 * tenth, fifth and half of the products that are nearest to it share it like a value that so many
 * products have. The similarity is the share of the weights that a product has, of those that any
 * product can have. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "index/snapshot.h"
#include "spec/audience.h"

typedef struct Similar {
    uint32_t item;
    uint32_t shared;  /* bit i: it shares attribute i, of a numeric one at least nearly */
    float similarity; /* above 0, at most 1 */
} Similar;

/* Whether products can be compared by the column: it is categorical, of ids or numeric. */
bool similar_can_use(const Column *column);

/* The number that a value of a numeric column says; false when it says none. */
bool similar_read_number(const char *value, double *number);

/* At most `limit` predictable products into `list`, most similar first, among equals those bought
 * most: only such as are at least half as similar as the first. *known: bit i is set when any
 * predictable product has attribute i. ERR_NO_MEMORY. */
bool similar_find(const Snapshot *snapshot, const AudienceAttribute *attributes,
                  size_t n_attributes, uint32_t limit, Similar *list, uint32_t *n, uint32_t *known,
                  GError **error);
