#include "sparse_slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define ENTRIES_MAX (UINT32_C(1) << 25)
#define FEWEST      20u

uint32_t sparse_slots_width(uint32_t rows, uint32_t wanted)
{
    return MIN(wanted, MAX(ENTRIES_MAX / MAX(rows, 1), FEWEST));
}

SparseSlots *sparse_slots_new(uint32_t rows, uint32_t cols, uint32_t width, GError **error)
{
    g_autoptr(SparseSlots) slots = g_new0(SparseSlots, 1);
    size_t n = (size_t)rows * width;
    slots->rows = rows;
    slots->cols = cols;
    slots->width = width;
    slots->filled = g_try_new0(uint32_t, MAX(rows, 1));
    slots->column = g_try_new(uint32_t, MAX(n, 1));
    slots->value = g_try_new(float, MAX(n, 1));
    if (!slots->filled || !slots->column || !slots->value) {
        error_set(error, ERR_NO_MEMORY, "no memory for %u rows of %u neighbours", rows, width);
        return NULL;
    }
    return g_steal_pointer(&slots);
}

void sparse_slots_free(SparseSlots *slots)
{
    if (!slots)
        return;
    g_free(slots->filled);
    g_free(slots->column);
    g_free(slots->value);
    g_free(slots);
}

static int by_index(const void *a, const void *b)
{
    uint32_t left = ((const Scored *)a)->index, right = ((const Scored *)b)->index;
    return (left > right) - (left < right);
}

void sparse_slots_fill(SparseSlots *slots, uint32_t row, Scored *entries, uint32_t n)
{
    size_t at = (size_t)row * slots->width;
    qsort(entries, n, sizeof *entries, by_index);
    for (uint32_t e = 0; e < n; e++) {
        if (entries[e].score == 0)
            continue;
        slots->column[at] = entries[e].index;
        slots->value[at++] = entries[e].score;
    }
    slots->filled[row] = (uint32_t)(at - (size_t)row * slots->width);
}

/* Moves every row down to where the one before it ends, so that no second copy is needed. */
static void close_up(SparseSlots *slots, const uint32_t *row, uint64_t *start)
{
    uint64_t end = 0;
    for (uint32_t r = 0; r < slots->rows; r++) {
        size_t from = (size_t)r * slots->width, n = slots->filled[r];
        memmove(slots->column + end, slots->column + from, n * sizeof *slots->column);
        memmove(slots->value + end, slots->value + from, n * sizeof *slots->value);
        start[(row ? row[r] : r) + (size_t)1] = n;
        end += n;
    }
}

Csr *sparse_slots_finish(SparseSlots *slots, uint32_t rows, const uint32_t *row, GError **error)
{
    uint64_t *start = g_try_new0(uint64_t, (size_t)rows + 1);
    if (!start) {
        error_set(error, ERR_NO_MEMORY, "no memory for %u rows of neighbours", rows);
        return NULL;
    }
    close_up(slots, row, start);
    for (uint32_t r = 0; r < rows; r++)
        start[r + (size_t)1] += start[r];
    size_t n = MAX(start[rows], 1);
    Csr *csr = g_new(Csr, 1);
    *csr = (Csr){rows, slots->cols, start, slots->column, slots->value};
    slots->column = NULL;
    slots->value = NULL;
    memset(slots->filled, 0, slots->rows * sizeof *slots->filled);
    /* A failure to shrink costs nothing. */
    uint32_t *column = g_try_renew(uint32_t, csr->column, n);
    csr->column = column ? column : csr->column;
    float *value = g_try_renew(float, csr->value, n);
    csr->value = value ? value : csr->value;
    return csr;
}

uint64_t sparse_slots_bytes(uint32_t rows, uint32_t width)
{
    return (uint64_t)rows * (width * (sizeof(uint32_t) + sizeof(float)) + sizeof(uint32_t));
}
