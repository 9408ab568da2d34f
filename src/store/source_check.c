/* source_check: which rights the service's role lacks, as GRANT statements. */
#include <string.h>

#include "base/error.h"
#include "source_relation.h"
#include "source_session.h"
#include "store/source.h"

static const char *const denials[][2] = {
    {"permission denied for schema ", "schema"},
    {"permission denied for table ", "table"},
    {"permission denied for view ", "table"},
    {"permission denied for materialized view ", "table"},
    {"permission denied for foreign table ", "table"},
};

typedef struct Checker {
    PGconn *connection;
    JsonWriter *writer;
    GHashTable *said; /* grants written: models share schemas */
    char *role;       /* quoted */
} Checker;

static void say(Checker *checker, const char *right, const char *object, char *takes_grant)
{
    if (!g_hash_table_add(checker->said, takes_grant))
        return;
    JsonWriter *writer = checker->writer;
    json_begin_object(writer);
    json_key(writer, "right");
    json_string(writer, right);
    json_key(writer, "object");
    json_string(writer, object);
    json_key(writer, "grant");
    json_string(writer, takes_grant);
    json_end_object(writer);
}

static void say_schema(Checker *checker, const char *right, const char *schema)
{
    g_autofree char *name = db_identifier(checker->connection, schema);
    say(checker, right, schema,
        g_strdup_printf("GRANT %s ON SCHEMA %s TO %s", right, name, checker->role));
}

static void say_table(Checker *checker, const char *schema, const char *table)
{
    g_autofree char *left = db_identifier(checker->connection, schema);
    g_autofree char *right = db_identifier(checker->connection, table);
    g_autofree char *object = g_strconcat(schema, ".", table, NULL);
    say(checker, "SELECT", object,
        g_strdup_printf("GRANT SELECT ON %s.%s TO %s", left, right, checker->role));
}

/* What the role may not read of one name (any schema when schema is NULL). A table that does not
 * exist lacks no right: validation reports it. */
static bool check_table(Checker *checker, const char *schema, const char *table, GError **error)
{
    static const char sql[] =
        "SELECT n.nspname AS schema, c.relname AS name,"
        "  has_schema_privilege(n.oid, 'USAGE') AS usage,"
        "  has_table_privilege(c.oid, 'SELECT') AS readable "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = $2"
        "  AND CASE WHEN $1::text IS NULL THEN n.nspname !~ '^pg_' ELSE n.nspname = $1 END "
        "ORDER BY 1";
    const char *values[] = {schema, table};
    g_autoptr(PGresult) found = db_query(checker->connection, sql, 2, values, error);
    if (found == NULL)
        return false;
    for (int i = 0; i < PQntuples(found); i++) {
        if (db_text(found, i, "usage")[0] == 'f')
            say_schema(checker, "USAGE", db_text(found, i, "schema"));
        if (db_text(found, i, "readable")[0] == 'f')
            say_table(checker, db_text(found, i, "schema"), db_text(found, i, "name"));
    }
    return true;
}

/* The server names the first object of a SELECT that the role may not use. */
static bool check_denial(Checker *checker, const char *message, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(denials); i++) {
        if (!g_str_has_prefix(message, denials[i][0]))
            continue;
        const char *object = message + strlen(denials[i][0]);
        if (strcmp(denials[i][1], "table") == 0)
            return check_table(checker, NULL, object, error);
        say_schema(checker, "USAGE", object);
    }
    return true;
}

/* Rights are looked at when a query starts: EXPLAIN starts it and reads nothing. */
static bool check_select(Checker *checker, const Model *model, GError **error)
{
    g_autofree char *sql = g_strdup_printf("EXPLAIN SELECT * FROM (%s\n) AS q LIMIT 0", model->sql);
    g_autoptr(PGresult) begun = db_query(checker->connection, "SAVEPOINT denial", 0, NULL, error);
    if (begun == NULL)
        return false;
    g_autoptr(PGresult) result =
        PQexecParams(checker->connection, sql, 0, NULL, NULL, NULL, NULL, 0);
    g_autoptr(PGresult) back =
        db_query(checker->connection, "ROLLBACK TO SAVEPOINT denial", 0, NULL, error);
    if (back == NULL)
        return false;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL || strcmp(state, "42501") != 0)
        return true;
    return check_denial(checker, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), error);
}

static bool check_model(Checker *checker, const Model *model, GError **error)
{
    if (model->sql != NULL)
        return check_select(checker, model, error);
    g_auto(GStrv) parts = g_strsplit(model->table, ".", 2);
    if (parts[0] == NULL || parts[1] == NULL)
        return check_table(checker, NULL, model->table, error);
    return check_table(checker, parts[0], parts[1], error);
}

static bool check_output(Checker *checker, const SourceSettings *source, GError **error)
{
    static const char sql[] =
        "SELECT current_database() AS database,"
        "  has_database_privilege(current_database(), 'CREATE') AS may_create,"
        "  n.oid IS NOT NULL AS present, has_schema_privilege(n.oid, 'USAGE') AS usage,"
        "  has_schema_privilege(n.oid, 'CREATE') AS writable "
        "FROM (SELECT) AS one LEFT JOIN pg_namespace n ON n.nspname = $1";
    const char *values[] = {source->output_schema};
    g_autoptr(PGresult) found = db_query(checker->connection, sql, 1, values, error);
    if (found == NULL)
        return false;
    if (db_text(found, 0, "present")[0] == 't') {
        if (db_text(found, 0, "usage")[0] == 'f')
            say_schema(checker, "USAGE", source->output_schema);
        if (db_text(found, 0, "writable")[0] == 'f')
            say_schema(checker, "CREATE", source->output_schema);
        return true;
    }
    if (db_text(found, 0, "may_create")[0] == 't')
        return true;
    const char *database = db_text(found, 0, "database");
    g_autofree char *name = db_identifier(checker->connection, database);
    say(checker, "CREATE", database,
        g_strdup_printf("GRANT CREATE ON DATABASE %s TO %s", name, checker->role));
    return true;
}

static bool write_missing(Checker *checker, const SourceSettings *source, Model *const *models,
                          size_t n_models, GError **error)
{
    for (size_t i = 0; i < n_models; i++)
        if (!check_model(checker, models[i], error))
            return false;
    return check_output(checker, source, error);
}

static void write_head(PGconn *connection, const char *role, JsonWriter *writer)
{
    json_key(writer, "reachable");
    json_bool(writer, connection != NULL);
    json_key(writer, "server_version");
    json_string(writer,
                connection == NULL ? NULL : PQparameterStatus(connection, "server_version"));
    json_key(writer, "role");
    json_string(writer, role);
    json_key(writer, "missing");
    json_begin_array(writer);
}

bool source_check(const SourceSettings *source, Model *const *models, size_t n_models,
                  JsonWriter *writer, GError **error)
{
    GError *failure = NULL;
    g_autoptr(PGconn) connection = session_open(source, &failure);
    if (connection == NULL && error_code(failure) != ERR_UNAVAILABLE) {
        g_propagate_error(error, failure);
        return false;
    }
    g_clear_error(&failure);
    if (connection == NULL) {
        write_head(NULL, NULL, writer);
        json_end_array(writer);
        return true;
    }
    g_autoptr(PGresult) who = db_query(connection, "SELECT current_user AS role", 0, NULL, error);
    if (who == NULL)
        return false;
    g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *role = db_identifier(connection, db_text(who, 0, "role"));
    Checker checker = {connection, writer, said, role};
    write_head(connection, db_text(who, 0, "role"), writer);
    bool written = write_missing(&checker, source, models, n_models, error);
    json_end_array(writer);
    return written;
}
