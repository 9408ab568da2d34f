#include "factors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cblas.h>

#include "base/error.h"
#include "lanes.h"
#include "math/parallel.h"

#define GRAM_SLICES     16
#define SLICE_ROWS      64u /* fewer are not worth a slice of their own */
#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)

typedef struct GramWork {
    const Factors *factors;
    uint64_t n;    /* slices: from the rows alone, so that threads change nothing */
    float *slices; /* n × rank × rank, upper triangles */
} GramWork;

float *factors_alloc(uint64_t n, GError **error)
{
    uint64_t bytes = (MAX(n, 1) * sizeof(float) + 63) / 64 * 64;
    bool huge = bytes >= 2 * HUGE_PAGE_BYTES;
    if (huge)
        bytes = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    void *data = NULL;
    if (posix_memalign(&data, huge ? HUGE_PAGE_BYTES : 64, bytes)) {
        error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " numbers of factors",
                  n);
        return NULL;
    }
    if (huge)
        madvise(data, bytes, MADV_HUGEPAGE); /* a hint: gathering rows is bound by page look-ups */
    memset(data, 0, bytes);
    return data;
}

Factors *factors_new(uint32_t rows, uint32_t rank, GError **error)
{
    float *data = factors_alloc((uint64_t)rows * rank, error);
    if (!data)
        return NULL;
    Factors *factors = g_new(Factors, 1);
    *factors = (Factors){.rows = rows, .rank = rank, .data = data};
    return factors;
}

void factors_free(Factors *factors)
{
    if (!factors)
        return;
    free(factors->data);
    g_free(factors);
}

static bool gram_slice(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const GramWork *work = context;
    const Factors *f = work->factors;
    for (uint64_t slice = begin; slice < end; slice++) {
        uint64_t from = f->rows * slice / work->n;
        uint64_t to = f->rows * (slice + 1) / work->n;
        cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)f->rank, (int)(to - from), 1,
                    f->data + from * f->rank, (int)f->rank, 0,
                    work->slices + slice * f->rank * f->rank, (int)f->rank);
    }
    return true;
}

bool factors_gram(const Factors *factors, float *gram, unsigned threads, const Cancel *cancel,
                  GError **error)
{
    uint64_t rank = factors->rank;
    uint64_t n = CLAMP(factors->rows / SLICE_ROWS, 1, GRAM_SLICES);
    g_autofree float *slices = g_try_new0(float, n *rank *rank);
    if (!slices) {
        error_set(error, ERR_NO_MEMORY, "no memory for the products of %u factors", factors->rank);
        return false;
    }
    GramWork work = {factors, n, slices};
    if (!parallel_for(n, 1, threads, gram_slice, &work, cancel, error))
        return false;
    for (uint64_t i = 0; i < rank; i++) {
        for (uint64_t j = i; j < rank; j++) {
            double sum = 0;
            for (uint64_t slice = 0; slice < n; slice++)
                sum += slices[(slice * rank + i) * rank + j];
            gram[i * rank + j] = gram[j * rank + i] = (float)sum;
        }
    }
    return true;
}

CLONES static float sum_of_differences(const float *data, uint64_t n)
{
    Lanes sum = {0};
    for (uint64_t i = 0; i < n; i += LANES) {
        Lanes x = *(const Lanes *)(data + i);
        sum += x - x; /* 0, or NaN for what is not finite */
    }
    return lanes_sum(&sum);
}

bool factors_are_finite(const Factors *factors)
{
    return sum_of_differences(factors->data, (uint64_t)factors->rows * factors->rank) == 0;
}
