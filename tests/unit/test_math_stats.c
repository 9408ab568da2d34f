#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include "math/rng.h"
#include "math/stats.h"

static float *normals(size_t n, float mean, uint64_t stream)
{
    float *values = g_new(float, n);
    Rng rng;
    rng_init(&rng, 11, stream);
    for (size_t i = 0; i < n; i++)
        values[i] = mean + rng_normal(&rng);
    return values;
}

/* The bootstrap's margin is 1.96·σ/√n but for its own noise: with 1,000 resamples a few per cent.
 */
static void the_interval_has_the_width_that_theory_gives(void **state)
{
    enum { N = 2000 };
    g_autofree float *values = normals(N, 5, 0);
    Interval interval = stats_bootstrap(values, N, 1000, 1);
    double margin = 1.96 / sqrt(N);
    assert_float_equal(interval.mean, 5, 4 / sqrt(N));
    assert_float_equal(interval.mean - interval.low, margin, 0.15 * margin);
    assert_float_equal(interval.high - interval.mean, margin, 0.15 * margin);
}

/* Of 200 samples, 95 % of the intervals hold the true mean: 190 ± 3.1; 178 is four deviations off.
 */
static void nineteen_of_twenty_intervals_hold_the_true_mean(void **state)
{
    enum { N = 300, SAMPLES = 200 };
    unsigned hits = 0;
    for (unsigned i = 0; i < SAMPLES; i++) {
        g_autofree float *values = normals(N, 1, i);
        Interval interval = stats_bootstrap(values, N, 400, i);
        hits += interval.low <= 1 && interval.high >= 1;
    }
    assert_in_range(hits, 178, SAMPLES);
}

static void the_normal_approximation_continues_the_bootstrap(void **state)
{
    enum { N = 20001 };
    g_autofree float *values = normals(N, 0, 3);
    Interval drawn = stats_bootstrap(values, N - 1, 1000, 1);
    Interval approximated = stats_bootstrap(values, N, 1000, 1);
    double width = approximated.high - approximated.low;
    assert_float_equal(width, 2 * 1.96 / sqrt(N), 0.02 * width);
    assert_float_equal(drawn.high - drawn.low, width, 0.1 * width);
}

static void pairs_are_compared_and_not_groups(void **state)
{
    enum { N = 500 };
    g_autofree float *a = normals(N, 0, 4);
    g_autofree float *b = g_memdup2(a, N * sizeof *a);
    for (size_t i = 0; i < N; i++)
        b[i] -= 0.01f;
    Interval interval = stats_bootstrap_paired(a, b, N, 1000, 1);
    /* As groups, the interval would be 0.12 wide. */
    assert_float_equal(interval.low, 0.01, 1e-4);
    assert_float_equal(interval.high, 0.01, 1e-4);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    g_autofree float *values = normals(100, 0, 5);
    Interval a = stats_bootstrap(values, 100, 500, 9);
    Interval b = stats_bootstrap(values, 100, 500, 9);
    Interval other = stats_bootstrap(values, 100, 500, 10);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.low != other.low);
}

static void few_values_have_an_answer(void **state)
{
    const float one[] = {2.5f}, two[] = {0, 1};
    Interval none = stats_bootstrap(NULL, 0, 1000, 1);
    Interval single = stats_bootstrap(one, 1, 1000, 1);
    Interval pair = stats_bootstrap(two, 2, 1000, 1);
    assert_true(isnan(none.mean) && isnan(none.low) && isnan(none.high));
    assert_true(single.mean == 2.5 && single.low == 2.5 && single.high == 2.5);
    assert_true(pair.mean == 0.5 && pair.low == 0 && pair.high == 1);
    assert_true(isfinite(stats_bootstrap(two, 2, 0, 1).low));
}

static void median_lies_between_the_middle_two(void **state)
{
    double odd[] = {5, 1, 3}, even[] = {8, 1, 2, 4}, one[] = {7};
    assert_float_equal(stats_median(odd, 3), 3, 0);
    assert_float_equal(stats_median(even, 4), 3, 0);
    assert_float_equal(stats_median(one, 1), 7, 0);
    assert_true(isnan(stats_median(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(median_lies_between_the_middle_two),
        cmocka_unit_test(the_interval_has_the_width_that_theory_gives),
        cmocka_unit_test(nineteen_of_twenty_intervals_hold_the_true_mean),
        cmocka_unit_test(the_normal_approximation_continues_the_bootstrap),
        cmocka_unit_test(pairs_are_compared_and_not_groups),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(few_values_have_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
