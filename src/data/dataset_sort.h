/* From rows in the order they came to rows by user, time and item. */
#pragma once

#include <stdbool.h>

#include "base/cancel.h"
#include "data/dataset.h"

#include "dataset_bands.h"

/* Moves all rows of the bands (their numbers are below the data set's counts) into the data set,
 * sorted, and fills user_start, first and last; order and price only where the options map them.
 * A band is freed as soon as its rows have moved: few rows are held twice. */
bool dataset_sort(Dataset *dataset, Bands *bands, const DatasetOptions *options,
                  const Cancel *cancel, GError **error);
