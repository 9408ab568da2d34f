#include "math/csr.h"

#include <string.h>

#include "base/error.h"

static Csr *csr_alloc(uint32_t rows, uint32_t cols, uint64_t n, GError **error)
{
    g_autoptr(Csr) csr = g_new0(Csr, 1);
    csr->rows = rows;
    csr->cols = cols;
    csr->start = g_try_new0(uint64_t, (size_t)rows + 1);
    csr->column = g_try_new0(uint32_t, MAX(n, 1));
    csr->value = g_try_new0(float, MAX(n, 1));
    if (!csr->start || !csr->column || !csr->value) {
        error_set(error, ERR_NO_MEMORY, "no memory for a matrix of %" G_GUINT64_FORMAT " entries",
                  n);
        return NULL;
    }
    return g_steal_pointer(&csr);
}

/* start[r + 1] counts row r; afterwards start[r] is where row r begins. */
static void counts_to_starts(uint64_t *start, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        start[row + 1] += start[row];
}

/* Undoes the moving of start[r] to the end of row r while rows were filled. */
static void restore_starts(uint64_t *start, uint32_t rows)
{
    memmove(start + 1, start, rows * sizeof *start);
    start[0] = 0;
}

/* Entries by `key` in their given order, duplicates kept. */
static Csr *bucket(uint32_t keys, uint32_t others, uint64_t n, const uint32_t *key,
                   const uint32_t *other, const float *value, GError **error)
{
    Csr *csr = csr_alloc(keys, others, n, error);
    if (!csr)
        return NULL;
    for (uint64_t i = 0; i < n; i++)
        csr->start[key[i] + (size_t)1]++;
    counts_to_starts(csr->start, keys);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = csr->start[key[i]]++;
        csr->column[at] = other[i];
        csr->value[at] = value[i];
    }
    restore_starts(csr->start, keys);
    return csr;
}

/* Sums neighbours of one (row, column) in place: in double, in the order given. */
static void sum_duplicates(Csr *csr)
{
    uint64_t kept = 0, begin = 0;
    for (uint32_t row = 0; row < csr->rows; row++) {
        uint64_t end = csr->start[row + 1];
        for (uint64_t i = begin; i < end;) {
            uint32_t column = csr->column[i];
            double sum = 0;
            for (; i < end && csr->column[i] == column; i++)
                sum += csr->value[i];
            csr->column[kept] = column;
            csr->value[kept++] = (float)sum;
        }
        begin = end;
        csr->start[row + 1] = kept;
    }
}

/* Gives back what summing freed; a failure to shrink costs nothing. */
static void shrink(Csr *csr)
{
    size_t n = MAX(csr->start[csr->rows], 1);
    uint32_t *column = g_try_renew(uint32_t, csr->column, n);
    float *value = g_try_renew(float, csr->value, n);
    csr->column = column ? column : csr->column;
    csr->value = value ? value : csr->value;
}

Csr *csr_from_triples(uint32_t rows, uint32_t cols, uint64_t n, const uint32_t *row,
                      const uint32_t *column, const float *value, GError **error)
{
    /* Transposing a matrix whose rows are in any order leaves rows in ascending order. */
    g_autoptr(Csr) by_column = bucket(cols, rows, n, column, row, value, error);
    if (!by_column)
        return NULL;
    Csr *csr = csr_transpose(by_column, error);
    if (!csr)
        return NULL;
    sum_duplicates(csr);
    if (csr->start[rows] < n)
        shrink(csr);
    return csr;
}

Csr *csr_transpose(const Csr *csr, GError **error)
{
    uint64_t n = csr->start[csr->rows];
    Csr *result = csr_alloc(csr->cols, csr->rows, n, error);
    if (!result)
        return NULL;
    for (uint64_t i = 0; i < n; i++)
        result->start[csr->column[i] + (size_t)1]++;
    counts_to_starts(result->start, result->rows);
    for (uint32_t row = 0; row < csr->rows; row++) {
        for (uint64_t i = csr->start[row]; i < csr->start[row + 1]; i++) {
            uint64_t at = result->start[csr->column[i]]++;
            result->column[at] = row;
            result->value[at] = csr->value[i];
        }
    }
    restore_starts(result->start, result->rows);
    return result;
}

Csr *csr_add(const Csr *a, double factor, const Csr *b, GError **error)
{
    uint64_t n = a->start[a->rows] + b->start[b->rows], at = 0;
    Csr *sum = csr_alloc(a->rows, a->cols, n, error);
    if (!sum)
        return NULL;
    for (uint32_t row = 0; row < a->rows; row++) {
        uint64_t i = a->start[row], i_end = a->start[row + (size_t)1];
        uint64_t j = b->start[row], j_end = b->start[row + (size_t)1];
        for (; i < i_end || j < j_end; at++) {
            uint32_t of_a = i < i_end ? a->column[i] : UINT32_MAX;
            uint32_t of_b = j < j_end ? b->column[j] : UINT32_MAX;
            uint32_t column = sum->column[at] = MIN(of_a, of_b);
            double value = of_a == column ? a->value[i++] : 0;
            value += of_b == column ? factor * b->value[j++] : 0;
            sum->value[at] = (float)value;
        }
        sum->start[row + (size_t)1] = at;
    }
    if (at < n)
        shrink(sum);
    return sum;
}

float csr_get(const Csr *csr, uint32_t row, uint32_t column)
{
    uint64_t low = csr->start[row], end = csr->start[row + 1], high = end;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (csr->column[middle] < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && csr->column[low] == column ? csr->value[low] : 0;
}

void csr_free(Csr *csr)
{
    if (!csr)
        return;
    g_free(csr->start);
    g_free(csr->column);
    g_free(csr->value);
    g_free(csr);
}
