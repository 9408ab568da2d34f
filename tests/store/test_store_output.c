#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/db.h"
#include "store/output.h"
#include "store/output_key.h"

/* Output tables in a real PostgreSQL, named by SHORTLIST_TEST_DB. */

#define SCHEMA "output_test"

static char *connection_string;
static SourceSettings source = {.name = (char *)"shop", .output_schema = (char *)SCHEMA};
static Model customers = {.id = (char *)"customers",
                          .table = (char *)"output_shop.customers",
                          .primary_key = (char *)"id"};
static Model products = {.id = (char *)"products",
                         .table = (char *)"output_shop.products",
                         .primary_key = (char *)"sku"};

static PGconn *connect_plain(void)
{
    PGconn *connection = PQconnectdb(connection_string);
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    PQclear(PQexec(connection, "SET client_min_messages = error"));
    return connection;
}

static PGresult *ask(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    return result;
}

static void run(PGconn *connection, const char *sql)
{
    PQclear(ask(connection, sql));
}

static char *ask_text(PGconn *connection, const char *sql)
{
    g_autoptr(PGresult) result = ask(connection, sql);
    return PQntuples(result) > 0 ? g_strdup(PQgetvalue(result, 0, 0)) : NULL;
}

static void assert_answer(PGconn *connection, const char *sql, const char *expected)
{
    g_autofree char *answer = ask_text(connection, sql);
    if (g_strcmp0(answer, expected) != 0)
        fail_msg("%s\n gives %s instead of %s", sql, answer, expected);
}

static int fresh(void **state)
{
    g_autoptr(PGconn) connection = connect_plain();
    run(connection, "DROP SCHEMA IF EXISTS " SCHEMA " CASCADE;"
                    "DROP SCHEMA IF EXISTS output_shop CASCADE; CREATE SCHEMA output_shop;"
                    "CREATE TABLE output_shop.customers (id integer PRIMARY KEY);"
                    "CREATE TABLE output_shop.products (sku varchar(20) PRIMARY KEY)");
    source.connection = connection_string;
    source.reader_role = NULL;
    customers.primary_key = (char *)"id";
    return 0;
}

static OutputRow row_of(const char *user, const char *item, uint16_t ranking, float score)
{
    return (OutputRow){.user = user,
                       .item = item,
                       .user_length = (uint32_t)strlen(user),
                       .item_length = (uint32_t)strlen(item),
                       .ranking = ranking,
                       .score = score,
                       .probability = NAN,
                       .source = "personal"};
}

static OutputOptions options_of(const char *prediction, uint32_t version)
{
    return (OutputOptions){
        .prediction = prediction, .users = &customers, .products = &products, .version = version};
}

static Output *begin_fails(const char *prediction, uint32_t version, GError **error)
{
    OutputOptions options = options_of(prediction, version);
    return output_begin(&source, &options, error);
}

static Output *begin(const char *prediction, uint32_t version)
{
    g_autoptr(GError) error = NULL;
    OutputOptions options = options_of(prediction, version);
    Output *output = output_begin(&source, &options, &error);
    if (!output)
        fail_msg("output_begin: %s", error->message);
    return output;
}

static void write_users(Output *output, unsigned n_users, const char *first_item)
{
    for (unsigned user = 1; user <= n_users; user++) {
        g_autoptr(GError) error = NULL;
        char id[16];
        snprintf(id, sizeof id, "%u", user);
        OutputRow rows[] = {row_of(id, first_item, 1, 1), row_of(id, "B", 2, 0.5f)};
        assert_true(output_write(output, rows, 2, &error));
    }
}

static void finish(Output *output, uint64_t expected)
{
    g_autoptr(GError) error = NULL;
    uint64_t rows = 0;
    if (!output_finish(output, &rows, &error))
        fail_msg("output_finish: %s", error->message);
    assert_int_equal(rows, expected);
}

static void publish(const char *prediction, uint32_t version, unsigned n_users, const char *item)
{
    g_autoptr(Output) output = begin(prediction, version);
    write_users(output, n_users, item);
    finish(output, 2 * n_users);
    g_autoptr(GError) error = NULL;
    if (!output_point(&source, prediction, version, &error))
        fail_msg("output_point: %s", error->message);
}

static void prune(const char *prediction, const uint32_t *keep, size_t n)
{
    g_autoptr(GError) error = NULL;
    if (!output_prune(&source, prediction, keep, n, &error))
        fail_msg("output_prune: %s", error->message);
}

static void f25_the_view_shows_the_version_pointed_at(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("next-buy", 1, 3, "A");
    assert_answer(reader,
                  "SELECT string_agg(user_unique_id || recommended_item_id || ranking || score ||"
                  " source || model_version, ' ' ORDER BY user_unique_id, ranking)"
                  " FROM " SCHEMA ".recommendations_next_buy WHERE user_unique_id < 3",
                  "1A11personal1 1B20.5personal1 2A11personal1 2B20.5personal1");
    assert_answer(reader, "SELECT count(probability) FROM " SCHEMA ".recommendations_next_buy",
                  "0");
    assert_answer(reader,
                  "SELECT DISTINCT last_update_date = '1970-01-01 UTC'"
                  " FROM " SCHEMA ".recommendations_next_buy",
                  "t");
    g_autoptr(Output) second = begin("next-buy", 2);
    write_users(second, 4, "C");
    finish(second, 8);
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_next_buy", "6");
    g_autoptr(GError) error = NULL;
    assert_true(output_point(&source, "next-buy", 2, &error));
    assert_answer(reader,
                  "SELECT count(*) || string_agg(DISTINCT recommended_item_id, '' ORDER BY"
                  " recommended_item_id) FROM " SCHEMA ".recommendations_next_buy",
                  "8BC");
    assert_true(output_point(&source, "next-buy", 1, &error));
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_next_buy", "6");
}

static void f25_types_follow_the_shops_keys(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 1, "A");
    assert_answer(reader,
                  "SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum)"
                  " FROM pg_attribute WHERE attrelid = '" SCHEMA ".recommendations_p'::regclass",
                  "uuid,integer,character varying,timestamp with time zone,smallint,real,real,"
                  "text,integer");
    run(reader, "INSERT INTO output_shop.products VALUES ('A')");
    assert_answer(reader,
                  "SELECT string_agg(sku, ' ') FROM " SCHEMA ".recommendations_p"
                  " JOIN output_shop.products ON sku = recommended_item_id",
                  "A");
}

static void f25_primary_keys_are_the_same_in_every_version(void **state)
{
    static const char keys[] = "SELECT string_agg(primary_key::text, ' ' ORDER BY user_unique_id,"
                               " ranking) FROM " SCHEMA ".recommendations_p";
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 2, "A");
    g_autofree char *first = ask_text(reader, keys);
    publish("p", 2, 2, "Z");
    assert_answer(reader, keys, first);
    /* As any UUID library makes it from the namespace of "p", "1", NUL and the rank. */
    uuid_t root, namespace, key;
    char text[UUID_STR_LEN];
    assert_int_equal(uuid_parse("5d0c1bb4-2f7e-4c63-9a41-8e05d26bf137", root), 0);
    uuid_generate_sha1(namespace, root, "p", 1);
    uuid_generate_sha1(key, namespace, "1\0001", 3);
    uuid_unparse_lower(key, text);
    assert_answer(reader,
                  "SELECT primary_key FROM " SCHEMA ".recommendations_p"
                  " WHERE user_unique_id = 1 AND ranking = 1",
                  text);
    assert_answer(reader,
                  "SELECT string_agg(DISTINCT substr(primary_key::text, 15, 1), '')"
                  " || count(DISTINCT primary_key) FROM " SCHEMA ".recommendations_p",
                  "54");
}

static void an_abandoned_output_leaves_nothing(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 2, "A");
    Output *output = begin("p", 2);
    write_users(output, 100, "C");
    output_free(output);
    g_autoptr(GError) error = NULL;
    assert_false(output_point(&source, "p", 2, &error));
    assert_int_equal(error_code(error), ERR_NOT_FOUND);
    publish("p", 2, 3, "D");
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "6");
    assert_answer(reader,
                  "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = '" SCHEMA
                  "'::regnamespace",
                  "3"); /* the pointer, version 1, version 2 */
}

static void a_later_attempt_replaces_a_finished_one_even_when_it_is_read(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 7, 2, "A");
    g_autoptr(Output) again = begin("p", 7);
    write_users(again, 5, "Q");
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "4");
    finish(again, 10);
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "10");
}

static void an_attempt_that_hangs_does_not_block_a_later_one(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    g_autoptr(Output) hanging = begin("p", 1);
    write_users(hanging, 1, "X");
    publish("p", 1, 3, "A");
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "6");
}

/* A BI tool with a long query: whole, and nobody queues behind it. */
static void f25_a_long_reader_keeps_its_version_and_blocks_nobody(void **state)
{
    g_autoptr(PGconn) bi = connect_plain();
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 1000, "A");
    run(bi, "BEGIN; DECLARE c CURSOR FOR SELECT model_version FROM " SCHEMA ".recommendations_p");
    run(bi, "FETCH 10 FROM c");
    run(reader, "SET lock_timeout = '3s'");
    publish("p", 2, 1000, "B");
    assert_answer(reader,
                  "SELECT min(model_version) || '-' || count(*) FROM " SCHEMA ".recommendations_p",
                  "2-2000");
    prune("p", NULL, 0); /* version 1 is still read: it may stay, but nobody waits */
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "2000");
    publish("p", 3, 10, "C");
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "20");
    g_autoptr(PGresult) rest = ask(bi, "FETCH ALL FROM c");
    assert_int_equal(PQntuples(rest), 1990);
    assert_string_equal(PQgetvalue(rest, 1989, 0), "1");
    run(bi, "COMMIT");
    prune("p", NULL, 0);
    prune("p", NULL, 0);
    assert_answer(reader,
                  "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relname"
                  " LIKE 'recommendations\\_p\\_%' AND relnamespace = '" SCHEMA "'::regnamespace",
                  "recommendations_p_rows_v3");
}

typedef struct Watch {
    atomic_bool stop;
    unsigned reads, mixed, empty;
} Watch;

static void *watch_versions(void *context)
{
    Watch *watch = context;
    g_autoptr(PGconn) reader = PQconnectdb(connection_string);
    while (!atomic_load(&watch->stop)) {
        g_autoptr(PGresult) result =
            PQexec(reader, "SELECT count(DISTINCT model_version), count(*) FROM " SCHEMA
                           ".recommendations_p");
        watch->reads++;
        watch->mixed += PQntuples(result) != 1 || strcmp(PQgetvalue(result, 0, 0), "1") != 0;
        watch->empty += PQntuples(result) != 1 || strcmp(PQgetvalue(result, 0, 1), "40") != 0;
    }
    return NULL;
}

static void f25_readers_see_one_version_whole_while_versions_follow_each_other(void **state)
{
    publish("p", 1, 20, "A");
    Watch watch = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch_versions, &watch), 0);
    for (uint32_t version = 2; version <= 15; version++) {
        publish("p", version, 20, "B");
        uint32_t keep[] = {version - 1};
        prune("p", keep, 1);
    }
    atomic_store(&watch.stop, true);
    pthread_join(thread, NULL);
    assert_true(watch.reads > 0);
    assert_int_equal(watch.mixed, 0);
    assert_int_equal(watch.empty, 0);
}

static void prune_keeps_what_is_kept_or_pointed_at(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    for (uint32_t version = 1; version <= 4; version++)
        publish("p", version, 1, "A");
    g_autoptr(GError) error = NULL;
    assert_true(output_point(&source, "p", 2, &error));
    prune("p", (const uint32_t[]){4}, 1);
    assert_answer(reader,
                  "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY "
                  "inhrelid::regclass::text) FROM pg_inherits"
                  " WHERE inhparent = '" SCHEMA ".recommendations_p_rows'::regclass",
                  SCHEMA ".recommendations_p_rows_v2 " SCHEMA ".recommendations_p_rows_v4");
}

static void a_dropped_prediction_leaves_only_the_pointer_table(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 1, "A");
    publish("other", 1, 1, "A");
    g_autoptr(GError) error = NULL;
    assert_true(output_drop(&source, "p", &error));
    assert_true(output_drop(&source, "p", &error));
    assert_true(output_drop(&source, "never-trained", &error));
    assert_answer(reader, "SELECT string_agg(prediction, ' ') FROM " SCHEMA ".shortlist_pointer",
                  "other");
    assert_answer(reader, "SELECT count(*) FROM pg_class WHERE relname LIKE 'recommendations\\_p%'",
                  "0");
}

static void ids_that_would_share_a_table_are_refused(void **state)
{
    publish("a-b", 1, 1, "A");
    g_autoptr(GError) error = NULL;
    assert_null(begin_fails("a_b", 1, &error));
    assert_int_equal(error_code(error), ERR_CONFLICT);
    g_clear_error(&error);
    assert_true(output_drop(&source, "a_b", &error));
    g_autoptr(PGconn) reader = connect_plain();
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_a_b", "2");
}

static void a_key_that_changed_its_type_is_refused_and_the_old_version_stays(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 1, "A");
    run(reader, "ALTER TABLE output_shop.customers ALTER id TYPE text");
    g_autoptr(GError) error = NULL;
    assert_null(begin_fails("p", 2, &error));
    assert_int_equal(error_code(error), ERR_CONFLICT);
    assert_non_null(strstr(error->message, "text"));
    assert_answer(reader, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "2");
}

static void an_id_that_is_not_of_the_type_is_named(void **state)
{
    g_autoptr(Output) output = begin("p", 1);
    OutputRow row = row_of("12x", "A", 1, 1);
    g_autoptr(GError) error = NULL;
    assert_false(output_write(output, &row, 1, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
    assert_non_null(strstr(error->message, "12x"));
}

static void long_names_stay_apart(void **state)
{
    static const char id[] = "a-prediction-whose-id-is-forty-charactrs";
    g_autoptr(PGconn) reader = connect_plain();
    assert_int_equal(strlen(id), 40);
    for (uint32_t version = 9; version <= 11; version++)
        publish(id, version, version, "A");
    assert_answer(reader,
                  "SELECT count(*) FROM " SCHEMA
                  ".recommendations_a_prediction_whose_id_is_forty_charactrs",
                  "22");
    prune(id, NULL, 0);
    assert_answer(reader,
                  "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname"
                  " LIKE 'recommendations_a_prediction_%'",
                  "1");
}

static void the_reader_role_reads_the_view_and_nothing_else(void **state)
{
    g_autoptr(PGconn) admin = connect_plain();
    run(admin, "DROP ROLE IF EXISTS output_reader; CREATE ROLE output_reader LOGIN");
    source.reader_role = (char *)"output_reader";
    publish("p", 1, 1, "A");
    publish("p", 2, 1, "A");
    run(admin, "SET ROLE output_reader");
    assert_answer(admin, "SELECT count(*) FROM " SCHEMA ".recommendations_p", "2");
    g_autoptr(PGresult) result = PQexec(admin, "TABLE " SCHEMA ".shortlist_pointer");
    assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
    run(admin, "RESET ROLE; DROP OWNED BY output_reader; DROP ROLE output_reader");
    source.reader_role = (char *)"nobody_of_this_name";
    g_autoptr(GError) error = NULL;
    assert_null(begin_fails("p", 3, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
}

static void a_role_without_rights_is_told_the_grant(void **state)
{
    g_autoptr(PGconn) admin = connect_plain();
    run(admin, "DROP ROLE IF EXISTS output_writer; CREATE ROLE output_writer LOGIN;"
               "GRANT USAGE ON SCHEMA output_shop TO output_writer;"
               "GRANT SELECT ON ALL TABLES IN SCHEMA output_shop TO output_writer");
    g_autofree char *weak = g_strconcat(connection_string, " user=output_writer", NULL);
    source.connection = weak;
    g_autoptr(GError) error = NULL;
    assert_null(begin_fails("p", 1, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
    assert_non_null(strstr(error->message, "GRANT CREATE ON DATABASE"));
    g_clear_error(&error);
    run(admin, "CREATE SCHEMA " SCHEMA "");
    assert_null(begin_fails("p", 1, &error));
    assert_non_null(strstr(error->message, "GRANT USAGE, CREATE ON SCHEMA"));
    run(admin, "GRANT USAGE, CREATE ON SCHEMA " SCHEMA " TO output_writer");
    publish("p", 1, 1, "A");
    source.connection = connection_string;
    run(admin, "DROP OWNED BY output_writer CASCADE; DROP ROLE output_writer");
}

/* Without a unique index: the order that output_write() insists on is what proves it. */
static void f25_no_primary_key_comes_twice(void **state)
{
    static const OutputRow wrong[] = {
        {.user = "2", .user_length = 1, .ranking = 1},  /* the row before, again */
        {.user = "2", .user_length = 1, .ranking = 0},  /* ranks fall */
        {.user = "1", .user_length = 1, .ranking = 9},  /* an earlier user */
        {.user = "02", .user_length = 2, .ranking = 9}, /* the same user in other words */
    };
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 3000, "A");
    assert_answer(reader, "SELECT count(DISTINCT primary_key) FROM " SCHEMA ".recommendations_p",
                  "6000");
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Output) output = begin("p", 2);
        OutputRow first = row_of("2", "A", 1, 1), second = wrong[i];
        second.item = "B";
        second.item_length = 1;
        second.source = "personal";
        assert_true(output_write(output, &first, 1, &error));
        assert_false(output_write(output, &second, 1, &error));
        assert_int_equal(error_code(error), ERR_INTERNAL);
    }
}

static void users_are_ordered_as_their_column_is(void **state)
{
    static const struct {
        const char *type;
        const char *ids[9]; /* in order */
    } cases[] = {
        {"bigint", {"-100", "-20", "-3", "0", "7", "10", "200"}},
        {"numeric", {"-1.5", "-1.25", "-0.001", "0", "0.05", "0.5", "1", "1.05", "10"}},
        {"text COLLATE \"C\"", {"", "A", "B1", "a", "a1", "a10", "a2", "b", "é"}},
        {"uuid",
         {"0a000000-0000-0000-0000-000000000001", "0B000000-0000-0000-0000-000000000000",
          "0b000000-0000-0000-0000-000000000001", "F0000000-0000-0000-0000-000000000000"}},
    };
    g_autoptr(PGconn) admin = connect_plain();
    for (size_t c = 0; c < G_N_ELEMENTS(cases); c++) {
        g_autofree char *alter = g_strdup_printf(
            "DROP TABLE output_shop.customers; CREATE TABLE output_shop.customers (id %s)",
            cases[c].type);
        run(admin, alter);
        g_autofree char *prediction = g_strdup_printf("p%zu", c);
        g_autoptr(Output) output = begin(prediction, 1);
        const char *const *ids = cases[c].ids;
        for (size_t i = 0; i < G_N_ELEMENTS(cases[c].ids) && ids[i]; i++)
            for (size_t j = 0; j <= i; j++) {
                uint32_t i_length = (uint32_t)strlen(ids[i]), j_length = (uint32_t)strlen(ids[j]);
                int order = output_compare_users(output, ids[j], j_length, ids[i], i_length);
                int back = output_compare_users(output, ids[i], i_length, ids[j], j_length);
                assert_true(i == j ? order == 0 && back == 0 : order < 0 && back > 0);
                g_autofree char *sql =
                    g_strdup_printf("SELECT '%s'::%s <= '%s'", ids[j], cases[c].type, ids[i]);
                assert_answer(admin, sql, "t");
            }
    }
}

/* Of 30,000 rows: the plan must not depend on luck, nor on autovacuum having come by. */
static void one_users_rows_are_found_by_the_index(void **state)
{
    g_autoptr(PGconn) reader = connect_plain();
    publish("p", 1, 15000, "A");
    publish("p", 2, 15000, "B");
    g_autoptr(PGresult) plan =
        ask(reader,
            "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, FORMAT JSON) SELECT * FROM " SCHEMA
            ".recommendations_p WHERE user_unique_id = 7777");
    const char *text = PQgetvalue(plan, 0, 0);
    assert_null(strstr(text, "\"Seq Scan\",\n          \"Relation Name\": \"recommendations_p"));
    assert_non_null(strstr(text, "user_unique_id_idx"));
    const char *pages = strstr(text, "Shared Hit Blocks");
    assert_non_null(pages);
    assert_true(atoi(strchr(pages, ':') + 1) < 12);
}

static unsigned output_backends(PGconn *admin)
{
    g_autofree char *n = ask_text(admin, "SELECT count(*) FROM pg_stat_activity"
                                         " WHERE application_name = 'shortlist output'");
    return (unsigned)atoi(n);
}

static void a_cancelled_output_ends_and_leaves_nothing(void **state)
{
    g_autoptr(PGconn) admin = connect_plain();
    Cancel cancel;
    cancel_init(&cancel);
    OutputOptions options = options_of("p", 1);
    options.cancel = &cancel;
    g_autoptr(GError) error = NULL;
    Output *output = output_begin(&source, &options, &error);
    assert_non_null(output);
    write_users(output, 1000, "A");
    cancel_raise(&cancel);
    uint64_t rows;
    assert_false(output_finish(output, &rows, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    output_free(output);
    while (output_backends(admin) > 0)
        g_usleep(1000);
    assert_answer(admin, "SELECT count(*) FROM pg_class WHERE relname LIKE 'shortlist_loading%'",
                  "0");
    g_clear_error(&error);
    assert_null(output_begin(&source, &options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

typedef struct Late {
    Cancel cancel;
    PGconn *admin;
} Late;

static void *cancel_once_indexing(void *context)
{
    Late *late = context;
    for (;;) {
        g_autofree char *n =
            ask_text(late->admin, "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                                  " 'shortlist output' AND query LIKE '%CREATE INDEX%'"
                                  " AND state = 'active'");
        if (strcmp(n, "0") != 0)
            break;
        g_usleep(1000);
    }
    cancel_raise(&late->cancel);
    return NULL;
}

static void a_cancel_reaches_the_index_being_built(void **state)
{
    g_autoptr(PGconn) admin = connect_plain();
    /* Makes every CREATE INDEX wait, as a busy server would. */
    run(admin,
        "CREATE OR REPLACE FUNCTION output_shop.wait() RETURNS event_trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_sleep(600); END $$;"
        "CREATE EVENT TRIGGER output_wait ON ddl_command_start WHEN TAG IN ('CREATE INDEX')"
        " EXECUTE FUNCTION output_shop.wait()");
    Late late = {.admin = admin};
    cancel_init(&late.cancel);
    OutputOptions options = options_of("p", 1);
    options.cancel = &late.cancel;
    g_autoptr(GError) error = NULL;
    g_autoptr(Output) output = output_begin(&source, &options, &error);
    assert_non_null(output);
    write_users(output, 10, "A");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_once_indexing, &late), 0);
    uint64_t rows;
    assert_false(output_finish(output, &rows, &error));
    pthread_join(thread, NULL);
    assert_int_equal(error_code(error), ERR_CANCELLED);
    run(admin, "DROP EVENT TRIGGER output_wait");
}

/* What the server refuses is not written on for nothing: without a look at it, this would go on
 * until all rows are sent. */
static void an_error_of_the_server_is_noticed_while_writing(void **state)
{
    g_autoptr(PGconn) admin = connect_plain();
    g_autoptr(Output) output = begin("p", 1);
    write_users(output, 1, "A");
    run(admin, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
               " WHERE application_name = 'shortlist output'");
    g_autoptr(GError) error = NULL;
    unsigned user = 1;
    bool written = true;
    while (written && user < 3000000) {
        char id[16];
        snprintf(id, sizeof id, "%u", ++user);
        OutputRow row = row_of(id, "A", 1, 1);
        written = output_write(output, &row, 1, &error);
    }
    assert_false(written);
    assert_int_equal(error_code(error), ERR_TIMEOUT);
}

static void keys_of_every_type_arrive_as_they_are(void **state)
{
    static const struct {
        KeyType type;
        const char *text, *expected; /* NULL: refused */
    } cases[] = {
        {KEY_INT2, "-32768", "-32768"},
        {KEY_INT2, "32768", NULL},
        {KEY_INT4, "2147483647", "2147483647"},
        {KEY_INT4, "2147483648", NULL},
        {KEY_INT4, "", NULL},
        {KEY_INT4, " 1", NULL},
        {KEY_INT8, "-9223372036854775808", "-9223372036854775808"},
        {KEY_INT8, "9223372036854775808", NULL},
        {KEY_NUMERIC, "0", "0"},
        {KEY_NUMERIC, "-0.0001", "-0.0001"},
        {KEY_NUMERIC, "10000", "10000"},
        {KEY_NUMERIC, "123456789012345678901234567890.12345",
         "123456789012345678901234567890.12345"},
        {KEY_NUMERIC, "1e5", NULL},
        {KEY_NUMERIC, "-", NULL},
        {KEY_NUMERIC, ".5", NULL},
        {KEY_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
        {KEY_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", NULL},
        {KEY_TEXT, "a'\n\t\"é", "a'\n\t\"é"},
        {KEY_VARCHAR, "", ""},
        {KEY_BPCHAR, "x", "x"},
    };
    g_autoptr(PGconn) connection = connect_plain();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Buffer) field;
        buffer_init(&field);
        bool taken =
            key_encode(cases[i].type, cases[i].text, (uint32_t)strlen(cases[i].text), &field);
        if (!cases[i].expected) {
            assert_false(taken);
            assert_int_equal(field.length, 0);
            continue;
        }
        assert_true(taken);

        g_autofree char *sql = g_strdup_printf("SELECT $1::%s::text", key_type_sql(cases[i].type));
        const char *values[] = {field.data + 4};
        int lengths[] = {(int)field.length - 4}, formats[] = {1};
        g_autoptr(PGresult) result =
            PQexecParams(connection, sql, 1, NULL, values, lengths, formats, 0);
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            fail_msg("%s: %s", cases[i].text, PQerrorMessage(connection));
        assert_string_equal(PQgetvalue(result, 0, 0), cases[i].expected);
    }
}

int main(void)
{
    const char *named = getenv("SHORTLIST_TEST_DB");
    if (!named || !named[0]) {
        fprintf(stderr, "SHORTLIST_TEST_DB is not set: a connection string of tests/cluster\n");
        return EXIT_FAILURE;
    }
    error_init();
    connection_string = g_strdup(named);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(f25_the_view_shows_the_version_pointed_at, fresh),
        cmocka_unit_test_setup(f25_types_follow_the_shops_keys, fresh),
        cmocka_unit_test_setup(f25_primary_keys_are_the_same_in_every_version, fresh),
        cmocka_unit_test_setup(an_abandoned_output_leaves_nothing, fresh),
        cmocka_unit_test_setup(a_later_attempt_replaces_a_finished_one_even_when_it_is_read, fresh),
        cmocka_unit_test_setup(an_attempt_that_hangs_does_not_block_a_later_one, fresh),
        cmocka_unit_test_setup(f25_a_long_reader_keeps_its_version_and_blocks_nobody, fresh),
        cmocka_unit_test_setup(f25_readers_see_one_version_whole_while_versions_follow_each_other,
                               fresh),
        cmocka_unit_test_setup(prune_keeps_what_is_kept_or_pointed_at, fresh),
        cmocka_unit_test_setup(a_dropped_prediction_leaves_only_the_pointer_table, fresh),
        cmocka_unit_test_setup(ids_that_would_share_a_table_are_refused, fresh),
        cmocka_unit_test_setup(a_key_that_changed_its_type_is_refused_and_the_old_version_stays,
                               fresh),
        cmocka_unit_test_setup(an_id_that_is_not_of_the_type_is_named, fresh),
        cmocka_unit_test_setup(long_names_stay_apart, fresh),
        cmocka_unit_test_setup(the_reader_role_reads_the_view_and_nothing_else, fresh),
        cmocka_unit_test_setup(a_role_without_rights_is_told_the_grant, fresh),
        cmocka_unit_test_setup(f25_no_primary_key_comes_twice, fresh),
        cmocka_unit_test_setup(users_are_ordered_as_their_column_is, fresh),
        cmocka_unit_test_setup(one_users_rows_are_found_by_the_index, fresh),
        cmocka_unit_test_setup(a_cancelled_output_ends_and_leaves_nothing, fresh),
        cmocka_unit_test_setup(a_cancel_reaches_the_index_being_built, fresh),
        cmocka_unit_test_setup(an_error_of_the_server_is_noticed_while_writing, fresh),
        cmocka_unit_test_setup(keys_of_every_type_arrive_as_they_are, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    g_free(connection_string);
    return failed;
}
