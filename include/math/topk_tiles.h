/* Inner products of factor vectors in tiles: all of them for a few users, or the k largest for very
 * many.
 *
 * Both tell the same products to the bit, which hang on the two vectors alone. The search packs the
 * items in the order of their lengths and compares every product with what its user has found so
 * far while it is still in a register; a user is done when the next length says that no product can
 * be as large (the inequality of Cauchy and Schwarz, as in Teflioudi, Gemulla, Mykytiuk: LEMP:
 * Fast Retrieval of Large Entries in a Matrix Product, SIGMOD 2015). That changes how long it takes
 * and nothing else: what is found is what a plain search finds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "math/topk.h"

/* Both sides by rows of `rank` floats. */
typedef struct TopkFactors {
    const float *users, *items;
    uint32_t n_items, rank;
} TopkFactors;

/* Who is searched for, and what may be found. */
typedef struct TopkQuery {
    const uint32_t *users; /* n of them: rows */
    uint64_t n;
    uint32_t k;
    const uint8_t *allowed; /* n_items: 0 of an item that nobody may get; NULL: all may */
    const uint64_t
        *barred_start; /* user u may not get barred_item[barred_start[u] + i], ascending, */
    const uint32_t *barred_count; /* i < barred_count[u]; */
    const uint32_t *barred_item;  /* NULL: everything is allowed */
    float above;                  /* only products above it; -INFINITY: all of them */
    unsigned threads;             /* 0: cores; what is found does not depend on it */
    const Cancel *cancel;         /* looked at for every few hundred users */
} TopkQuery;

/* The same in numbers, for those who measure. */
typedef struct TopkEffort {
    uint64_t products;
} TopkEffort;

/* best: n × k, of each user its largest products in the order of math/topk.h; found: n, how many of
 * them. `effort` may be NULL. ERR_NO_MEMORY, ERR_CANCELLED. */
bool topk_tiles(const TopkFactors *factors, const TopkQuery *query, Scored *best, uint32_t *found,
                TopkEffort *effort, GError **error);

/* products[u × stride + i] of users[u] with every item i. Thread-safe, on the caller's thread. */
void topk_tile(const TopkFactors *factors, const uint32_t *users, uint32_t n, size_t stride,
               float *products);
