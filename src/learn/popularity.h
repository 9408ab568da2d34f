/* Popularity: what everybody buys now.
 *
 *     score(i) = Σ over events of i of weight · 2^-(age / half-life)
 *
 * where a purchase weighs 1, and other events what context->signals says, by their own half-life if
 * that is shorter. Ji, Sun, Zhang, Li: A Re-visit of the Popularity Baseline in Recommender
 * Systems, SIGIR 2020. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "learn/learner.h"

extern const Learner learner_popularity;

/* The scores: n_items, above 0 for exactly the items with a purchase or another event that counts.
 * For g_free(); NULL with ERR_NO_MEMORY. */
float *popularity_scores(const Dataset *view, const FitContext *context, GError **error);

/* The same with another half-life, > 0. */
float *popularity_decayed(const Dataset *view, const FitContext *context, double half_life_days,
                          GError **error);
