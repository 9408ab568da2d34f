/* A small shop in a schema of its own in the database that SHORTLIST_TEST_DB names, for tests of
 * what reads a shop. Models are plain structs that a test changes as it likes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/error.h"
#include "base/faults.h"
#include "base/json.h"
#include "spec/model.h"
#include "spec/prediction.h"
#include "store/db.h"

typedef struct Shop {
    PGconn *admin; /* its search_path is the schema */
    char *schema;
    char *connection; /* of `source`: its search_path too */
    SourceSettings source;
    char *order_lines, *products, *customers; /* "schema.table" */
    ModelField product_fields[3], user_fields[1];
    Model events, items, users;
    Prediction prediction;
    Buffer buffer;
    JsonWriter writer;
} Shop;

static inline void assert_no_error(const GError *error)
{
    if (error)
        fail_msg("%s", error->message);
}

static inline void assert_fails_with(GError **error, ErrorCode code, const char *part)
{
    assert_non_null(*error);
    if (error_code(*error) != code || strstr((*error)->message, part) == NULL)
        fail_msg("%s with \"%s\" is not %s: %s", error_slug(code), part,
                 error_slug(error_code(*error)), (*error)->message);
    g_clear_error(error);
}

/* One or several statements. */
static inline void shop_run(Shop *shop, const char *sql)
{
    g_autoptr(PGresult) result = PQexec(shop->admin, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(shop->admin));
}

/* Six order lines of two customers and a guest over three products. */
static const char shop_tables[] =
    "CREATE TABLE order_lines (line_id int PRIMARY KEY, customer_id int, stock_code text,"
    "  invoice_date timestamptz, quantity int, invoice_no text, unit_price numeric(8, 2));"
    "INSERT INTO order_lines VALUES"
    "  (1, 17850, 'A', '2011-11-01 10:00+00', 6, 'I1', 2.55),"
    "  (2, 17850, 'B', '2011-11-01 10:00+00', 1, 'I1', 3.39),"
    "  (3, 13047, 'A', '2011-11-02 11:30+01', 2, 'I2', 2.55),"
    "  (4, NULL,  'A', '2011-11-03 10:00+00', 1, 'I3', 2.55),"
    "  (5, 17850, 'B', '2011-11-04 10:00+00', -1, 'C4', 3.39),"
    "  (6, 13047, 'POST', '2011-11-05 10:00+00', 1, 'I5', 18.00);"
    "CREATE TABLE products (stock_code text PRIMARY KEY, name text, colour text, price float8);"
    "INSERT INTO products VALUES ('A', 'White Heart', 'white', 2.5), ('B', 'Lantern', 'red|gold', "
    "3),"
    "  ('C', NULL, NULL, NULL);"
    "CREATE TABLE customers (customer_id bigint PRIMARY KEY, country text);"
    "INSERT INTO customers VALUES (17850, 'United Kingdom'), (13047, 'France'), (1, 'Spain');";

static inline void shop_describe(Shop *shop)
{
    shop->product_fields[0] = (ModelField){"product_name", "name", KIND_TEXT, NULL};
    shop->product_fields[1] = (ModelField){"colour", "colour", KIND_CATEGORICAL, "|"};
    shop->product_fields[2] = (ModelField){"price", "price", KIND_NUMERIC, NULL};
    shop->user_fields[0] = (ModelField){"country", "country", KIND_CATEGORICAL, NULL};
    shop->events = (Model){.id = "order_lines",
                           .type = MODEL_EVENTS,
                           .table = shop->order_lines,
                           .primary_key = "line_id",
                           .user_key = "customer_id",
                           .product_key = "stock_code",
                           .time = "invoice_date",
                           .quantity = "quantity",
                           .order_key = "invoice_no",
                           .price = "unit_price"};
    shop->items = (Model){.id = "products",
                          .type = MODEL_PRODUCTS,
                          .table = shop->products,
                          .primary_key = "stock_code",
                          .fields = shop->product_fields,
                          .n_fields = 3};
    shop->users = (Model){.id = "customers",
                          .type = MODEL_USERS,
                          .table = shop->customers,
                          .primary_key = "customer_id",
                          .fields = shop->user_fields,
                          .n_fields = 1};
    shop->prediction = (Prediction){
        .id = "next", .n = 10, .horizon_days = 30, .period = {.from = INT64_MIN, .to = INT64_MIN}};
}

static inline int shop_setup(void **state)
{
    const char *connection = getenv("SHORTLIST_TEST_DB");
    if (!connection)
        fail_msg("SHORTLIST_TEST_DB names no database: use tests/store/run");
    error_init();
    g_autoptr(GError) error = NULL;
    g_autofree char *random = g_uuid_string_random();
    Shop *shop = g_new0(Shop, 1);
    shop->schema = g_strdup_printf("Shop %.8s", random); /* wants quotes, and gets them */
    shop->connection =
        g_strdup_printf("%s options='-c search_path=\"Shop\\\\ %.8s\"'", connection, random);
    shop->source = (SourceSettings){.name = "shop",
                                    .connection = shop->connection,
                                    .output_schema = "shortlist",
                                    .statement_timeout_ms = 60000};
    shop->admin = db_connect(shop->connection, "test", 0, &error);
    assert_no_error(error);
    g_autofree char *create = g_strdup_printf("CREATE SCHEMA \"%s\"", shop->schema);
    shop_run(shop, create);
    shop_run(shop, shop_tables);
    shop->order_lines = g_strconcat(shop->schema, ".order_lines", NULL);
    shop->products = g_strconcat(shop->schema, ".products", NULL);
    shop->customers = g_strconcat(shop->schema, ".customers", NULL);
    shop_describe(shop);
    buffer_init(&shop->buffer);
    json_writer_init(&shop->writer, &shop->buffer);
    *state = shop;
    return 0;
}

static inline int shop_teardown(void **state)
{
    Shop *shop = *state;
    g_autofree char *drop = g_strdup_printf("DROP SCHEMA IF EXISTS \"%s\" CASCADE", shop->schema);
    shop_run(shop, drop);
    PQfinish(shop->admin);
    g_free(shop->schema);
    g_free(shop->connection);
    g_free(shop->order_lines);
    g_free(shop->products);
    g_free(shop->customers);
    buffer_clear(&shop->buffer);
    g_free(shop);
    return 0;
}

/* What was written so far, for cJSON_Delete(); the buffer is empty again. */
static inline cJSON *shop_written(Shop *shop)
{
    g_autoptr(GError) error = NULL;
    cJSON *json = json_parse(shop->buffer.data, shop->buffer.length, &error);
    assert_no_error(error);
    buffer_reset(&shop->buffer);
    json_writer_init(&shop->writer, &shop->buffer);
    return json;
}

/* The element of an array whose member `name` is `value`, or NULL. */
static inline const cJSON *element_with(const cJSON *array, const char *name, const char *value)
{
    const cJSON *element;
    cJSON_ArrayForEach(element, array) if (g_strcmp0(json_member_string(element, name), value) ==
                                           0) return element;
    return NULL;
}

#define IN_SHOP(test) cmocka_unit_test_setup_teardown(test, shop_setup, shop_teardown)
