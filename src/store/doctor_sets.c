#include "doctor_checks.h"
#include "source_session.h"

#define FEW_EVENTS  1000
#define ORDER_SHARE 0.99
#define SHAPE_ROWS  100
#define PRODUCTLESS 0.5

/* `bad` selects (sample text, n bigint): what is wrong and in how many rows. */
typedef struct SetCheck {
    const char *code;
    FindingLevel level;
    int model, of; /* whose finding; a share of whose rows */
    const char *bad;
    const char *message;
} SetCheck;

static const SetCheck checks[] = {
    {"duplicate_key", FINDING_ERROR, MODEL_USERS, MODEL_USERS,
     "SELECT {u.pk}::text AS sample, count(*) - 1 AS n FROM {users} "
     "WHERE NOT {no_u.pk} GROUP BY {u.pk} HAVING count(*) > 1",
     "several users have one key: only the first is read"},
    {"duplicate_key", FINDING_ERROR, MODEL_PRODUCTS, MODEL_PRODUCTS,
     "SELECT {p.pk}::text AS sample, count(*) - 1 AS n FROM {products} "
     "WHERE NOT {no_p.pk} GROUP BY {p.pk} HAVING count(*) > 1",
     "several products have one key: only the first is read"},
    {"duplicate_key", FINDING_ERROR, MODEL_EVENTS, MODEL_EVENTS,
     "SELECT {e.pk}::text AS sample, count(*) - 1 AS n FROM {events} "
     "WHERE NOT {no_e.pk} GROUP BY {e.pk} HAVING count(*) > 1",
     "several order lines have one primary key: a join may have multiplied them"},
    {"duplicate_lines", FINDING_WARNING, MODEL_EVENTS, MODEL_EVENTS,
     "SELECT concat_ws(' ', {e.user}, {e.product}, {e.time}) AS sample, count(*) - 1 AS n "
     "FROM {events} GROUP BY {e.user}, {e.product}, {e.time}, {e.quantity}{same_order} "
     "HAVING count(*) > 1",
     "order lines that equal another in user, product, time and quantity: counted twice, if one "
     "purchase was written twice"},
    {"orphan_users", FINDING_WARNING, MODEL_EVENTS, MODEL_EVENTS,
     "SELECT {e.user}::text AS sample, count(*) AS n FROM {events} "
     "LEFT JOIN {users} ON {u.key} = {e.user_key} "
     "WHERE {u.pk} IS NULL AND NOT {no_user} GROUP BY {e.user}",
     "order lines whose user is not in the users model are left out of the training"},
    {"orphan_products", FINDING_WARNING, MODEL_EVENTS, MODEL_EVENTS,
     "SELECT {e.product}::text AS sample, count(*) AS n FROM {events} "
     "LEFT JOIN {products} ON {p.key} = {e.product_key} "
     "WHERE {p.pk} IS NULL AND NOT {no_product} GROUP BY {e.product}",
     "order lines whose product is not in the products model are left out of the training"},
    {"lapsed_users", FINDING_INFO, MODEL_USERS, MODEL_USERS,
     "SELECT {u.pk}::text AS sample, 1::bigint AS n FROM {users} "
     "WHERE NOT EXISTS (SELECT FROM {events} WHERE {e.user_key} = {u.key} AND {e.time} > {year} "
     "AND {e.time} <= {future} AND {e.quantity} > 0)",
     "users without a purchase in the last year of the data have no list of their own: they get "
     "what is popular with users alike, or with everybody"},
    /* Days that stand out against the eight weeks around them, against all days and the days of the
     * same name (a shop may live from its Saturdays), joined to runs over the days it was open:
     * what a sale or a clearance looks like. Ready to be pasted into period.excluded. */
    {"exceptional_period", FINDING_INFO, MODEL_EVENTS, MODEL_EVENTS,
     "WITH days AS (SELECT date_trunc('day', {e.time}) AS day, count(*) AS rows FROM {events} "
     "WHERE {period} AND {e.quantity} > 0 AND isfinite({e.time}) GROUP BY 1), "
     "placed AS (SELECT day, rows, extract(isodow FROM day) AS weekday, "
     "row_number() OVER (ORDER BY day) AS place FROM days), "
     "judged AS (SELECT day, rows, place, (SELECT greatest("
     "percentile_cont(0.5) WITHIN GROUP (ORDER BY near.rows), "
     "CASE WHEN count(*) FILTER (WHERE near.weekday = own.weekday) >= 4 THEN "
     "percentile_cont(0.5) WITHIN GROUP (ORDER BY near.rows) "
     "FILTER (WHERE near.weekday = own.weekday) END) FROM placed AS near "
     "WHERE near.day BETWEEN own.day - interval '28 days' AND own.day + interval '28 days') "
     "AS usual FROM placed AS own), "
     "odd AS (SELECT day, rows, usual, place - row_number() OVER (ORDER BY day) AS run "
     "FROM judged WHERE rows >= 3 * usual AND rows >= 30) "
     "SELECT format('from %s to %s: %s times the usual order lines of a day', min(day)::date, "
     "max(day)::date + 1, round((avg(rows / usual))::numeric, 1)) AS sample, "
     "sum(rows)::bigint AS n FROM odd GROUP BY run",
     "order lines of days that stand out: if they were a sale or a clearance, exclude them with "
     "period.excluded"},
};

/* A unique index over the column alone has looked already. */
static bool find_unique_index(Examination *examination, int model, bool *has, GError **error)
{
    static const char sql[] =
        "SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
        "  AND a.attnum = i.indkey[0] "
        "WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND i.indisunique AND i.indisvalid "
        "  AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL";
    const ExaminedModel *examined = &examination->models[model];
    *has = false;
    if (examined->relation->kind == '\0')
        return true;
    const char *values[] = {examined->relation->from, examined->model->primary_key};
    g_autoptr(PGresult) found = db_query(examination->connection, sql, 2, values, error);
    *has = found != NULL && PQntuples(found) > 0;
    return found != NULL;
}

static bool run_check(Examination *examination, const SetCheck *check, GError **error)
{
    g_autofree char *bad = examination_expand(examination, check->bad);
    if (bad == NULL)
        return true;
    g_autofree char *sql = g_strdup_printf(
        "WITH bad AS MATERIALIZED (%s) SELECT sample, "
        "(SELECT sum(n)::bigint FROM bad) AS total FROM bad ORDER BY n DESC, sample LIMIT 5",
        bad);
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, check->model, check->code, sql, &found, error))
        return false;
    if (found == NULL || PQntuples(found) == 0)
        return true;
    g_autofree char *pasted = g_strconcat(bad, " ORDER BY n DESC LIMIT 100;", NULL);
    Finding finding = {check->code,
                       check->level,
                       check->model,
                       (uint64_t)db_int(found, 0, "total"),
                       examination->models[check->of].rows,
                       check->message,
                       pasted};
    examination_report(examination, &finding, found);
    return true;
}

/* Duplicate keys only where no index has looked already. */
static bool run_needed(Examination *examination, const SetCheck *check, GError **error)
{
    bool known = false;
    if (g_str_equal(check->code, "duplicate_key") &&
        !find_unique_index(examination, check->model, &known, error))
        return false;
    return known || run_check(examination, check, error);
}

bool check_sets(Examination *examination, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++)
        if (!run_needed(examination, &checks[i], error))
            return false;
    return true;
}

bool check_signal_sets(Examination *examination, GError **error)
{
    static const char *const of_signals[] = {"duplicate_key", "orphan_users", "orphan_products",
                                             NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++)
        if (checks[i].model == MODEL_EVENTS && g_strv_contains(of_signals, checks[i].code) &&
            !run_needed(examination, &checks[i], error))
            return false;
    return true;
}

static void report_shape(Examination *examination, const char *message, const char *sql,
                         uint64_t count)
{
    Finding finding = {"order_level_table",
                       FINDING_WARNING,
                       MODEL_EVENTS,
                       count,
                       examination->models[MODEL_EVENTS].rows,
                       message,
                       sql};
    examination_report(examination, &finding, NULL);
}

/* Orders instead of order lines: each order once, or no product in a row. */
static bool check_level(Examination *examination, GError **error)
{
    bool has_order = g_hash_table_contains(examination->words, "e.order");
    g_autofree char *sql = examination_expand(
        examination,
        has_order ? "SELECT count(*) AS rows, count({e.product}) AS with_product,"
                    " count(DISTINCT {e.product}) AS products, count(DISTINCT {e.order}) AS orders"
                    " FROM {events}"
                  : "SELECT count(*) AS rows, count({e.product}) AS with_product,"
                    " count(DISTINCT {e.product}) AS products, 0 AS orders FROM {events}");
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, MODEL_EVENTS, "order_level_table", sql, &found, error))
        return false;
    if (found == NULL || db_int(found, 0, "rows") < SHAPE_ROWS)
        return true;
    double rows = db_number(found, 0, "rows");
    g_autofree char *pasted = g_strconcat(sql, ";", NULL);
    if (db_number(found, 0, "with_product") < PRODUCTLESS * rows)
        report_shape(examination,
                     "most rows name no product: these look like orders, not order lines", pasted,
                     (uint64_t)(rows - db_number(found, 0, "with_product")));
    else if (db_int(found, 0, "products") == 1)
        report_shape(examination,
                     "all rows name one product: these look like orders, not order lines", pasted,
                     (uint64_t)rows);
    else if (db_number(found, 0, "orders") >= ORDER_SHARE * rows)
        report_shape(examination,
                     "nearly every order has one row: these look like orders, not order lines",
                     pasted, (uint64_t)db_int(found, 0, "orders"));
    return true;
}

static void report_usable(Examination *examination, uint64_t usable, const char *sql)
{
    uint64_t rows = examination->models[MODEL_EVENTS].rows;
    Finding finding = {.code = "few_events",
                       .level = usable == 0 ? FINDING_ERROR : FINDING_WARNING,
                       .model = MODEL_EVENTS,
                       .count = usable,
                       .of = rows,
                       .message = usable == 0 ? "no purchase is in the training period"
                                              : "less than 1,000 purchases can be learned from",
                       .sql = sql};
    if (usable == 0 && rows > 0) {
        finding.code = "no_overlap";
        finding.message = "no purchase in the training period has both its user and its product in "
                          "their models";
    }
    examination_report(examination, &finding, NULL);
}

static bool check_usable(Examination *examination, GError **error)
{
    g_autofree char *sql = examination_expand(
        examination, "SELECT count(*) AS usable FROM {events} WHERE {e.quantity} > 0 AND {period} "
                     "AND EXISTS (SELECT FROM {users} WHERE {u.key} = {e.user_key}) "
                     "AND EXISTS (SELECT FROM {products} WHERE {p.key} = {e.product_key})");
    if (sql == NULL)
        return true;
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, MODEL_EVENTS, "few_events", sql, &found, error))
        return false;
    g_autofree char *pasted = g_strconcat(sql, ";", NULL);
    if (found != NULL && db_int(found, 0, "usable") < FEW_EVENTS)
        report_usable(examination, (uint64_t)db_int(found, 0, "usable"), pasted);
    return true;
}

bool check_shape(Examination *examination, GError **error)
{
    return check_level(examination, error) && check_usable(examination, error);
}
