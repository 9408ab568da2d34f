/* libpq for the files of this folder: connecting, errors, cleanup. PGconn and PGresult leave the
 * folder nowhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>
#include <libpq-fe.h>

#include "base/cancel.h"

/* Connects with keepalives, tcp_user_timeout, connect_timeout 5 s, UTF-8, ISO dates, UTC, notices
 * dropped, and the given statement_timeout (0: none). ERR_UNAVAILABLE; the message never holds the
 * connection string or the password. */
PGconn *db_connect(const char *connection, const char *application, uint32_t statement_timeout_ms,
                   GError **error);

/* The result of one statement with n text parameters (extended protocol). NULL with the error that
 * db_error() makes. */
PGresult *db_query(PGconn *connection, const char *sql, int n, const char *const *values,
                   GError **error);

/* Sets `error` from what failed last: ERR_UNAVAILABLE when the connection is broken, the server is
 * going down or starting, or is short of something (53xxx), ERR_TIMEOUT (57014: a statement ended
 * by statement_timeout or at the server; 55P03), ERR_CONFLICT (23505, 40001, 40P01), ERR_NO_SPACE
 * (53100), ERR_INVALID for what the shop's data or description causes (0A000, 22xxx, 23xxx, 42xxx
 * with 42501 and its object, 54xxx, P0xxx), else ERR_INTERNAL. `what` begins the message. Returns
 * false. */
bool db_error(PGconn *connection, const PGresult *result, const char *what, GError **error);

/* A quoted identifier, for g_free(). */
char *db_identifier(PGconn *connection, const char *name);

/* A quoted literal, for g_free(). */
char *db_literal(PGconn *connection, const char *text);

/* Column `name` of row `row` as text, NULL when null. The column must exist. */
const char *db_text(const PGresult *result, int row, const char *name);
int64_t db_int(const PGresult *result, int row, const char *name);   /* 0 when null */
double db_number(const PGresult *result, int row, const char *name); /* NAN when null */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PGconn, PQfinish)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PGresult, PQclear)
