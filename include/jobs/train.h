/* The training pipeline: shop's tables → data set → choice → fitted learner → snapshot file →
 * output table → serving. One job of kind "training".
 *
 * A crash at any point loses nothing and publishes nothing half: until the version is saved (one
 * fenced transaction) a new attempt starts from the tables; after it, a new attempt only finishes
 * what is left: pointing the output view and serving the file. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "index/register.h"
#include "jobs/workers.h"
#include "store/jobs.h"
#include "store/store.h"

/* What the training job works with; the `context` of workers_start(). */
typedef struct TrainContext {
    const Settings *settings;
    Store *store;
    Register *reg;
} TrainContext;

/* The JobKind function of "training". */
bool train_run(JobRun *run, char **result, GError **error);

/* Queues a training of a stored prediction with a copy of its configuration, so that later changes
 * do not reach it. `seed` < 0: the prediction's own. ERR_NOT_FOUND; ERR_NOT_READY naming what is
 * missing; ERR_CONFLICT when one is queued or running. */
Job *train_enqueue(Store *store, const char *prediction, int64_t seed, GError **error);
