#include "shop.h"

#include <math.h>

#include "base/clock.h"
#include "store/doctor.h"

typedef struct Diagnosis {
    cJSON *findings;
    unsigned errors;
} Diagnosis;

static void diagnosis_clear(Diagnosis *diagnosis)
{
    cJSON_Delete(diagnosis->findings);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Diagnosis, diagnosis_clear)

static Diagnosis examine(Shop *shop)
{
    g_autoptr(GError) error = NULL;
    Diagnosis diagnosis = {0};
    doctor_examine(&shop->source, &shop->users, &shop->events, &shop->items, NULL,
                   &shop->prediction, &shop->writer, &diagnosis.errors, NULL, &error);
    assert_no_error(error);
    diagnosis.findings = shop_written(shop);
    return diagnosis;
}

/* The finding of a model, NULL when there is none. */
static const cJSON *finding(const Diagnosis *diagnosis, const char *code, const char *model)
{
    const cJSON *found;
    cJSON_ArrayForEach(
        found, diagnosis->findings) if (g_strcmp0(json_member_string(found, "code"), code) == 0 &&
                                        g_strcmp0(json_member_string(found, "model"), model) ==
                                            0) return found;
    return NULL;
}

static const cJSON *assert_finding(const Diagnosis *diagnosis, const char *code, const char *model,
                                   unsigned count, const char *sample)
{
    const cJSON *found = finding(diagnosis, code, model);
    if (found == NULL)
        fail_msg("no %s of %s in %s", code, model, cJSON_PrintUnformatted(diagnosis->findings));
    assert_int_equal(json_member_number(found, "count", -1), count);
    bool has_sample = sample == NULL;
    const cJSON *value;
    cJSON_ArrayForEach(value, json_member(found, "sample")) has_sample |=
        g_strcmp0(cJSON_GetStringValue(value), sample) == 0;
    assert_true(has_sample);
    return found;
}

/* Enough clean rows for the checks that need some: 40 products, 50 users, 1,200 order lines. */
static void fill(Shop *shop)
{
    shop_run(shop,
             "TRUNCATE order_lines, products, customers;"
             "INSERT INTO products SELECT 'P' || i, 'Product ' || i, 'colour ' || i % 7, i % 11"
             "  FROM generate_series(1, 40) AS i;"
             "INSERT INTO customers SELECT i, 'Country ' || i % 3 FROM generate_series(1, 50) AS i;"
             "INSERT INTO order_lines SELECT i, 1 + i % 47, 'P' || 1 + i % 37,"
             "  '2011-01-01'::timestamptz + i * interval '4 hours', 1 + i % 4, 'I' || i / 3,"
             "  1 + i % 9 FROM generate_series(1, 1200) AS i;");
}

/* But for the few event types that it is read of. */
static void F7_clean_data_has_no_warnings(void **state)
{
    Shop *shop = *state;
    fill(shop);
    g_auto(Diagnosis) diagnosis = examine(shop);
    const cJSON *found;
    cJSON_ArrayForEach(found, diagnosis.findings)
    {
        if (strcmp(json_member_string(found, "level"), "info") != 0 &&
            strcmp(json_member_string(found, "code"), "event_types") != 0)
            fail_msg("%s", cJSON_PrintUnformatted(found));
    }
    assert_int_equal(diagnosis.errors, 0);
}

static void F7_every_fault_of_rows_is_counted(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "UPDATE order_lines SET customer_id = NULL WHERE line_id <= 3;"
                   "UPDATE order_lines SET stock_code = '' WHERE line_id IN (4, 5);"
                   "UPDATE order_lines SET quantity = -quantity WHERE line_id IN (6, 7, 8, 9);"
                   "UPDATE order_lines SET quantity = 0 WHERE line_id = 10;"
                   "UPDATE order_lines SET quantity = NULL WHERE line_id IN (11, 12);"
                   "UPDATE order_lines SET quantity = 80995 WHERE line_id = 13;"
                   "UPDATE order_lines SET invoice_date = NULL WHERE line_id = 14;"
                   "UPDATE order_lines SET invoice_date = 'infinity' WHERE line_id = 15;"
                   "UPDATE order_lines SET invoice_date = '2099-01-01' WHERE line_id = 16;"
                   "UPDATE order_lines SET customer_id = 999 WHERE line_id = 17;"
                   "UPDATE order_lines SET stock_code = 'POST' WHERE line_id IN (18, 19)");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "guest_events", "order_lines", 3, "2");
    assert_finding(&diagnosis, "null_product", "order_lines", 2, "5");
    assert_finding(&diagnosis, "returns", "order_lines", 4, NULL);
    assert_finding(&diagnosis, "zero_quantity", "order_lines", 1, "10");
    assert_finding(&diagnosis, "null_quantity", "order_lines", 2, "12");
    assert_finding(&diagnosis, "absurd_quantity", "order_lines", 1, "80995");
    assert_finding(&diagnosis, "null_time", "order_lines", 2, "15");
    assert_finding(&diagnosis, "future_time", "order_lines", 1, "2099-01-01 00:00:00+00");
    assert_finding(&diagnosis, "orphan_users", "order_lines", 1, "999");
    const cJSON *orphans = assert_finding(&diagnosis, "orphan_products", "order_lines", 2, "POST");
    assert_true(json_member_number(orphans, "share", 0) > 0.0016 &&
                json_member_number(orphans, "share", 0) < 0.0017);
    assert_int_equal(diagnosis.errors, 0);
}

static void F7_keys_are_checked_in_all_models(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "ALTER TABLE products DROP CONSTRAINT products_pkey;"
                   "ALTER TABLE products ALTER stock_code DROP NOT NULL;"
                   "INSERT INTO products VALUES ('P1'), ('P1'), ('P2'), (NULL), ('');"
                   "ALTER TABLE customers DROP CONSTRAINT customers_pkey;"
                   "INSERT INTO customers VALUES (7);"
                   "ALTER TABLE order_lines DROP CONSTRAINT order_lines_pkey;"
                   "UPDATE order_lines SET line_id = 2 WHERE line_id = 1");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "duplicate_key", "products", 3, "P1");
    assert_finding(&diagnosis, "null_key", "products", 2, NULL);
    assert_finding(&diagnosis, "duplicate_key", "customers", 1, "7");
    assert_finding(&diagnosis, "duplicate_key", "order_lines", 1, "2");
    assert_int_equal(diagnosis.errors, 4);
}

static void F7_lines_written_twice_are_found(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "INSERT INTO order_lines SELECT line_id + 10000, customer_id, stock_code,"
                   " invoice_date, quantity, invoice_no, unit_price FROM order_lines"
                   " WHERE line_id <= 25;"
                   "INSERT INTO order_lines SELECT line_id + 20000, customer_id, stock_code,"
                   " invoice_date, quantity, 'another', unit_price FROM order_lines"
                   " WHERE line_id BETWEEN 100 AND 110");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "duplicate_lines", "order_lines", 25, NULL);
    shop->events.order_key = NULL;
    g_auto(Diagnosis) without_order = examine(shop);
    assert_finding(&without_order, "duplicate_lines", "order_lines", 36, NULL);
}

static void F3_a_table_of_orders_is_recognised(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "UPDATE order_lines SET invoice_no = 'I' || line_id");
    g_auto(Diagnosis) once = examine(shop);
    assert_finding(&once, "order_level_table", "order_lines", 1200, NULL);
    fill(shop);
    shop_run(shop, "UPDATE order_lines SET stock_code = NULL WHERE line_id > 100");
    g_auto(Diagnosis) productless = examine(shop);
    assert_finding(&productless, "order_level_table", "order_lines", 1100, NULL);
    fill(shop);
    shop_run(shop, "UPDATE order_lines SET stock_code = 'P1'");
    g_auto(Diagnosis) constant = examine(shop);
    assert_finding(&constant, "order_level_table", "order_lines", 1200, NULL);
}

static void F7_damaged_text_is_found(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "UPDATE products SET name = 'Caf' || U&'\\FFFD' WHERE stock_code = 'P1';"
                   "UPDATE products SET name = E'bell\\x07' WHERE stock_code = 'P2';"
                   "UPDATE products SET name = U&'Caf\\00C3\\00A9' WHERE stock_code = 'P3';"
                   "UPDATE products SET name = E'Café £3 – “ü” 💡\\tok' WHERE stock_code = 'P4'");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "not_utf8", "products", 3, "Caf\xEF\xBF\xBD");
}

/* In a database without an encoding. */
static void F7_bytes_that_are_not_utf8_are_found(void **state)
{
    Shop *shop = *state;
    g_autofree char *name = g_strdup_printf("doctor_%.8s", shop->schema + strlen("Shop "));
    g_autofree char *create = g_strdup_printf(
        "CREATE DATABASE %s ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        name);
    shop_run(shop, create);
    g_autofree char *connection =
        g_strdup_printf("%s dbname=%s", getenv("SHORTLIST_TEST_DB"), name);
    PGconn *utf8 = shop->admin;
    shop->admin = PQconnectdb(connection);
    PQsetClientEncoding(shop->admin, "SQL_ASCII");
    shop_run(shop, shop_tables);
    shop_run(shop, "INSERT INTO products VALUES ('D', E'Caf\\xe9', 'brown', 1),"
                   " ('E', E'Caf\\xc3\\xa9 \\xf0\\x9f\\x92\\xa1', 'brown', 1),"
                   " ('F', E'\\xed\\xa0\\x80', 'brown', 1)");
    PQfinish(shop->admin);
    shop->admin = utf8;
    shop->source.connection = connection;
    shop->events.table = "order_lines";
    shop->items.table = "products";
    shop->users.table = "customers";
    g_auto(Diagnosis) diagnosis = examine(shop);
    g_autofree char *drop = g_strdup_printf("DROP DATABASE %s WITH (FORCE)", name);
    shop_run(shop, drop);
    const cJSON *found = assert_finding(&diagnosis, "not_utf8", "products", 2, "Caf\xEF\xBF\xBD");
    assert_string_equal(json_member_string(found, "level"), "error");
}

static void F7_constant_columns_are_found(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "UPDATE products SET colour = 'white', name = NULL;"
                   "UPDATE order_lines SET unit_price = 1");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "constant_column", "order_lines", 1200, NULL);
    unsigned n = 0;
    const cJSON *found;
    cJSON_ArrayForEach(found, diagnosis.findings) n +=
        strcmp(json_member_string(found, "code"), "constant_column") == 0;
    assert_int_equal(n, 3);
}

static void F7_columns_made_from_the_target_are_found(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "ALTER TABLE customers ADD orders int, ADD last_order timestamptz,"
                   " ADD active bool, ADD born int;"
                   "UPDATE order_lines SET customer_id = 1 + line_id % 23"
                   "  WHERE invoice_date > '2011-06-01';"
                   "UPDATE customers c SET orders = coalesce((SELECT count(*) FROM order_lines o"
                   "   WHERE o.customer_id = c.customer_id), 0),"
                   " last_order = (SELECT max(invoice_date) FROM order_lines o"
                   "   WHERE o.customer_id = c.customer_id), born = 1950 + customer_id * 7 % 50;"
                   "UPDATE customers SET active = last_order > '2011-06-20'");
    static ModelField fields[] = {{"orders", "orders", KIND_NUMERIC, NULL},
                                  {"last_order", "last_order", KIND_TIME, NULL},
                                  {"active", "active", KIND_CATEGORICAL, NULL},
                                  {"born", "born", KIND_NUMERIC, NULL}};
    shop->users.fields = fields;
    shop->users.n_fields = G_N_ELEMENTS(fields);
    g_auto(Diagnosis) diagnosis = examine(shop);
    g_autoptr(GString) leaks = g_string_new(NULL);
    const cJSON *found;
    cJSON_ArrayForEach(found, diagnosis.findings) if (strcmp(json_member_string(found, "code"),
                                                             "target_leak") == 0)
        g_string_append(leaks, json_member_string(found, "message"));
    assert_non_null(strstr(leaks->str, "\"orders\""));
    assert_non_null(strstr(leaks->str, "\"last_order\""));
    assert_non_null(strstr(leaks->str, "\"active\""));
    assert_null(strstr(leaks->str, "\"born\""));
}

static void F7_too_little_data_is_said(void **state)
{
    Shop *shop = *state;
    g_auto(Diagnosis) few = examine(shop);
    const cJSON *found = assert_finding(&few, "few_events", "order_lines", 3, NULL);
    assert_string_equal(json_member_string(found, "level"), "warning");
    shop_run(shop, "UPDATE order_lines SET customer_id = 5");
    g_auto(Diagnosis) apart = examine(shop);
    assert_finding(&apart, "no_overlap", "order_lines", 0, NULL);
    assert_true(apart.errors > 0);
    shop_run(shop, "TRUNCATE order_lines");
    g_auto(Diagnosis) none = examine(shop);
    assert_finding(&none, "few_events", "order_lines", 0, NULL);
    assert_true(none.errors > 0);
}

static void F7_nothing_in_the_training_period_is_an_error(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop->prediction.period.from = INT64_C(1325376000000000); /* 2012 */
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "no_overlap", "order_lines", 0, NULL);
}

static void F13_lapsed_users_are_counted(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "UPDATE order_lines SET invoice_date = '2009-01-01' WHERE customer_id = 9");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "lapsed_users", "customers", 4, "9"); /* and 48, 49, 50 */
}

static void keys_of_other_types_are_no_orphans(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop_run(shop, "ALTER TABLE order_lines ALTER customer_id TYPE numeric(9, 1)");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_null(finding(&diagnosis, "orphan_users", "order_lines"));
    shop_run(shop,
             "ALTER TABLE order_lines ALTER customer_id TYPE text USING customer_id::int::text");
    g_auto(Diagnosis) as_text = examine(shop);
    assert_null(finding(&as_text, "orphan_users", "order_lines"));
    assert_null(finding(&as_text, "no_overlap", "order_lines"));
}

/* Each SQL that is shown runs as it stands, in a plain psql session. */
static void F7_the_sql_of_every_finding_runs(void **state)
{
    Shop *shop = *state;
    shop->events.table = NULL;
    shop->events.sql = "SELECT line_id, customer_id, stock_code, invoice_date, quantity,"
                       " invoice_no, unit_price FROM order_lines -- all of them";
    shop_run(shop, "UPDATE products SET colour = E'\\x01';"
                   "UPDATE order_lines SET quantity = 0 WHERE line_id = 2;"
                   "INSERT INTO order_lines SELECT 10, customer_id, stock_code, invoice_date,"
                   " quantity, invoice_no, unit_price FROM order_lines WHERE line_id = 1;"
                   "INSERT INTO order_lines VALUES (11, 5, 'A', '2099-01-01', NULL, NULL, 1)");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_in_range(cJSON_GetArraySize(diagnosis.findings), 10, 30);
    const cJSON *found;
    cJSON_ArrayForEach(found, diagnosis.findings) shop_run(shop, json_member_string(found, "sql"));
}

static void a_check_that_takes_too_long_is_left_out(void **state)
{
    Shop *shop = *state;
    fill(shop);
    shop->source.statement_timeout_ms = 300;
    shop->items.table = NULL;
    shop->items.sql = "SELECT *, pg_sleep(1)::text AS slow FROM products";
    shop->product_fields[1] = (ModelField){"slow", "slow", KIND_TEXT, NULL};
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_non_null(finding(&diagnosis, "not_examined", "products"));
    assert_non_null(finding(&diagnosis, "lapsed_users", "customers"));
}

static void F4_every_event_type_is_examined_under_its_own_model(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    fill(shop);
    Model views = {.id = "views",
                   .type = MODEL_EVENTS,
                   .sql = "SELECT * FROM (VALUES (1, 1, 'P1', now()), (1, 1, 'P1', now()), "
                          "(2, 1, 'gone', now()), (3, NULL, 'P1', '2099-01-01')) AS v (i, u, p, t)",
                   .primary_key = "i",
                   .user_key = "u",
                   .product_key = "p",
                   .time = "t"};
    PredictionSignal signal = {"views", "view", -1, 0};
    shop->prediction.models.signals = &signal;
    shop->prediction.models.n_signals = 1;
    Model *signals[] = {&views};
    unsigned errors;
    doctor_examine(&shop->source, &shop->users, &shop->events, &shop->items, signals,
                   &shop->prediction, &shop->writer, &errors, NULL, &error);
    assert_no_error(error);
    g_autoptr(cJSON) findings = shop_written(shop);
    g_autoptr(GString) found = g_string_new(NULL);
    const cJSON *one;
    cJSON_ArrayForEach(one, findings)
    {
        if (strcmp(json_member_string(one, "model"), "views") == 0)
            g_string_append_printf(found, "%s %.0f; ", json_member_string(one, "code"),
                                   json_member_number(one, "count", 0));
    }
    assert_string_equal(found->str, "guest_events 1; future_time 1; duplicate_key 1; "
                                    "orphan_products 1; ");
    const cJSON *types = element_with(findings, "code", "event_types");
    assert_non_null(types);
    assert_string_equal(json_member_string(types, "level"), "warning");
    assert_true(json_member_number(types, "count", 0) == 2);
    assert_null(
        strstr(json_member_string(element_with(findings, "code", "orphan_products"), "message"),
               "order lines"));
    SourceCounts counts;
    assert_true(doctor_count(&shop->source, &shop->users, &shop->events, &shop->items, signals,
                             &shop->prediction, NULL, &counts, &error));
    assert_int_equal(counts.rows, 1200);
    assert_int_equal(counts.signal_rows, 3);
    assert_int_equal(counts.n_signals, 1);
}

static void examination_can_be_cancelled(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    unsigned errors;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    assert_false(doctor_examine(&shop->source, &shop->users, &shop->events, &shop->items, NULL,
                                &shop->prediction, &shop->writer, &errors, &cancel, &error));
    assert_fails_with(&error, ERR_CANCELLED, "");
}

static void F7_rows_are_counted_exactly_when_they_are_few(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    SourceCounts counts;
    fill(shop);
    shop_run(shop, "INSERT INTO order_lines VALUES (5000, 1, 'P1', '2099-01-01', 1, 'I', 1)");
    assert_true(doctor_count(&shop->source, &shop->users, &shop->events, &shop->items, NULL,
                             &shop->prediction, NULL, &counts, &error));
    assert_true(counts.exact);
    assert_int_equal(counts.rows, 1200);
    assert_int_equal(counts.users, 50);
    assert_int_equal(counts.products, 40);
    shop->prediction.period.from = INT64_C(1306886400000000); /* 2011-06-01 */
    assert_true(doctor_count(&shop->source, &shop->users, &shop->events, &shop->items, NULL,
                             &shop->prediction, NULL, &counts, &error));
    assert_int_equal(counts.rows, 295);
}

/* 2011-01-01, a Saturday, and the 119 days after it, with as many order lines each as `lines` (SQL
 * over the day's number i) says. */
static void open_days(Shop *shop, const char *lines)
{
    g_autofree char *sql = g_strdup_printf(
        "TRUNCATE order_lines; INSERT INTO order_lines SELECT row_number() OVER (), 17850, "
        "CASE n %% 2 WHEN 0 THEN 'A' ELSE 'B' END, "
        "'2011-01-01'::timestamptz + i * interval '1 day' + n * interval '1 minute', 1, 'I' || n, "
        "1 "
        "FROM generate_series(0, 119) AS i, generate_series(1, %s) AS n",
        lines);
    shop_run(shop, sql);
}

static void assert_nothing_exceptional(Shop *shop)
{
    g_auto(Diagnosis) diagnosis = examine(shop);
    const cJSON *found = finding(&diagnosis, "exceptional_period", "order_lines");
    if (found != NULL)
        fail_msg("%s", cJSON_PrintUnformatted(found));
}

static void F11_days_of_a_sale_are_found_with_their_dates(void **state)
{
    Shop *shop = *state;
    open_days(shop, "CASE WHEN i BETWEEN 60 AND 62 THEN 200 ELSE 40 END");
    g_auto(Diagnosis) diagnosis = examine(shop);
    const cJSON *found =
        assert_finding(&diagnosis, "exceptional_period", "order_lines", 600,
                       "from 2011-03-02 to 2011-03-05: 5.0 times the usual order lines of a day");
    assert_string_equal(json_member_string(found, "level"), "info");
    double share = json_member_number(found, "share", 0);
    assert_true(fabs(share - 600.0 / (117 * 40 + 600)) < 1e-4);
    g_autoptr(PGresult) rows = PQexec(shop->admin, json_member_string(found, "sql"));
    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(rows), 1);
    assert_int_equal(db_int(rows, 0, "n"), 600);
}

static void F11_a_shop_without_exceptional_days_has_none(void **state)
{
    open_days(*state, "40");
    assert_nothing_exceptional(*state);
}

static void F11_growth_is_not_exceptional(void **state)
{
    open_days(*state, "30 + 2 * i");
    assert_nothing_exceptional(*state);
}

static void F11_the_rhythm_of_the_week_is_not_exceptional(void **state)
{
    open_days(*state, "CASE WHEN i % 7 = 0 THEN 200 WHEN i % 7 = 1 THEN 3 ELSE 40 END");
    assert_nothing_exceptional(*state);
}

static void F11_a_few_order_lines_more_are_not_exceptional(void **state)
{
    open_days(*state, "CASE WHEN i = 60 THEN 29 ELSE 4 END");
    assert_nothing_exceptional(*state);
}

static void F11_a_busy_saturday_is_held_against_saturdays(void **state)
{
    Shop *shop = *state;
    open_days(shop, "CASE WHEN i = 63 THEN 400 WHEN i % 7 = 0 THEN 100 ELSE 20 END");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "exceptional_period", "order_lines", 400,
                   "from 2011-03-05 to 2011-03-06: 4.0 times the usual order lines of a day");
}

/* Sundays are i % 7 = 1: one is opened for once, and a sale goes on over another. */
static void F11_closed_days_do_not_part_a_sale_and_one_opened_for_it_is_found(void **state)
{
    Shop *shop = *state;
    open_days(shop, "CASE WHEN i BETWEEN 61 AND 66 AND i % 7 <> 1 THEN 160 WHEN i = 29 THEN 120 "
                    "WHEN i % 7 = 1 THEN 0 ELSE 40 END");
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_finding(&diagnosis, "exceptional_period", "order_lines", 5 * 160 + 120,
                   "from 2011-03-03 to 2011-03-09: 4.0 times the usual order lines of a day");
    assert_finding(&diagnosis, "exceptional_period", "order_lines", 5 * 160 + 120,
                   "from 2011-01-30 to 2011-01-31: 3.0 times the usual order lines of a day");
}

/* An excluded period over the planted sale, of the products that the test fills in. */
static ExcludedPeriod over_the_sale(void)
{
    ExcludedPeriod excluded = {.reason = NULL};
    assert_true(clock_parse("2011-03-02", &excluded.from));
    assert_true(clock_parse("2011-03-05", &excluded.to));
    return excluded;
}

static void exclude(Shop *shop, ExcludedPeriod *excluded)
{
    shop->prediction.period.excluded = excluded;
    shop->prediction.period.n_excluded = 1;
}

static uint64_t count_of_rows(Shop *shop)
{
    g_autoptr(GError) error = NULL;
    SourceCounts counts = {0};
    doctor_count(&shop->source, &shop->users, &shop->events, &shop->items, NULL, &shop->prediction,
                 NULL, &counts, &error);
    assert_no_error(error);
    return counts.rows;
}

static void F11_what_is_excluded_already_is_not_found_again(void **state)
{
    Shop *shop = *state;
    open_days(shop, "CASE WHEN i BETWEEN 60 AND 62 THEN 200 ELSE 40 END");
    ExcludedPeriod excluded = over_the_sale();
    exclude(shop, &excluded);
    assert_nothing_exceptional(shop);
    assert_int_equal(count_of_rows(shop), 117 * 40);
}

/* Half of the lines are of A, which is white; the others of B, which is red and gold. */
static void F11_the_lines_of_some_products_are_left_out_of_the_count(void **state)
{
    Shop *shop = *state;
    open_days(shop, "CASE WHEN i BETWEEN 60 AND 62 THEN 200 ELSE 40 END");
    ExcludedPeriod excluded = over_the_sale();
    char *white[] = {"white", "it's", NULL}, *gold[] = {"gold", NULL}, *b[] = {"B", NULL};
    exclude(shop, &excluded);
    excluded.products = (ExcludedProducts){"colour", white, NULL};
    assert_int_equal(count_of_rows(shop), 117 * 40 + 300);
    excluded.products = (ExcludedProducts){"colour", gold, NULL};
    assert_int_equal(count_of_rows(shop), 117 * 40 + 300);
    excluded.products = (ExcludedProducts){NULL, NULL, b};
    assert_int_equal(count_of_rows(shop), 117 * 40 + 300);
    excluded.products = (ExcludedProducts){"colour", white, b};
    assert_int_equal(count_of_rows(shop), 117 * 40);
    char *number[] = {"2.5", NULL};
    excluded.products = (ExcludedProducts){"price", number, NULL};
    assert_int_equal(count_of_rows(shop), 117 * 40 + 300);
}

static void F11_a_filter_that_fits_the_products_is_no_finding(void **state)
{
    Shop *shop = *state;
    ExcludedPeriod excluded = over_the_sale();
    char *colours[] = {"gold", "white", "red", NULL}, *ids[] = {"C", "A", NULL};
    excluded.products = (ExcludedProducts){"colour", colours, ids};
    exclude(shop, &excluded);
    g_auto(Diagnosis) diagnosis = examine(shop);
    assert_null(finding(&diagnosis, "excluded_products", "products"));
}

static void assert_message(const cJSON *found, const char *expected)
{
    assert_string_equal(json_member_string(found, "message"), expected);
}

static void F11_values_and_ids_that_no_product_has_are_found(void **state)
{
    Shop *shop = *state;
    ExcludedPeriod excluded = over_the_sale();
    char *colours[] = {"goldd", "white", "it's", NULL}, *ids[] = {"A", "Bx", NULL};
    excluded.products = (ExcludedProducts){"colour", colours, NULL};
    exclude(shop, &excluded);
    g_auto(Diagnosis) of_values = examine(shop);
    const cJSON *found = assert_finding(&of_values, "excluded_products", "products", 2, "it's");
    assert_string_equal(json_member_string(found, "level"), "warning");
    assert_message(found,
                   "period.excluded[0]: no product has, in column \"colour\", \"goldd\" (did "
                   "you mean \"gold\"?), \"it's\"");
    g_autoptr(PGresult) rows = PQexec(shop->admin, json_member_string(found, "sql"));
    assert_int_equal(PQresultStatus(rows), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(rows), 3); /* gold, red, white */
    excluded.products = (ExcludedProducts){NULL, NULL, ids};
    g_auto(Diagnosis) of_ids = examine(shop);
    found = assert_finding(&of_ids, "excluded_products", "products", 1, "Bx");
    assert_true(g_str_has_prefix(json_member_string(found, "message"),
                                 "period.excluded[0]: no product has, in its key, \"Bx\""));
    shop_run(shop, json_member_string(found, "sql"));
}

static void F11_a_column_that_is_not_mapped_is_an_error(void **state)
{
    Shop *shop = *state;
    ExcludedPeriod excluded = over_the_sale();
    char *colours[] = {"gold", NULL};
    excluded.products = (ExcludedProducts){"color", colours, NULL};
    exclude(shop, &excluded);
    g_auto(Diagnosis) diagnosis = examine(shop);
    const cJSON *found = assert_finding(&diagnosis, "excluded_products", "products", 0, NULL);
    assert_string_equal(json_member_string(found, "level"), "error");
    assert_message(found,
                   "period.excluded[0]: model \"products\" maps no column \"color\": did you "
                   "mean \"colour\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(F7_clean_data_has_no_warnings),
        IN_SHOP(F7_every_fault_of_rows_is_counted),
        IN_SHOP(F7_keys_are_checked_in_all_models),
        IN_SHOP(F7_lines_written_twice_are_found),
        IN_SHOP(F3_a_table_of_orders_is_recognised),
        IN_SHOP(F7_damaged_text_is_found),
        IN_SHOP(F7_bytes_that_are_not_utf8_are_found),
        IN_SHOP(F7_constant_columns_are_found),
        IN_SHOP(F7_columns_made_from_the_target_are_found),
        IN_SHOP(F7_too_little_data_is_said),
        IN_SHOP(F7_nothing_in_the_training_period_is_an_error),
        IN_SHOP(F13_lapsed_users_are_counted),
        IN_SHOP(keys_of_other_types_are_no_orphans),
        IN_SHOP(F7_the_sql_of_every_finding_runs),
        IN_SHOP(a_check_that_takes_too_long_is_left_out),
        IN_SHOP(F4_every_event_type_is_examined_under_its_own_model),
        IN_SHOP(examination_can_be_cancelled),
        IN_SHOP(F7_rows_are_counted_exactly_when_they_are_few),
        IN_SHOP(F11_days_of_a_sale_are_found_with_their_dates),
        IN_SHOP(F11_a_shop_without_exceptional_days_has_none),
        IN_SHOP(F11_growth_is_not_exceptional),
        IN_SHOP(F11_the_rhythm_of_the_week_is_not_exceptional),
        IN_SHOP(F11_a_few_order_lines_more_are_not_exceptional),
        IN_SHOP(F11_a_busy_saturday_is_held_against_saturdays),
        IN_SHOP(F11_closed_days_do_not_part_a_sale_and_one_opened_for_it_is_found),
        IN_SHOP(F11_what_is_excluded_already_is_not_found_again),
        IN_SHOP(F11_the_lines_of_some_products_are_left_out_of_the_count),
        IN_SHOP(F11_a_filter_that_fits_the_products_is_no_finding),
        IN_SHOP(F11_values_and_ids_that_no_product_has_are_found),
        IN_SHOP(F11_a_column_that_is_not_mapped_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
