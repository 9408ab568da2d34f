#include "panels.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* The resolvers run before a sanitizer is ready. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#define NARROW_USERS 6u
#define NARROW_ITEMS 16u

typedef float Eight __attribute__((vector_size(32)));
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/* Four of four rows, to four of their columns. */
static void transpose(const float *const *rows, uint32_t at, uint32_t width, float *panel)
{
    Four a = *(const Four *)(rows[0] + at), b = *(const Four *)(rows[1] + at);
    Four c = *(const Four *)(rows[2] + at), d = *(const Four *)(rows[3] + at);
    Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(Four *)panel = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(Four *)(panel + width) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(Four *)(panel + 2 * (size_t)width) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(Four *)(panel + 3 * (size_t)width) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

void panel_pack(const float *const *rows, uint32_t n, uint32_t rank, uint32_t width, float *panel)
{
    uint32_t whole = n - n % 4, even = rank - rank % 4;
    for (uint32_t i = 0; i < whole; i += 4) {
        for (uint32_t f = 0; f < even; f += 4)
            transpose(rows + i, f, width, panel + (size_t)f * width + i);
        for (uint32_t f = even; f < rank; f++) {
            for (uint32_t r = i; r < i + 4; r++)
                panel[(size_t)f * width + r] = rows[r][f];
        }
    }
    for (uint32_t f = 0; f < rank; f++) {
        for (uint32_t i = whole; i < n; i++)
            panel[(size_t)f * width + i] = rows[i][f];
        memset(panel + (size_t)f * width + n, 0, (width - n) * sizeof(float));
    }
}

/* Six users with sixteen items, which is what sixteen registers of eight floats hold. */
CLONES static void multiply_narrow(const float *users, const float *items, uint32_t rank,
                                   float *scores)
{
    Eight sum[NARROW_USERS][2] = {0};
    for (uint32_t f = 0; f < rank; f++, users += PANEL_USERS, items += PANEL_ITEMS) {
        Eight low = *(const Eight *)items, high = *(const Eight *)(items + 8);
#pragma GCC unroll 6
        for (uint32_t u = 0; u < NARROW_USERS; u++) {
            sum[u][0] += users[u] * low;
            sum[u][1] += users[u] * high;
        }
    }
#pragma GCC unroll 6
    for (uint32_t u = 0; u < NARROW_USERS; u++) {
        *(Eight *)(scores + (size_t)u * PANEL_ITEMS) = sum[u][0];
        *(Eight *)(scores + (size_t)u * PANEL_ITEMS + 8) = sum[u][1];
    }
}

CLONES static uint32_t find_hits(const float *scores, const float *least, uint32_t *hits)
{
    uint32_t found = 0;
    for (uint32_t u = 0; u < PANEL_USERS; u++, scores += PANEL_ITEMS) {
        uint32_t any = 0;
        for (uint32_t i = 0; i < PANEL_ITEMS; i++)
            any |= scores[i] >= least[u];
        hits[u] = 0;
        for (uint32_t i = 0; any && i < PANEL_ITEMS; i++)
            hits[u] |= (uint32_t)(scores[i] >= least[u]) << i;
        found |= any << u;
    }
    return found;
}

static uint32_t panel_multiply_narrow(const float *users, const float *items, uint32_t rank,
                                      const float *least, uint32_t *hits, float *scores)
{
    for (uint32_t u = 0; u < PANEL_USERS; u += NARROW_USERS) {
        for (uint32_t i = 0; i < PANEL_ITEMS; i += NARROW_ITEMS)
            multiply_narrow(users + u, items + i, rank, scores + (size_t)u * PANEL_ITEMS + i);
    }
    return least ? find_hits(scores, least, hits) : 0;
}

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx512f")))

/* 24 of 32 registers hold the sums. */
WIDE static uint32_t panel_multiply_wide(const float *users, const float *items, uint32_t rank,
                                         const float *least, uint32_t *hits, float *scores)
{
    __m512 sum[PANEL_USERS][2];
#pragma GCC unroll 12
    for (uint32_t u = 0; u < PANEL_USERS; u++)
        sum[u][0] = sum[u][1] = _mm512_setzero_ps();
    for (uint32_t f = 0; f < rank; f++, users += PANEL_USERS, items += PANEL_ITEMS) {
        __m512 low = _mm512_load_ps(items), high = _mm512_load_ps(items + 16);
#pragma GCC unroll 12
        for (uint32_t u = 0; u < PANEL_USERS; u++) {
            __m512 user = _mm512_set1_ps(users[u]);
            sum[u][0] = _mm512_fmadd_ps(user, low, sum[u][0]);
            sum[u][1] = _mm512_fmadd_ps(user, high, sum[u][1]);
        }
    }
    uint32_t found = 0;
#pragma GCC unroll 12
    for (uint32_t u = 0; least && u < PANEL_USERS; u++) {
        __m512 wanted = _mm512_set1_ps(least[u]);
        uint32_t hit = _mm512_cmp_ps_mask(sum[u][0], wanted, _CMP_GE_OQ) |
                       (uint32_t)_mm512_cmp_ps_mask(sum[u][1], wanted, _CMP_GE_OQ) << 16;
        hits[u] = hit;
        found |= (uint32_t)(hit != 0) << u;
    }
    if (least && found == 0)
        return 0;
#pragma GCC unroll 12
    for (uint32_t u = 0; u < PANEL_USERS; u++) {
        _mm512_store_ps(scores + (size_t)u * PANEL_ITEMS, sum[u][0]);
        _mm512_store_ps(scores + (size_t)u * PANEL_ITEMS + 16, sum[u][1]);
    }
    return found;
}

bool panel_wide(void)
{
    return __builtin_cpu_supports("avx512f");
}
#else
#define panel_multiply_wide panel_multiply_narrow

bool panel_wide(void)
{
    return false;
}
#endif

uint32_t panel_multiply_as(bool wide, const float *users, const float *items, uint32_t rank,
                           const float *least, uint32_t *hits, float *scores)
{
    return (wide ? panel_multiply_wide : panel_multiply_narrow)(users, items, rank, least, hits,
                                                                scores);
}

uint32_t panel_multiply(const float *users, const float *items, uint32_t rank, const float *least,
                        uint32_t *hits, float *scores)
{
    return panel_multiply_as(panel_wide(), users, items, rank, least, hits, scores);
}
