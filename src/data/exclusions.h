/* The periods that a prediction leaves out, with the products they are about as numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/attributes.h"
#include "data/dataset.h"
#include "data/ids.h"

typedef struct Exclusions Exclusions;

/* Borrows nothing after the call. For exclusions_free(). ERR_NO_MEMORY. */
Exclusions *exclusions_new(const Period *periods, size_t n, const Ids *items,
                           const Attributes *attributes, GError **error);
void exclusions_free(Exclusions *exclusions);

/* Whether a line of `item` (below the number of items) at `time` is left out. */
bool exclusions_hold(const Exclusions *exclusions, int64_t time, uint32_t item);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Exclusions, exclusions_free)
