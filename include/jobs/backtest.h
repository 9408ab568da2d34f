/* What would have been recommended on a past day, against what happened: shop's tables → data set →
 * its state on that day → choice → comparison. One job of kind "backtest".
 *
 * It reads and chooses as a training does and publishes nothing: its one write is its own row
 * (store/backtests.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "jobs/workers.h"
#include "store/jobs.h"
#include "store/store.h"

#define BACKTEST_KIND "backtest"

/* The JobKind function. The context is a TrainContext. A day that the data cannot tell of (before
 * its first row, with too little before it, with a horizon that goes beyond the last row) fails the
 * job with ERR_INVALID, which says what would do. */
bool backtest_run(JobRun *run, char **result, GError **error);

/* Queues a backtest with a copy of the configuration. horizon_days 0: the prediction's. The caller
 * has looked that as_of and its horizon are over. Errors as of train_enqueue(). */
Job *backtest_enqueue(Store *store, const char *prediction, int64_t as_of, int horizon_days,
                      GError **error);
