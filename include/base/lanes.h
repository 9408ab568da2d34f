/* Questions about eight bytes at once, the lanes of a word: most texts are plain all through, and a
 * loop over bytes would cost more than what is done with them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES         sizeof(uint64_t)
#define LANES_EACH(c) (UINT64_C(0x0101010101010101) * (uint8_t)(c))
#define LANES_TOP     LANES_EACH(0x80) /* the top bit of each */

/* The first eight of `length` bytes. Fewer come in any order, some twice, beside digits, which are
 * plain to everybody: so they go from memory to the word, and not over another place in memory. */
static inline uint64_t lanes_load(const char *bytes, size_t length)
{
    const unsigned char *few = (const unsigned char *)bytes;
    uint64_t lanes = LANES_EACH('0');
    uint32_t first, last;
    if (length >= LANES) {
        memcpy(&lanes, bytes, LANES);
    } else if (length >= sizeof first) {
        memcpy(&first, bytes, sizeof first);
        memcpy(&last, bytes + length - sizeof last, sizeof last);
        lanes = (uint64_t)last << 32 | first;
    } else if (length > 0) {
        lanes = lanes << 24 | (uint64_t)(few[0] << 16 | few[length / 2] << 8 | few[length - 1]);
    }
    return lanes;
}

/* The questions: 0 when it is true of none. */
static inline uint64_t lanes_beyond_ascii(uint64_t lanes)
{
    return lanes & LANES_TOP;
}

/* `limit` ≤ 0x80: below it the difference borrows from the top bit. */
static inline uint64_t lanes_below(uint64_t lanes, uint8_t limit)
{
    return (lanes - LANES_EACH(limit)) & ~lanes & LANES_TOP;
}

static inline uint64_t lanes_equal(uint64_t lanes, char c)
{
    return lanes_below(lanes ^ LANES_EACH(c), 1);
}
