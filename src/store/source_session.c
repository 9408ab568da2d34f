#include "source_session.h"

#include <poll.h>
#include <string.h>

#include "base/error.h"

#define WAIT_MS 100

static void cancel_query(PGconn *connection)
{
    char reason[256];
    PGcancel *cancel = PQgetCancel(connection);
    if (cancel != NULL)
        PQcancel(cancel, reason, sizeof reason);
    PQfreeCancel(cancel);
}

static bool run(PGconn *connection, const char *sql, GError **error)
{
    g_autoptr(PGresult) result = db_query(connection, sql, 0, NULL, error);
    return result != NULL;
}

PGconn *session_open(const SourceSettings *source, GError **error)
{
    g_autoptr(PGconn) connection =
        db_connect(source->connection, "shortlist", source->statement_timeout_ms, error);
    if (connection == NULL || !run(connection, "SET lock_timeout = '5s'", error) ||
        !run(connection, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", error))
        return NULL;
    return g_steal_pointer(&connection);
}

bool session_wait(PGconn *connection, const Cancel *cancel, GError **error)
{
    for (;;) {
        if (!cancel_check(cancel, error)) {
            cancel_query(connection);
            return false;
        }
        struct pollfd ready = {.fd = PQsocket(connection), .events = POLLIN};
        if (ready.fd < 0)
            return db_error(connection, NULL, "source", error);
        if (poll(&ready, 1, WAIT_MS) > 0)
            break;
    }
    if (!PQconsumeInput(connection))
        return db_error(connection, NULL, "source", error);
    return true;
}

/* Waits for the first result of a statement. */
static bool send_and_wait(PGconn *connection, const char *sql, const char *what,
                          const Cancel *cancel, PGresult **result, GError **error)
{
    if (!cancel_check(cancel, error))
        return false;
    if (!PQsendQueryParams(connection, sql, 0, NULL, NULL, NULL, NULL, 0))
        return db_error(connection, NULL, what, error);
    while (PQisBusy(connection))
        if (!session_wait(connection, cancel, error))
            return false;
    *result = PQgetResult(connection);
    return true;
}

PGresult *session_query(PGconn *connection, const char *sql, const char *what, const Cancel *cancel,
                        GError **error)
{
    g_autoptr(PGresult) result = NULL;
    if (!send_and_wait(connection, sql, what, cancel, &result, error))
        return NULL;
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!good)
        db_error(connection, result, what, error);
    for (PGresult *end = PQgetResult(connection); end != NULL; end = PQgetResult(connection))
        PQclear(end);
    return good ? g_steal_pointer(&result) : NULL;
}

bool session_copy(PGconn *connection, const char *sql, const char *what, const Cancel *cancel,
                  GError **error)
{
    g_autoptr(PGresult) result = NULL;
    if (!send_and_wait(connection, sql, what, cancel, &result, error))
        return false;
    return PQresultStatus(result) == PGRES_COPY_OUT || db_error(connection, result, what, error);
}

bool session_estimate(PGconn *connection, const char *sql, double *rows, GError **error)
{
    static const char mark[] = "\"Plan Rows\": ";
    g_autofree char *explain = g_strconcat("EXPLAIN (FORMAT JSON) ", sql, NULL);
    g_autoptr(PGresult) result = db_query(connection, explain, 0, NULL, error);
    if (result == NULL)
        return false;
    const char *found = PQntuples(result) > 0 ? strstr(PQgetvalue(result, 0, 0), mark) : NULL;
    *rows = found == NULL ? 0 : g_ascii_strtod(found + strlen(mark), NULL);
    return true;
}
