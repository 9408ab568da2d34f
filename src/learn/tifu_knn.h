/* What the user keeps buying, and what users like them buy now.
 *
 *     score(u, ·) = α·p_u + (1 - α)·Σ_v a(u, v)·r_v over the `neighbours` users v nearest to u
 *
 * p_u, the personal vector: the orders of u, the latest first, in groups of `group`; an order that
 * is j-th in its group counts within^j, a group is the mean of its orders, the g-th group counts
 * across^g, and p_u is the mean of the groups (section 4 of the paper; of one order there is one
 * group). Without order numbers the purchases of one day are an order.
 * Events beside purchases that count (strengths.h) are added to r, and to p in the same proportion.
 * Beyond the paper: neighbours are found by cosine and weighted by its square; of them counts what
 * they bought lately, r_v (2^-(age / half-life), scaled so that all r sum to what all p do), since
 * what others bought long ago is out of season; among very many users only a sample, evenly spread
 * by number, can be neighbours.
 * Hu, He, Gao, Zhang: Modeling Personalized Item Frequency Information for Next-basket
 * Recommendation, SIGIR 2020. */
#pragma once

#include "learn/learner.h"

typedef struct TifuParams {
    uint32_t neighbours;     /* at least 1 */
    uint32_t group;          /* orders of a group, at least 1 */
    float within, across;    /* 0 < r ≤ 1 */
    float own;               /* α, 0 to 1 */
    float half_life_days;    /* 0: plain counts */
    uint32_t candidates_max; /* users who can be neighbours, at least 1 */
} TifuParams;

extern const TifuParams tifu_defaults;
extern const Learner learner_tifu_knn;

/* learner_tifu_knn's fit with other parameters. */
Fitted *tifu_knn_fit_with(const Dataset *view, const TifuParams *params, const FitContext *context,
                          GError **error);
