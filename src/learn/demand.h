/* How many users will buy each product within the horizon: a Poisson regression on how many bought
 * it lately, learned from earlier windows of the same data. It knows the trend of a product and of
 * the shop, which a model of single pairs averages away. McCullagh, Nelder: Generalized Linear
 * Models, 1989, chapter 6. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "data/dataset.h"

typedef struct DemandOptions {
    int64_t as_of;   /* µs */
    int64_t horizon; /* µs */
    const Cancel *cancel;
} DemandOptions;

/* demand[item], n_items of them: expected predictable users who buy it in [as_of, as_of + horizon).
 * *windows: how many earlier ones were learned from; 0 when the data is too short, and nothing is
 * written then. Rows of `raw` from as_of on change nothing. ERR_NO_MEMORY, ERR_CANCELLED. */
bool demand_forecast(const Dataset *raw, const DemandOptions *options, double *demand,
                     unsigned *windows, GError **error);
