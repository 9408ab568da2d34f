#include "doctor_excluded.h"

#include <string.h>

#include "base/clock.h"
#include "base/faults.h"
#include "reader_products.h"
#include "source_session.h"

#define KNOWN_MAX "20000" /* values that are looked through for near misses */
#define NEAR_MAX  3
#define NAMED_MAX 5 /* missing ones that a message names */
#define SHOWN     100

/* What attributes_builder_set() takes off both ends of a value. */
#define BLANKS "E' \\t\\n\\f\\r'"

/* 'A', 'B' */
static char *literals(const Examination *examination, char *const *texts)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (; *texts != NULL; texts++) {
        g_autofree char *literal = db_literal(examination->connection, *texts);
        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", literal);
    }
    return g_string_free(g_steal_pointer(&list), FALSE);
}

/* The values that a product (alias p) has in a mapped column, as a set in SQL; NULL when the column
 * is not mapped. */
static char *values_of(const Examination *examination, const char *name)
{
    const ExaminedModel *products = &examination->models[MODEL_PRODUCTS];
    const ModelField *field = products_field(products->model, name);
    if (field == NULL)
        return NULL;
    const RelationColumn *column = relation_column(products->relation, field->column);
    g_autofree char *text = examination_text(examination, MODEL_PRODUCTS, column);
    if (field->separator == NULL)
        return g_strdup_printf("unnest(ARRAY[%s])", text);
    g_autofree char *separator = db_literal(examination->connection, field->separator);
    return g_strdup_printf("unnest(string_to_array(%s, %s))", text, separator);
}

/* The key of a product as text. */
static char *key_of(const Examination *examination)
{
    const ExaminedModel *products = &examination->models[MODEL_PRODUCTS];
    return examination_text(examination, MODEL_PRODUCTS,
                            relation_column(products->relation, products->model->primary_key));
}

/* That a product (alias p) is one of them. */
static char *products_condition(const Examination *examination, const ExcludedProducts *products)
{
    g_autoptr(GString) sql = g_string_new("false");
    g_autofree char *values = products->column ? values_of(examination, products->column) : NULL;
    if (values != NULL) {
        g_autofree char *list = literals(examination, products->values);
        g_string_append_printf(
            sql, " OR EXISTS (SELECT FROM %s AS part WHERE btrim(part, " BLANKS ") IN (%s))",
            values, list);
    }
    if (products->ids != NULL) {
        g_autofree char *key = key_of(examination), *list = literals(examination, products->ids);
        g_string_append_printf(sql, " OR %s IN (%s)", key, list);
    }
    return g_string_free(g_steal_pointer(&sql), FALSE);
}

char *excluded_condition(const Examination *examination, const ExcludedPeriod *excluded)
{
    char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
    g_autofree char *template =
        g_strdup_printf("{e.time} >= '%s'::timestamptz AND {e.time} < '%s'::timestamptz",
                        clock_format(excluded->from, from), clock_format(excluded->to, to));
    g_autofree char *within = examination_expand(examination, template);
    if (!products_are_named(&excluded->products))
        return g_steal_pointer(&within);
    g_autofree char *condition = products_condition(examination, &excluded->products);
    g_autofree char *named =
        examination_expand(examination, "SELECT FROM {products} WHERE {p.key} = {e.product_key}");
    return g_strdup_printf("%s AND EXISTS (%s AND (%s))", within, named, condition);
}

static void report_column(Examination *examination, size_t period, const char *reason)
{
    g_autofree char *message = g_strdup_printf("period.excluded[%zu]: %s", period, reason);
    Finding finding = {.code = "excluded_products",
                       .level = FINDING_ERROR,
                       .model = MODEL_PRODUCTS,
                       .message = message,
                       .sql = ""};
    examination_report(examination, &finding, NULL);
}

/* What is asked for by one member of a filter. */
typedef struct Asked {
    size_t period;
    const char *what;   /* for the message: column "category" */
    char *const *texts; /* values or ids */
    const char *known;  /* selects (value): all that products have */
} Asked;

static char **read_known(Examination *examination, const Asked *asked, GError **error)
{
    g_autofree char *sql = g_strdup_printf(
        "SELECT DISTINCT value AS sample FROM (%s) AS known LIMIT " KNOWN_MAX, asked->known);
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, MODEL_PRODUCTS, "excluded_products", sql, &found, error))
        return NULL;
    int n = found == NULL ? 0 : PQntuples(found);
    char **known = g_new0(char *, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const char *text = db_text(found, i, "sample");
        known[i] = g_utf8_make_valid(text == NULL ? "" : text, -1);
    }
    return known;
}

/* "Chirstmas" (did you mean "Christmas"?), … */
static char *named(const PGresult *missing, char *const *known)
{
    g_autoptr(GString) text = g_string_new(NULL);
    int n = PQntuples(missing);
    for (int i = 0; i < MIN(n, NAMED_MAX); i++) {
        g_autofree char *name = g_utf8_make_valid(db_text(missing, i, "sample"), -1);
        g_auto(GStrv) near = near_misses(name, (const char *const *)known, NEAR_MAX);
        g_autofree char *list = near == NULL ? NULL : g_strjoinv("\", \"", near);
        if (g_utf8_strlen(name, -1) > SHOWN)
            *g_utf8_offset_to_pointer(name, SHOWN) = '\0';
        g_string_append_printf(text, "%s\"%s\"", i > 0 ? ", " : "", name);
        if (list != NULL)
            g_string_append_printf(text, " (did you mean \"%s\"?)", list);
    }
    if (n > NAMED_MAX)
        g_string_append_printf(text, " and %d more", n - NAMED_MAX);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void report_missing(Examination *examination, const Asked *asked, const PGresult *missing,
                           char *const *known)
{
    g_autofree char *names = named(missing, known);
    g_autofree char *message = g_strdup_printf("period.excluded[%zu]: no product has, in %s, %s",
                                               asked->period, asked->what, names);
    g_autofree char *pasted =
        g_strdup_printf("SELECT value, count(*) AS products FROM (%s) AS known GROUP BY value "
                        "ORDER BY products DESC, value LIMIT 100;",
                        asked->known);
    Finding finding = {.code = "excluded_products",
                       .level = FINDING_WARNING,
                       .model = MODEL_PRODUCTS,
                       .count = (uint64_t)PQntuples(missing),
                       .of = g_strv_length((char **)asked->texts),
                       .message = message,
                       .sql = pasted};
    examination_report(examination, &finding, missing);
}

static bool check_asked(Examination *examination, const Asked *asked, GError **error)
{
    g_autofree char *list = literals(examination, asked->texts);
    g_autofree char *sql = g_strdup_printf(
        "SELECT asked.sample FROM unnest(ARRAY[%s]) WITH ORDINALITY AS asked(sample, place) "
        "WHERE NOT EXISTS (SELECT FROM (%s) AS known WHERE known.value = asked.sample) "
        "ORDER BY asked.place",
        list, asked->known);
    g_autoptr(PGresult) missing = NULL;
    if (!examination_query(examination, MODEL_PRODUCTS, "excluded_products", sql, &missing, error))
        return false;
    if (missing == NULL || PQntuples(missing) == 0)
        return true;
    g_auto(GStrv) known = read_known(examination, asked, error);
    if (known == NULL)
        return false;
    report_missing(examination, asked, missing, known);
    return true;
}

static bool check_values(Examination *examination, size_t period, const ExcludedProducts *products,
                         GError **error)
{
    g_autofree char *values = values_of(examination, products->column);
    g_autofree char *from = examination_expand(examination, "{products}");
    g_autofree char *known = g_strdup_printf(
        "SELECT btrim(part, " BLANKS ") AS value FROM %s, %s AS part", from, values);
    g_autofree char *what = g_strdup_printf("column \"%s\"", products->column);
    return check_asked(examination, &(Asked){period, what, products->values, known}, error);
}

static bool check_ids(Examination *examination, size_t period, const ExcludedProducts *products,
                      GError **error)
{
    g_autofree char *key = key_of(examination);
    g_autofree char *from = examination_expand(examination, "{products}");
    g_autofree char *known = g_strdup_printf("SELECT %s AS value FROM %s", key, from);
    return check_asked(examination, &(Asked){period, "its key", products->ids, known}, error);
}

static bool check_products(Examination *examination, size_t period,
                           const ExcludedProducts *products, GError **error)
{
    const Model *model = examination->models[MODEL_PRODUCTS].model;
    g_autoptr(GError) unknown = NULL;
    if (!products_check(products, model, &unknown))
        report_column(examination, period, unknown->message);
    else if (products->column != NULL && !check_values(examination, period, products, error))
        return false;
    return products->ids == NULL || check_ids(examination, period, products, error);
}

bool check_excluded(Examination *examination, GError **error)
{
    const TrainingPeriod *period = &examination->prediction->period;
    for (size_t i = 0; i < period->n_excluded; i++)
        if (!check_products(examination, i, &period->excluded[i].products, error))
            return false;
    return true;
}
