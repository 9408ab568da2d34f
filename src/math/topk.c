#include "math/topk.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <glib.h>

#define BLOCK           64
#define INSERTION_LIMIT 24

static bool is_before(Scored a, Scored b)
{
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

static void swap(Scored *a, Scored *b)
{
    Scored held = *a;
    *a = *b;
    *b = held;
}

static void insertion_sort(Scored *list, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        Scored held = list[i];
        size_t at = i;
        for (; at > 0 && is_before(held, list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = held;
    }
}

/* Restores a heap whose root is the last in order, after list[at] was replaced. */
static void sift_down(Scored *list, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_before(list[child], list[child + 1]))
            child++;
        if (!is_before(list[at], list[child]))
            return;
        swap(&list[at], &list[child]);
    }
}

void topk_heap(Scored *list, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(list, n, i);
}

static void heap_sort(Scored *list, size_t n)
{
    topk_heap(list, n);
    for (size_t end = n; end-- > 1;) {
        swap(&list[0], &list[end]);
        sift_down(list, end, 0);
    }
}

/* Puts the median of three at the end, all before it in order to its left; returns its place. */
static size_t partition(Scored *list, size_t n)
{
    Scored *last = &list[n - 1], *middle = &list[n / 2];
    if (is_before(*middle, list[0]))
        swap(middle, &list[0]);
    if (is_before(*last, list[0]))
        swap(last, &list[0]);
    if (is_before(*middle, *last))
        swap(middle, last);
    Scored pivot = *last;
    size_t place = 0;
    for (size_t i = 0; i < n - 1; i++) {
        /* Without a branch: whether it moves is a coin toss that no predictor learns. */
        Scored held = list[i];
        list[i] = list[place];
        list[place] = held;
        place += is_before(held, pivot);
    }
    swap(&list[place], last);
    return place;
}

/* Rounds that a list of n may take before its pivots count as unlucky. */
static unsigned round_limit(size_t n)
{
    unsigned limit = 2;
    for (; n > 1; n /= 2)
        limit += 2;
    return limit;
}

/* Brings the k first in order to list[0 … k-1], in any order among themselves, the k-th of them at
 * list[k-1].  1 ≤ k ≤ n. */
static void select_first(Scored *list, size_t n, size_t k)
{
    for (unsigned rounds = round_limit(n); n > INSERTION_LIMIT; rounds--) {
        if (rounds == 0) {
            heap_sort(list, n);
            return;
        }
        size_t place = partition(list, n);
        if (place == k - 1)
            return;
        if (place >= k) {
            n = place;
        } else {
            list += place + 1;
            n -= place + 1;
            k -= place + 1;
        }
    }
    insertion_sort(list, n);
}

static void sort_rounds(Scored *list, size_t n, unsigned rounds)
{
    while (n > INSERTION_LIMIT) {
        if (rounds-- == 0) {
            heap_sort(list, n);
            return;
        }
        size_t place = partition(list, n);
        size_t right = n - place - 1;
        /* Recursing into the smaller part only bounds the depth by log2 n. */
        if (place < right) {
            sort_rounds(list, place, rounds);
            list += place + 1;
            n = right;
        } else {
            sort_rounds(list + place + 1, right, rounds);
            n = place;
        }
    }
    insertion_sort(list, n);
}

/* A loop of fixed length without a branch, which compilers turn into vector compares. */
static bool any_above(const float scores[BLOCK], float threshold)
{
    int hits = 0;
    for (int i = 0; i < BLOCK; i++)
        hits |= scores[i] > threshold;
    return hits;
}

typedef struct Selection {
    Scored *list; /* room for 2k */
    size_t n, k;
    float threshold; /* of the k-th best once the buffer was full */
} Selection;

static void offer(Selection *selection, const float *scores, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        if (!(scores[i] > selection->threshold))
            continue;
        selection->list[selection->n++] = (Scored){(uint32_t)i, scores[i]};
        if (selection->n == 2 * selection->k) {
            select_first(selection->list, selection->n, selection->k);
            selection->n = selection->k;
            selection->threshold = selection->list[selection->k - 1].score;
        }
    }
}

size_t topk_select(const float *scores, size_t n, size_t k, Scored *work, Scored *best)
{
    if (k == 0)
        return 0;
    Selection selection = {.list = work, .k = k, .threshold = -INFINITY};
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        if (any_above(scores + i, selection.threshold))
            offer(&selection, scores, i, i + BLOCK);
    offer(&selection, scores, i, n);
    size_t kept = MIN(selection.n, k);
    if (selection.n > k)
        select_first(work, selection.n, k);
    memcpy(best, work, kept * sizeof *best);
    topk_sort(best, kept);
    return kept;
}

void topk_heap_replace(Scored *list, size_t n, Scored entry)
{
    list[0] = entry;
    sift_down(list, n, 0);
}

void topk_sort(Scored *list, size_t n)
{
    sort_rounds(list, n, round_limit(n));
}

void topk_first(Scored *list, size_t n, size_t k)
{
    if (k > 0 && k < n)
        select_first(list, n, k);
    topk_sort(list, MIN(k, n));
}
