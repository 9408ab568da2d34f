#include "db.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

static void drop_notice(void *context, const PGresult *result)
{
}

/* What the caller's own connection string sets as `options`, so that ours are added to it. */
static char *options_of(const char *connection)
{
    PQconninfoOption *parsed = PQconninfoParse(connection, NULL);
    char *options = NULL;
    for (PQconninfoOption *o = parsed; o && o->keyword; o++)
        if (strcmp(o->keyword, "options") == 0)
            options = g_strdup(o->val);
    PQconninfoFree(parsed);
    return options;
}

/* A reason fit for callers. Only the server's own words are passed on: libpq's may quote parts of a
 * mistyped connection string, and so a password. */
static char *reason_of(const PGconn *connection)
{
    static const char *const known[][2] = {
        {"Connection refused", "connection refused"},
        {"timeout expired", "no answer in time"},
        {"timed out", "no answer in time"},
        {"could not translate host name", "the host name is unknown"},
        {"No such file or directory", "no server listens on this socket"},
        {"No route to host", "no route to the host"},
        {"Network is unreachable", "no route to the host"},
        {"no password supplied", "the server wants a password"},
        {"certificate", "the TLS certificate was not accepted"},
        {"SSL", "TLS could not be negotiated"},
        {"closed the connection", "the server closed the connection"},
        {"missing \"=\"", "the connection string is malformed"},
        {"invalid", "the connection string is malformed"},
    };
    const char *message = connection ? PQerrorMessage(connection) : "";
    const char *fatal = strstr(message, "FATAL:");
    if (fatal) {
        const char *text = fatal + strlen("FATAL:") + strspn(fatal + strlen("FATAL:"), " ");
        return g_strndup(text, strcspn(text, "\n"));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
        if (strstr(message, known[i][0]))
            return g_strdup(known[i][1]);
    return g_strdup("no connection");
}

PGconn *db_connect(const char *connection, const char *application, uint32_t statement_timeout_ms,
                   GError **error)
{
    g_autofree char *own = options_of(connection);
    g_autofree char *options = g_strdup_printf(
        "%s%s-c TimeZone=UTC -c DateStyle=ISO -c statement_timeout=%" G_GUINT32_FORMAT,
        own ? own : "", own ? " " : "", statement_timeout_ms);
    /* The last value of a keyword holds: what stands before dbname, the string may change. */
    const char *const names[] = {"keepalives",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "connect_timeout",
                                 "dbname",
                                 "application_name",
                                 "client_encoding",
                                 "options",
                                 NULL};
    const char *const values[] = {"1",        "5",         "2",    "3",     "10000", "5",
                                  connection, application, "UTF8", options, NULL};
    /* A server that goes down tells even half-made connections, and libpq writes that to stderr,
     * amid our log, until a receiver is set. PQconnectdbParams() lets us set one only when it is
     * through. So: begin, set it, then begin anew, which keeps it and, unlike a PQconnectPoll()
     * loop of our own, every rule of libpq's on several hosts and their timeouts. */
    g_autoptr(PGconn) made = PQconnectStartParams(names, values, 1);
    if (made && PQstatus(made) != CONNECTION_BAD) {
        PQsetNoticeReceiver(made, drop_notice, NULL);
        PQreset(made);
    }
    if (!made || PQstatus(made) != CONNECTION_OK) {
        g_autofree char *reason = reason_of(made);
        error_set(error, ERR_UNAVAILABLE, "PostgreSQL cannot be reached: %s", reason);
        return NULL;
    }
    return g_steal_pointer(&made);
}

static bool is_success(const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        return true;
    default:
        return false;
    }
}

PGresult *db_query(PGconn *connection, const char *sql, int n, const char *const *values,
                   GError **error)
{
    g_autoptr(PGresult) result = PQexecParams(connection, sql, n, NULL, values, NULL, NULL, 0);
    if (is_success(result))
        return g_steal_pointer(&result);
    db_error(connection, result, "PostgreSQL", error);
    return NULL;
}

/* A row matches a SQLSTATE that begins with it; the first match counts. 57014 is a statement that
 * the server ended before its time, at its timeout or because somebody there said so: only words,
 * in the server's language, would tell which. What we cancel ourselves we know without asking. */
static ErrorCode code_of(const char *state)
{
    static const struct {
        const char *state;
        ErrorCode code;
    } rows[] = {
        {"57014", ERR_TIMEOUT},  {"57P", ERR_UNAVAILABLE}, {"08", ERR_UNAVAILABLE},
        {"53100", ERR_NO_SPACE}, {"53", ERR_UNAVAILABLE},  {"55P03", ERR_TIMEOUT},
        {"23505", ERR_CONFLICT}, {"40001", ERR_CONFLICT},  {"40P01", ERR_CONFLICT},
        {"0A000", ERR_INVALID},  {"22", ERR_INVALID},      {"23", ERR_INVALID},
        {"25006", ERR_INVALID},  {"3F000", ERR_INVALID},   {"42", ERR_INVALID},
        {"54", ERR_INVALID},     {"P0", ERR_INVALID}, /* RAISE in a function of the shop's */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_str_has_prefix(state, rows[i].state))
            return rows[i].code;
    return ERR_INTERNAL;
}

bool db_error(PGconn *connection, const PGresult *result, const char *what, GError **error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    /* After a stop, a crash or a terminate there may be no SQLSTATE: the connection tells. */
    if (!connection || PQstatus(connection) != CONNECTION_OK) {
        error_set(error, ERR_UNAVAILABLE, "%s: the connection to PostgreSQL was lost", what);
        return false;
    }
    if (!message)
        message = result ? PQresultErrorMessage(result) : PQerrorMessage(connection);
    g_autofree char *line = g_strndup(message, strcspn(message, "\n"));
    error_set(error, code_of(state ? state : ""), "%s: %s", what, line[0] ? line : "no result");
    return false;
}

/* libpq's escape functions refuse text that is not UTF-8; no such object exists in the database. */
char *db_identifier(PGconn *connection, const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    char *quoted = PQescapeIdentifier(connection, valid, strlen(valid));
    g_assert(quoted);
    char *copy = g_strdup(quoted);
    PQfreemem(quoted);
    return copy;
}

char *db_literal(PGconn *connection, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    char *quoted = PQescapeLiteral(connection, valid, strlen(valid));
    g_assert(quoted);
    char *copy = g_strdup(quoted);
    PQfreemem(quoted);
    return copy;
}

const char *db_text(const PGresult *result, int row, const char *name)
{
    int column = PQfnumber(result, name);
    g_assert(column >= 0);
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

int64_t db_int(const PGresult *result, int row, const char *name)
{
    const char *text = db_text(result, row, name);
    return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

double db_number(const PGresult *result, int row, const char *name)
{
    const char *text = db_text(result, row, name);
    return text ? g_ascii_strtod(text, NULL) : NAN;
}
