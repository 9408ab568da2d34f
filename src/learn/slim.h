/* Sparse linear model: every product is predicted, linearly, from the few that are most like it.
 *
 *     w_i = argmin Σ_u s_u·(x(u, i) - Σ_{j ∈ N(i)} x(u, j)·w(j, i))² + λ|w_i|²
 *         = (G_NN + λI)⁻¹·g_Ni,  G = XᵀSX
 *     score(u, i) = Σ_j x(u, j)·w(j, i)
 *
 * x, s and λ are those of ease.h. N(i) are the `neighbours` products j ≠ i for which
 * G(i, j) / √((G(i, i) + λ)·(G(j, j) + λ)) is largest: what rarely meets counts for little, what
 * never met not at all. With all products as neighbours this is EASE but for those that never met;
 * with few it holds for any catalogue, since no matrix is larger than N(i), and where products have
 * few buyers it is the better of the two. Of large catalogues only the largest entries of each row
 * of G are kept, the others count as 0.
 *
 * Ning, Karypis: SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011, with its
 * feature selection (fsSLIM) and the ridge alone. */
#pragma once

#include "learn/learner.h"

typedef struct SlimParams {
    uint32_t neighbours;  /* that a product is predicted from, at least 1 */
    float half_life_days; /* 0: plain counts */
    float row_exponent;   /* 0 to 0.5 */
    float regularization; /* > 0: as ease.h has it */
} SlimParams;

extern const SlimParams slim_defaults;
extern const Learner learner_slim;

/* learner_slim's fit with other parameters. */
Fitted *slim_fit_with(const Dataset *view, const SlimParams *params, const FitContext *context,
                      GError **error);
