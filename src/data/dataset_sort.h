/* From rows in the order they came to rows by user, time and item. */
#pragma once

#include <stdbool.h>

#include "base/cancel.h"
#include "data/dataset.h"

#define CHUNK_ROWS (UINT64_C(1) << 18)

/* Moves all rows of the chunks (of Interactions, numbers below the data set's counts) into the data
 * set, sorted, and fills user_start, first and last. A chunk's array is freed as soon as it was
 * moved: with the chunks at most one array of the result is held twice. */
bool dataset_sort(Dataset *dataset, GPtrArray *chunks, const Cancel *cancel, GError **error);
