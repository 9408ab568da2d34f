/* How the repositories of this folder reach our own tables; the private side of store.c. Names in
 * their SQL are unqualified: every connection's search_path is the state schema. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "db.h"
#include "store/store.h"

/* A new connection, for PQfinish(); statement_timeout_ms 0: none. */
PGconn *state_connect(Store *store, uint32_t statement_timeout_ms, GError **error);

const char *state_schema(const Store *store);

/* One statement on a connection of the pool. */
PGresult *state_query(Store *store, const char *sql, int n, const char *const *values,
                      GError **error);

/* Runs `work` between BEGIN and COMMIT on a connection of the pool; ROLLBACK when it fails. */
typedef bool (*StateWork)(PGconn *connection, void *context, GError **error);
bool state_transaction(Store *store, StateWork work, void *context, GError **error);

/* Microseconds since 1970 of a timestamptz column, for a SELECT list. */
#define STATE_TIME(column) "(extract(epoch FROM " column ") * 1000000)::bigint AS " column

/* Text that PostgreSQL takes: valid UTF-8, at most `max` bytes. NULL for NULL; for g_free(). */
char *state_text(const char *text, size_t max);
