/* Lists out of a snapshot: no allocation, no lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/snapshot.h"

#define RECOMMEND_MAX         100  /* items in one answer */
#define RECOMMEND_EXCLUDE_MAX 1000 /* products excluded by one request */

typedef enum ItemSource { SOURCE_PERSONAL, SOURCE_POPULAR } ItemSource;

typedef struct Recommendation {
    uint32_t item;
    uint32_t rank;     /* 1 … n */
    float score;       /* relative to rank 1 of its source, 1 … 0, never rising with rank */
    float probability; /* of at least one target event within the horizon; 0 where not known */
    uint8_t source;    /* ItemSource */
} Recommendation;

/* "personal", "popular". */
const char *item_source_name(uint8_t source);

/* A user's list without `excluded` item numbers (n_excluded, any order), at most n ≤ RECOMMEND_MAX
 * into `list`; filled up from the popular products (which obey the purchased-items rule too) when
 * the personal ones run short, or when `user` is IDS_NONE or out of scope. Returns how many; fewer
 * than n only when the catalogue is smaller. Scores of filled-up items continue below the personal
 * ones. */
size_t recommend_user(const Snapshot *snapshot, uint32_t user, size_t n, const uint32_t *excluded,
                      size_t n_excluded, Recommendation *list);

/* The user's stored personal list as the output table has it: at most n. */
size_t recommend_personal(const Snapshot *snapshot, uint32_t user, size_t n, Recommendation *list);

/* Popular products by decayed purchases, overall, or among those with `value` of `column` when
 * column is not NULL. */
size_t recommend_popular(const Snapshot *snapshot, const Column *column, uint32_t value, size_t n,
                         Recommendation *list);
