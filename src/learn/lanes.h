/* Sixteen floats at a time, whatever the machine has: the compiler splits them into its registers,
 * and CLONES builds a function for AVX-512, AVX2 and the baseline and picks at start. */
#pragma once

#include <stdint.h>

#define LANES 16u

/* Without alignment of its own, so that any float of a row may begin one. */
typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef float HalfLanes __attribute__((vector_size(32)));
typedef float QuarterLanes __attribute__((vector_size(16)));

/* The resolvers run before a sanitizer is ready. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

static inline __attribute__((always_inline)) float lanes_sum(const Lanes *lanes)
{
    HalfLanes half = __builtin_shufflevector(*lanes, *lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(*lanes, *lanes, 8, 9, 10, 11, 12, 13, 14, 15);
    QuarterLanes quarter = __builtin_shufflevector(half, half, 0, 1, 2, 3) +
                           __builtin_shufflevector(half, half, 4, 5, 6, 7);
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}
