/* Audiences out of a snapshot: all predictable users ranked by how much they want one product, or
 * the products with one value of a mapped column, together. Scans all users: never on an HTTP
 * thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "index/snapshot.h"

typedef struct Members {
    uint32_t n;
    uint32_t *user;       /* best first; equal scores by lower user number */
    float *score;         /* relative to the first: 1 … 0 */
    float *probability;   /* of buying within the horizon; 0 where not known */
    uint32_t predictable; /* users it was chosen from */
    uint32_t wanting;     /* of those, how many scored above 0 */
    char *short_because;  /* why it is smaller than asked for, or NULL */
} Members;

/* `items`: numbers of the products wanted. At most `limit` members; users who score 0 are never
 * members. For members_free(). ERR_NO_MEMORY. */
Members *audience_rank(const Snapshot *snapshot, const uint32_t *items, uint32_t n_items,
                       uint32_t limit, GError **error);
void members_free(Members *members);

/* The predictable items with `value` of `column` (from the inverted list); n of them, borrowed. */
const uint32_t *snapshot_items_with(const Snapshot *snapshot, const Column *column, uint32_t value,
                                    uint32_t *n);

/* One value of a column in a drop-down. */
typedef struct ValueCount {
    uint32_t value;    /* number in column->values */
    uint32_t products; /* predictable products that have it */
} ValueCount;

/* Values with the given prefix (case-insensitive for ASCII and UTF-8 letters; NULL: all) that a
 * predictable product has, most products first, then by bytes; skips `offset`, at most `limit` into
 * `list`; *total is how many match. Looks at every value. 0 with ERR_NO_MEMORY. */
uint32_t snapshot_values(const Snapshot *snapshot, const Column *column, const char *prefix,
                         uint32_t offset, uint32_t limit, ValueCount *list, uint32_t *total,
                         GError **error);

/* Near misses of a typed value among a column's values or (column NULL) of a product id: at most
 * `limit`, NULL-terminated, for g_strfreev(); NULL when there are none. */
char **snapshot_near_values(const Snapshot *snapshot, const Column *column, const char *typed,
                            size_t limit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Members, members_free)
