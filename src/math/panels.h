/* Inner products of many vectors with many: the vectors of one side packed 12 by 12, those of the
 * other 32 by 32, so that the products of such a pair stay in registers. Each product is one chain
 * of fused multiply-adds along the vectors: its bits hang on the two vectors alone, not on where
 * they stand, nor on how many there are (without FMA hardware: multiplied, then added). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PANEL_USERS 12u
#define PANEL_ITEMS 32u

/* panel[f × width + i] = rows[i][f] for n ≤ width rows of `rank` floats; the others are zero. */
void panel_pack(const float *const *rows, uint32_t n, uint32_t rank, uint32_t width, float *panel);

/* Whether this machine has the wide variant (AVX-512). */
bool panel_wide(void);

/* Multiplies 12 users with 32 items, both packed and aligned to 64. hits[u]: a bit for each item
 * whose product with user u is at least least[u] (NaN never is). Returns a bit for each user with
 * hits; when there are any, `scores` (12 × 32, aligned to 64) holds all products. `least` NULL:
 * products only. */
uint32_t panel_multiply(const float *users, const float *items, uint32_t rank, const float *least,
                        uint32_t *hits, float *scores);

/* The same without hardware wider than `wide` says. */
uint32_t panel_multiply_as(bool wide, const float *users, const float *items, uint32_t rank,
                           const float *least, uint32_t *hits, float *scores);
