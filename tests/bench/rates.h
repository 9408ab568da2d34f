/* What the benchmarks share: time, memory, and what the machine's SGEMM reaches. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cblas.h>
#include <glib.h>

#include "base/clock.h"
#include "learn/factors.h"
#include "math/parallel.h"

#define GEMM_ORDER 2048

static inline double seconds_since(int64_t ticks)
{
    return (double)(clock_ticks_ns() - ticks) / 1e9;
}

static inline void *checked(void *memory)
{
    if (!memory) {
        fprintf(stderr, "no memory\n");
        exit(2);
    }
    return memory;
}

typedef struct Gemm {
    float *a, *b, *c;
} Gemm;

static inline bool gemm_rows(void *context, uint64_t begin, uint64_t end, unsigned worker,
                             GError **error)
{
    const Gemm *gemm = context;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(end - begin), GEMM_ORDER,
                GEMM_ORDER, 1, gemm->a + begin * GEMM_ORDER, GEMM_ORDER, gemm->b, GEMM_ORDER, 0,
                gemm->c + begin * GEMM_ORDER, GEMM_ORDER);
    return true;
}

/* GFLOP/s of a square product on all threads. */
static inline double gemm_rate(unsigned threads)
{
    uint64_t n = (uint64_t)GEMM_ORDER * GEMM_ORDER;
    Gemm gemm = {checked(factors_alloc(n, NULL)), checked(factors_alloc(n, NULL)),
                 checked(factors_alloc(n, NULL))};
    double best = 0;
    for (int run = 0; run < 3; run++) {
        int64_t started = clock_ticks_ns();
        parallel_for(GEMM_ORDER, GEMM_ORDER / 8, threads, gemm_rows, &gemm, NULL, NULL);
        best = MAX(best, 2e-9 * (double)n * GEMM_ORDER / seconds_since(started));
    }
    free(gemm.a);
    free(gemm.b);
    free(gemm.c);
    return best;
}
