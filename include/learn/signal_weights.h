/* What an event of another type (a cart, a view) counts beside a purchase, for the learners that
 * take the strengths of pairs. Given by the caller, or learned on a holdout by coordinate search
 * over a few multiples. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "data/dataset.h"

#define SIGNAL_HALF_LIFE_DAYS 30.0 /* where neither given nor learned */

typedef struct SignalWeights {
    uint32_t n;                 /* of the data set's signals */
    double weight[SIGNALS_MAX]; /* of one event, a purchase being 1; 0: not in the strengths */
    double half_life_days[SIGNALS_MAX];                               /* > 0 */
    bool weight_learned[SIGNALS_MAX], half_life_learned[SIGNALS_MAX]; /* else given, or as above */
} SignalWeights;

/* What is given; 0 and SIGNAL_HALF_LIFE_DAYS for the rest. */
SignalWeights signal_weights_given(const Dataset *data);
