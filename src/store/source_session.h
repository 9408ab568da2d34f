/* One look at a shop's database: a connection within one REPEATABLE READ, READ ONLY transaction,
 * whose waits end when a Cancel is raised. The transaction ends with the connection. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "db.h"

/* For PQfinish(). A lock that somebody else holds is waited for 5 s at most (ERR_TIMEOUT). */
PGconn *session_open(const SourceSettings *source, GError **error);

/* Waits until libpq has the next result or more of a COPY. ERR_CANCELLED (the query is cancelled at
 * the server too, and the connection is then good for nothing but PQfinish), ERR_UNAVAILABLE. */
bool session_wait(PGconn *connection, const Cancel *cancel, GError **error);

/* As db_query, but looks at `cancel` while it waits. `what` begins the error's message. */
PGresult *session_query(PGconn *connection, const char *sql, const char *what, const Cancel *cancel,
                        GError **error);

/* Sends one COPY … TO STDOUT in the extended protocol and waits until it flows. */
bool session_copy(PGconn *connection, const char *sql, const char *what, const Cancel *cancel,
                  GError **error);

/* Rows the planner expects of a query, 0 when it cannot say. */
bool session_estimate(PGconn *connection, const char *sql, double *rows, GError **error);
