/* The k largest of many scores. Order everywhere: higher score first, then lower index; NaN and
 * -INFINITY are never selected. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Scored {
    uint32_t index;
    float score;
} Scored;

/* Selects from scores[0 … n-1] into best (room for k), sorted. Returns how many (≤ k).
 * Compares against a running threshold, keeps an unordered buffer of at most 2k and compacts it.
 * `work`: 2k entries of scratch. */
size_t topk_select(const float *scores, size_t n, size_t k, Scored *work, Scored *best);

/* Makes a heap of n entries, the last of them in order at list[0]. */
void topk_heap(Scored *list, size_t n);

/* Puts an entry in the place of list[0] of such a heap. */
void topk_heap_replace(Scored *list, size_t n, Scored entry);

/* Sorts in the order above. */
void topk_sort(Scored *list, size_t n);

/* Brings the k ≤ n first in order to the front, sorted; the others follow in any order. */
void topk_first(Scored *list, size_t n, size_t k);
