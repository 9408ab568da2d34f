/* A sparse matrix in the making: rows of at most `width` entries, filled in any order by several
 * threads, then closed up. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "math/csr.h"
#include "math/topk.h"

typedef struct SparseSlots {
    uint32_t rows, cols, width;
    uint32_t *filled; /* rows: entries of each */
    uint32_t *column; /* entry e of row r is at r · width + e */
    float *value;
} SparseSlots;

/* `wanted`, or what keeps many rows within 2^25 entries together, but at least 20. */
uint32_t sparse_slots_width(uint32_t rows, uint32_t wanted);

/* All rows empty. For sparse_slots_free(); NULL with ERR_NO_MEMORY. */
SparseSlots *sparse_slots_new(uint32_t rows, uint32_t cols, uint32_t width, GError **error);
void sparse_slots_free(SparseSlots *slots);

/* Fills a row with n ≤ width entries of distinct columns, which it sorts; those of score 0 are left
 * out. Threads fill different rows. */
void sparse_slots_fill(SparseSlots *slots, uint32_t row, Scored *entries, uint32_t n);

/* Empties the slots into a matrix of `rows` rows, of which row[r] (ascending; NULL: r) is
 * slot r and the others are empty. For csr_free(); NULL with ERR_NO_MEMORY. */
Csr *sparse_slots_finish(SparseSlots *slots, uint32_t rows, const uint32_t *row, GError **error);

/* Bytes held by the slots, and so by the matrix but for its starts. */
uint64_t sparse_slots_bytes(uint32_t rows, uint32_t width);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SparseSlots, sparse_slots_free)
