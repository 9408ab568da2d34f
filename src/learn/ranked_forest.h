/* Gradient-boosted trees as flat arrays: no call to the library that learned them, any number of
 * threads. A row goes left where its feature is below the node's threshold; NaN goes where the node
 * says. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "ranked_arrays.h"

typedef struct ForestNode {
    float value;      /* the threshold, or of a leaf what it adds */
    uint16_t feature; /* FOREST_LEAF of a leaf */
    uint8_t missing_left;
    uint8_t zero;
    uint32_t left; /* of the two children, next to each other; in the whole forest */
} ForestNode;

#define FOREST_LEAF UINT16_MAX

typedef struct ForestLanes ForestLanes;

typedef struct Forest {
    uint32_t n_trees;
    uint64_t n_nodes;
    uint32_t *root;     /* n_trees */
    ForestNode *node;   /* n_nodes; children come after their parent */
    ForestLanes *lanes; /* the same for many rows at a time, or NULL; not stored */
} Forest;

/* From XGBoost's text dump of each of the trees. For forest_free(); ERR_INTERNAL when the dump is
 * not understood. */
Forest *forest_parse(const char *const *trees, uint32_t n, GError **error);
void forest_free(Forest *forest);

/* From now on NaN is less than any threshold. */
void forest_send_missing_left(Forest *forest);

/* Adds the trees of another, each leaf times `factor`. */
void forest_join(Forest *forest, const Forest *other, float factor);

/* Lays a sound forest out for many rows at a time (ranked_forest_lanes.h) where that is possible:
 * the same sums, several times faster. Before others see the forest. */
void forest_prepare(Forest *forest);

/* Frees all but the arrays, which are a mapped file's. */
void forest_forget(Forest *forest);

/* The sum of leaves, before any link function, of n rows of n_features each. */
void forest_sum(const Forest *forest, const float *rows, uint32_t n, uint32_t n_features,
                float *sums);

/* The probability of a sum: 1 / (1 + e^-sum). */
float forest_probability(float sum);

void forest_arrays(Forest *forest, KeptArrays *arrays);

/* Whether every index stays within its array and every row ends at a leaf. */
bool forest_is_sound(const Forest *forest, uint32_t n_features);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Forest, forest_free)
