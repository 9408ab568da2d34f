/* What is known as of a moment of users, products and pairs of them, in the form the ranker's
 * features are written from. Only rows before that moment are read, so later rows cannot change a
 * byte of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "ranked_arrays.h"
#include "ranked_groups.h"
#include "ranked_signals.h"
#include "ranked_traits.h"

/* Purchases of one product by one user; a visit is an order, or a day where orders are unknown.
 * Times are days before the moment. */
typedef struct PairFacts {
    float visits, last, first;
    float log_quantity;
    float decayed_30, decayed_120; /* Σ 2^-(days / half-life) */
} PairFacts;

enum {
    USER_VISITS,
    USER_PRODUCTS,
    USER_SINCE,
    USER_AGE,
    USER_GAP,
    USER_SINCE_GAP,
    USER_VISITS_30,
    USER_VISITS_90,
    USER_BASKET,
    USER_REPEATS,
    USER_PRICE,
    USER_PRICE_SPREAD,
    USER_QUANTITY,
    USER_RETURNS,
    USER_PROMOTIONS,
    USER_WEEKEND,
    USER_YEAR_AGO,
    USER_FEATURES
};

enum {
    ITEM_BUYERS,
    ITEM_LINES,
    ITEM_REPEATERS,
    ITEM_ROWS_7,
    ITEM_ROWS_14,
    ITEM_ROWS_30,
    ITEM_ROWS_60,
    ITEM_ROWS_90,
    ITEM_TREND_7,
    ITEM_TREND_30,
    ITEM_AGE,
    ITEM_SINCE,
    ITEM_GAP,
    ITEM_PRICE,
    ITEM_PRICE_CHANGE,
    ITEM_RETURNS,
    ITEM_QUANTITY,
    ITEM_WEEKEND,
    ITEM_YEAR_AGO,
    ITEM_FEATURES
};

/* Users × groups, groups ascending within a user. */
typedef struct GroupFacts {
    uint64_t n;
    uint64_t *start;  /* n_users + 1 */
    uint32_t *group;  /* n */
    float *weight;    /* n: Σ 2^-(days / 90) */
    float *last;      /* n: days */
    float *total;     /* n_users: Σ of weight */
    float *log_share; /* n_groups: of all weight, natural logarithm */
} GroupFacts;

/* Products × products of which they are bought together, as rows of either side. */
typedef struct Similar {
    uint64_t n;
    uint64_t *start; /* n_items + 1 */
    uint32_t *item;  /* n */
    float *value;    /* n: in (0, 1] */
} Similar;

typedef struct FeatureState {
    uint32_t n_users, n_items;
    uint64_t n_pairs, n_basket;
    uint64_t *pair_start;   /* n_users + 1 */
    uint32_t *pair_item;    /* n_pairs, ascending within a user */
    PairFacts *pair;        /* n_pairs */
    float *user;            /* n_users × USER_FEATURES */
    float *item;            /* n_items × ITEM_FEATURES */
    uint64_t *basket_start; /* n_users + 1: products of the last visits, newest visit first */
    uint32_t *basket_item;  /* n_basket */
    uint32_t *basket_last;  /* n_users: so many of them are of the last visit */
    Similar to, from;       /* to: by a bought product its neighbours; from: the transpose */
    const Groupings *groupings;
    GroupFacts group[GROUPINGS_MAX];
    SignalState signals;
    Traits traits;
} FeatureState;

typedef struct StateOptions {
    int64_t as_of;
    const Dataset *raw;           /* for returns; NULL: not known */
    const Groupings *groupings;   /* outlives the state */
    const SignalWeights *signals; /* or NULL */
    bool has_traits;              /* of users, by their mapped columns */
    unsigned threads;
    const Cancel *cancel;
} StateOptions;

/* `view` is netted and ends before as_of. For feature_state_free(). ERR_NO_MEMORY, ERR_CANCELLED.
 */
FeatureState *feature_state_new(const Dataset *view, const StateOptions *options, GError **error);
void feature_state_free(FeatureState *state);

/* The arrays of a state whose counts are known, to save or load them. */
void feature_state_arrays(FeatureState *state, KeptArrays *arrays);

/* The most products that one user bought or is known for by another event: as many candidates come
 * from a history. */
uint64_t feature_state_longest(const FeatureState *state);

/* The place of `wanted` in the ascending list[begin … end-1], or `end`. */
uint64_t state_find(const uint32_t *list, uint64_t begin, uint64_t end, uint32_t wanted);

/* The steps of it, each in its file. `days` holds per row how long before the moment it was. */
bool state_find_pairs(FeatureState *state, const Dataset *view, const float *days,
                      const uint32_t *visit, GError **error);
bool state_describe_users(FeatureState *state, const Dataset *view, const float *days,
                          const uint32_t *visit, GError **error);
bool state_describe_items(FeatureState *state, const Dataset *view, const float *days,
                          GError **error);
bool state_count_returns(FeatureState *state, const Dataset *raw, int64_t as_of, GError **error);
bool state_find_similar(FeatureState *state, const StateOptions *options, GError **error);
bool state_find_groups(FeatureState *state, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FeatureState, feature_state_free)
