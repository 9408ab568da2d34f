#include "output_tables.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "source_session.h"

#define NAME_MAX_BYTES 63 /* of an identifier, or PostgreSQL cuts it */
#define VERSION_DIGITS 10
/* One key for all structure changes of ours in a database: two services must not make the same
 * schema at once. */
#define STRUCTURE_LOCK "SELECT pg_advisory_xact_lock(1398230604, 1)"

static char *columns_of_members(KeyType user, KeyType item)
{
    return g_strdup_printf("user_unique_id %s NOT NULL, rank integer NOT NULL,"
                           " score real NOT NULL, probability real,"
                           " model_version integer NOT NULL,"
                           " last_update_date timestamptz NOT NULL, build integer NOT NULL",
                           key_type_sql(user));
}

const OutputKind output_of_prediction = {
    .noun = "prediction",
    .view_prefix = "recommendations_",
    .key_prefix = "",
    .number = "model_version",
    .shown = "primary_key, user_unique_id, recommended_item_id, last_update_date, ranking, score,"
             " probability, source, model_version",
    .again = "train again",
    .columns = output_columns_sql,
};

/* An id has no slash: the two kinds never share a key. */
const OutputKind output_of_audience = {
    .noun = "audience",
    .view_prefix = "audience_",
    .key_prefix = "audience/",
    .number = "build",
    .shown = "user_unique_id, rank, score, probability, model_version, last_update_date",
    .again = "ask for the table again",
    .columns = columns_of_members,
};

char *output_base_name(const OutputKind *kind, const char *id)
{
    g_autofree char *name = g_strconcat(kind->view_prefix, id, NULL);
    return g_strdelimit(g_steal_pointer(&name), "-", '_');
}

/* The same for all numbers; a name that would be too long is cut and told apart by a checksum. */
static char *partition_prefix(const char *id, const char *rows)
{
    if (strlen(rows) + strlen("_v") + VERSION_DIGITS <= NAME_MAX_BYTES)
        return g_strconcat(rows, "_v", NULL);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, id, -1);
    return g_strdup_printf("%.40s_%.8s_v", rows, sum);
}

static char *qualified(PGconn *connection, const char *schema_sql, const char *name)
{
    g_autofree char *quoted = db_identifier(connection, name);
    return g_strconcat(schema_sql, ".", quoted, NULL);
}

OutputNames *output_names_of(PGconn *connection, const SourceSettings *source,
                             const OutputKind *kind, const char *id)
{
    OutputNames *names = g_new0(OutputNames, 1);
    names->kind = kind;
    names->id = g_strdup(id);
    names->pointer_key = g_strconcat(kind->key_prefix, id, NULL);
    names->schema = g_strdup(source->output_schema);
    names->view = output_base_name(kind, id);
    names->rows = g_strconcat(names->view, "_rows", NULL);
    names->partition_prefix = partition_prefix(id, names->rows);
    names->schema_sql = db_identifier(connection, names->schema);
    names->view_sql = qualified(connection, names->schema_sql, names->view);
    names->rows_sql = qualified(connection, names->schema_sql, names->rows);
    names->pointer_sql = qualified(connection, names->schema_sql, "shortlist_pointer");
    return names;
}

OutputNames *output_names_new(PGconn *connection, const SourceSettings *source,
                              const char *prediction)
{
    return output_names_of(connection, source, &output_of_prediction, prediction);
}

void output_names_free(OutputNames *names)
{
    if (!names)
        return;
    g_free(names->id);
    g_free(names->pointer_key);
    g_free(names->schema);
    g_free(names->view);
    g_free(names->rows);
    g_free(names->partition_prefix);
    g_free(names->schema_sql);
    g_free(names->view_sql);
    g_free(names->rows_sql);
    g_free(names->pointer_sql);
    g_free(names);
}

char *output_partition_name(const OutputNames *names, uint32_t number)
{
    return g_strdup_printf("%s%u", names->partition_prefix, number);
}

char *output_qualified(PGconn *connection, const OutputNames *names, const char *name)
{
    return qualified(connection, names->schema_sql, name);
}

bool output_run(PGconn *connection, const char *sql, const char *what, GError **error)
{
    g_autoptr(PGresult) result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return true;
    return db_error(connection, result, what, error);
}

bool output_take_results(PGconn *connection, const char *what, const Cancel *cancel, GError **error)
{
    bool good = true;
    for (;;) {
        while (PQisBusy(connection))
            if (!session_wait(connection, cancel, error))
                return false;
        g_autoptr(PGresult) result = PQgetResult(connection);
        if (!result)
            return good;
        ExecStatusType status = PQresultStatus(result);
        if (good && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
            good = db_error(connection, result, what, error);
    }
}

bool output_run_long(PGconn *connection, const char *sql, const char *what, const Cancel *cancel,
                     GError **error)
{
    if (!cancel_check(cancel, error))
        return false;
    if (!PQsendQuery(connection, sql))
        return db_error(connection, NULL, what, error);
    return output_take_results(connection, what, cancel, error);
}

/* A role made for reading may begin every transaction read-only; writing here is what the output
 * schema is for. */
PGconn *output_connect(const SourceSettings *source, GError **error)
{
    g_autoptr(PGconn) connection = db_connect(source->connection, "shortlist output", 0, error);
    if (!connection || !output_run(connection,
                                   "SET lock_timeout = '1s';"
                                   "SET default_transaction_read_only = off;"
                                   "SET idle_in_transaction_session_timeout = 0",
                                   "output table", error))
        return NULL;
    return g_steal_pointer(&connection);
}

char *output_columns_sql(KeyType user, KeyType item)
{
    return g_strdup_printf("primary_key uuid NOT NULL, user_unique_id %s NOT NULL,"
                           " recommended_item_id %s NOT NULL,"
                           " last_update_date timestamptz NOT NULL, ranking smallint NOT NULL,"
                           " score real NOT NULL, probability real, source text NOT NULL,"
                           " model_version integer NOT NULL",
                           key_type_sql(user), key_type_sql(item));
}

/* What stands already in the schema. */
typedef struct Standing {
    bool pointer, rows, view;
    char *comment; /* on rows */
    char *user_type, *item_type;
} Standing;

static void standing_clear(Standing *standing)
{
    g_free(standing->comment);
    g_free(standing->user_type);
    g_free(standing->item_type);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Standing, standing_clear)

static bool is_true(const PGresult *result, const char *name)
{
    const char *text = db_text(result, 0, name);
    return text && text[0] == 't';
}

static bool look(PGconn *connection, const OutputNames *names, Standing *standing, GError **error)
{
    static const char sql[] =
        "SELECT to_regclass($1) IS NOT NULL AS pointer, to_regclass($2) IS NOT NULL AS rows,"
        "       to_regclass($3) IS NOT NULL AS view,"
        "       obj_description(to_regclass($2), 'pg_class') AS comment,"
        "       (SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid ="
        "        to_regclass($2) AND attname = 'user_unique_id') AS user_type,"
        "       (SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid ="
        "        to_regclass($2) AND attname = 'recommended_item_id') AS item_type";
    const char *values[] = {names->pointer_sql, names->rows_sql, names->view_sql};
    g_autoptr(PGresult) result = db_query(connection, sql, 3, values, error);
    if (!result)
        return false;
    standing->pointer = is_true(result, "pointer");
    standing->rows = is_true(result, "rows");
    standing->view = is_true(result, "view");
    standing->comment = g_strdup(db_text(result, 0, "comment"));
    standing->user_type = g_strdup(db_text(result, 0, "user_type"));
    standing->item_type = g_strdup(db_text(result, 0, "item_type"));
    return true;
}

char *output_comment(const OutputNames *names)
{
    return g_strconcat("shortlist: ", names->kind->noun, " ", names->id, NULL);
}

/* format_type prints bpchar without a length in quotes or not, depending on the version. */
static bool is_type(const char *found, KeyType wanted)
{
    const char *sql = key_type_sql(wanted);
    return g_strcmp0(found, sql) == 0 ||
           (wanted == KEY_BPCHAR && found &&
            (strcmp(found, "character") == 0 || strcmp(found, "\"bpchar\"") == 0));
}

static bool check_ours(const OutputNames *names, const Standing *standing, KeyType user,
                       KeyType item, GError **error)
{
    g_autofree char *comment = output_comment(names);
    if (standing->rows ? g_strcmp0(standing->comment, comment) != 0 : standing->view) {
        error_set(error, ERR_CONFLICT,
                  "%s.%s is not of %s \"%s\": rename the %s or drop that table", names->schema,
                  standing->rows ? names->rows : names->view, names->kind->noun, names->id,
                  names->kind->noun);
        return false;
    }
    bool users = standing->rows && !is_type(standing->user_type, user);
    if (users || (standing->item_type && !is_type(standing->item_type, item))) {
        error_set(error, ERR_CONFLICT,
                  "the shop's %s key is %s now, but %s.%s was made for %s: drop view and table "
                  "%s.%s and %s, and %s",
                  users ? "user" : "product", key_type_sql(users ? user : item), names->schema,
                  names->rows, users ? standing->user_type : standing->item_type, names->schema,
                  names->view, names->rows, names->kind->again);
        return false;
    }
    return true;
}

/* Makes the schema when it is missing. The rights come first: without USAGE even looking into a
 * schema fails. */
static bool make_schema(PGconn *connection, const OutputNames *names, GError **error)
{
    static const char sql[] =
        "SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database,"
        "       n.oid IS NOT NULL AS exists,"
        "       CASE WHEN n.oid IS NULL"
        "            THEN has_database_privilege(current_database(), 'CREATE')"
        "            ELSE has_schema_privilege(n.oid, 'CREATE')"
        "             AND has_schema_privilege(n.oid, 'USAGE') END AS may"
        " FROM (SELECT 1) AS one LEFT JOIN pg_namespace n ON n.nspname = $1";
    const char *values[] = {names->schema};
    g_autoptr(PGresult) result = db_query(connection, sql, 1, values, error);
    if (!result)
        return false;
    bool exists = is_true(result, "exists");
    const char *role = db_text(result, 0, "role");
    if (is_true(result, "may")) {
        g_autofree char *create = g_strconcat("CREATE SCHEMA ", names->schema_sql, NULL);
        return exists || output_run(connection, create, "making the output schema", error);
    }
    if (exists)
        error_set(error, ERR_INVALID,
                  "the role %s may not write the output: GRANT USAGE, CREATE ON SCHEMA %s TO %s",
                  role, names->schema_sql, role);
    else
        error_set(error, ERR_INVALID,
                  "the output schema is missing and the role %s may not make it: CREATE SCHEMA %s "
                  "AUTHORIZATION %s, or GRANT CREATE ON DATABASE %s TO %s",
                  role, names->schema_sql, role, db_text(result, 0, "database"), role);
    return false;
}

static bool make_pointer(PGconn *connection, const OutputNames *names, GError **error)
{
    g_autofree char *sql =
        g_strdup_printf("CREATE TABLE %s (prediction text PRIMARY KEY, version integer NOT NULL,"
                        " published_at timestamptz NOT NULL)",
                        names->pointer_sql);
    return output_run(connection, sql, "making the output's pointer", error);
}

static bool make_rows(PGconn *connection, const OutputNames *names, KeyType user, KeyType item,
                      GError **error)
{
    g_autofree char *columns = names->kind->columns(user, item);
    g_autofree char *comment = output_comment(names);
    g_autofree char *literal = db_literal(connection, comment);
    g_autofree char *sql =
        g_strdup_printf("CREATE TABLE %s (%s) PARTITION BY LIST (%s); COMMENT ON TABLE %s IS %s",
                        names->rows_sql, columns, names->kind->number, names->rows_sql, literal);
    return output_run(connection, sql, "making the output table", error);
}

static bool make_view(PGconn *connection, const OutputNames *names, GError **error)
{
    g_autofree char *literal = db_literal(connection, names->pointer_key);
    g_autofree char *sql =
        g_strdup_printf("CREATE VIEW %s AS SELECT %s FROM %s"
                        " WHERE %s = (SELECT version FROM %s WHERE prediction = %s)",
                        names->view_sql, names->kind->shown, names->rows_sql, names->kind->number,
                        names->pointer_sql, literal);
    return output_run(connection, sql, "making the output's view", error);
}

/* Granting what is granted already would still lock a row of the catalogue. */
static bool grant_reader(PGconn *connection, const OutputNames *names, const char *reader,
                         GError **error)
{
    static const char sql[] = "SELECT has_schema_privilege(rolname, $2, 'USAGE') AND"
                              " has_table_privilege(rolname, $3, 'SELECT') AS may"
                              " FROM pg_roles WHERE rolname = $1";
    const char *values[] = {reader, names->schema, names->view_sql};
    g_autoptr(PGresult) result = db_query(connection, sql, 3, values, error);
    if (!result)
        return false;
    if (PQntuples(result) == 0) {
        error_set(error, ERR_INVALID,
                  "the reader role \"%s\" does not exist in the shop's database", reader);
        return false;
    }
    if (is_true(result, "may"))
        return true;
    g_autofree char *role = db_identifier(connection, reader);
    g_autofree char *grant =
        g_strdup_printf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s TO %s",
                        names->schema_sql, role, names->view_sql, role);
    return output_run(connection, grant, "granting the output to the reader role", error);
}

static bool make_missing(PGconn *connection, const OutputNames *names, const char *reader,
                         KeyType user, KeyType item, GError **error)
{
    g_auto(Standing) standing = {0};
    if (!output_run(connection, STRUCTURE_LOCK, "output table", error) ||
        !make_schema(connection, names, error) || !look(connection, names, &standing, error) ||
        !check_ours(names, &standing, user, item, error))
        return false;
    return (standing.pointer || make_pointer(connection, names, error)) &&
           (standing.rows || make_rows(connection, names, user, item, error)) &&
           (standing.view || make_view(connection, names, error)) &&
           (!reader || !reader[0] || grant_reader(connection, names, reader, error));
}

bool output_prepare(PGconn *connection, const OutputNames *names, const SourceSettings *source,
                    KeyType user, KeyType item, GError **error)
{
    if (!output_run(connection, "BEGIN", "output table", error))
        return false;
    if (make_missing(connection, names, source->reader_role, user, item, error))
        return output_run(connection, "COMMIT", "output table", error);
    output_run(connection, "ROLLBACK", "output table", NULL);
    return false;
}

int output_is_attached(PGconn *connection, const OutputNames *names, uint32_t number,
                       GError **error)
{
    static const char sql[] = "SELECT 1 FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
                              " WHERE inhparent = to_regclass($1) AND c.relname = $2"
                              "   AND NOT inhdetachpending";
    g_autofree char *partition = output_partition_name(names, number);
    const char *values[] = {names->rows_sql, partition};
    g_autoptr(PGresult) result = db_query(connection, sql, 2, values, error);
    return result ? PQntuples(result) > 0 : -1;
}
