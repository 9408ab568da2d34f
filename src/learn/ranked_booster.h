/* Gradient-boosted trees that tell the probability of a purchase. Chen, Guestrin: XGBoost: A
 * Scalable Tree Boosting System, KDD 2016. */
#pragma once

#include "base/cancel.h"
#include "ranked_forest.h"
#include "ranked_lessons.h"

typedef struct BoosterParams {
    unsigned depth, rounds,
        patience; /* stops after `patience` rounds without a better held-out loss */
    double rate, min_child_weight, subsample, columns, lambda;
    unsigned bins;
    unsigned boosters; /* that differ in their seed; the mean of their sums counts */
} BoosterParams;

extern const BoosterParams booster_defaults;

/* Lessons have no NaN; what the forest is asked may: it goes where LESSON_MISSING goes.
 * Each booster has one thread, so that the bytes do not depend on how many there are.
 * `gain`, n_features of the lessons, is added how much the loss fell by splits on each feature.
 * For forest_free(). ERR_INTERNAL, ERR_NO_MEMORY, ERR_CANCELLED, which is looked at once per round.
 */
Forest *booster_learn(const Lessons *lessons, const BoosterParams *params,
                      const FitContext *context, float *gain, GError **error);
