/* EASE^R: every product is predicted from all others, linearly, with weights in closed form.
 *
 *     minimise Σ_u s_u·|x_u - x_u·B|² + λ|B|²,  diag(B) = 0
 *     B = I - P·diag(1/P),  P = (XᵀSX + λI)⁻¹                              (eq. 8 of the paper)
 *
 * x(u, i) = log(1 + c), c the user's purchases of i, each counted 2^-(age / half-life). Beyond the
 * paper: a user counts s_u = |x_u|^(-4·row_exponent), so that who buys everything does not decide;
 * λ is in units of the mean of the diagonal of XᵀSX, and larger the fewer users a product has (as
 * does the best λ of published data); each product keeps the weights that are largest in size. Only
 * the `items_max` products with the most buyers take part; the others score 0 and say nothing.
 * Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019. */
#pragma once

#include "learn/learner.h"

typedef struct EaseParams {
    uint32_t items_max;   /* at least 1; fitting holds items_max² floats */
    uint32_t kept;        /* weights from one product, at least 1 */
    float half_life_days; /* 0: plain counts */
    float row_exponent;   /* 0 (the paper) to 0.5 */
    float regularization; /* > 0: λ = regularization / √(pairs per product) · mean diagonal */
} EaseParams;

extern const EaseParams ease_defaults;
extern const Learner learner_ease;

/* learner_ease's fit with other parameters. */
Fitted *ease_fit_with(const Dataset *view, const EaseParams *params, const FitContext *context,
                      GError **error);
