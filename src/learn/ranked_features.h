/* The ranker's features of a (user, product) pair: one function for training and serving alike. */
#pragma once

#include <stdint.h>

#include "ranked_state.h"

#define FEATURES_MAX 160

/* Similarity of a product to what the user bought lately: sums over the products of the last visit,
 * and of the last three. */
typedef struct Affinity {
    float last, lately;
} Affinity;

/* How many features a row has, with n_recallers of them above the state. */
uint32_t features_count(const FeatureState *state, uint32_t n_recallers);
/* At most, with so many event types beside purchases. */
uint32_t features_most(uint32_t n_signals);

/* "product.rows_30", "als.score"…; for g_free(). `recallers` holds n_recallers names. */
char *features_name(const FeatureState *state, const char *const *recallers, uint32_t feature);

/* What a feature tells of. */
typedef enum FeatureFamily {
    FAMILY_HISTORY,  /* this user with this product */
    FAMILY_USER,     /* the user */
    FAMILY_PRODUCT,  /* the product */
    FAMILY_MATCH,    /* how both go together */
    FAMILY_GROUP,    /* the user with the product's group of a grouping */
    FAMILY_SIGNAL,   /* events of one type beside purchases */
    FAMILY_TRAIT,    /* a column of the users */
    FAMILY_RECALLER, /* what a recaller makes of the pair */
    FAMILIES
} FeatureFamily;

/* *number: of the grouping, event type, trait or recaller, else 0. */
FeatureFamily features_family(const FeatureState *state, uint32_t feature, uint32_t *number);

/* Writes one row; NaN where nothing is known. `recalled`: 2 × n_recallers, score and place each. */
void features_write(const FeatureState *state, uint32_t user, uint32_t item,
                    const Affinity *affinity, const float *recalled, uint32_t n_recallers,
                    float *out);

/* affinity[item] of every product within reach of the user, on top of zeros. */
void features_user_affinity(const FeatureState *state, uint32_t user, Affinity *affinity);
/* Sets the same entries to zero again. */
void features_clear_user_affinity(const FeatureState *state, uint32_t user, Affinity *affinity);

/* Of one user by `similar`, n_items: similarity of the product in question to each product. Gives
 * the same bytes as features_user_affinity(). */
Affinity features_item_affinity(const FeatureState *state, uint32_t user, const float *similar);
