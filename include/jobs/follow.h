/* Keeps what serves in step with what the state tables say is active: after a restart, an
 * activation by another daemon, or an outage of PostgreSQL. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "base/config.h"
#include "index/register.h"
#include "store/store.h"

/* Publishes the local file of every active version that does not serve yet, or not yet with the
 * columns of the file that is stored for it. A file that is not here or is damaged is logged and
 * left. ERR_UNAVAILABLE. */
bool follow_active_versions(Store *store, Register *reg, GError **error);

/* Makes a stored version the active one: in the state tables, in the output view, in the register.
 * ERR_NOT_FOUND; ERR_CONFLICT when its file is gone; ERR_UNAVAILABLE. */
bool follow_activate(Store *store, Register *reg, const SourceSettings *source,
                     const char *prediction, int version, GError **error);
