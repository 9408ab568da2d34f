#include "trace_id.h"

#include <stdint.h>
#include <sys/random.h>

#include <glib.h>

#include "base/clock.h"

static const char ALPHABET[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* xoshiro256**: Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators, 2019. */
typedef struct Chance {
    uint64_t s[4];
    gboolean seeded;
} Chance;

static _Thread_local Chance chance;

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static uint64_t next(Chance *c)
{
    uint64_t result = rotate(c->s[1] * 5, 7) * 9;
    uint64_t t = c->s[1] << 17;
    c->s[2] ^= c->s[0];
    c->s[3] ^= c->s[1];
    c->s[1] ^= c->s[2];
    c->s[0] ^= c->s[3];
    c->s[2] ^= t;
    c->s[3] = rotate(c->s[3], 45);
    return result;
}

static void seed(Chance *c)
{
    ssize_t n = getrandom(c->s, sizeof c->s, 0);
    g_assert(n == (ssize_t)sizeof c->s);
    c->s[0] |= 1; /* all zero is the one state it never leaves */
    c->seeded = TRUE;
}

static void write_base32(char *out, int n, uint64_t value)
{
    for (int i = n - 1; i >= 0; i--, value >>= 5)
        out[i] = ALPHABET[value & 31];
}

void trace_id_make(char id[TRACE_ID_LENGTH + 1])
{
    if (!chance.seeded)
        seed(&chance);
    write_base32(id, 10, (uint64_t)clock_now_us() / 1000);
    write_base32(id + 10, 8, next(&chance) >> 24);
    write_base32(id + 18, 8, next(&chance) >> 24);
    id[TRACE_ID_LENGTH] = '\0';
}
