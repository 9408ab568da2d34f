/* What the state tables forget: jobs that ended and audit rows, once they are older than the
 * settings keep them. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "base/config.h"
#include "store/store.h"

/* Removes the oldest of them, at most RETENTION_BATCH of each kind; *more: there may be others. A
 * job whose version exists stays, and the job with the highest version number of a prediction, so
 * that no number is given twice. Several daemons may do it at once. ERR_UNAVAILABLE. */
#define RETENTION_BATCH 1000
bool retention_apply(Store *store, const Settings *settings, bool *more, GError **error);
