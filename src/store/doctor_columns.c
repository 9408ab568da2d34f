#include <math.h>

#include "doctor_checks.h"

#define LEAK_CORRELATION 0.95
#define LEAK_ROWS        30 /* less than these correlate by chance */

/* How a column is held against the purchases: its number, or, of a time, whether it lies within the
 * last horizon. */
typedef struct LeakTest {
    const char *of;        /* x in terms of the column %s */
    const char *purchases; /* what of them */
    const char *words;     /* for the message */
    bool times;            /* for times, else for numbers and truth values */
} LeakTest;

static const LeakTest leak_tests[] = {
    {"%s::float8", "coalesce(b.recent, 0)::float8", "the purchases of the last horizon", false},
    {"%s::float8", "coalesce(b.ever, 0)::float8", "all purchases", false},
    {"%s::float8", "coalesce(b.pieces, 0)::float8", "all pieces bought", false},
    {"%s::float8", "(b.recent > 0 AND b.recent IS NOT NULL)::int::float8",
     "whether something was bought in the last horizon", false},
    {"coalesce(%s > {horizon}, false)::int::float8",
     "(b.recent > 0 AND b.recent IS NOT NULL)::int::float8",
     "whether something was bought in the last horizon", true},
};

/* Purchases by key, as b. */
static const char *const bought[] = {
    [MODEL_USERS] =
        "(SELECT {e.user_key} AS key, count(*) FILTER (WHERE {e.time} > {horizon}) AS recent, "
        "count(*) AS ever, sum({e.quantity}) AS pieces FROM {events} "
        "WHERE {e.quantity} > 0 AND {e.time} <= {future} GROUP BY 1) AS b ON b.key = {u.key}",
    [MODEL_PRODUCTS] =
        "(SELECT {e.product_key} AS key, count(*) FILTER (WHERE {e.time} > {horizon}) AS recent, "
        "count(*) AS ever, sum({e.quantity}) AS pieces FROM {events} "
        "WHERE {e.quantity} > 0 AND {e.time} <= {future} GROUP BY 1) AS b ON b.key = {p.key}",
};

static const RelationColumn *field_column(const ExaminedModel *examined, size_t field)
{
    return relation_column(examined->relation, examined->model->fields[field].column);
}

static char *qualified(const ExaminedModel *examined, const RelationColumn *column)
{
    return g_strdup_printf("%c.%s", examined->alias, column->quoted);
}

static bool is_number(const RelationColumn *column)
{
    return relation_is_numeric(column);
}

static bool test_fits(const LeakTest *test, const RelationColumn *column)
{
    if (column->category == 'B')
        return !test->times;
    return test->times ? relation_is_time(column) : is_number(column);
}

/* x of a test over one column; a truth value has no direct way to a float. */
static char *measure(const Examination *examination, const ExaminedModel *examined,
                     const LeakTest *test, const RelationColumn *column)
{
    g_autofree char *plain = qualified(examined, column);
    g_autofree char *sql =
        column->category == 'B' ? g_strconcat(plain, "::int", NULL) : g_strdup(plain);
    g_autofree char *of = examination_expand(examination, test->of);
    g_auto(GStrv) parts = g_strsplit(of, "%s", 2);
    return g_strjoin(sql, parts[0], parts[1], NULL);
}

/* One pass: a correlation per column and test that fit each other, named r<column>_<test>. */
static char *leak_query(const Examination *examination, int model)
{
    const ExaminedModel *examined = &examination->models[model];
    g_autofree char *joined = examination_expand(examination, bought[model]);
    if (joined == NULL)
        return NULL;
    g_autoptr(GString) sql = g_string_new("SELECT count(*) AS rows");
    size_t n = 0;
    for (size_t i = 0; i < examined->model->n_fields; i++)
        for (size_t t = 0; t < G_N_ELEMENTS(leak_tests); t++) {
            const RelationColumn *column = field_column(examined, i);
            if (column == NULL || !test_fits(&leak_tests[t], column))
                continue;
            g_autofree char *x = measure(examination, examined, &leak_tests[t], column);
            g_string_append_printf(sql, ", corr(%s, %s) AS r%zu_%zu", x, leak_tests[t].purchases, i,
                                   t);
            n++;
        }
    g_string_append_printf(sql, " FROM %s AS %c LEFT JOIN %s", examined->relation->from,
                           examined->alias, joined);
    return n == 0 ? NULL : g_string_free(g_steal_pointer(&sql), FALSE);
}

static void report_leak(Examination *examination, int model, size_t field, const LeakTest *test,
                        double r, uint64_t rows)
{
    const ExaminedModel *examined = &examination->models[model];
    const RelationColumn *column = field_column(examined, field);
    g_autofree char *x = qualified(examined, column);
    g_autofree char *joined = examination_expand(examination, bought[model]);
    g_autofree char *message = g_strdup_printf(
        "column \"%s\" goes with %s (r = %.2f): it seems derived from what is to be predicted",
        column->name, test->words, r);
    g_autofree char *pasted =
        g_strdup_printf("SELECT %s, b.recent, b.ever, b.pieces FROM %s AS %c LEFT JOIN %s "
                        "ORDER BY b.ever DESC NULLS LAST LIMIT 100;",
                        x, examined->relation->from, examined->alias, joined);
    Finding finding = {"target_leak", FINDING_WARNING, model, rows, rows, message, pasted};
    examination_report(examination, &finding, NULL);
}

static bool check_leaks(Examination *examination, int model, GError **error)
{
    g_autofree char *sql = model == MODEL_EVENTS ? NULL : leak_query(examination, model);
    if (sql == NULL)
        return true;
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, model, "target_leak", sql, &found, error))
        return false;
    if (found == NULL || db_int(found, 0, "rows") < LEAK_ROWS)
        return true;
    for (size_t i = 0; i < examination->models[model].model->n_fields; i++)
        for (size_t t = 0; t < G_N_ELEMENTS(leak_tests); t++) {
            g_autofree char *name = g_strdup_printf("r%zu_%zu", i, t);
            double r = PQfnumber(found, name) < 0 ? NAN : db_number(found, 0, name);
            if (isnan(r) || fabs(r) <= LEAK_CORRELATION)
                continue;
            report_leak(examination, model, i, &leak_tests[t], r,
                        (uint64_t)db_int(found, 0, "rows"));
            break;
        }
    return true;
}

/* The columns that a constant value makes useless: mapped fields and an events model's price. */
static GPtrArray *watched(const ExaminedModel *examined)
{
    GPtrArray *columns = g_ptr_array_new();
    for (size_t i = 0; i < examined->model->n_fields; i++)
        g_ptr_array_add(columns, (void *)field_column(examined, i));
    if (examined->model->price != NULL)
        g_ptr_array_add(columns,
                        (void *)relation_column(examined->relation, examined->model->price));
    while (g_ptr_array_remove(columns, NULL))
        ;
    return columns;
}

static char *constant_query(const ExaminedModel *examined, const GPtrArray *columns)
{
    g_autoptr(GString) sql = g_string_new("SELECT count(*) AS rows");
    for (guint i = 0; i < columns->len; i++) {
        const RelationColumn *column = columns->pdata[i];
        bool orders = is_number(column) || relation_is_time(column) || relation_is_text(column);
        g_autofree char *x =
            orders ? g_strdup(column->quoted) : g_strconcat(column->quoted, "::text", NULL);
        g_string_append_printf(sql,
                               ", count(%c.%s) AS n%u, min(%c.%s)::text AS low%u,"
                               " max(%c.%s)::text AS high%u",
                               examined->alias, x, i, examined->alias, x, i, examined->alias, x, i);
    }
    g_string_append_printf(sql, " FROM %s AS %c", examined->relation->from, examined->alias);
    return g_string_free(g_steal_pointer(&sql), FALSE);
}

static void report_constant(Examination *examination, int model, const RelationColumn *column,
                            const char *value)
{
    const ExaminedModel *examined = &examination->models[model];
    g_autofree char *message =
        value == NULL ? g_strdup_printf("column \"%s\" is null in every row", column->name)
                      : g_strdup_printf("column \"%s\" has one value in every row: \"%.100s\"",
                                        column->name, value);
    g_autofree char *x = qualified(examined, column);
    g_autofree char *pasted = g_strdup_printf("SELECT %s, count(*) FROM %s AS %c GROUP BY 1;", x,
                                              examined->relation->from, examined->alias);
    Finding finding = {"constant_column", FINDING_WARNING, model, examined->rows,
                       examined->rows,    message,         pasted};
    examination_report(examination, &finding, NULL);
}

static bool check_constants(Examination *examination, int model, GError **error)
{
    const ExaminedModel *examined = &examination->models[model];
    g_autoptr(GPtrArray) columns = watched(examined);
    if (columns->len == 0)
        return true;
    g_autofree char *sql = constant_query(examined, columns);
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, model, "constant_column", sql, &found, error))
        return false;
    if (found == NULL || db_int(found, 0, "rows") < 2)
        return true;
    for (guint i = 0; i < columns->len; i++) {
        g_autofree char *n = g_strdup_printf("n%u", i), *low = g_strdup_printf("low%u", i),
                        *high = g_strdup_printf("high%u", i);
        bool all = db_int(found, 0, n) == db_int(found, 0, "rows");
        const char *value = db_text(found, 0, low);
        bool constant = all && g_strcmp0(value, db_text(found, 0, high)) == 0;
        if (constant || db_int(found, 0, n) == 0)
            report_constant(examination, model, columns->pdata[i], value);
    }
    return true;
}

bool check_columns(Examination *examination, int model, GError **error)
{
    return check_constants(examination, model, error) && check_leaks(examination, model, error);
}
