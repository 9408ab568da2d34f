/* Half a sweep of alternating least squares: with the other side's factors Y fixed, moves every row
 * x of this side towards the minimum of
 *     Σ_all (x·y)² + Σ_seen [(1 + αw)(√w - x·y)² - (x·y)²] + λ(Σ_seen 1 + αw)^ν · |x|²
 * (a cell of strength w pulls towards √w instead of 1, so that often and lately counts for more
 * than in confidence alone: NDCG .32 against .29 on the validation window of tests/golden) by a few
 * steps of conjugate gradients from where it was (Takács, Pilászy, Tikk: Applications of the
 * Conjugate Gradient Method for Implicit Feedback Collaborative Filtering, RecSys 2011), with
 * regularisation scaled by frequency after Rendle, Krichene, Zhang, Koren: Revisiting the
 * Performance of iALS on Item Recommendation Benchmarks, RecSys 2022; but by the cells of the row
 * alone, since a term for the size of the catalogue lets the factors of sparse data collapse to
 * nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "factors.h"
#include "math/csr.h"

typedef struct SolveParams {
    float confidence;     /* α: a cell of weight w ≥ 0 has confidence 1 + αw */
    float regularization; /* λ */
    float exponent;       /* ν: 0 is the same for all, 1 grows with what a row has seen */
    unsigned steps;       /* of conjugate gradients */
} SolveParams;

typedef struct SweepSpace SweepSpace;

/* The order of work on one side, made once: rows with cells, longest first, cut into blocks that
 * depend on the data alone; and the space to do it in, kept from one half sweep to the next. */
typedef struct SweepPlan {
    const Csr *weights; /* borrowed */
    uint32_t n_rows;
    uint32_t n_blocks;
    uint32_t *row;     /* n_rows */
    uint32_t *block;   /* n_blocks + 1 starts in `row` */
    SweepSpace *space; /* NULL before the first half sweep */
} SweepPlan;

/* `rank` floats per factor vector. For sweep_plan_free(); NULL with ERR_NO_MEMORY. */
SweepPlan *sweep_plan_new(const Csr *weights, uint32_t rank, GError **error);
void sweep_plan_free(SweepPlan *plan);

/* `own` has a row per row of the plan's weights, `other` one per column. The result does not depend
 * on `threads`. ERR_NO_MEMORY, ERR_CANCELLED (looked at before each block). */
bool half_sweep(SweepPlan *plan, const SolveParams *params, const Factors *other, Factors *own,
                unsigned threads, const Cancel *cancel, GError **error);

/* Bytes of the space that a plan keeps for one thread. */
uint64_t half_sweep_bytes(uint32_t rank);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SweepPlan, sweep_plan_free)
