/* A forest laid out for 64 rows at a time, in the spirit of Lucchese, Nardini, Orlando, Perego,
 * Tonellotto, Venturini: QuickScorer: A Fast Algorithm to Rank Documents with Additive Ensembles of
 * Regression Trees, SIGIR 2015: no row walks. A row's features become bytes, the number of
 * thresholds that they have reached, and every node of a tree is asked for all rows by one compare
 * of bytes; the answers, bottom up, are the number of the leaf. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "ranked_forest.h"

#define FOREST_LANES 64u
#define FOREST_DEPTH 6u

/* For forest_lanes_free(). NULL when a tree is deeper than FOREST_DEPTH, when there are more
 * thresholds than it can number, or without memory: such a forest is walked. */
ForestLanes *forest_lanes_new(const Forest *forest);
void forest_lanes_free(ForestLanes *lanes);

/* Whether this machine has the wide variant (AVX-512 with bytes). */
bool forest_lanes_wide(void);

/* As forest_sum(), to the bit, in either variant. */
void forest_lanes_sum(const ForestLanes *lanes, bool wide, const float *rows, uint32_t n,
                      uint32_t n_features, float *sums);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ForestLanes, forest_lanes_free)
