/* Products like those that the user bought.
 *
 *     score(u, i) = Σ_j c(u, j) · s(j, i) over what u bought,  s(i, i) = own
 *     s(j, i) = cosine(w_j, w_i) · n(j, i) / (n(j, i) + shrinkage) of the `neighbours` nearest of j
 *
 * c: purchases, each counted 2^-(age / half-life); n(j, i): who bought both, so that a chance
 * meeting of two rare products counts for little; w: c weighted as words are by BM25,
 *     w(u, i) = c·(k1 + 1) / (c + k1·(1 - b + b·|c_u| / mean))
 * (Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond, 2009; the weight of
 * the word would leave the cosine as it is), so that who bought much says little about each
 * product. Sarwar, Karypis, Konstan, Riedl: Item-based Collaborative Filtering Recommendation
 * Algorithms, WWW 2001; Deshpande, Karypis: Item-based Top-N Recommendation Algorithms, TOIS 2004.
 */
#pragma once

#include "learn/learner.h"

typedef struct ItemKnnParams {
    uint32_t neighbours;  /* of a product, at least 1 */
    float half_life_days; /* 0: plain counts */
    float saturation;     /* k1 > 0 */
    float length;         /* b, 0 to 1 */
    float shrinkage;      /* ≥ 0, buyers of both */
    float own;            /* ≥ 0: how like itself a product is; 0 never repeats */
} ItemKnnParams;

extern const ItemKnnParams item_knn_defaults;
extern const Learner learner_item_knn;

/* learner_item_knn's fit with other parameters. */
Fitted *item_knn_fit_with(const Dataset *view, const ItemKnnParams *params,
                          const FitContext *context, GError **error);
