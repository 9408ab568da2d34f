/* Which number of an output, a version's or a build's, is read, and which go. */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "output_tables.h"
#include "store/output.h"

#define DROP_TRIES 5

bool output_point_to(PGconn *connection, const OutputNames *names, uint32_t number, GError **error)
{
    int attached = output_is_attached(connection, names, number, error);
    if (attached <= 0) {
        if (attached == 0)
            error_set(error, ERR_NOT_FOUND, "version %u is not in %s.%s", number, names->schema,
                      names->view);
        return false;
    }
    g_autofree char *sql = g_strdup_printf(
        "INSERT INTO %s (prediction, version, published_at) VALUES ($1, $2::integer, now())"
        " ON CONFLICT (prediction) DO UPDATE SET version = excluded.version,"
        " published_at = excluded.published_at",
        names->pointer_sql);
    g_autofree char *text = g_strdup_printf("%u", number);
    const char *values[] = {names->pointer_key, text};
    g_autoptr(PGresult) result = db_query(connection, sql, 2, values, error);
    return result != NULL;
}

bool output_point(const SourceSettings *source, const char *prediction, uint32_t version,
                  GError **error)
{
    g_autoptr(PGconn) connection = output_connect(source, error);
    if (!connection)
        return false;
    g_autoptr(OutputNames) names = output_names_new(connection, source, prediction);
    return output_point_to(connection, names, version, error);
}

static bool is_kept(int64_t version, const uint32_t *keep, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (keep[i] == version)
            return true;
    }
    return false;
}

int64_t output_pointed(PGconn *connection, const OutputNames *names, GError **error)
{
    g_autofree char *sql =
        g_strdup_printf("SELECT version FROM %s WHERE prediction = $1", names->pointer_sql);
    const char *values[] = {names->pointer_key};
    g_autoptr(PGresult) result = db_query(connection, sql, 1, values, error);
    if (!result)
        return -2;
    return PQntuples(result) > 0 ? db_int(result, 0, "version") : -1;
}

/* Tables of single versions, attached or left behind: name, version, state ('attached', 'pending',
 * 'detached'); pending ones first, since they are in the way of others. */
static PGresult *list_partitions(PGconn *connection, const OutputNames *names, GError **error)
{
    static const char sql[] =
        "SELECT c.relname AS name, substr(c.relname, length($2) + 1)::bigint AS version,"
        "       CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'pending'"
        "            ELSE 'attached' END AS state"
        " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r'"
        "   AND starts_with(c.relname, $2) AND substr(c.relname, length($2) + 1) ~ '^[0-9]{1,10}$'"
        "   AND (i.inhparent IS NULL OR i.inhparent = to_regclass($3))"
        " ORDER BY (i.inhdetachpending IS TRUE) DESC, version";
    const char *values[] = {names->schema_sql, names->partition_prefix, names->rows_sql};
    return db_query(connection, sql, 3, values, error);
}

/* DETACH … CONCURRENTLY marks the partition, then waits for whoever may still see it. When that is
 * too long the mark stays, and FINALIZE ends it another day. */
static bool remove_partition(PGconn *connection, const OutputNames *names, const char *name,
                             const char *state, GError **error)
{
    g_autofree char *partition = output_qualified(connection, names, name);
    if (strcmp(state, "detached") != 0) {
        g_autofree char *detach =
            g_strdup_printf("ALTER TABLE %s DETACH PARTITION %s %s", names->rows_sql, partition,
                            strcmp(state, "pending") == 0 ? "FINALIZE" : "CONCURRENTLY");
        if (!output_run(connection, detach, "detaching an old version", error))
            return false;
    }
    g_autofree char *drop = g_strdup_printf("DROP TABLE %s", partition);
    return output_run(connection, drop, "dropping an old version", error);
}

/* Whether there is this output: 0 none, -1 with an error. */
static int output_exists(PGconn *connection, const OutputNames *names, GError **error)
{
    static const char sql[] =
        "SELECT coalesce(obj_description(to_regclass($1), 'pg_class') = $2, false)"
        " AND to_regclass($3) IS NOT NULL AS exists";
    g_autofree char *comment = output_comment(names);
    const char *values[] = {names->rows_sql, comment, names->pointer_sql};
    g_autoptr(PGresult) result = db_query(connection, sql, 3, values, error);
    return result ? db_text(result, 0, "exists")[0] == 't' : -1;
}

/* True also when one is still read: that is for the next time. */
static bool prune_all(PGconn *connection, const OutputNames *names, const uint32_t *keep, size_t n,
                      GError **error)
{
    int64_t pointed = output_pointed(connection, names, error);
    if (pointed == -2)
        return false;
    g_autoptr(PGresult) partitions = list_partitions(connection, names, error);
    if (!partitions)
        return false;
    for (int row = 0; row < PQntuples(partitions); row++) {
        int64_t version = db_int(partitions, row, "version");
        const char *name = db_text(partitions, row, "name");
        const char *state = db_text(partitions, row, "state");
        if (strcmp(state, "attached") == 0 && (version == pointed || is_kept(version, keep, n)))
            continue;
        g_autoptr(GError) failure = NULL;
        if (remove_partition(connection, names, name, state, &failure))
            continue;
        if (!g_error_matches(failure, ERROR_DOMAIN, ERR_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        log_event(LOG_INFO, "an old output version is still read and goes later", "table",
                  LOG_STRING(name), NULL);
        /* While one waits to be finalized no other can be detached. */
        return true;
    }
    return true;
}

bool output_prune_to(PGconn *connection, const OutputNames *names, const uint32_t *keep, size_t n,
                     GError **error)
{
    int exists = output_exists(connection, names, error);
    return exists > 0 ? prune_all(connection, names, keep, n, error) : exists == 0;
}

bool output_prune(const SourceSettings *source, const char *prediction, const uint32_t *keep,
                  size_t n, GError **error)
{
    g_autoptr(PGconn) connection = output_connect(source, error);
    if (!connection)
        return false;
    g_autoptr(OutputNames) names = output_names_new(connection, source, prediction);
    return output_prune_to(connection, names, keep, n, error);
}

static void append_drops(PGconn *connection, const OutputNames *names, const PGresult *partitions,
                         GString *sql)
{
    for (int row = 0; row < PQntuples(partitions); row++) {
        g_autofree char *partition =
            output_qualified(connection, names, db_text(partitions, row, "name"));
        g_string_append_printf(sql, "DROP TABLE IF EXISTS %s;", partition);
    }
}

/* All or nothing, in one transaction of one PQexec. */
static bool drop_all(PGconn *connection, const OutputNames *names, GError **error)
{
    g_autoptr(PGresult) partitions = list_partitions(connection, names, error);
    if (!partitions)
        return false;
    g_autofree char *literal = db_literal(connection, names->pointer_key);
    g_autoptr(GString) sql = g_string_new(NULL);
    g_string_append_printf(sql, "DROP VIEW IF EXISTS %s; DROP TABLE %s;", names->view_sql,
                           names->rows_sql);
    append_drops(connection, names, partitions, sql);
    g_string_append_printf(sql, "DELETE FROM %s WHERE prediction = %s", names->pointer_sql,
                           literal);
    return output_run(connection, sql->str, "dropping the output", error);
}

bool output_drop_all(PGconn *connection, const OutputNames *names, GError **error)
{
    int exists = output_exists(connection, names, error);
    if (exists <= 0)
        return exists == 0;
    for (unsigned tries = 1;; tries++) {
        g_autoptr(GError) failure = NULL;
        if (drop_all(connection, names, &failure))
            return true;
        if (!g_error_matches(failure, ERROR_DOMAIN, ERR_TIMEOUT) || tries == DROP_TRIES) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        g_usleep(100 * 1000);
    }
}

bool output_drop(const SourceSettings *source, const char *prediction, GError **error)
{
    g_autoptr(PGconn) connection = output_connect(source, error);
    if (!connection)
        return false;
    g_autoptr(OutputNames) names = output_names_new(connection, source, prediction);
    return output_drop_all(connection, names, error);
}

char *output_view_name(const SourceSettings *source, const char *prediction)
{
    g_autofree char *view = output_base_name(&output_of_prediction, prediction);
    return g_strconcat(source->output_schema, ".", view, NULL);
}
