/* A dense matrix of factor vectors, one row per user or item, ready for wide loads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"

typedef struct Factors {
    uint32_t rows, rank; /* rank is a multiple of LANES */
    float *data;         /* rows × rank, aligned to 64 bytes */
} Factors;

/* All zero. For factors_free(); NULL with ERR_NO_MEMORY. */
Factors *factors_new(uint32_t rows, uint32_t rank, GError **error);
void factors_free(Factors *factors);

/* `n` floats aligned to 64 bytes, all zero, on huge pages when large; for free().
 * NULL with ERR_NO_MEMORY. */
float *factors_alloc(uint64_t n, GError **error);

/* gram (rank × rank) = FᵀF, summed over a fixed number of slices in a fixed order. */
bool factors_gram(const Factors *factors, float *gram, unsigned threads, const Cancel *cancel,
                  GError **error);

/* Whether no number is NaN or infinite. */
bool factors_are_finite(const Factors *factors);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Factors, factors_free)
