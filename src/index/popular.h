/* Predictable items by how much they are bought now: overall, and for every value of a column. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "data/split.h"

typedef struct Popular {
    uint32_t n;
    uint32_t *item; /* n predictable items, best first; equal ones by lower number */
    float *weight;  /* n_items: purchases of the last year, each halved every 30 days; 0: none */
} Popular;

/* ERR_NO_MEMORY. For popular_free(). */
Popular *popular_new(const Dataset *view, const Scope *scope, GError **error);
void popular_free(Popular *popular);

/* Per value of `column`, the items of `popular` that have it, in its order. */
typedef struct ValueLists {
    uint64_t *start; /* n_values + 1 */
    uint32_t *item;
} ValueLists;

/* ERR_NO_MEMORY. For value_lists_free(). */
ValueLists *value_lists_new(const Popular *popular, const Column *column, GError **error);
void value_lists_free(ValueLists *lists);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Popular, popular_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ValueLists, value_lists_free)
