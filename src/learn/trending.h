/* Trending: what sells more lately than it did before, so that a riser comes before what still
 * sells more, but less and less.
 *
 *     score(i) = popular(i) · lift(i)^weight
 *
 *     lift(i) = (recent(i) + prior) / (before(i) · Σ recent / Σ before + prior)
 *
 * popular: purchases counted 2^-(age / half-life), as popularity.h does (Ji, Sun, Zhang, Li: A
 * Re-visit of the Popularity Baseline in Recommender Systems, SIGIR 2020); recent, before: lines of
 * the last days and of those before them, the latter brought to the shop's present size: a season
 * in which everything sells lifts nothing. The prior shrinks what few lines say, as of observed and
 * expected counts that are Poisson with a gamma prior (DuMouchel: Bayesian Data Mining in Large
 * Frequency Tables, The American Statistician 1999). Events beside purchases are such lines, of
 * their weights. Of a shop without lines before those of the last days every lift is 1. */
#pragma once

#include "learn/learner.h"

typedef struct TrendingParams {
    double half_life_days; /* > 0 */
    double recent_days;    /* > 0 */
    double before_days;    /* > 0, and before those */
    double prior;          /* > 0, lines within recent_days */
    double weight;         /* ≥ 0 */
} TrendingParams;

extern const TrendingParams trending_defaults;
extern const Learner learner_trending;

/* learner_trending's fit with other parameters. */
Fitted *trending_fit_with(const Dataset *view, const TrendingParams *params,
                          const FitContext *context, GError **error);
