#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <glib.h>

#include "math/rng.h"
#include "math/topk.h"

#define N_MAX 20000

static int compare(const void *left, const void *right)
{
    const Scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static size_t plain_select(const float *scores, size_t n, size_t k, Scored *all)
{
    size_t valid = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(scores[i]) && scores[i] != -INFINITY)
            all[valid++] = (Scored){(uint32_t)i, scores[i]};
    qsort(all, valid, sizeof *all, compare);
    return MIN(valid, k);
}

static void check(const float *scores, size_t n, size_t k)
{
    g_autofree Scored *all = g_new(Scored, n + 1);
    g_autofree Scored *work = g_new(Scored, 2 * k + 1);
    g_autofree Scored *best = g_new(Scored, k + 1);
    size_t expected = plain_select(scores, n, k, all);
    assert_int_equal(topk_select(scores, n, k, work, best), expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(best[i].index, all[i].index);
        assert_true(best[i].score == all[i].score);
    }
}

typedef float (*Shape)(Rng *rng, size_t i);

static float normal(Rng *rng, size_t i)
{
    return rng_normal(rng);
}

static float few_levels(Rng *rng, size_t i)
{
    return (float)rng_below(rng, 3);
}

static float ascending(Rng *rng, size_t i)
{
    return (float)i;
}

static float descending(Rng *rng, size_t i)
{
    return -(float)i;
}

static float all_equal(Rng *rng, size_t i)
{
    return 4;
}

static float holes(Rng *rng, size_t i)
{
    const float odd[] = {NAN, -INFINITY, INFINITY, 0, -0.0f};
    uint32_t what = rng_below(rng, 10);
    return what < G_N_ELEMENTS(odd) ? odd[what] : rng_normal(rng);
}

static float nothing_valid(Rng *rng, size_t i)
{
    return i % 2 ? NAN : -INFINITY;
}

/* Rises and falls: what makes the median of three a poor pivot. */
static float organ_pipe(Rng *rng, size_t i)
{
    return (float)(i < N_MAX / 2 ? i : N_MAX - i);
}

static void selection_equals_sorting_everything(void **state)
{
    const Shape shapes[] = {normal,    few_levels, ascending,     descending,
                            all_equal, holes,      nothing_valid, organ_pipe};
    const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, N_MAX};
    const size_t counts[] = {0, 1, 2, 10, 64, 500, N_MAX};
    g_autofree float *scores = g_new(float, N_MAX);
    for (size_t shape = 0; shape < G_N_ELEMENTS(shapes); shape++) {
        Rng rng;
        rng_init(&rng, shape, 0);
        for (size_t i = 0; i < N_MAX; i++)
            scores[i] = shapes[shape](&rng, i);
        for (size_t size = 0; size < G_N_ELEMENTS(sizes); size++)
            for (size_t count = 0; count < G_N_ELEMENTS(counts); count++)
                check(scores, sizes[size], counts[count]);
    }
}

static void sorting_equals_qsort(void **state)
{
    g_autofree Scored *list = g_new(Scored, N_MAX);
    g_autofree Scored *expected = g_new(Scored, N_MAX);
    const Shape shapes[] = {normal, few_levels, ascending, descending, all_equal, organ_pipe};
    for (size_t shape = 0; shape < G_N_ELEMENTS(shapes); shape++) {
        Rng rng;
        rng_init(&rng, shape, 1);
        for (uint32_t i = 0; i < N_MAX; i++)
            expected[i] = list[i] = (Scored){(i * 7919) % N_MAX, shapes[shape](&rng, i)};
        qsort(expected, N_MAX, sizeof *expected, compare);
        topk_sort(list, N_MAX);
        for (size_t i = 0; i < N_MAX; i++)
            assert_int_equal(list[i].index, expected[i].index);
    }
}

/* Reversed, rising after falling, and sorted lists of all small lengths: where partitioning, the
 * heap and insertion meet. */
static void sorting_is_right_at_every_small_length(void **state)
{
    for (uint32_t n = 0; n < 300; n++) {
        g_autofree Scored *list = g_new(Scored, n + 1);
        for (uint32_t i = 0; i < n; i++)
            list[i] = (Scored){n - i, (float)((i * 31) % 17)};
        topk_sort(list, n);
        for (uint32_t i = 1; i < n; i++)
            assert_true(compare(&list[i - 1], &list[i]) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selection_equals_sorting_everything),
        cmocka_unit_test(sorting_equals_qsort),
        cmocka_unit_test(sorting_is_right_at_every_small_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
