/* source_profile: what is in a model's columns, and what they could be for. */
#include "base/error.h"
#include "source_relation.h"
#include "source_session.h"
#include "source_suggest.h"
#include "store/source.h"

#define SAMPLE_ROWS 100000
#define TOP_VALUES  5
#define VALUE_CHARS 200

typedef struct Profiler {
    PGconn *connection;
    const Relation *relation;
    const Model *model;
    JsonWriter *writer;
    char *from; /* the relation or a sample of it, with its alias */
    char *what;
    uint64_t rows; /* of `from` */
} Profiler;

/* Pages at random where the table has pages, the first rows where it has not. */
static char *sampled_from(const Relation *relation, double rows)
{
    if (relation->kind == 'r' || relation->kind == 'm' || relation->kind == 'p') {
        char percent[G_ASCII_DTOSTR_BUF_SIZE];
        g_ascii_formatd(percent, sizeof percent, "%.6f", 100.0 * SAMPLE_ROWS / rows);
        return g_strdup_printf("%s AS q TABLESAMPLE SYSTEM (%s) REPEATABLE (1)", relation->from,
                               percent);
    }
    return g_strdup_printf("(SELECT * FROM %s AS s LIMIT %d) AS q", relation->from, SAMPLE_ROWS);
}

/* Whether min, max and distinct make sense for the type itself; else its text is taken. */
static char *comparable(const RelationColumn *column)
{
    bool orders = relation_is_numeric(column) || relation_is_time(column);
    return orders ? g_strdup(column->quoted) : g_strconcat(column->quoted, "::text", NULL);
}

static bool write_top(const Profiler *profiler, const char *expression, GError **error)
{
    g_autofree char *sql = g_strdup_printf(
        "SELECT left(%s::text, %d) AS value, count(*) AS rows FROM %s WHERE %s IS NOT NULL "
        "GROUP BY %s ORDER BY count(*) DESC, 1 LIMIT %d",
        expression, VALUE_CHARS, profiler->from, expression, expression, TOP_VALUES);
    g_autoptr(PGresult) top = session_query(profiler->connection, sql, profiler->what, NULL, error);
    if (top == NULL)
        return false;
    json_key(profiler->writer, "top");
    json_begin_array(profiler->writer);
    for (int i = 0; i < PQntuples(top); i++) {
        json_begin_object(profiler->writer);
        json_key(profiler->writer, "value");
        json_string(profiler->writer, db_text(top, i, "value"));
        json_key(profiler->writer, "rows");
        json_int(profiler->writer, db_int(top, i, "rows"));
        json_end_object(profiler->writer);
    }
    json_end_array(profiler->writer);
    return true;
}

static void write_suggestion(const Profiler *profiler, const ColumnFacts *facts)
{
    const char *reason = NULL;
    const char *role = suggest_role(facts, &reason);
    json_key(profiler->writer, "suggestion");
    if (role == NULL) {
        json_null(profiler->writer);
        return;
    }
    json_begin_object(profiler->writer);
    json_key(profiler->writer, "role");
    json_string(profiler->writer, role);
    json_key(profiler->writer, "reason");
    json_string(profiler->writer, reason);
    json_end_object(profiler->writer);
}

static bool write_column(const Profiler *profiler, const RelationColumn *column, GError **error)
{
    g_autofree char *expression = comparable(column);
    g_autofree char *sql = g_strdup_printf(
        "SELECT count(*) - count(%s) AS nulls, count(DISTINCT %s) AS distinct_values,"
        "  left(min(%s)::text, %d) AS low, left(max(%s)::text, %d) AS high FROM %s",
        expression, expression, expression, VALUE_CHARS, expression, VALUE_CHARS, profiler->from);
    g_autoptr(PGresult) found =
        session_query(profiler->connection, sql, profiler->what, NULL, error);
    if (found == NULL)
        return false;
    ColumnFacts facts = {column, profiler->rows, (uint64_t)db_int(found, 0, "nulls"),
                         (uint64_t)db_int(found, 0, "distinct_values"), profiler->model->type};
    JsonWriter *writer = profiler->writer;
    json_begin_object(writer);
    json_key(writer, "name");
    json_string(writer, column->name);
    json_key(writer, "type");
    json_string(writer, column->type);
    json_key(writer, "distinct");
    json_uint(writer, facts.distinct);
    json_key(writer, "nulls");
    json_uint(writer, facts.nulls);
    json_key(writer, "min");
    json_string(writer, db_text(found, 0, "low"));
    json_key(writer, "max");
    json_string(writer, db_text(found, 0, "high"));
    bool written = write_top(profiler, expression, error);
    write_suggestion(profiler, &facts);
    json_end_object(writer);
    return written;
}

static bool write_profile(Profiler *profiler, double expected, GError **error)
{
    const Relation *relation = profiler->relation;
    bool sampled = expected > SAMPLE_ROWS;
    profiler->from =
        sampled ? sampled_from(relation, expected) : g_strconcat(relation->from, " AS q", NULL);
    g_autofree char *sql = g_strdup_printf("SELECT count(*) AS rows FROM %s", profiler->from);
    g_autoptr(PGresult) counted =
        session_query(profiler->connection, sql, profiler->what, NULL, error);
    if (counted == NULL)
        return false;
    profiler->rows = (uint64_t)db_int(counted, 0, "rows");
    json_key(profiler->writer, "rows");
    json_uint(profiler->writer, sampled ? (uint64_t)expected : profiler->rows);
    json_key(profiler->writer, "sampled");
    json_bool(profiler->writer, sampled);
    json_key(profiler->writer, "columns");
    json_begin_array(profiler->writer);
    bool written = true;
    for (size_t i = 0; written && i < relation->n_columns; i++)
        written = write_column(profiler, &relation->columns[i], error);
    json_end_array(profiler->writer);
    return written;
}

bool source_profile(const SourceSettings *source, const Model *model, JsonWriter *writer,
                    GError **error)
{
    g_autoptr(PGconn) connection = session_open(source, error);
    g_autoptr(Relation) relation =
        connection == NULL ? NULL : relation_find(connection, model, error);
    if (relation == NULL)
        return false;
    g_autofree char *all = g_strdup_printf("SELECT * FROM %s AS q", relation->from);
    double expected;
    if (!session_estimate(connection, all, &expected, error))
        return false;
    Profiler profiler = {.connection = connection,
                         .relation = relation,
                         .model = model,
                         .writer = writer,
                         .what = g_strdup_printf("model \"%s\"", model->id)};
    bool written = write_profile(&profiler, expected, error);
    g_free(profiler.from);
    g_free(profiler.what);
    return written;
}
