#include "math/rng.h"

#include <math.h>

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void rng_init(Rng *rng, uint64_t seed, uint64_t stream)
{
    /* The seed is mixed before the stream is added, or stream 1 of seed 1 would be near stream 0 of
     * seed 2. */
    uint64_t state = seed;
    state = splitmix(&state) + stream;
    state = splitmix(&state);
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix(&state);
}

uint64_t rng_next(Rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double rng_uniform(Rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* Lemire: Fast Random Integer Generation in an Interval, TOMACS 2019. */
uint32_t rng_below(Rng *rng, uint32_t limit)
{
    uint64_t product = (rng_next(rng) >> 32) * limit;
    if ((uint32_t)product < limit) {
        uint32_t threshold = -limit % limit;
        while ((uint32_t)product < threshold)
            product = (rng_next(rng) >> 32) * limit;
    }
    return (uint32_t)(product >> 32);
}

/* Box and Muller; the second value is not kept, so that the state is all there is. */
float rng_normal(Rng *rng)
{
    double radius = sqrt(-2 * log(1 - rng_uniform(rng)));
    return (float)(radius * cos(2 * M_PI * rng_uniform(rng)));
}
