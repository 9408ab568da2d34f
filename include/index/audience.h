/* Audiences out of a snapshot: all predictable users ranked by how much they want one product, the
 * products with one value of a mapped column together, or a product that is not in the data and is
 * described by its attributes. Scans all users: never on an HTTP thread. A kind of audience is one
 * file, src/index/audience_<kind>.c, and one row of the table in audience_kinds.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/faults.h"
#include "base/json.h"
#include "index/snapshot.h"
#include "spec/audience.h"

typedef struct Members {
    uint32_t n;
    uint32_t *user;       /* best first; equal scores by lower user number */
    float *score;         /* relative to the first: 1 … 0 */
    float *probability;   /* of buying within the horizon; 0 where not known */
    uint32_t predictable; /* users it was chosen from */
    uint32_t wanting;     /* of those, how many scored above 0 */
    char *short_because;  /* why it is smaller than asked for, or NULL */
} Members;

/* Faults for what the audience asks for and the version does not know. */
void audience_check(const Snapshot *snapshot, const Audience *audience, Faults *faults);

/* The members that the audience asks for, as many as it asks for. What this version does not know
 * makes an empty list that says so. For members_free(). ERR_NO_MEMORY. */
Members *audience_members(const Snapshot *snapshot, const Audience *audience, GError **error);

/* What it was made of, as members of an open JSON object: none but for attributes, which have
 * "similar_products" and "ignored_attributes". ERR_NO_MEMORY. */
bool audience_describe(const Snapshot *snapshot, const Audience *audience, JsonWriter *json,
                       GError **error);

/* `items`: numbers of the products wanted. At most `limit` members; users who score 0 are never
 * members. For members_free(). ERR_NO_MEMORY. */
Members *audience_rank(const Snapshot *snapshot, const uint32_t *items, uint32_t n_items,
                       uint32_t limit, GError **error);

/* The same for `value` of a mapped column of the snapshot, by the probability that a user buys any
 * product that has it where the version knows that; else by its products. */
Members *audience_rank_value(const Snapshot *snapshot, const Column *column, uint32_t value,
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
