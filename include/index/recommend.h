/* Lists out of a snapshot: no allocation, no lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/snapshot.h"

#define RECOMMEND_MAX         100  /* items in one answer */
#define RECOMMEND_EXCLUDE_MAX 1000 /* products excluded by one request */

typedef enum ItemSource {
    SOURCE_PERSONAL,
    SOURCE_POPULAR_SEGMENT, /* with users of whom the same is known */
    SOURCE_POPULAR          /* with everybody */
} ItemSource;

typedef struct Recommendation {
    uint32_t item;
    uint32_t rank;     /* 1 … n */
    float score;       /* relative to rank 1 of its source, 1 … 0, never rising with rank */
    float probability; /* of at least one target event within the horizon; 0 where not known */
    uint8_t source;    /* ItemSource */
} Recommendation;

/* "personal", "popular_segment", "popular". */
const char *item_source_name(uint8_t source);

/* A user's list without `excluded` item numbers (n_excluded, any order), at most n ≤ RECOMMEND_MAX
 * into `list`. A user who is known but out of scope gets what is popular in the user's context, if
 * there is one; what runs short is filled up from the popular products, which is all there is when
 * `user` is IDS_NONE. Both obey the purchased-items rule too. Returns how many; fewer than n only
 * when the catalogue is smaller. Scores of filled-up items continue below those before. */
size_t recommend_user(const Snapshot *snapshot, uint32_t user, size_t n, const uint32_t *excluded,
                      size_t n_excluded, Recommendation *list);

/* Which context a user has, a row of snapshot_contexts(): IDS_NONE for who is predictable, unknown
 * or of whom nothing is known that tells. */
uint32_t snapshot_context(const Snapshot *snapshot, uint32_t user);

/* What is known of the users of each context, by columns of the users model; borrowed. NULL where
 * there are no contexts. */
const Attributes *snapshot_contexts(const Snapshot *snapshot);

/* The user's stored personal list as the output table has it: at most n. */
size_t recommend_personal(const Snapshot *snapshot, uint32_t user, size_t n, Recommendation *list);

/* Popular products by decayed purchases, overall, or among those with `value` of `column` when
 * column is not NULL. */
size_t recommend_popular(const Snapshot *snapshot, const Column *column, uint32_t value, size_t n,
                         Recommendation *list);
