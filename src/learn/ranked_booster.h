/* Gradient-boosted trees that tell the probability of a purchase. Chen, Guestrin: XGBoost: A Scalable
 * Tree Boosting System, KDD 2016. */
#pragma once

#include "base/cancel.h"
#include "ranked_forest.h"
#include "ranked_lessons.h"

typedef struct BoosterParams {
    unsigned depth, rounds, patience; /* stops after `patience` rounds without a better held-out loss */
    double rate, min_child_weight, subsample, columns, lambda;
    unsigned bins;
} BoosterParams;

extern const BoosterParams booster_defaults;

/* `gain` (n_features of the lessons, or NULL): how much the loss fell by splits on each feature.
 * For forest_free(). ERR_INTERNAL, ERR_NO_MEMORY, ERR_CANCELLED, which is looked at once per round. */
Forest *booster_learn(const Lessons *lessons, const BoosterParams *params, uint64_t seed,
                      unsigned threads, const Cancel *cancel, float *gain, GError **error);
