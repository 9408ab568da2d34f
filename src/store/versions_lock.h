/* What a transaction that changes versions takes first, in this order. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "db.h"
#include "store/jobs.h"

/* Until the end of the transaction nobody else can claim the job. ERR_CANCELLED when the lease was
 * lost. */
bool versions_lock_job(PGconn *connection, const Job *job, GError **error);

/* One change of what is active at a time: a second waits here, and then sees what the first did. */
bool versions_lock_active(PGconn *connection, const char *prediction, GError **error);
