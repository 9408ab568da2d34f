/* EASE's inverse of a Gram matrix against LAPACK's Cholesky inverse of the same matrix (spotrf and
 * spotri with the library's own threads, which leave one triangle). Ratios of one run; nothing is
 * judged by them.
 *
 *     bench_ease [items, default 15,000] [threads, default all]
 *
 * The matrix counts what was bought together in a shop of that many products, as EASE's does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#include <f77blas.h>

#include "base/error.h"
#include "learn/dense_inverse.h"
#include "math/rng.h"
#include "rates.h"

#define BASKETS_PER_ITEM 20u
#define BASKET           12u
#define PENALTY          100.0f

/* The lower triangle, by rows. */
static float *gram_new(uint32_t n)
{
    float *gram = checked(factors_alloc((uint64_t)n * n, NULL));
    Rng rng;
    rng_init(&rng, 9, 0);
    for (uint64_t basket = 0; basket < (uint64_t)n * BASKETS_PER_ITEM; basket++) {
        uint32_t item[BASKET];
        for (uint32_t i = 0; i < BASKET; i++) {
            item[i] = (uint32_t)(n * pow(rng_uniform(&rng), 2));
            for (uint32_t j = 0; j <= i; j++)
                gram[(size_t)MAX(item[i], item[j]) * n + MIN(item[i], item[j])] += 1;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        gram[(size_t)i * n + i] += PENALTY;
    return gram;
}

static double time_ours(float *a, uint32_t n, unsigned threads)
{
    g_autoptr(GError) error = NULL;
    openblas_set_num_threads(1);
    int64_t started = clock_ticks_ns();
    if (!dense_inverse(a, n, threads, NULL, &error)) {
        fprintf(stderr, "bench_ease: %s\n", error->message);
        exit(2);
    }
    return seconds_since(started);
}

/* By columns the lower triangle is the upper one. */
static double time_lapack(float *a, uint32_t n, unsigned threads)
{
    char upper = 'U';
    blasint order = (blasint)n, info = 0;
    openblas_set_num_threads((int)parallel_threads(threads));
    int64_t started = clock_ticks_ns();
    spotrf_(&upper, &order, a, &order, &info);
    if (info == 0)
        spotri_(&upper, &order, a, &order, &info);
    double seconds = seconds_since(started);
    openblas_set_num_threads(1);
    if (info != 0) {
        fprintf(stderr, "bench_ease: LAPACK says %d\n", (int)info);
        exit(2);
    }
    return seconds;
}

/* The largest difference of the lower triangles, as a share of the largest number on the diagonal.
 */
static double difference(const float *a, const float *b, uint32_t n)
{
    double most = 0, largest = 0;
    for (uint32_t i = 0; i < n; i++) {
        largest = MAX(largest, fabs((double)a[(size_t)i * n + i]));
        for (uint32_t j = 0; j <= i; j++)
            most = MAX(most, fabs((double)a[(size_t)i * n + j] - b[(size_t)i * n + j]));
    }
    return most / largest;
}

int main(int argc, char **argv)
{
    error_init();
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 15000;
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (n == 0 || n > 60000) {
        fprintf(stderr, "bench_ease: 1 to 60,000 items\n");
        return 2;
    }
    float *ours = gram_new(n), *theirs = checked(factors_alloc((uint64_t)n * n, NULL));
    memcpy(theirs, ours, (size_t)n * n * sizeof *ours);
    double lapack = time_lapack(theirs, n, threads), own = time_ours(ours, n, threads);
    double gemm = gemm_rate(threads), flops = 1e-9 * n * n * n;
    printf("%u items, %u threads: ours %.2f s (both triangles), LAPACK %.2f s; difference %.1e\n",
           n, parallel_threads(threads), own, lapack, difference(ours, theirs, n));
    printf("ease_time_over_lapack %.2f\n", own / lapack);
    printf("ease_share_of_sgemm_rate %.2f (%.0f of %.0f GFLOP/s)\n", flops / own / gemm,
           flops / own, gemm);
    free(ours);
    free(theirs);
    return 0;
}
