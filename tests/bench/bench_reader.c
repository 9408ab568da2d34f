/* Reading order lines into a data set against draining the same COPY to nothing, in one run.
 *   SHORTLIST_TEST_DB=… bench_reader [ROWS]     default 10,000,000 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/db.h"
#include "store/reader.h"

#define SCHEMA "shortlist_bench"
#define ROUNDS 3

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void run(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        stop(sql, PQerrorMessage(connection));
    PQclear(result);
}

/* Text ids of 6 to 15 bytes, twenty lines a user and two hundred a product. Lines lie as a shop
 * appends them: in the order of time, four to a basket. The user of each basket and the product of
 * each line are drawn at random; a product's share of the lines follows a steep curve. */
static void generate(PGconn *connection, long rows)
{
    long users = rows / 20 + 1, products = rows / 200 + 1;
    g_autofree char *sql =
        g_strdup_printf("DROP SCHEMA IF EXISTS " SCHEMA " CASCADE; CREATE SCHEMA " SCHEMA ";"
                        "SELECT setseed(0.5);"
                        "CREATE UNLOGGED TABLE " SCHEMA ".users AS"
                        "  SELECT 'user-' || i AS id FROM generate_series(0, %ld) AS i;"
                        "CREATE UNLOGGED TABLE " SCHEMA ".products AS"
                        "  SELECT 'product-' || i AS id FROM generate_series(0, %ld) AS i;"
                        "CREATE UNLOGGED TABLE " SCHEMA ".order_lines AS"
                        "  SELECT i AS line_id, 'user-' || (hashint8(i / 4)::bigint & 2147483647) "
                        "%% %ld AS user_id,"
                        "    'product-' || (power(random(), 3) * %ld)::int AS product_id,"
                        "    'order-' || i / 4 AS order_id,"
                        "    '2024-01-01'::timestamptz + i / 4 * interval '5 seconds' AS bought_at,"
                        "    1 + (random() * 4)::int AS quantity"
                        "  FROM generate_series(1, %ld::bigint) AS i;"
                        "VACUUM ANALYZE " SCHEMA ".order_lines",
                        users, products, users, products, rows);
    g_auto(GStrv) statements = g_strsplit(sql, ";", -1);
    for (char **statement = statements; *statement != NULL; statement++)
        run(connection, *statement);
}

/* The COPYs of reader_load, thrown away. */
static double drain(const char *text)
{
    static const char *const copies[] = {
        "COPY (SELECT id FROM " SCHEMA ".products) TO STDOUT (FORMAT binary)",
        "COPY (SELECT id FROM " SCHEMA ".users) TO STDOUT (FORMAT binary)",
        "COPY (SELECT user_id, product_id, bought_at, quantity FROM " SCHEMA
        ".order_lines) TO STDOUT (FORMAT binary)",
    };
    int64_t start = clock_ticks_ns();
    PGconn *connection = db_connect(text, "bench", 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(copies); i++) {
        run(connection, "SELECT 1");
        PGresult *begun = PQexec(connection, copies[i]);
        if (PQresultStatus(begun) != PGRES_COPY_OUT)
            stop(copies[i], PQerrorMessage(connection));
        PQclear(begun);
        char *row;
        while (PQgetCopyData(connection, &row, 0) > 0)
            PQfreemem(row);
        PQclear(PQgetResult(connection));
        PQclear(PQgetResult(connection));
    }
    PQfinish(connection);
    return (double)(clock_ticks_ns() - start) * 1e-9;
}

static double load(const char *text, uint64_t *rows)
{
    char *names[] = {SCHEMA ".users", SCHEMA ".order_lines", SCHEMA ".products"};
    SourceSettings source = {.name = "bench", .connection = (char *)text};
    Model users = {.id = "users", .type = MODEL_USERS, .table = names[0], .primary_key = "id"};
    Model products = {
        .id = "products", .type = MODEL_PRODUCTS, .table = names[2], .primary_key = "id"};
    Model events = {.id = "lines",
                    .type = MODEL_EVENTS,
                    .table = names[1],
                    .primary_key = "line_id",
                    .user_key = "user_id",
                    .product_key = "product_id",
                    .time = "bought_at",
                    .quantity = "quantity"};
    Prediction prediction = {.id = "bench", .period = {.from = INT64_MIN, .to = INT64_MIN}};
    ReaderOptions options = {.now = clock_now_us()};
    g_autoptr(GError) error = NULL;
    int64_t start = clock_ticks_ns();
    g_autoptr(Dataset) dataset =
        reader_load(&source, &users, &events, &products, &prediction, &options, &error);
    double seconds = (double)(clock_ticks_ns() - start) * 1e-9;
    if (dataset == NULL)
        stop("reader_load", error->message);
    *rows = dataset->rows.n;
    return seconds;
}

int main(int argc, char **argv)
{
    const char *text = getenv("SHORTLIST_TEST_DB");
    long rows = argc > 1 ? atol(argv[1]) : 10000000;
    g_autoptr(GError) error = NULL;
    error_init();
    g_autoptr(PGconn) connection = text == NULL ? NULL : db_connect(text, "bench", 0, &error);
    if (connection == NULL || rows < 1)
        stop("bench_reader", error ? error->message : "SHORTLIST_TEST_DB=… bench_reader [ROWS]");
    generate(connection, rows);
    double best_drain = 1e9, best_load = 1e9;
    uint64_t read = 0;
    for (int round = 0; round < ROUNDS; round++) {
        best_drain = MIN(best_drain, drain(text));
        best_load = MIN(best_load, load(text, &read));
    }
    run(connection, "DROP SCHEMA " SCHEMA " CASCADE");
    printf("reading %ld order lines (%" G_GUINT64_FORMAT " kept), best of %d:\n"
           "  drained %.2f s, %.0f rows/s; read %.2f s, %.0f rows/s; ratio %.2f (at most 1.20)\n",
           rows, read, ROUNDS, best_drain, (double)rows / best_drain, best_load,
           (double)rows / best_load, best_load / best_drain);
    return 0;
}
