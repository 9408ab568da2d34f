/* Sparse matrices by rows: row r holds entries start[r] … start[r+1]-1, columns ascending. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct Csr {
    uint32_t rows, cols;
    uint64_t *start;  /* rows + 1 */
    uint32_t *column; /* start[rows] */
    float *value;     /* start[rows] */
} Csr;

/* Entries in any order; equal (row, column) pairs are summed. `row`, `column`, `value`: n each,
 * borrowed for the call. For csr_free(); NULL with ERR_NO_MEMORY. */
Csr *csr_from_triples(uint32_t rows, uint32_t cols, uint64_t n, const uint32_t *row,
                      const uint32_t *column, const float *value, GError **error);

/* For csr_free(); NULL with ERR_NO_MEMORY. */
Csr *csr_transpose(const Csr *csr, GError **error);

/* a + factor · b, of one shape; an entry of either is one of the sum. For csr_free(); NULL with
 * ERR_NO_MEMORY. */
Csr *csr_add(const Csr *a, double factor, const Csr *b, GError **error);

/* The value at (row, column), 0 when there is no entry; binary search. */
float csr_get(const Csr *csr, uint32_t row, uint32_t column);

void csr_free(Csr *csr);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Csr, csr_free)
