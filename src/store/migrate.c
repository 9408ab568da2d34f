#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "state.h"
#include "store/store.h"

/* The SQL files become NUL-terminated read-only data of the program; paths are from the project's
 * root, where the compiler runs. */
#define EMBED(symbol, path)                                                                        \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n.byte 0\n.popsection\n");   \
    extern const char symbol[] __attribute__((visibility("hidden")))

EMBED(schema_001, "src/store/schema/001_foundation.sql");
EMBED(schema_002, "src/store/schema/002_remap.sql");
EMBED(schema_003, "src/store/schema/003_audience_table.sql");
EMBED(schema_004, "src/store/schema/004_backtest.sql");

static const struct {
    const char *name;
    const char *sql;
} steps[] = {
    {"foundation", schema_001},
    {"remap", schema_002},
    {"audience_table", schema_003},
    {"backtest", schema_004},
};

#define NEWEST ((int)G_N_ELEMENTS(steps))

/* The schema's version; 0 when there is none. -1 with an error. */
static int read_version(PGconn *connection, GError **error)
{
    static const char there[] = "SELECT (to_regclass('schema_version') IS NOT NULL)::int AS there";
    static const char newest[] = "SELECT coalesce(max(version), 0) AS version FROM schema_version";
    g_autoptr(PGresult) exists = db_query(connection, there, 0, NULL, error);
    if (!exists)
        return -1;
    if (!db_int(exists, 0, "there"))
        return 0;
    g_autoptr(PGresult) result = db_query(connection, newest, 0, NULL, error);
    return result ? (int)db_int(result, 0, "version") : -1;
}

static bool check_not_newer(int version, GError **error)
{
    if (version <= NEWEST)
        return true;
    error_set(error, ERR_CONFLICT,
              "the database schema has version %d and this program knows %d: start a newer program",
              version, NEWEST);
    return false;
}

/* Several statements in one string: only the simple protocol takes them. */
static bool run_script(PGconn *connection, const char *sql, GError **error)
{
    g_autoptr(PGresult) result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return true;
    return db_error(connection, result, "migration", error);
}

static bool apply(PGconn *connection, const char *schema, int version, GError **error)
{
    g_autofree char *name = db_identifier(connection, schema);
    g_autofree char *begin = g_strdup_printf("BEGIN; SET LOCAL search_path TO %s", name);
    g_autofree char *record =
        g_strdup_printf("INSERT INTO schema_version (version, name) VALUES (%d, '%s'); COMMIT",
                        version, steps[version - 1].name);
    if (!run_script(connection, begin, error) ||
        !run_script(connection, steps[version - 1].sql, error) ||
        !run_script(connection, record, error)) {
        g_prefix_error(error, "schema step %d (%s): ", version, steps[version - 1].name);
        return false;
    }
    log_event(LOG_INFO, "schema step applied", "schema", LOG_STRING(schema), "version",
              LOG_INT(version), "name", LOG_STRING(steps[version - 1].name), NULL);
    return true;
}

/* CREATE SCHEMA IF NOT EXISTS would want a right on the database even when the schema exists. */
static bool make_schema(PGconn *connection, const char *schema, GError **error)
{
    static const char there[] = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    g_autoptr(PGresult) found = db_query(connection, there, 1, &schema, error);
    if (!found)
        return false;
    g_autofree char *name = db_identifier(connection, schema);
    g_autofree char *sql = g_strdup_printf("CREATE SCHEMA %s", name);
    if (PQntuples(found) == 0 && !run_script(connection, sql, error))
        return false;
    return run_script(connection,
                      "CREATE TABLE IF NOT EXISTS schema_version ("
                      "version integer PRIMARY KEY, name text NOT NULL, "
                      "applied_at timestamptz NOT NULL DEFAULT now())",
                      error);
}

/* The lock belongs to the connection, and goes with it. */
static bool lock_schema(PGconn *connection, const char *schema, GError **error)
{
    static const char sql[] =
        "SELECT pg_advisory_lock(hashtextextended('shortlist schema ' || $1, 0))";
    g_autoptr(PGresult) result = db_query(connection, sql, 1, &schema, error);
    return result != NULL;
}

bool store_migrate(Store *store, int *from, int *to, GError **error)
{
    const char *schema = state_schema(store);
    g_autoptr(PGconn) connection = state_connect(store, 0, error);
    if (!connection || !lock_schema(connection, schema, error))
        return false;
    int version = read_version(connection, error);
    if (version < 0 || !check_not_newer(version, error))
        return false;
    *from = *to = version;
    if (version < NEWEST && !make_schema(connection, schema, error))
        return false;
    for (int next = version + 1; next <= NEWEST; next++) {
        if (!apply(connection, schema, next, error))
            return false;
        *to = next;
    }
    return true;
}

bool store_check_schema(Store *store, GError **error)
{
    static const char sql[] = "SELECT coalesce(max(version), 0) AS version FROM schema_version";
    g_autoptr(GError) failure = NULL;
    g_autoptr(PGresult) result = state_query(store, sql, 0, NULL, &failure);
    if (!result && error_code(failure) != ERR_INVALID) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    /* ERR_INVALID: there is no such table, or it may not be read. */
    int version = result ? (int)db_int(result, 0, "version") : 0;
    if (version < NEWEST)
        error_set(error, ERR_NOT_READY,
                  "the database schema has version %d and this program needs %d: run \"migrate\"",
                  version, NEWEST);
    return version >= NEWEST && check_not_newer(version, error);
}
