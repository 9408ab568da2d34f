/* One iteration of implicit ALS (all users, then all items) against the same arithmetic done row by
 * row in plain loops, and against what the machine's SGEMM and its memory reach. Ratios of one run;
 * nothing is judged by them.
 *
 *     bench_als [interactions, default 10,000,000] [rank, default 128] [threads, default all]
 *
 * The data is a power law over interactions / 20 users and interactions / 200 items. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "base/error.h"
#include "learn/als.h"
#include "learn/lanes.h"
#include "math/parallel.h"
#include "math/rng.h"
#include "rates.h"

static Csr *power_law(uint64_t n, uint32_t n_users, uint32_t n_items)
{
    g_autofree uint32_t *user = checked(g_try_new(uint32_t, n));
    g_autofree uint32_t *item = checked(g_try_new(uint32_t, n));
    g_autofree float *weight = checked(g_try_new(float, n));
    Rng rng;
    rng_init(&rng, 1, 0);
    for (uint64_t i = 0; i < n; i++) {
        /* scattered over the numbers, as in a shop: the popular ones are not neighbours */
        uint64_t u = (uint64_t)(n_users * pow(rng_uniform(&rng), 1.5));
        uint64_t v = (uint64_t)(n_items * pow(rng_uniform(&rng), 2.5));
        user[i] = (uint32_t)(u * 2654435761u % n_users);
        item[i] = (uint32_t)(v * 2654435761u % n_items);
        weight[i] = (float)(0.1 + rng_uniform(&rng));
    }
    return checked(csr_from_triples(n_users, n_items, n, user, item, weight, NULL));
}

/* A row's conjugate gradients as in the paper, loops and nothing else. */
typedef struct Plain {
    const Csr *weights;
    const SolveParams *params;
    const float *gram;
    const Factors *other;
    Factors *own;
} Plain;

static float plain_dot(const float *a, const float *b, uint32_t n)
{
    float sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* out = A·p, with A = YᵀY + Σ αw·y·yᵀ + regularization */
static void plain_product(const Plain *plain, uint32_t row, float regularization, const float *p,
                          float *out)
{
    uint32_t rank = plain->own->rank;
    for (uint32_t i = 0; i < rank; i++)
        out[i] = plain_dot(plain->gram + (size_t)i * rank, p, rank) + regularization * p[i];
    for (uint64_t e = plain->weights->start[row]; e < plain->weights->start[row + 1]; e++) {
        const float *y = plain->other->data + (size_t)plain->weights->column[e] * rank;
        float scale = plain->params->confidence * plain->weights->value[e] * plain_dot(y, p, rank);
        for (uint32_t i = 0; i < rank; i++)
            out[i] += scale * y[i];
    }
}

static void plain_row(const Plain *plain, uint32_t row)
{
    uint32_t rank = plain->own->rank;
    float r[ALS_RANK_MAX], p[ALS_RANK_MAX], product[ALS_RANK_MAX];
    float *x = plain->own->data + (size_t)row * rank;
    double sum = 0;
    for (uint64_t e = plain->weights->start[row]; e < plain->weights->start[row + 1]; e++)
        sum += 1 + plain->params->confidence * plain->weights->value[e];
    float regularization =
        (float)(plain->params->regularization * pow(sum, plain->params->exponent));
    plain_product(plain, row, regularization, x, product);
    for (uint32_t i = 0; i < rank; i++)
        r[i] = -product[i];
    for (uint64_t e = plain->weights->start[row]; e < plain->weights->start[row + 1]; e++) {
        const float *y = plain->other->data + (size_t)plain->weights->column[e] * rank;
        float w = plain->weights->value[e];
        for (uint32_t i = 0; i < rank; i++)
            r[i] += (1 + plain->params->confidence * w) * sqrtf(w) * y[i];
    }
    memcpy(p, r, rank * sizeof(float));
    float norm = plain_dot(r, r, rank);
    for (unsigned step = 0; step < plain->params->steps && norm > 1e-20f; step++) {
        plain_product(plain, row, regularization, p, product);
        float length = norm / plain_dot(p, product, rank);
        for (uint32_t i = 0; i < rank; i++) {
            x[i] += length * p[i];
            r[i] -= length * product[i];
        }
        float next = plain_dot(r, r, rank);
        for (uint32_t i = 0; i < rank; i++)
            p[i] = r[i] + next / norm * p[i];
        norm = next;
    }
}

static bool plain_rows(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Plain *plain = context;
    for (uint64_t row = begin; row < end; row++) {
        if (plain->weights->start[row] < plain->weights->start[row + 1])
            plain_row(plain, (uint32_t)row);
    }
    return true;
}

static void plain_half(const Csr *weights, const SolveParams *params, const Factors *other,
                       Factors *own, unsigned threads)
{
    g_autofree float *gram = checked(g_try_new(float, (size_t)own->rank * own->rank));
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)own->rank, (int)own->rank,
                (int)other->rows, 1, other->data, (int)own->rank, other->data, (int)own->rank, 0,
                gram, (int)own->rank);
    Plain plain = {weights, params, gram, other, own};
    parallel_for(weights->rows, 64, threads, plain_rows, &plain, NULL, NULL);
}

static Factors *random_factors(uint32_t rows, uint32_t rank)
{
    Factors *factors = checked(factors_new(rows, rank, NULL));
    Rng rng;
    rng_init(&rng, 7, rank);
    for (uint64_t i = 0; i < (uint64_t)rows * rank; i++)
        factors->data[i] = 0.1f * rng_normal(&rng) / sqrtf((float)rank);
    return factors;
}

/* Seconds of the fastest of three iterations of ours. */
static double time_ours(const Csr *weights, const Csr *by_item, const SolveParams *params,
                        uint32_t rank, unsigned threads)
{
    g_autoptr(SweepPlan) user_plan = checked(sweep_plan_new(weights, rank, NULL));
    g_autoptr(SweepPlan) item_plan = checked(sweep_plan_new(by_item, rank, NULL));
    g_autoptr(Factors) users = checked(factors_new(weights->rows, rank, NULL));
    g_autoptr(Factors) items = random_factors(weights->cols, rank);
    double best = INFINITY;
    for (int run = 0; run < 3; run++) {
        int64_t started = clock_ticks_ns();
        half_sweep(user_plan, params, items, users, threads, NULL, NULL);
        double users_seconds = seconds_since(started);
        half_sweep(item_plan, params, users, items, threads, NULL, NULL);
        double seconds = seconds_since(started);
        printf("  iteration %d: users %.3f s, items %.3f s\n", run + 1, users_seconds,
               seconds - users_seconds);
        best = MIN(best, seconds);
    }
    return best;
}

static double time_plain(const Csr *weights, const Csr *by_item, const SolveParams *params,
                         uint32_t rank, unsigned threads)
{
    g_autoptr(Factors) users = checked(factors_new(weights->rows, rank, NULL));
    g_autoptr(Factors) items = random_factors(weights->cols, rank);
    int64_t started = clock_ticks_ns();
    plain_half(weights, params, items, users, threads);
    plain_half(by_item, params, users, items, threads);
    return seconds_since(started);
}

typedef struct Gathering {
    const Csr *weights;
    const Factors *other;
    float sum[64]; /* one per thread, so that nothing is left out as useless */
} Gathering;

/* Adds up the vectors of all cells of the rows: what ALS must read at least once. */
CLONES static float gather_rows(const uint32_t *column, uint64_t n, const float *data,
                                uint32_t rank)
{
    Lanes sum = {0};
    uint32_t ahead = (6u << 10) / (rank * (uint32_t)sizeof(float)) + 1;
    for (uint64_t e = 0; e < n; e++) {
        const float *later = data + (size_t)column[MIN(e + ahead, n - 1)] * rank;
        const float *vector = data + (size_t)column[e] * rank;
        for (uint32_t f = 0; f < rank; f += LANES) {
            __builtin_prefetch(later + f);
            sum += *(const Lanes *)(vector + f);
        }
    }
    return lanes_sum(&sum);
}

static bool gather_range(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    Gathering *gathering = context;
    const Csr *weights = gathering->weights;
    gathering->sum[worker % G_N_ELEMENTS(gathering->sum)] += gather_rows(
        weights->column + weights->start[begin], weights->start[end] - weights->start[begin],
        gathering->other->data, gathering->other->rank);
    return true;
}

/* Seconds of the fastest of three. */
static double time_gather(const Csr *weights, const Csr *by_item, uint32_t rank, unsigned threads)
{
    g_autoptr(Factors) users = random_factors(weights->rows, rank);
    g_autoptr(Factors) items = random_factors(weights->cols, rank);
    Gathering sides[] = {{.weights = weights, .other = items},
                         {.weights = by_item, .other = users}};
    double best = INFINITY;
    for (int run = 0; run < 3; run++) {
        int64_t started = clock_ticks_ns();
        for (size_t i = 0; i < G_N_ELEMENTS(sides); i++)
            parallel_for(sides[i].weights->rows, sides[i].weights->rows / 64 + 1, threads,
                         gather_range, &sides[i], NULL, NULL);
        best = MIN(best, seconds_since(started));
    }
    return isfinite(sides[0].sum[0] + sides[1].sum[0]) ? best : NAN;
}

int main(int argc, char **argv)
{
    error_init();
    openblas_set_num_threads(1);
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    uint32_t rank = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 128;
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (n < 1000 || n > UINT64_C(1000000000) || rank == 0 || rank > ALS_RANK_MAX ||
        rank % 16 != 0) {
        fprintf(stderr, "bench_als: 1,000 to 1,000,000,000 interactions, rank a multiple of 16\n");
        return 2;
    }
    SolveParams params = als_defaults.solve;
    g_autoptr(Csr) weights = power_law(n, (uint32_t)(n / 20), (uint32_t)(n / 200));
    g_autoptr(Csr) by_item = checked(csr_transpose(weights, NULL));
    double cells = (double)weights->start[weights->rows];
    printf("%.0f cells, %u users x %u items, rank %u, %u threads\n", cells, weights->rows,
           weights->cols, rank, parallel_threads(threads));

    double ours = time_ours(weights, by_item, &params, rank, threads);
    double plain = time_plain(weights, by_item, &params, rank, threads);
    double rows = (double)weights->rows + weights->cols;
    double flops =
        (params.steps + 1) * (8 * cells * rank + 2 * rows * rank * rank) + rows * rank * rank;
    double gemm = gemm_rate(threads);
    double gather = time_gather(weights, by_item, rank, threads);
    double gigabytes = 2e-9 * cells * rank * sizeof(float);
    printf("seconds per iteration: ours %.3f, plain loops %.3f\n", ours, plain);
    printf("als_speedup_over_plain %.2f\n", plain / ours);
    printf("als_share_of_sgemm_rate %.2f (%.0f of %.0f GFLOP/s)\n", 1e-9 * flops / ours / gemm,
           1e-9 * flops / ours, gemm);
    printf("als_share_of_gather_rate %.2f (%.1f of %.1f GB/s)\n", gather / ours, gigabytes / ours,
           gigabytes / gather);
    return 0;
}
