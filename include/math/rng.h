/* Random numbers that repeat with their seed on any machine: xoshiro256**, seeded by SplitMix64
 * (Blackman, Vigna: Scrambled linear pseudorandom number generators, TOMS 2021). */
#pragma once

#include <stdint.h>

typedef struct Rng {
    uint64_t state[4];
} Rng;

/* Streams of one seed are independent: use one per row or block, never one per thread. */
void rng_init(Rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_next(Rng *rng);
double rng_uniform(Rng *rng);                 /* [0, 1) */
uint32_t rng_below(Rng *rng, uint32_t limit); /* [0, limit), unbiased */
float rng_normal(Rng *rng);                   /* mean 0, variance 1 */
