/* The ten best items of every user, what they did left out, against what the machine's SGEMM
 * reaches over users x items x factors. Ratios of one run; nothing is judged by them.
 *
 *     bench_topk [users, default 500,000] [items, default 50,000] [rank, default 64] [k, default
 * 10]
 *
 * The factors are those of implicit ALS on 20 interactions a user, a power law with tastes in it:
 * every user has a corner of the shop. Then with the items' lengths made equal, so that no user is
 * done before the last item: the whole product. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "base/error.h"
#include "learn/als.h"
#include "math/rng.h"
#include "math/topk_tiles.h"
#include "rates.h"

#define EVENTS_PER_USER 20u
#define CORNERS         100u
#define SWEEPS          3u
#define CHECKED         200u /* users whose lists are held against a plain search */

static Csr *interactions(uint32_t n_users, uint32_t n_items)
{
    uint64_t n = (uint64_t)n_users * EVENTS_PER_USER;
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
        if (rng_uniform(&rng) < 0.7)
            v = v / CORNERS * CORNERS + user[i] % CORNERS;
        item[i] = (uint32_t)(MIN(v, n_items - 1) * 2654435761u % n_items);
        weight[i] = (float)(0.1 + rng_uniform(&rng));
    }
    return checked(csr_from_triples(n_users, n_items, n, user, item, weight, NULL));
}

static void fit(const Csr *weights, uint32_t rank, Factors **users, Factors **items)
{
    AlsParams params = als_defaults;
    FitContext context = {.seed = 1};
    params.rank = rank;
    params.sweeps = SWEEPS;
    g_autoptr(GError) error = NULL;
    if (!als_factorise(weights, &params, &context, users, items, &error)) {
        fprintf(stderr, "bench_topk: %s\n", error->message);
        exit(2);
    }
}

static void make_equal(Factors *items)
{
    for (uint32_t i = 0; i < items->rows; i++) {
        float *row = items->data + (size_t)i * items->rank, sum = 0;
        for (uint32_t f = 0; f < items->rank; f++)
            sum += row[f] * row[f];
        for (uint32_t f = 0; sum > 0 && f < items->rank; f++)
            row[f] /= sqrtf(sum);
    }
}

/* Whether the lists of some users are those of a plain search over all products. */
static bool are_best(const TopkFactors *factors, const TopkQuery *query, const Scored *best,
                     const uint32_t *found)
{
    g_autofree float *scores = checked(g_try_new(float, factors->n_items));
    g_autofree Scored *work = g_new(Scored, 2 * query->k), *plain = g_new(Scored, query->k);
    for (uint64_t q = 0; q < query->n; q += MAX(query->n / CHECKED, 1)) {
        uint32_t user = query->users[q];
        topk_tile(factors, &user, 1, factors->n_items, scores);
        for (uint32_t b = 0; b < query->barred_count[user]; b++)
            scores[query->barred_item[query->barred_start[user] + b]] = -INFINITY;
        size_t n = topk_select(scores, factors->n_items, query->k, work, plain);
        while (n > 0 && plain[n - 1].score <= query->above)
            n--;
        if (n != found[q] || memcmp(plain, best + q * query->k, n * sizeof *plain) != 0)
            return false;
    }
    return true;
}

static bool measure(const char *name, const TopkFactors *factors, const TopkQuery *query,
                    double gemm)
{
    g_autofree Scored *best = checked(g_try_new(Scored, query->n * query->k));
    g_autofree uint32_t *found = checked(g_try_new(uint32_t, query->n));
    TopkEffort effort = {0};
    int64_t started = clock_ticks_ns();
    if (!topk_tiles(factors, query, best, found, &effort, NULL)) {
        fprintf(stderr, "bench_topk: no memory\n");
        exit(2);
    }
    double seconds = seconds_since(started);
    double all = (double)query->n * factors->n_items;
    bool same = are_best(factors, query, best, found);
    printf("%s: %.2f s, %.0f users/s; %.0f %% of all products computed; a plain search finds the "
           "same: %s\n",
           name, seconds, (double)query->n / seconds, 100 * (double)effort.products / all,
           same ? "yes" : "NO");
    printf("topk_share_of_sgemm_rate_%s %.2f\n", name, 2e-9 * all * factors->rank / seconds / gemm);
    return same;
}

int main(int argc, char **argv)
{
    error_init();
    openblas_set_num_threads(1);
    uint32_t number[] = {500000, 50000, 64, 10};
    for (int i = 1; i < argc && i <= 4; i++)
        number[i - 1] = (uint32_t)strtoul(argv[i], NULL, 10);
    uint32_t n_users = number[0], n_items = number[1], rank = number[2];
    if (n_users == 0 || n_items == 0 || rank == 0 || rank > ALS_RANK_MAX || rank % 16 != 0 ||
        number[3] == 0) {
        fprintf(stderr, "bench_topk: users, items and k from 1, rank a multiple of 16\n");
        return 2;
    }
    double gemm = gemm_rate(0);
    printf("%u users x %u items x %u factors, best %u, %u threads; SGEMM %.0f GFLOP/s\n", n_users,
           n_items, rank, number[3], parallel_threads(0), gemm);
    g_autoptr(Csr) weights = interactions(n_users, n_items);
    g_autoptr(Factors) users = NULL, items = NULL;
    fit(weights, rank, &users, &items);
    g_autofree uint32_t *all = g_new(uint32_t, n_users), *count = g_new(uint32_t, n_users);
    for (uint32_t user = 0; user < n_users; user++) {
        all[user] = user;
        count[user] = (uint32_t)(weights->start[user + 1] - weights->start[user]);
    }
    TopkFactors factors = {users->data, items->data, n_items, rank};
    TopkQuery query = {.users = all,
                       .n = n_users,
                       .k = number[3],
                       .barred_start = weights->start,
                       .barred_count = count,
                       .barred_item = weights->column,
                       .above = 0};
    bool good = measure("pruned", &factors, &query, gemm);
    make_equal(items);
    good &= measure("whole", &factors, &query, gemm);
    return good ? 0 : 1;
}
