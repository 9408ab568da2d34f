/* Groups of products that stand for one another: the values of an attribute, the last word of a
 * text ("holder" of "T-light holder"), and variants whose ids differ in trailing letters only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"

#define GROUPINGS_MAX 4

typedef struct Grouping {
    char name[24];
    uint32_t n_groups;
    uint32_t *group_of; /* n_items; IDS_NONE where a product is in no group */
} Grouping;

typedef struct Groupings {
    size_t n;
    Grouping grouping[GROUPINGS_MAX];
} Groupings;

/* Attributes in the order of the model, those first that are categories, none that the prediction
 * leaves out. Only what puts several products together counts. For groupings_free(). ERR_NO_MEMORY.
 */
Groupings *groupings_new(const Dataset *view, GError **error);
void groupings_free(Groupings *groupings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Groupings, groupings_free)
