#include "math/stats.h"

#include <math.h>
#include <stdlib.h>

#include <glib.h>

#include "math/rng.h"

#define RESAMPLED_MAX   20000
/* The 97.5 % quantile of the normal distribution. */
#define NORMAL_QUANTILE 1.959963984540054

/* a[i], or a[i] - b[i] when there is a b. */
typedef struct Series {
    const float *a, *b;
    size_t n;
} Series;

static double series_get(const Series *series, size_t i)
{
    return series->b ? (double)series->a[i] - series->b[i] : series->a[i];
}

static double series_mean(const Series *series)
{
    double sum = 0;
    for (size_t i = 0; i < series->n; i++)
        sum += series_get(series, i);
    return sum / (double)series->n;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two nearest ranks, linearly. */
static double quantile(const double *sorted, size_t n, double share)
{
    double place = share * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

double stats_median(double *values, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, compare_doubles);
    return quantile(values, n, 0.5);
}

/* The mean of n values drawn with replacement. Each draw of 64 bits gives two indices by a
 * multiply; the chance of an index is off by less than n / 2³². */
static double resampled_mean(const double *values, size_t n, Rng *rng)
{
    double sum = 0;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        uint64_t bits = rng_next(rng);
        sum += values[(bits & UINT32_MAX) * n >> 32];
        sum += values[(bits >> 32) * n >> 32];
    }
    if (i < n)
        sum += values[rng_below(rng, (uint32_t)n)];
    return sum / (double)n;
}

static void resample(const Series *series, unsigned resamples, uint64_t seed, Interval *interval)
{
    g_autofree double *values = g_new(double, series->n);
    g_autofree double *means = g_new(double, resamples);
    for (size_t i = 0; i < series->n; i++)
        values[i] = series_get(series, i);
    for (unsigned i = 0; i < resamples; i++) {
        Rng rng;
        rng_init(&rng, seed, i);
        means[i] = resampled_mean(values, series->n, &rng);
    }
    qsort(means, resamples, sizeof *means, compare_doubles);
    interval->low = quantile(means, resamples, 0.025);
    interval->high = quantile(means, resamples, 0.975);
}

/* mean ± 1.96 · σ / √n, with σ as the bootstrap has it (divided by n). */
static void approximate(const Series *series, Interval *interval)
{
    double sum = 0;
    for (size_t i = 0; i < series->n; i++) {
        double difference = series_get(series, i) - interval->mean;
        sum += difference * difference;
    }
    double margin = NORMAL_QUANTILE * sqrt(sum) / (double)series->n;
    interval->low = interval->mean - margin;
    interval->high = interval->mean + margin;
}

static Interval bootstrap(const Series *series, unsigned resamples, uint64_t seed)
{
    if (series->n == 0)
        return (Interval){NAN, NAN, NAN};
    Interval interval = {.mean = series_mean(series)};
    if (series->n > RESAMPLED_MAX)
        approximate(series, &interval);
    else
        resample(series, MAX(resamples, 1), seed, &interval);
    return interval;
}

Interval stats_bootstrap(const float *values, size_t n, unsigned resamples, uint64_t seed)
{
    Series series = {values, NULL, n};
    return bootstrap(&series, resamples, seed);
}

Interval stats_bootstrap_paired(const float *a, const float *b, size_t n, unsigned resamples,
                                uint64_t seed)
{
    Series series = {a, b, n};
    return bootstrap(&series, resamples, seed);
}
