/* Queueing remaps inside the transaction of the change that calls for them. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "db.h"
#include "store/remaps.h"

/* After a change of the prediction's active version or of what it is mapped by: holds the products
 * model against changes until the end of the transaction, and queues a remap when the version is
 * behind it. */
bool remaps_queue_behind(PGconn *connection, const char *prediction, GError **error);
