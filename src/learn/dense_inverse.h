/* The inverse of a large positive definite matrix by blocks on several threads: Cholesky
 * factorisation A = LLᵀ, then W = L⁻¹, then A⁻¹ = WᵀW, each in place and as updates of square tiles
 * (Quintana-Ortí, Quintana, Sun, van de Geijn: A Note on Parallel Matrix Inversion, SIAM J. Sci.
 * Comput. 2001). One call of BLAS or LAPACK per tile, each with one thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"

/* a: n × n by rows, of which the lower triangle is read; afterwards all of it holds the inverse.
 * The result does not depend on `threads`. ERR_INVALID (not positive definite, to the precision of
 * float), ERR_CANCELLED (looked at before each tile). */
bool dense_inverse(float *a, uint32_t n, unsigned threads, const Cancel *cancel, GError **error);
