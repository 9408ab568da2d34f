/* Popularity: what everybody buys now. score(i) = Σ over purchases of i of 2^-(age / half-life).
 * Ji, Sun, Zhang, Li: A Re-visit of the Popularity Baseline in Recommender Systems, SIGIR 2020. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "learn/learner.h"

extern const Learner learner_popularity;

/* The scores: n_items, above 0 for exactly the items with a purchase. For g_free(); NULL with
 * ERR_NO_MEMORY. */
float *popularity_scores(const Dataset *view, int64_t as_of, GError **error);

/* The same with another half-life, > 0. */
float *popularity_decayed(const Dataset *view, int64_t as_of, double half_life_days,
                          GError **error);
