#include "source_relation.h"

#include <string.h>

#include "base/error.h"
#include "base/faults.h"

#define CANDIDATES 5

enum {
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_MONEY = 790,
    OID_OID = 26,
    OID_UUID = 2950
};

/* "schema.table", or a name that the search path finds. */
static PGresult *look_up(PGconn *connection, const char *table, GError **error)
{
    static const char sql[] = "SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind,"
                              "  has_schema_privilege(n.oid, 'USAGE') AND "
                              "has_table_privilege(c.oid, 'SELECT') AS readable "
                              "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                              "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
                              "  AND (n.nspname = $1 AND c.relname = $2 OR c.relname = $3 AND "
                              "pg_table_is_visible(c.oid)) "
                              "ORDER BY n.nspname = $1 DESC LIMIT 1";
    g_auto(GStrv) parts = g_strsplit(table, ".", 2);
    bool qualified = parts[0] != NULL && parts[1] != NULL;
    const char *values[] = {qualified ? parts[0] : NULL, qualified ? parts[1] : NULL, table};
    return db_query(connection, sql, 3, values, error);
}

static bool find_table(PGconn *connection, const char *table, Relation *relation, GError **error)
{
    g_autoptr(PGresult) found = look_up(connection, table, error);
    if (found == NULL || PQntuples(found) == 0)
        return false;
    relation->schema = g_strdup(db_text(found, 0, "schema"));
    relation->table = g_strdup(db_text(found, 0, "name"));
    relation->kind = db_text(found, 0, "kind")[0];
    relation->readable = db_text(found, 0, "readable")[0] == 't';
    relation->label = g_strconcat(relation->schema, ".", relation->table, NULL);
    g_autofree char *schema = db_identifier(connection, relation->schema);
    g_autofree char *name = db_identifier(connection, relation->table);
    relation->from = g_strconcat(schema, ".", name, NULL);
    return true;
}

/* The newline ends a comment that the SELECT may end in. */
static void wrap_select(const char *sql, Relation *relation)
{
    size_t length = strlen(sql);
    while (length > 0 && (g_ascii_isspace(sql[length - 1]) || sql[length - 1] == ';'))
        length--;
    relation->from = g_strdup_printf("(%.*s\n)", (int)length, sql);
    relation->label = g_strdup("the SELECT");
    relation->readable = true;
}

/* What the shop's side caused is a problem of the model; all else is an error. */
static void explain(PGconn *connection, const PGresult *result, char **problem, GError **error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool theirs =
        state != NULL && (g_str_has_prefix(state, "42") || g_str_has_prefix(state, "22") ||
                          g_str_has_prefix(state, "0A") || g_str_has_prefix(state, "25"));
    if (theirs)
        *problem = g_strdup(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    else
        db_error(connection, result, "reading the model's columns", error);
}

static PGresult *describe(PGconn *connection, const char *from, char **problem, GError **error)
{
    g_autofree char *sql = g_strdup_printf("SELECT * FROM %s AS q LIMIT 0", from);
    g_autoptr(PGresult) prepared = PQprepare(connection, "", sql, 0, NULL);
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) {
        explain(connection, prepared, problem, error);
        return NULL;
    }
    g_autoptr(PGresult) description = PQdescribePrepared(connection, "");
    if (PQresultStatus(description) != PGRES_COMMAND_OK) {
        explain(connection, description, problem, error);
        return NULL;
    }
    return g_steal_pointer(&description);
}

static bool fill_columns(PGconn *connection, const PGresult *description, Relation *relation,
                         GError **error)
{
    static const char sql[] =
        "SELECT format_type(t.oid, d.modifier) AS name, t.typcategory AS category "
        "FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS d(type, modifier, place) "
        "JOIN pg_type t ON t.oid = d.type ORDER BY d.place";
    g_autoptr(GString) oids = g_string_new("{"), modifiers = g_string_new("{");
    int n = PQnfields(description);
    for (int i = 0; i < n; i++) {
        g_string_append_printf(oids, "%s%u", i ? "," : "", PQftype(description, i));
        g_string_append_printf(modifiers, "%s%d", i ? "," : "", PQfmod(description, i));
    }
    const char *values[] = {g_string_append_c(oids, '}')->str,
                            g_string_append_c(modifiers, '}')->str};
    g_autoptr(PGresult) found = db_query(connection, sql, 2, values, error);
    if (found == NULL)
        return false;
    relation->columns = g_new0(RelationColumn, (size_t)MAX(n, 1));
    relation->n_columns = (size_t)MIN(n, PQntuples(found));
    for (int i = 0; i < (int)relation->n_columns; i++) {
        RelationColumn *column = &relation->columns[i];
        column->name = g_strdup(PQfname(description, i));
        column->quoted = db_identifier(connection, column->name);
        column->type = g_strdup(db_text(found, i, "name"));
        column->category = db_text(found, i, "category")[0];
        column->oid = PQftype(description, i);
    }
    return true;
}

Relation *relation_describe(PGconn *connection, const Model *model, char **problem, GError **error)
{
    g_autoptr(Relation) relation = g_new0(Relation, 1);
    GError *failure = NULL;
    if (model->sql != NULL) {
        wrap_select(model->sql, relation);
    } else if (!find_table(connection, model->table, relation, &failure)) {
        if (failure == NULL)
            *problem = g_strdup_printf("%s does not exist", model->table);
        else
            g_propagate_error(error, failure);
        return NULL;
    }
    g_autoptr(PGresult) description = describe(connection, relation->from, problem, error);
    if (description == NULL || !fill_columns(connection, description, relation, error))
        return NULL;
    return g_steal_pointer(&relation);
}

Relation *relation_find(PGconn *connection, const Model *model, GError **error)
{
    g_autofree char *problem = NULL;
    Relation *relation = relation_describe(connection, model, &problem, error);
    if (problem != NULL)
        error_set(error, ERR_INVALID, "model \"%s\": %s", model->id, problem);
    return relation;
}

void relation_free(Relation *relation)
{
    if (relation == NULL)
        return;
    for (size_t i = 0; i < relation->n_columns; i++) {
        g_free(relation->columns[i].name);
        g_free(relation->columns[i].quoted);
        g_free(relation->columns[i].type);
    }
    g_free(relation->columns);
    g_free(relation->from);
    g_free(relation->label);
    g_free(relation->schema);
    g_free(relation->table);
    g_free(relation);
}

const RelationColumn *relation_column(const Relation *relation, const char *name)
{
    for (size_t i = 0; i < relation->n_columns; i++)
        if (strcmp(relation->columns[i].name, name) == 0)
            return &relation->columns[i];
    return NULL;
}

const RelationColumn *relation_require(const Relation *relation, const Model *model,
                                       const char *name, GError **error)
{
    const RelationColumn *column = relation_column(relation, name);
    if (column != NULL)
        return column;
    g_auto(GStrv) near = relation_column_candidates(relation, name);
    g_autofree char *list = near == NULL ? NULL : g_strjoinv(", ", near);
    error_set(error, ERR_INVALID, "model \"%s\": column \"%s\" no longer exists in %s%s%s",
              model->id, name, relation->label,
              list == NULL ? "" : "; near: ", list == NULL ? "" : list);
    return NULL;
}

char **relation_column_candidates(const Relation *relation, const char *name)
{
    g_autofree const char **known = g_new0(const char *, relation->n_columns + 1);
    for (size_t i = 0; i < relation->n_columns; i++)
        known[i] = relation->columns[i].name;
    return near_misses(name, known, CANDIDATES);
}

static const char *after_dot(const char *table)
{
    const char *dot = strchr(table, '.');
    return dot == NULL ? table : dot + 1;
}

/* By the table's own name, whatever its schema. */
static char **candidates_by_name(const char *table, const GPtrArray *qualified)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i + 1 < qualified->len; i++)
        g_ptr_array_add(names, (char *)after_dot(qualified->pdata[i]));
    g_ptr_array_add(names, NULL);
    char **near = near_misses(after_dot(table), (const char *const *)names->pdata, CANDIDATES);
    for (char **name = near; name != NULL && *name != NULL; name++)
        for (guint i = 0; i + 1 < qualified->len; i++)
            if (strcmp(names->pdata[i], *name) == 0) {
                g_free(*name);
                *name = g_strdup(qualified->pdata[i]);
                break;
            }
    return near;
}

char **relation_table_candidates(PGconn *connection, const char *table, GError **error)
{
    static const char sql[] =
        "SELECT n.nspname || '.' || c.relname AS name "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
        "  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        "  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') "
        "ORDER BY 1 LIMIT 5000";
    g_autoptr(PGresult) found = db_query(connection, sql, 0, NULL, error);
    if (found == NULL)
        return NULL;
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    for (int i = 0; i < PQntuples(found); i++)
        g_ptr_array_add(known, PQgetvalue(found, i, 0));
    g_ptr_array_add(known, NULL);
    char **near = near_misses(table, (const char *const *)known->pdata, CANDIDATES);
    return near != NULL ? near : candidates_by_name(table, known);
}

bool relation_is_numeric(const RelationColumn *column)
{
    return column->category == 'N' && column->oid != OID_MONEY && column->oid != OID_OID &&
           !g_str_has_prefix(column->type, "reg");
}

bool relation_is_time(const RelationColumn *column)
{
    return column->oid == OID_DATE || column->oid == OID_TIMESTAMP ||
           column->oid == OID_TIMESTAMPTZ;
}

bool relation_is_text(const RelationColumn *column)
{
    return column->category == 'S';
}

bool relation_is_key(const RelationColumn *column)
{
    return strchr("NSBDEIT", column->category) != NULL || column->oid == OID_UUID ||
           column->oid == OID_CHAR;
}
