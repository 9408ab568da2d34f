/* Products that are bought together: association rules of two products over baskets. Agrawal,
 * Imielinski, Swami: Mining association rules between sets of items in large databases, SIGMOD
 * 1993; lift: Brin et al., SIGMOD 1997.
 *
 * A basket is an order where orders are mapped, else what one user bought on one day (UTC). Pairs
 * are counted, not estimated. What holds more products than any shopping basket (RELATIONS_LARGE)
 * is a stock list: it is left out and counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/json.h"
#include "data/dataset.h"

#define RELATIONS_MAX   100
#define RELATIONS_LARGE 2000 /* products */

typedef struct Relation {
    uint32_t given, other; /* items; with `given`, `other` is at least as likely as the reverse */
    uint32_t together;     /* baskets with both */
    uint32_t with_given, with_other;
} Relation;

typedef struct Relations {
    uint64_t n_baskets;
    uint64_t n_large;     /* left out, not among n_baskets */
    uint32_t min_baskets; /* a pair counts from so many on: one in 2,000 baskets, at least five */
    size_t n;
    Relation list[RELATIONS_MAX]; /* highest lift first, above 1 */
} Relations;

/* Of the rows of `view`, netted. The same on any number of threads. For g_free(); ERR_NO_MEMORY,
 * ERR_CANCELLED. */
Relations *relations_find(const Dataset *view, unsigned threads, const Cancel *cancel,
                          GError **error);

double relation_lift(const Relations *relations, const Relation *relation);

/* {"baskets", "large_baskets_left_out", "minimum_baskets", "pairs": [{"product", "with", "baskets",
 * "support", "confidence" (of `with` where `product` is), "reverse_confidence", "lift"}]} */
void relations_write(const Relations *relations, const Ids *items, JsonWriter *json);

/* Bytes that finding needs at most beyond the data set. */
uint64_t relations_bytes(uint64_t rows, uint32_t n_items, unsigned threads);
