/* Purchase cycles: who buys a product again and again is due for it at their own pace.
 *
 *     due(u, i) = exp(-off / (gap + H / 4)),  off = days from gap to [since, since + H]
 *
 * for a product bought on n ≥ 2 visits; gap: the mean days between two of them, since: the days
 * since the last one, H: the horizon. So it is 1 where the next purchase falls into the horizon by
 * the user's own pace, and less the sooner or the longer ago it was to come; 0 of a product bought
 * on one visit. Purchases within half a day are one visit. Bhagat, Muralidharan, Lobzhanidze,
 * Vishwanath: Buy It Again: Modeling Repeat Purchase Recommendations, KDD 2018, whose rate of a
 * customer's purchases peaks at the mean gap as well. */
#pragma once

#include "learn/learner.h"
#include "math/csr.h"

#define CYCLE_HORIZON_DAYS 30 /* where the context says none */

/* Multiplies the users' pairs by 1 + strength · due. ERR_NO_MEMORY. */
bool cycles_weigh(const Dataset *view, const FitContext *context, double strength, Csr *pairs,
                  GError **error);

/* Bytes that weighing needs. */
uint64_t cycles_bytes(uint32_t n_items);
