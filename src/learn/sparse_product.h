/* What the neighbour methods serve from: scores that are the product of two sparse matrices,
 *
 *     score(u, i) = max(0, Σ_k left(u, k) · right(k, i))
 *
 * left: users × k, right: k × items. k are items where items have neighbours (left: what the user
 * bought) and users where users have (right: what they bought). A learner built on it is its fit
 * and a row of functions from here. */
#pragma once

#include "learn/learner.h"
#include "math/csr.h"

/* As Csr, borrowed from one or from a mapped file. Of a file only start[rows] == n is sure: look
 * rows up with sparse_row() and check columns. */
typedef struct SparseRows {
    uint32_t rows, cols;
    uint64_t n;
    const uint64_t *start;
    const uint32_t *column;
    const float *value;
} SparseRows;

typedef struct SparseProduct {
    Fitted fitted;
    SparseRows left, right;
    Csr *owned_left, *owned_right; /* NULL when borrowed from a file */
    void *params;                  /* as fitted, for `describe`; NULL: the learner's usual ones */
} SparseProduct;

/* Takes both, whose inner dimensions are equal. */
Fitted *sparse_product_new(const Learner *learner, Csr *takes_left, Csr *takes_right);

/* Bytes of one with so many entries to the left and to the right, k being users or items. */
uint64_t sparse_product_bytes(const FitSize *size, uint64_t left, uint64_t right);

/* Keeps a copy of what the learner was fitted with. */
void sparse_product_keep_params(Fitted *fitted, const void *params, size_t size);

/* The members of Learner. A score is at most FLT_MAX; a value of a damaged file that is no number
 * scores 0. */
bool sparse_product_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n,
                                float *tile, GError **error);
bool sparse_product_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n,
                                float *scores, GError **error);
bool sparse_product_save(const Fitted *fitted, SectionsWriter *writer, GError **error);
void sparse_product_free(Fitted *fitted);

typedef struct ProductShape {
    uint32_t n_users, n_inner, n_items; /* n_inner 0: as many as the file says */
} ProductShape;

/* ERR_DAMAGED when the file's matrices have another shape. */
Fitted *sparse_product_load(const Learner *learner, const Sections *sections,
                            const ProductShape *shape, GError **error);
