/* Means with bootstrap intervals. Efron, Tibshirani: An Introduction to the Bootstrap, 1993. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Interval {
    double mean, low, high; /* low and high: 2.5 % and 97.5 % quantiles of the resampled means */
} Interval;

/* Sorts them; between the middle two of an even number. NaN when n is 0. */
double stats_median(double *values, size_t n);

/* Percentile bootstrap over values[0 … n-1], `resamples` draws (at least 1); all NaN when n is 0.
 * Above 20,000 values, where both agree in all digits that matter, the interval is its normal
 * approximation, mean ± 1.96·σ/√n: a million values take milliseconds. Same seed, same bytes. */
Interval stats_bootstrap(const float *values, size_t n, unsigned resamples, uint64_t seed);

/* The same for the mean of a[i] - b[i]: paired difference. */
Interval stats_bootstrap_paired(const float *a, const float *b, size_t n, unsigned resamples,
                                uint64_t seed);
