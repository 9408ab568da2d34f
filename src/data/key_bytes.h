/* Comparing keys, most of which are short: a call of memcmp costs as much as the rest of a look-up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Two words that overlap cover 8 to 16 bytes. */
static inline bool bytes_equal(const char *a, const char *b, size_t length)
{
    if (length < 8 || length > 16)
        return length == 0 || memcmp(a, b, length) == 0;
    uint64_t a_low, a_high, b_low, b_high;
    memcpy(&a_low, a, 8);
    memcpy(&b_low, b, 8);
    memcpy(&a_high, a + length - 8, 8);
    memcpy(&b_high, b + length - 8, 8);
    return ((a_low ^ b_low) | (a_high ^ b_high)) == 0;
}
