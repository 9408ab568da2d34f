#include "store/source.h"

#include <string.h>

#include "base/error.h"
#include "source_relation.h"
#include "source_roles.h"
#include "source_session.h"

#define CELL_MAX 1000 /* bytes of a cell that a preview shows */

static void add_role_faults(const Relation *relation, const ModelRole *role, Faults *faults)
{
    g_autofree char *pointer = role_pointer(role);
    const RelationColumn *column = relation_column(relation, role->column);
    if (column == NULL) {
        g_auto(GStrv) near = relation_column_candidates(relation, role->column);
        g_autofree char *hint =
            near == NULL ? NULL : g_strdup_printf("did you mean \"%s\"?", near[0]);
        faults_add(faults, pointer, "unknown_reference", hint, (const char *const *)near,
                   "column \"%s\" does not exist in %s", role->column, relation->label);
        return;
    }
    const char *rule = role_refusal(role, column);
    if (rule != NULL)
        faults_add(faults, pointer, "wrong_type", rule, NULL, "column \"%s\" is %s", role->column,
                   column->type);
}

/* A SELECT can give two columns one name; neither can then be read. */
static void add_ambiguity_faults(const Relation *relation, const ModelRole *role, Faults *faults)
{
    unsigned n = 0;
    for (size_t i = 0; i < relation->n_columns; i++)
        n += strcmp(relation->columns[i].name, role->column) == 0;
    if (n < 2)
        return;
    g_autofree char *pointer = role_pointer(role);
    faults_add(faults, pointer, "duplicate", "give one of them another name with AS", NULL,
               "the SELECT has %u columns named \"%s\"", n, role->column);
}

static bool add_table_fault(PGconn *connection, const Model *model, const char *problem,
                            Faults *faults, GError **error)
{
    GError *failure = NULL;
    g_auto(GStrv) near = relation_table_candidates(connection, model->table, &failure);
    /* A problem that the server reported has ended the transaction: then there are no candidates.
     */
    if (failure != NULL && error_code(failure) == ERR_UNAVAILABLE) {
        g_propagate_error(error, failure);
        return false;
    }
    g_clear_error(&failure);
    g_autofree char *hint = near == NULL ? NULL : g_strdup_printf("did you mean \"%s\"?", near[0]);
    faults_add(faults, "/table", "unknown_reference", hint, (const char *const *)near, "%s",
               problem);
    return true;
}

static char *grant_select(PGconn *connection, const Relation *relation)
{
    g_autofree char *role = db_identifier(connection, PQuser(connection));
    return g_strdup_printf("GRANT SELECT ON %s TO %s", relation->from, role);
}

bool source_validate_model(const SourceSettings *source, const Model *model, Faults *faults,
                           GError **error)
{
    g_autoptr(PGconn) connection = session_open(source, error);
    if (connection == NULL)
        return false;
    GError *failure = NULL;
    g_autofree char *problem = NULL;
    g_autoptr(Relation) relation = relation_describe(connection, model, &problem, &failure);
    if (failure != NULL) {
        g_propagate_error(error, failure);
        return false;
    }
    if (relation == NULL && model->sql != NULL) {
        faults_add(faults, "/sql", "invalid_sql", "one SELECT, as psql would take it", NULL, "%s",
                   problem);
        return true;
    }
    if (relation == NULL)
        return add_table_fault(connection, model, problem, faults, error);
    if (!relation->readable) {
        g_autofree char *grant = grant_select(connection, relation);
        faults_add(faults, "/table", "forbidden", grant, NULL, "the role may not read %s",
                   relation->label);
    }
    g_autoptr(GArray) roles = model_roles(model);
    for (guint i = 0; i < roles->len; i++) {
        add_role_faults(relation, &g_array_index(roles, ModelRole, i), faults);
        add_ambiguity_faults(relation, &g_array_index(roles, ModelRole, i), faults);
    }
    return true;
}

/* Long cells are cut, at a character's start. */
static void write_cell(const PGresult *result, int row, int column, JsonWriter *writer)
{
    if (PQgetisnull(result, row, column)) {
        json_null(writer);
        return;
    }
    const char *text = PQgetvalue(result, row, column);
    size_t length = (size_t)PQgetlength(result, row, column);
    if (length > CELL_MAX)
        for (length = CELL_MAX; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
            length--;
    json_string_n(writer, text, length);
}

static void write_rows(const PGresult *result, JsonWriter *writer)
{
    json_begin_object(writer);
    json_key(writer, "columns");
    json_begin_array(writer);
    for (int i = 0; i < PQnfields(result); i++)
        json_string(writer, PQfname(result, i));
    json_end_array(writer);
    json_key(writer, "rows");
    json_begin_array(writer);
    for (int row = 0; row < PQntuples(result); row++) {
        json_begin_array(writer);
        for (int i = 0; i < PQnfields(result); i++)
            write_cell(result, row, i, writer);
        json_end_array(writer);
    }
    json_end_array(writer);
    json_end_object(writer);
}

bool source_preview(const SourceSettings *source, const Model *model, size_t limit,
                    JsonWriter *writer, GError **error)
{
    g_autoptr(PGconn) connection = session_open(source, error);
    g_autoptr(Relation) relation =
        connection == NULL ? NULL : relation_find(connection, model, error);
    if (relation == NULL)
        return false;
    g_autofree char *sql =
        g_strdup_printf("SELECT * FROM %s AS q LIMIT %zu", relation->from, MIN(limit, 100));
    g_autofree char *what = g_strdup_printf("model \"%s\"", model->id);
    g_autoptr(PGresult) result = session_query(connection, sql, what, NULL, error);
    if (result == NULL)
        return false;
    write_rows(result, writer);
    return true;
}

char *source_column_type(const SourceSettings *source, const Model *model, const char *column,
                         GError **error)
{
    g_autoptr(PGconn) connection = session_open(source, error);
    g_autoptr(Relation) relation =
        connection == NULL ? NULL : relation_find(connection, model, error);
    const RelationColumn *found =
        relation == NULL ? NULL : relation_require(relation, model, column, error);
    return found == NULL ? NULL : g_strdup(found->type);
}

bool source_tables(const SourceSettings *source, const char *after, size_t limit,
                   JsonWriter *writer, bool *more, char **last, GError **error)
{
    static const char sql[] =
        "SELECT s.schema, s.name, s.kind, s.rows,"
        "  (SELECT coalesce(json_agg(json_build_object('name', attname,"
        "            'type', format_type(atttypid, atttypmod), 'nullable', NOT attnotnull)"
        "            ORDER BY attnum), '[]')"
        "   FROM pg_attribute WHERE attrelid = s.oid AND attnum > 0 AND NOT attisdropped) AS "
        "columns "
        "FROM (SELECT c.oid, n.nspname AS schema, c.relname AS name,"
        "        CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized_view'"
        "          WHEN 'p' THEN 'partitioned_table' WHEN 'f' THEN 'foreign_table'"
        "          ELSE 'table' END AS kind,"
        "        CASE WHEN c.reltuples >= 0 AND c.relkind <> 'v' THEN c.reltuples::bigint END AS "
        "rows,"
        "        (n.nspname || '.' || c.relname) COLLATE \"C\" AS place"
        "      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        "      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
        "        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> $1"
        "        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
        ") AS s WHERE $2::text IS NULL OR s.place > $2 ORDER BY s.place LIMIT $3::bigint";
    g_autofree char *count = g_strdup_printf("%zu", limit + 1);
    const char *values[] = {source->output_schema, after, count};
    g_autoptr(PGconn) connection = session_open(source, error);
    g_autoptr(PGresult) found =
        connection == NULL ? NULL : db_query(connection, sql, 3, values, error);
    if (found == NULL)
        return false;
    int n = (int)MIN((size_t)PQntuples(found), limit);
    *more = PQntuples(found) > n;
    *last = n == 0 ? NULL
                   : g_strconcat(db_text(found, n - 1, "schema"), ".",
                                 db_text(found, n - 1, "name"), NULL);
    json_begin_array(writer);
    for (int i = 0; i < n; i++) {
        const char *columns = db_text(found, i, "columns");
        json_begin_object(writer);
        json_key(writer, "schema");
        json_string(writer, db_text(found, i, "schema"));
        json_key(writer, "table");
        json_string(writer, db_text(found, i, "name"));
        json_key(writer, "kind");
        json_string(writer, db_text(found, i, "kind"));
        json_key(writer, "rows_estimate");
        if (db_text(found, i, "rows") == NULL)
            json_null(writer);
        else
            json_int(writer, db_int(found, i, "rows"));
        json_key(writer, "columns");
        json_raw(writer, columns, strlen(columns));
        json_end_object(writer);
    }
    json_end_array(writer);
    return true;
}
