#include "shop.h"

#include <math.h>
#include <pthread.h>

#include "base/clock.h"
#include "store/reader.h"

static Dataset *load_with(Shop *shop, const ReaderOptions *options, GError **error)
{
    return reader_load(&shop->source, &shop->users, &shop->events, &shop->items, &shop->prediction,
                       options, error);
}

static Dataset *load(Shop *shop)
{
    g_autoptr(GError) error = NULL;
    ReaderOptions options = {.now = clock_now_us()};
    Dataset *dataset = load_with(shop, &options, &error);
    assert_no_error(error);
    return dataset;
}

static void assert_load_fails(Shop *shop, ErrorCode code, const char *part)
{
    g_autoptr(GError) error = NULL;
    ReaderOptions options = {.now = clock_now_us()};
    assert_null(load_with(shop, &options, &error));
    assert_fails_with(&error, code, part);
}

static uint32_t user_of(const Dataset *dataset, const char *id)
{
    return ids_find(dataset->users, id, strlen(id));
}

static uint32_t item_of(const Dataset *dataset, const char *id)
{
    return ids_find(dataset->items, id, strlen(id));
}

static void assert_value(const Column *column, uint32_t row, unsigned place, const char *expected)
{
    size_t length;
    assert_true(column->start[row] + place < column->start[row + 1]);
    const char *text = ids_get(column->values, column->value[column->start[row] + place], &length);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, length);
}

static void order_lines_arrive_with_all_their_parts(void **state)
{
    g_autoptr(Dataset) dataset = load(*state);
    assert_int_equal(dataset->n_users, 3);
    assert_int_equal(dataset->n_items, 3);
    assert_int_equal(dataset->rows.n, 4); /* neither the guest's nor the postage */
    uint32_t user = user_of(dataset, "13047");
    assert_int_equal(dataset->user_start[user + 1] - dataset->user_start[user], 1);
    uint64_t row = dataset->user_start[user];
    assert_int_equal(dataset->rows.item[row], item_of(dataset, "A"));
    assert_true(dataset->rows.quantity[row] == 2);
    assert_true(dataset->rows.price[row] == 2.55f);
    int64_t expected;
    assert_true(clock_parse("2011-11-02T10:30:00Z", &expected));
    assert_true(dataset->rows.time[row] == expected);
    assert_int_equal(dataset->dropped[DROP_NO_USER].rows, 1);
    assert_int_equal(dataset->dropped[DROP_UNKNOWN_PRODUCT].rows, 1);
    assert_string_equal(dataset->dropped[DROP_UNKNOWN_PRODUCT].samples[0], "POST");
}

/* Carts without a quantity, as a SELECT; one of them by somebody unknown. */
static const char carts_sql[] =
    "SELECT * FROM (VALUES (1, 17850, 'B', '2011-11-03 10:00+00'::timestamptz), "
    "(2, 13047, 'C', '2011-11-03 10:00+00'), (3, 99, 'A', '2011-11-03 10:00+00')) "
    "AS c (id, who, what, at)";

static void F4_event_types_are_read_in_the_same_snapshot(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    Model carts = {.id = "carts",
                   .type = MODEL_EVENTS,
                   .sql = (char *)carts_sql,
                   .primary_key = "id",
                   .user_key = "who",
                   .product_key = "what",
                   .time = "at"};
    PredictionSignal signal = {"carts", "cart", 0.5, 7};
    shop->prediction.models.signals = &signal;
    shop->prediction.models.n_signals = 1;
    ReaderOptions options = {.signals = (Model *[]){&carts}, .now = clock_now_us()};
    g_autoptr(Dataset) dataset = load_with(shop, &options, &error);
    assert_no_error(error);
    assert_int_equal(dataset->rows.n, 4);
    assert_int_equal(dataset->n_signals, 1);
    const Dataset *rows = dataset->signal[0];
    assert_int_equal(rows->rows.n, 2);
    assert_true(rows->rows.quantity[0] == 1);
    assert_int_equal(rows->dropped[DROP_UNKNOWN_USER].rows, 1);
    assert_string_equal(dataset->signal_kinds[0].name, "cart");
    assert_true(dataset->signal_kinds[0].weight == 0.5);
    carts.time = "when";
    g_autoptr(Dataset) none = load_with(shop, &options, &error);
    assert_null(none);
    assert_fails_with(&error, ERR_INVALID, "model \"carts\"");
}

static void returns_stay_in_the_raw_data(void **state)
{
    g_autoptr(Dataset) dataset = load(*state);
    unsigned returns = 0;
    for (uint64_t row = 0; row < dataset->rows.n; row++)
        returns += dataset->rows.quantity[row] < 0;
    assert_int_equal(returns, 1);
}

static void attributes_arrive_as_text_and_number(void **state)
{
    g_autoptr(Dataset) dataset = load(*state);
    const Column *colour = attributes_find(dataset->item_attributes, "colour");
    uint32_t b = item_of(dataset, "B"), c = item_of(dataset, "C");
    assert_value(colour, b, 0, "red");
    assert_value(colour, b, 1, "gold");
    assert_int_equal(colour->start[c], colour->start[c + 1]);
    const Column *price = attributes_find(dataset->item_attributes, "price");
    assert_true(price->number[b] == 3);
    assert_value(price, b, 0, "3");
    assert_true(isnan(price->number[c]));
    const Column *country = attributes_find(dataset->user_attributes, "country");
    assert_value(country, user_of(dataset, "13047"), 0, "France");
}

/* The same customers, written in each model as another type. */
static void equal_keys_join_whatever_their_types(void **state)
{
    Shop *shop = *state;
    static const char *const types[] = {"smallint", "bigint",     "numeric(12, 2)",
                                        "float4",   "float8",     "text",
                                        "char(12)", "varchar(9)", "name"};
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *change = g_strdup_printf(
            "ALTER TABLE order_lines ALTER customer_id TYPE %s USING customer_id::%s", types[i],
            types[i]);
        shop_run(shop, "ALTER TABLE order_lines ALTER customer_id TYPE int USING "
                       "customer_id::text::float8::int");
        shop_run(shop, change);
        g_autoptr(Dataset) dataset = load(shop);
        assert_int_equal(dataset->rows.n, 4);
        assert_int_equal(dataset->dropped[DROP_UNKNOWN_USER].rows, 0);
    }
}

static void every_type_of_attribute_can_be_read(void **state)
{
    Shop *shop = *state;
    shop_run(
        shop,
        "CREATE TYPE mood AS ENUM ('calm', 'wild'); CREATE DOMAIN shade AS text;"
        "CREATE TABLE typed AS SELECT 'A' AS stock_code, 'wild'::mood AS enumerated,"
        " 'dark'::shade AS domain, '{red,\"light blue\"}'::text[] AS listed,"
        " true AS truth, '2011-11-10'::date AS day, '2011-11-10 08:26:00.5'::timestamp AS moment,"
        " '{\"a\": 1}'::jsonb AS json, 'x '::char(5) AS padded, 12.50::numeric AS amount,"
        " '0123456789abcdef0123456789abcdef'::uuid AS unique_id, '10.0.0.1'::inet AS address");
    static ModelField fields[] = {
        {"enumerated", "enumerated", KIND_CATEGORICAL, NULL},
        {"domain", "domain", KIND_TEXT, NULL},
        {"listed", "listed", KIND_CATEGORICAL, ";"},
        {"truth", "truth", KIND_CATEGORICAL, NULL},
        {"day", "day", KIND_TIME, NULL},
        {"moment", "moment", KIND_TIME, NULL},
        {"json", "json", KIND_TEXT, NULL},
        {"padded", "padded", KIND_CATEGORICAL, NULL},
        {"amount", "amount", KIND_NUMERIC, NULL},
        {"unique_id", "unique_id", KIND_ID, NULL},
        {"address", "address", KIND_TEXT, NULL},
    };
    static const char *const expected[] = {"wild",       "dark",
                                           "red",        "true",
                                           "2011-11-10", "2011-11-10T08:26:00.500000Z",
                                           "{\"a\": 1}", "x",
                                           "12.5",       "01234567-89ab-cdef-0123-456789abcdef",
                                           "10.0.0.1/32"};
    shop->items.table = "typed";
    shop->items.fields = fields;
    shop->items.n_fields = G_N_ELEMENTS(fields);
    g_autoptr(Dataset) dataset = load(shop);
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        assert_value(attributes_find(dataset->item_attributes, fields[i].name), 0, 0, expected[i]);
    assert_value(attributes_find(dataset->item_attributes, "listed"), 0, 1, "light blue");
    assert_true(attributes_find(dataset->item_attributes, "day")->number[0] == 1320883200.0f);
    assert_true(attributes_find(dataset->item_attributes, "amount")->number[0] == 12.5f);
}

static void F2_models_may_be_selects(void **state)
{
    Shop *shop = *state;
    shop->events.table = NULL;
    shop->events.sql = "SELECT line_id, customer_id, stock_code, invoice_date, quantity,"
                       " invoice_no, unit_price FROM order_lines WHERE quantity > 0 -- bought";
    g_autoptr(Dataset) dataset = load(shop);
    assert_int_equal(dataset->rows.n, 3);
}

static void columns_that_are_not_mapped_are_not_asked_for(void **state)
{
    Shop *shop = *state;
    shop->events.order_key = shop->events.price = NULL;
    g_autoptr(Dataset) dataset = load(shop);
    assert_null(dataset->rows.order);
    assert_null(dataset->rows.price);
    assert_int_equal(dataset->rows.n, 4);
}

static void ids_of_any_bytes_survive(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "INSERT INTO products VALUES (E'a/\"b''\\n\\\\,\\t💡'), (repeat('x', 10000));"
                   "INSERT INTO order_lines VALUES"
                   " (100, 1, E'a/\"b''\\n\\\\,\\t💡', '2011-11-01', 1, 'I', 1),"
                   " (101, 1, repeat('x', 10000), '2011-11-01', 1, 'I', 1)");
    g_autoptr(Dataset) dataset = load(shop);
    assert_int_not_equal(item_of(dataset, "a/\"b'\n\\,\t💡"), IDS_NONE);
    assert_int_equal(dataset->rows.n, 6);
}

/* More rows than one batch, so that a full one and a last, short one are added. */
static void batches_lose_no_row(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "DELETE FROM order_lines;"
                   "INSERT INTO order_lines SELECT i, CASE i % 2 WHEN 0 THEN 17850 ELSE 13047 END,"
                   " CASE i % 3 WHEN 0 THEN 'A' ELSE 'B' END, '2011-01-01'::timestamptz + i * '1 "
                   "minute'::interval,"
                   " 1 + i % 5, 'I' || i / 10, i FROM generate_series(1, 10001) AS i");
    g_autoptr(Dataset) dataset = load(shop);
    double pieces = 0;
    for (uint64_t row = 0; row < dataset->rows.n; row++)
        pieces += dataset->rows.quantity[row];
    assert_int_equal(dataset->rows.n, 10001);
    assert_true(pieces == 30002);
    assert_int_equal(dataset->n_orders, 1001);
}

static void empty_tables_give_an_empty_data_set(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "TRUNCATE order_lines, products, customers");
    g_autoptr(Dataset) dataset = load(shop);
    assert_int_equal(dataset->rows.n, 0);
    assert_int_equal(dataset->n_users, 0);
    assert_int_equal(dataset->n_items, 0);
}

static void infinite_and_future_times_are_dropped_and_counted(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "INSERT INTO order_lines VALUES (7, 17850, 'A', 'infinity', 1, 'I', 1),"
                   " (8, 17850, 'A', '2999-01-01', 1, 'I', 1), (9, 17850, 'A', NULL, 1, 'I', 1)");
    g_autoptr(Dataset) dataset = load(shop);
    assert_int_equal(dataset->dropped[DROP_NO_TIME].rows, 2);
    assert_int_equal(dataset->dropped[DROP_FUTURE].rows, 1);
}

static void F11_the_training_period_is_kept(void **state)
{
    Shop *shop = *state;
    int64_t day;
    assert_true(clock_parse("2011-11-01", &day));
    ExcludedPeriod sale = {.from = day + US_PER_DAY, .to = day + 2 * US_PER_DAY};
    shop->prediction.period = (TrainingPeriod){
        .from = day, .to = day + 3 * US_PER_DAY, .excluded = &sale, .n_excluded = 1};
    g_autoptr(Dataset) dataset = load(shop);
    assert_int_equal(dataset->rows.n, 2);
    assert_int_equal(dataset->dropped[DROP_EXCLUDED_PERIOD].rows, 1);
    assert_true(dataset->dropped[DROP_OUTSIDE_PERIOD].rows > 0);
}

/* A is white and costs 2.5, B is red and gold; the lines are A A B of them, the last a return. */
static void F11_lines_of_some_products_are_left_out_of_a_period(void **state)
{
    Shop *shop = *state;
    ExcludedPeriod sale = {.reason = NULL};
    char *gold[] = {"gold", NULL}, *a[] = {"A", NULL}, *price[] = {"2.5", NULL};
    assert_true(clock_parse("2011-11-01", &sale.from));
    assert_true(clock_parse("2011-11-02", &sale.to));
    shop->prediction.period =
        (TrainingPeriod){.from = INT64_MIN, .to = INT64_MIN, .excluded = &sale, .n_excluded = 1};
    const struct {
        ExcludedProducts products;
        const char *left_out;
    } cases[] = {{{"colour", gold, NULL}, "B"},
                 {{"price", price, NULL}, "A"},
                 {{NULL, NULL, a}, "A"},
                 {{"colour", gold, a}, NULL}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        sale.products = cases[i].products;
        g_autoptr(Dataset) dataset = load(shop);
        const DropCount *dropped = &dataset->dropped[DROP_EXCLUDED_PERIOD];
        assert_int_equal(dropped->rows, cases[i].left_out ? 1 : 2);
        assert_int_equal(dataset->rows.n, 4 - dropped->rows);
        if (cases[i].left_out)
            assert_string_equal(dropped->samples[0], cases[i].left_out);
    }
}

static void F11_a_filter_by_a_column_that_is_not_mapped_fails(void **state)
{
    Shop *shop = *state;
    char *gold[] = {"gold", NULL};
    ExcludedPeriod sale = {.from = 0, .to = 1, .products = {"colours", gold, NULL}};
    shop->prediction.period =
        (TrainingPeriod){.from = INT64_MIN, .to = INT64_MIN, .excluded = &sale, .n_excluded = 1};
    assert_load_fails(shop, ERR_INVALID,
                      "period.excluded[0]: model \"products\" maps no column \"colours\": did you "
                      "mean \"colour\"?");
}

static void a_table_that_vanished_is_named(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "DROP TABLE order_lines");
    assert_load_fails(shop, ERR_INVALID, "model \"order_lines\": ");
    assert_load_fails(shop, ERR_INVALID, "order_lines does not exist");
}

static void a_column_that_vanished_is_named(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "ALTER TABLE order_lines RENAME quantity TO quantitys");
    assert_load_fails(shop, ERR_INVALID,
                      "model \"order_lines\": column \"quantity\" no longer exists in ");
    assert_load_fails(shop, ERR_INVALID, "near: quantitys");
}

static void a_column_that_changed_its_type_is_named(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "ALTER TABLE order_lines ALTER quantity TYPE text");
    assert_load_fails(shop, ERR_INVALID, "column \"quantity\"");
    assert_load_fails(shop, ERR_INVALID, "is text now; a quantity must be numeric");
}

static void a_select_that_fails_on_a_row_is_named(void **state)
{
    Shop *shop = *state;
    shop->items.table = NULL;
    shop->items.sql = "SELECT stock_code, name, colour, 1 / (length(stock_code) - 1) AS price"
                      " FROM products";
    assert_load_fails(shop, ERR_INVALID, "model \"products\": division by zero");
}

static void a_missing_right_is_named(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "CREATE ROLE \"blind reader\" LOGIN");
    g_autofree char *usage =
        g_strdup_printf("GRANT USAGE ON SCHEMA \"%s\" TO \"blind reader\"", shop->schema);
    shop_run(shop, usage);
    g_autofree char *poor = g_strdup_printf("%s user='blind reader'", shop->connection);
    shop->source.connection = poor;
    assert_load_fails(shop, ERR_INVALID, "permission denied for table products");
    shop_run(shop, "DROP OWNED BY \"blind reader\"; DROP ROLE \"blind reader\"");
}

static void a_source_that_is_away_is_unavailable(void **state)
{
    Shop *shop = *state;
    shop->source.connection = "host=127.0.0.1 port=1";
    assert_load_fails(shop, ERR_UNAVAILABLE, "");
}

static void a_statement_that_takes_too_long_times_out(void **state)
{
    Shop *shop = *state;
    shop->source.statement_timeout_ms = 50;
    shop->items.table = NULL;
    shop->items.sql = "SELECT stock_code, name, colour, price FROM products, pg_sleep(30)";
    assert_load_fails(shop, ERR_TIMEOUT, "model \"products\"");
}

static void cancelling_before_the_first_row_ends_the_wait(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    ReaderOptions options = {.now = clock_now_us(), .cancel = &cancel};
    cancel_raise(&cancel);
    assert_null(load_with(shop, &options, &error));
    assert_fails_with(&error, ERR_CANCELLED, "");
}

typedef struct Raiser {
    const char *connection;
    Cancel cancel;
} Raiser;

/* Raises once the server is seen to sleep in the model's SELECT. */
static void *raise_when_asleep(void *context)
{
    Raiser *raiser = context;
    g_autoptr(PGconn) connection = PQconnectdb(raiser->connection);
    for (;;) {
        g_autoptr(PGresult) result =
            PQexec(connection, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                               " AND application_name = 'shortlist'");
        if (PQntuples(result) > 0)
            break;
    }
    cancel_raise(&raiser->cancel);
    return NULL;
}

static void cancelling_in_a_query_stops_the_server_too(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    Raiser raiser = {.connection = shop->connection};
    cancel_init(&raiser.cancel);
    ReaderOptions options = {.now = clock_now_us(), .cancel = &raiser.cancel};
    shop->items.table = NULL;
    shop->items.sql = "SELECT stock_code, name, colour, price FROM products, pg_sleep(3600)";
    pthread_t thread;
    pthread_create(&thread, NULL, raise_when_asleep, &raiser);
    assert_null(load_with(shop, &options, &error));
    pthread_join(thread, NULL);
    assert_fails_with(&error, ERR_CANCELLED, "");
    for (int asleep = 1; asleep > 0;) {
        g_autoptr(PGresult) result =
            PQexec(shop->admin, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                                " AND application_name = 'shortlist'");
        asleep = PQntuples(result);
    }
}

typedef struct Progress {
    double last;
    uint64_t rows;
    unsigned calls;
    Cancel *cancel; /* raised at the first call, or NULL */
} Progress;

static void note(void *context, double fraction, uint64_t rows)
{
    Progress *progress = context;
    assert_true(fraction >= progress->last && fraction <= 1);
    progress->last = fraction;
    progress->rows = rows;
    progress->calls++;
    if (progress->cancel != NULL)
        cancel_raise(progress->cancel);
}

static void insert_many(Shop *shop)
{
    shop_run(shop, "INSERT INTO order_lines SELECT 1000 + i, 17850, 'A', '2011-01-01', 1, 'I', 1"
                   " FROM generate_series(1, 200000) AS i; ANALYZE order_lines");
}

static void progress_grows_to_one(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    insert_many(shop);
    Progress progress = {0};
    ReaderOptions options = {
        .now = clock_now_us(), .progress = note, .progress_context = &progress};
    g_autoptr(Dataset) dataset = load_with(shop, &options, &error);
    assert_no_error(error);
    assert_true(progress.last == 1);
    assert_true(progress.calls >= 4);
    assert_int_equal(progress.rows, 200012);
}

static void cancelling_between_rows_ends_the_reading(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    insert_many(shop);
    Cancel cancel;
    cancel_init(&cancel);
    Progress progress = {.cancel = &cancel};
    ReaderOptions options = {
        .now = clock_now_us(), .cancel = &cancel, .progress = note, .progress_context = &progress};
    assert_null(load_with(shop, &options, &error));
    assert_fails_with(&error, ERR_CANCELLED, "");
    assert_int_equal(progress.calls, 1);
}

/* A writer that commits between two of the three models is not seen by any of them. */
typedef struct Writer {
    Shop *shop;
    bool written;
} Writer;

static void write_between(void *context, double fraction, uint64_t rows)
{
    Writer *writer = context;
    if (!writer->written)
        shop_run(writer->shop,
                 "INSERT INTO order_lines VALUES (500, 1, 'A', '2011-01-01', 1, 'I', 1)");
    writer->written = true;
}

static void all_models_are_read_in_one_snapshot(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    shop_run(shop, "INSERT INTO products SELECT 'P' || i FROM generate_series(1, 70000) AS i");
    Writer writer = {shop, false};
    ReaderOptions options = {
        .now = clock_now_us(), .progress = write_between, .progress_context = &writer};
    g_autoptr(Dataset) dataset = load_with(shop, &options, &error);
    assert_no_error(error);
    assert_true(writer.written);
    assert_int_equal(dataset->rows.n, 4);
}

/* A database of its own, without an encoding. */
static void text_that_is_not_utf8_is_reported(void **state)
{
    Shop *shop = *state;
    g_autofree char *name = g_strdup_printf("bytes_%.8s", shop->schema + strlen("Shop "));
    g_autofree char *create = g_strdup_printf(
        "CREATE DATABASE %s ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        name);
    shop_run(shop, create);
    g_autofree char *connection =
        g_strdup_printf("%s dbname=%s", getenv("SHORTLIST_TEST_DB"), name);
    PGconn *admin = PQconnectdb(connection);
    PQsetClientEncoding(admin, "SQL_ASCII");
    PQclear(PQexec(admin, shop_tables));
    PGresult *inserted =
        PQexec(admin, "INSERT INTO products VALUES ('D', E'Caf\\xe9', 'brown', 1)");
    assert_int_equal(PQresultStatus(inserted), PGRES_COMMAND_OK);
    PQclear(inserted);
    PQfinish(admin);
    shop->source.connection = connection;
    shop->events.table = "order_lines";
    shop->items.table = "products";
    shop->users.table = "customers";
    assert_load_fails(shop, ERR_INVALID, "model \"products\": text that is not UTF-8");
    g_autofree char *drop = g_strdup_printf("DROP DATABASE %s WITH (FORCE)", name);
    shop_run(shop, drop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(order_lines_arrive_with_all_their_parts),
        IN_SHOP(F4_event_types_are_read_in_the_same_snapshot),
        IN_SHOP(returns_stay_in_the_raw_data),
        IN_SHOP(attributes_arrive_as_text_and_number),
        IN_SHOP(equal_keys_join_whatever_their_types),
        IN_SHOP(every_type_of_attribute_can_be_read),
        IN_SHOP(F2_models_may_be_selects),
        IN_SHOP(columns_that_are_not_mapped_are_not_asked_for),
        IN_SHOP(ids_of_any_bytes_survive),
        IN_SHOP(batches_lose_no_row),
        IN_SHOP(empty_tables_give_an_empty_data_set),
        IN_SHOP(infinite_and_future_times_are_dropped_and_counted),
        IN_SHOP(F11_the_training_period_is_kept),
        IN_SHOP(F11_lines_of_some_products_are_left_out_of_a_period),
        IN_SHOP(F11_a_filter_by_a_column_that_is_not_mapped_fails),
        IN_SHOP(a_table_that_vanished_is_named),
        IN_SHOP(a_column_that_vanished_is_named),
        IN_SHOP(a_column_that_changed_its_type_is_named),
        IN_SHOP(a_select_that_fails_on_a_row_is_named),
        IN_SHOP(a_missing_right_is_named),
        IN_SHOP(a_source_that_is_away_is_unavailable),
        IN_SHOP(a_statement_that_takes_too_long_times_out),
        IN_SHOP(cancelling_before_the_first_row_ends_the_wait),
        IN_SHOP(cancelling_in_a_query_stops_the_server_too),
        IN_SHOP(progress_grows_to_one),
        IN_SHOP(cancelling_between_rows_ends_the_reading),
        IN_SHOP(all_models_are_read_in_one_snapshot),
        IN_SHOP(text_that_is_not_utf8_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
