/* Implicit-feedback matrix factorisation by alternating least squares (objective: half_sweep.h).
 * Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "factors.h"
#include "half_sweep.h"
#include "learn/learner.h"
#include "math/csr.h"

extern const Learner learner_als;

typedef struct AlsParams {
    uint32_t rank;         /* a multiple of LANES, up to ALS_RANK_MAX */
    unsigned sweeps;       /* one sweep moves all users, then all items */
    float start;           /* spread of the items' random factors at first, times 1/√rank */
    double half_life_days; /* of a purchase's weight */
    SolveParams solve;
} AlsParams;

#define ALS_RANK_MAX 512u

extern const AlsParams als_defaults;

/* The factors of `weights` (users × items, every value above 0) into *users and *items, for
 * factors_free(). ERR_INVALID (no cells, or weights too large to solve), ERR_NO_MEMORY,
 * ERR_CANCELLED. */
bool als_factorise(const Csr *weights, const AlsParams *params, const FitContext *context,
                   Factors **users, Factors **items, GError **error);

/* als_fit with parameters of one's own. */
Fitted *als_fit_with(const Dataset *view, const AlsParams *params, const FitContext *context,
                     GError **error);
