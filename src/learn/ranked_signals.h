/* What is known as of a moment of the event types beside purchases: facts of the pair first, since
 * a cart says of one product what no weight in a matrix can. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "learn/signal_weights.h"
#include "ranked_arrays.h"

/* Products of a user that are remembered per event type: those of the latest events. */
#define SIGNAL_PRODUCTS_MAX 300u

/* Events of one type by one user about one product. */
typedef struct SignalPair {
    float decayed;        /* Σ 2^-(days / half-life) */
    float last;           /* days before the moment */
    float since_purchase; /* how many came after the last purchase of it; all when never bought */
} SignalPair;

enum { SIGNAL_USER_DECAYED, SIGNAL_USER_LAST, SIGNAL_USER_FACTS };
enum { SIGNAL_ITEM_7, SIGNAL_ITEM_30, SIGNAL_ITEM_FACTS };

enum {
    SIGNAL_PAIR_DECAYED,
    SIGNAL_PAIR_LAST,
    SIGNAL_PAIR_SINCE_PURCHASE,
    SIGNAL_OF_USER,
    SIGNAL_OF_ITEM = SIGNAL_OF_USER + SIGNAL_USER_FACTS,
    SIGNAL_FEATURES = SIGNAL_OF_ITEM + SIGNAL_ITEM_FACTS
};

typedef struct SignalFacts {
    char name[SIGNAL_NAME_BYTES];
    uint64_t n;       /* pairs */
    uint64_t *start;  /* n_users + 1 */
    uint32_t *item;   /* n, ascending within a user */
    SignalPair *pair; /* n */
    float *user;      /* n_users × SIGNAL_USER_FACTS */
    float *product;   /* n_items × SIGNAL_ITEM_FACTS */
} SignalFacts;

typedef struct SignalState {
    uint32_t n; /* event types beside purchases */
    uint32_t n_users, n_items;
    SignalFacts facts[SIGNALS_MAX];
} SignalState;

/* Fills the zeroed state from view's signals. `weights` gives the half-lives; NULL: as where
 * neither given nor learned. ERR_NO_MEMORY; for signal_state_clear() in either case. */
bool signal_state_init(SignalState *state, const Dataset *view, int64_t as_of,
                       const SignalWeights *weights, GError **error);
void signal_state_clear(SignalState *state);

/* The arrays of a state whose counts are known, to save or load them. */
void signal_state_arrays(SignalState *state, KeptArrays *arrays);

/* Pairs of one user, of all event types. */
uint64_t signal_state_pairs(const SignalState *state, uint32_t user);

/* "event.cart.days_since_last"…: feature of signal feature / SIGNAL_FEATURES; for g_free(). */
char *signal_feature_name(const SignalState *state, uint32_t feature);

/* Writes SIGNAL_FEATURES per event type. */
void signal_features_write(const SignalState *state, uint32_t user, uint32_t item, float *out);

/* Whether every index stays within its array. */
bool signal_state_is_sound(const SignalState *state);
