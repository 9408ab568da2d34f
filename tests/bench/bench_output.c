/* Publishing the output table (rows, index, statistics, pointer) against a bare binary COPY of the
 * same bytes into a table without an index, and against that COPY with the same index built by
 * plain SQL after it; best of nine, in turns. SHORTLIST_TEST_DB=… bench_output [USERS]     default
 * 100,000 users with 10 rows each */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/db.h"
#include "store/output.h"

#define SCHEMA   "shortlist_bench_output"
#define PER_USER 10
#define ITEMS    50000
#define ROUNDS   9

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void run(PGconn *connection, const char *sql)
{
    g_autoptr(PGresult) result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        stop(sql, PQerrorMessage(connection));
}

static void prepare(PGconn *connection)
{
    run(connection, "SET client_min_messages = error; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE;"
                    "CREATE SCHEMA " SCHEMA ";"
                    "CREATE TABLE " SCHEMA ".users (id text PRIMARY KEY);"
                    "CREATE TABLE " SCHEMA ".products (id text PRIMARY KEY)");
}

static double seconds_since(int64_t begun)
{
    return (double)(clock_ticks_ns() - begun) / 1e9;
}

/* Rows as a snapshot hands them out: the ids lie there, nothing is printed. */
typedef struct Lists {
    long n_users;
    char (*users)[32];
    char (*items)[32];
    uint32_t user_length, item_length; /* the same for all */
} Lists;

static Lists make_lists(long n_users)
{
    Lists lists = {.n_users = n_users,
                   .users = g_malloc((size_t)n_users * sizeof *lists.users),
                   .items = g_malloc(ITEMS * sizeof *lists.items)};
    for (long user = 0; user < n_users; user++)
        lists.user_length =
            (uint32_t)snprintf(lists.users[user], sizeof *lists.users, "user-%09ld", user);
    for (long item = 0; item < ITEMS; item++)
        lists.item_length =
            (uint32_t)snprintf(lists.items[item], sizeof *lists.items, "product-%05ld", item);
    return lists;
}

static void write_user(Output *output, const Lists *lists, long user)
{
    OutputRow rows[PER_USER];
    for (unsigned i = 0; i < PER_USER; i++) {
        const char *item = lists->items[(user * 7919 + i * 104729) % ITEMS];
        rows[i] = (OutputRow){.user = lists->users[user],
                              .item = item,
                              .user_length = lists->user_length,
                              .item_length = lists->item_length,
                              .ranking = (uint16_t)(i + 1),
                              .score = 1.0f / (float)(i + 1),
                              .probability = NAN,
                              .source = "personal"};
    }
    g_autoptr(GError) error = NULL;
    if (!output_write(output, rows, PER_USER, &error))
        stop("output_write", error->message);
}

static double publish(const SourceSettings *source, const Lists *lists, uint32_t version)
{
    Model users = {
        .id = (char *)"users", .table = (char *)SCHEMA ".users", .primary_key = (char *)"id"};
    Model products = {
        .id = (char *)"products", .table = (char *)SCHEMA ".products", .primary_key = (char *)"id"};
    OutputOptions options = {.prediction = "bench",
                             .users = &users,
                             .products = &products,
                             .version = version,
                             .last_update = clock_now_us()};
    int64_t begun = clock_ticks_ns();
    g_autoptr(GError) error = NULL;
    g_autoptr(Output) output = output_begin(source, &options, &error);
    if (!output)
        stop("output_begin", error->message);
    for (long user = 0; user < lists->n_users; user++)
        write_user(output, lists, user);
    uint64_t written;
    if (!output_finish(output, &written, &error) || !output_point(source, "bench", version, &error))
        stop("output_finish", error->message);
    return seconds_since(begun);
}

/* All bytes of a COPY of the published rows, for g_free(). */
static char *copy_out(PGconn *connection, size_t *length)
{
    g_autoptr(PGresult) begun =
        PQexec(connection,
               "COPY (SELECT * FROM " SCHEMA ".recommendations_bench) TO STDOUT (FORMAT binary)");
    if (PQresultStatus(begun) != PGRES_COPY_OUT)
        stop("COPY", PQerrorMessage(connection));
    GByteArray *bytes = g_byte_array_new();
    char *row;
    int n;
    while ((n = PQgetCopyData(connection, &row, 0)) > 0) {
        g_byte_array_append(bytes, (const guint8 *)row, (guint)n);
        PQfreemem(row);
    }
    PGresult *rest;
    while ((rest = PQgetResult(connection)))
        PQclear(rest);
    *length = bytes->len;
    return (char *)g_byte_array_free(bytes, FALSE);
}

/* The same rows and bytes into a fresh logged table, nothing else; *keyed: with keys after it. */
static double bare_copy(PGconn *connection, const char *bytes, size_t length, double *keyed)
{
    run(connection, "DROP TABLE IF EXISTS " SCHEMA ".bare");
    int64_t begun = clock_ticks_ns();
    run(connection, "CREATE TABLE " SCHEMA ".bare AS SELECT * FROM " SCHEMA
                    ".recommendations_bench WITH NO DATA");
    g_autoptr(PGresult) copy =
        PQexec(connection, "COPY " SCHEMA ".bare FROM STDIN (FORMAT binary)");
    if (PQresultStatus(copy) != PGRES_COPY_IN)
        stop("COPY", PQerrorMessage(connection));
    for (size_t at = 0; at < length; at += 256 * 1024)
        if (PQputCopyData(connection, bytes + at, (int)MIN(length - at, 256 * 1024)) != 1)
            stop("COPY", PQerrorMessage(connection));
    if (PQputCopyEnd(connection, NULL) != 1)
        stop("COPY", PQerrorMessage(connection));
    PGresult *rest;
    while ((rest = PQgetResult(connection))) {
        if (PQresultStatus(rest) != PGRES_COMMAND_OK)
            stop("COPY", PQresultErrorMessage(rest));
        PQclear(rest);
    }
    double copied = seconds_since(begun);
    run(connection, "CREATE INDEX ON " SCHEMA ".bare (user_unique_id); ANALYZE " SCHEMA ".bare");
    *keyed = seconds_since(begun);
    return copied;
}

/* A function and not MIN(), which would run what it measures a second time. */
static void keep_least(double *least, double seconds)
{
    if (seconds < *least)
        *least = seconds;
}

int main(int argc, char **argv)
{
    long n_users = argc > 1 ? atol(argv[1]) : 100000;
    const char *named = getenv("SHORTLIST_TEST_DB");
    if (!named)
        stop("SHORTLIST_TEST_DB", "is not set: a connection string of tests/cluster");
    error_init();
    SourceSettings source = {
        .name = (char *)"bench", .connection = (char *)named, .output_schema = (char *)SCHEMA};
    g_autoptr(PGconn) connection = PQconnectdb(named);
    prepare(connection);
    Lists lists = make_lists(n_users);
    double published = G_MAXDOUBLE, bare = G_MAXDOUBLE, keyed = G_MAXDOUBLE;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        keep_least(&published, publish(&source, &lists, round));
        size_t length;
        g_autofree char *bytes = copy_out(connection, &length);
        double with_keys;
        keep_least(&bare, bare_copy(connection, bytes, length, &with_keys));
        keep_least(&keyed, with_keys);
        run(connection, "CHECKPOINT");
    }
    double rows = (double)n_users * PER_USER;
    printf("%.0f rows: output table %.2f s (%.0f rows/s)\n", rows, published, rows / published);
    printf("  bare COPY                     %.2f s (%.0f rows/s), ratio %.2f (target 0.70)\n", bare,
           rows / bare, bare / published);
    printf("  COPY, index, ANALYZE          %.2f s (%.0f rows/s), ratio %.2f\n", keyed,
           rows / keyed, keyed / published);
    run(connection, "DROP SCHEMA " SCHEMA " CASCADE");
    g_free(lists.users);
    g_free(lists.items);
    return 0;
}
