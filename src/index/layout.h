/* What a version's file holds, and a snapshot as the files of this folder see it.
 *
 *   meta, meta.prediction, meta.learner, meta.card, meta.report
 *   meta.columns                    which mapping the columns are of; absent as trained
 *   users.…, items.…                dictionaries (data/ids)
 *   scope.user, scope.item          UserScope per user, 1 per predictable item
 *   lists.row                       per user: its row among the predictable ones; from n_rows on
 *                                   its context; else IDS_NONE
 *   lists.count, .item, .score,     per row: how many, and `stride` places of item, score and
 *   .probability                    probability (0 where it is not known)
 *   popular.item, popular.weight    predictable items by decayed purchases; the weight of every one
 *   contexts.count, .item, .score   per context: how many, and so many places of item and score as
 *                                   popular.item has, at most CONTEXT_LIST_MAX; absent where no
 *                                   user needs one
 *   contexts.…                      what is known of its users (data/attributes): a row per context
 *   history.start, .item            per user: distinct items, newest first
 *   history.banned                  per user: how many of them, from the newest, the
 *                                   purchased-items rule keeps out of lists
 *   banned.item                     those, ascending, at the places of history.start
 *   products.…                      mapped columns (data/attributes)
 *   inverted.<column>.start, .item  per value of a column: predictable items, most popular first
 *   learner.…                       the learner's own
 *   calibration.…                   from its scores to probabilities; absent when little is known
 *   levels.…                        chances of values of columns; absent when little is known
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/attributes.h"
#include "data/ids.h"
#include "data/sections.h"
#include "index/snapshot.h"
#include "scorer.h"

#define LAYOUT_NUMBER     1
#define LAYOUT_USERS      "users"
#define LAYOUT_ITEMS      "items"
#define LAYOUT_ATTRIBUTES "products"
#define LAYOUT_INVERTED   "inverted"
#define LAYOUT_COLUMNS    "meta.columns"
#define LAYOUT_CONTEXTS   "contexts"
#define CONTEXT_LIST_MAX  200u

typedef struct Meta {
    uint32_t layout; /* LAYOUT_NUMBER */
    uint32_t version;
    uint32_t n_users, n_items;
    uint32_t n_rows;         /* predictable users */
    uint32_t n_popular;      /* predictable items */
    uint32_t stride;         /* places per list */
    uint32_t default_n;      /* items in an answer; 0 in files of before there was one */
    int64_t built_at, as_of; /* µs */
} Meta;

/* Only in a file whose columns were mapped again after its training. */
typedef struct MetaColumns {
    uint32_t revision;
    uint32_t zero;
    int64_t mapped_at; /* µs */
} MetaColumns;

typedef struct Inverted {
    const uint64_t *start; /* n_values + 1 */
    const uint32_t *item;
    uint64_t n;
} Inverted;

struct Snapshot {
    atomic_uint references;
    Meta meta;
    uint32_t revision; /* of the columns; 0: as trained */
    char *path;
    char *prediction;
    Sections *sections;
    Ids *users, *items;
    Attributes *attributes;
    LazyScorer *scorer;
    const char *card, *report;
    uint64_t card_length, report_length;
    const uint8_t *user_scope, *item_scope;
    const uint32_t *list_row;
    const uint8_t *list_count;
    const uint32_t *list_item;
    const float *list_score;
    const float *list_probability;
    Attributes *contexts; /* NULL where there are none */
    const uint8_t *context_count;
    const uint32_t *context_item;
    const float *context_score;
    uint32_t context_stride;
    const uint32_t *popular_item;
    const float *popular_weight;
    const uint64_t *history_start;
    const uint32_t *history_item, *history_banned, *banned_item;
    uint64_t n_history, n_banned;
    Inverted *inverted; /* one per column of attributes */
};

/* "inverted.<column>.<part>" into `name` of SECTION_NAME_MAX + 1 bytes; returns it. */
char *layout_inverted_name(char *name, size_t column, const char *part);

/* The list of a value, whatever the arrays hold; items in it may still be out of range. */
const uint32_t *inverted_list(const Snapshot *snapshot, size_t column, uint32_t value, uint32_t *n);
