/* The sum of a forest for many rows, 64 at a time, against the walk row by row (8 rows at a time).
 * Ratios of one run; nothing is judged by them.
 *
 *     bench_forest [trees, default 400] [rows, default 20,000] [thresholds a feature, default 63]
 *
 * The forest is as deep, and has as many features and thresholds, as the ranker's. One thread. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "learn/ranked_forest_lanes.h"
#include "math/rng.h"

#define FEATURES 90u
#define DEPTH    6u
#define USER     500u /* candidates of one user */

static double seconds_since(int64_t ticks)
{
    return (double)(clock_ticks_ns() - ticks) / 1e9;
}

static void add_node(GArray *nodes, uint32_t depth, uint32_t thresholds, Rng *rng)
{
    ForestNode node = {.feature = FOREST_LEAF, .value = 0.1f * rng_normal(rng)};
    if (depth < DEPTH && (depth < 3 || rng_uniform(rng) < 0.85)) {
        /* those that say most are asked most */
        double place = rng_uniform(rng);
        node.feature = (uint16_t)(FEATURES * place * place);
        uint32_t rank = (uint32_t)(rng_uniform(rng) * thresholds);
        node.value = 4.0f * ((float)rank + 0.5f) / (float)thresholds - 2;
        node.missing_left = rng_uniform(rng) < 0.5;
    }
    g_array_append_val(nodes, node);
}

/* Breadth first, as forest_parse() lays trees out. */
static Forest *make_forest(uint32_t n_trees, uint32_t thresholds)
{
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(ForestNode));
    Forest *forest = g_new0(Forest, 1);
    Rng rng;
    rng_init(&rng, 5, 0);
    forest->root = g_new0(uint32_t, MAX(n_trees, 1));
    for (uint32_t tree = 0; tree < n_trees; tree++) {
        guint begin = nodes->len, end;
        forest->root[tree] = begin;
        add_node(nodes, 0, thresholds, &rng);
        for (uint32_t depth = 1; depth <= DEPTH; depth++, begin = end) {
            end = nodes->len;
            for (guint i = begin; i < end; i++) {
                if (g_array_index(nodes, ForestNode, i).feature == FOREST_LEAF)
                    continue;
                g_array_index(nodes, ForestNode, i).left = nodes->len;
                add_node(nodes, depth, thresholds, &rng);
                add_node(nodes, depth, thresholds, &rng);
            }
        }
    }
    forest->n_trees = n_trees;
    forest->n_nodes = nodes->len;
    forest->node = (ForestNode *)(void *)g_array_free(g_steal_pointer(&nodes), FALSE);
    return forest;
}

static float *make_rows(uint32_t n)
{
    float *rows = g_new(float, (size_t)n *FEATURES);
    Rng rng;
    rng_init(&rng, 6, 0);
    for (size_t i = 0; i < (size_t)n * FEATURES; i++)
        rows[i] = rng_uniform(&rng) < 0.2 ? NAN : rng_normal(&rng);
    return rows;
}

/* Microseconds a row, all at once or as the candidates of one user after the other; the best of
 * three. */
static double time_sum(const Forest *forest, const float *rows, uint32_t n, uint32_t block,
                       float *sums)
{
    double best = INFINITY;
    for (int run = 0; run < 3; run++) {
        int64_t started = clock_ticks_ns();
        for (uint32_t from = 0; from < n; from += block)
            forest_sum(forest, rows + (size_t)from * FEATURES, MIN(block, n - from), FEATURES,
                       sums + from);
        best = MIN(best, 1e6 * seconds_since(started) / n);
    }
    return best;
}

static double time_narrow(const Forest *forest, const float *rows, uint32_t n, float *sums)
{
    int64_t started = clock_ticks_ns();
    forest_lanes_sum(forest->lanes, false, rows, n, FEATURES, sums);
    return 1e6 * seconds_since(started) / n;
}

int main(int argc, char **argv)
{
    error_init();
    uint32_t n_trees = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 400;
    uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 20000;
    uint32_t thresholds = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 63;
    if (n_trees < 1 || n < 1 || n > 10000000 || thresholds < 1) {
        fprintf(stderr, "bench_forest: trees, rows and thresholds from 1\n");
        return 2;
    }
    g_autoptr(Forest) forest = make_forest(n_trees, thresholds);
    g_autofree float *rows = make_rows(n), *walked = g_new(float, n), *sums = g_new(float, n);
    double walk = time_sum(forest, rows, n, n, walked);
    int64_t started = clock_ticks_ns();
    forest_prepare(forest);
    printf("%u trees, %" G_GUINT64_FORMAT " nodes, %u features, %u rows; laid out in %.1f ms\n",
           n_trees, forest->n_nodes, FEATURES, n, 1e3 * seconds_since(started));
    double ours = time_sum(forest, rows, n, n, sums);
    bool same = memcmp(walked, sums, n * sizeof *sums) == 0;
    double user = time_sum(forest, rows, n, USER, sums);
    double narrow = time_narrow(forest, rows, n, sums);
    same &= memcmp(walked, sums, n * sizeof *sums) == 0;
    printf("µs a pair: ours %.3f (%u of a user: %.3f; without the wide variant: %.3f), walk %.3f\n",
           ours, USER, user, narrow, walk);
    for (uint32_t few = 1; few <= 16; few *= 2)
        printf("µs a pair, %u at a time: %.2f\n", few,
               time_sum(forest, rows, MIN(n, 2000), few, sums));
    printf("forest_rows_per_second %.0f\n", 1e6 / ours);
    printf("forest_speedup_over_walk %.1f (the same sums: %s)\n", walk / ours, same ? "yes" : "NO");
    return same ? 0 : 1;
}
