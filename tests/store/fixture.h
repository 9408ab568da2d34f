/* A store on a fresh schema of the database that SHORTLIST_TEST_DB names, for tests. */
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
#include "base/log.h"
#include "store/db.h"
#include "store/store.h"

typedef struct Fixture {
    Settings settings;
    Store *store;
    PGconn *admin; /* beside the store; its search_path is the schema */
    char *schema;
} Fixture;

static inline void run_sql(Fixture *fixture, const char *sql)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PGresult) result = db_query(fixture->admin, sql, 0, NULL, &error);
    if (!result)
        fail_msg("%s: %s", sql, error->message);
}

/* The first column of the first row. */
static inline int64_t ask_sql(Fixture *fixture, const char *sql)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PGresult) result = db_query(fixture->admin, sql, 0, NULL, &error);
    if (!result)
        fail_msg("%s: %s", sql, error->message);
    assert_int_equal(PQntuples(result), 1);
    return g_ascii_strtoll(PQgetvalue(result, 0, 0), NULL, 10);
}

static inline void assert_fails_with(GError **error, ErrorCode code)
{
    assert_non_null(*error);
    if (error_code(*error) != code)
        fail_msg("%s instead of %s: %s", error_slug(error_code(*error)), error_slug(code),
                 (*error)->message);
    g_clear_error(error);
}

static inline void assert_no_error(const GError *error)
{
    if (error)
        fail_msg("%s", error->message);
}

/* With an empty schema, not migrated. */
static inline Fixture *fixture_bare(const char *connection)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *random = g_uuid_string_random();
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->schema = g_strdup_printf("State %.8s", random); /* wants quotes, and gets them */
    fixture->settings.state_connection = g_strdup(connection);
    fixture->settings.state_schema = fixture->schema;
    fixture->settings.workers = 1;
    fixture->settings.lease_ms = 60000;
    fixture->settings.poll_ms = 2000;
    fixture->admin = db_connect(connection, "test", 0, &error);
    assert_no_error(error);
    g_autofree char *path = g_strdup_printf("SET search_path TO \"%s\"", fixture->schema);
    run_sql(fixture, path);
    fixture->store = store_new(&fixture->settings);
    return fixture;
}

static inline const char *fixture_connection(void)
{
    const char *connection = getenv("SHORTLIST_TEST_DB");
    if (!connection)
        fail_msg("SHORTLIST_TEST_DB names no database: use tests/store/run");
    return connection;
}

static inline void fixture_drop(Fixture *fixture)
{
    store_free(fixture->store);
    g_autofree char *sql = g_strdup_printf("DROP SCHEMA IF EXISTS \"%s\" CASCADE", fixture->schema);
    run_sql(fixture, sql);
    PQfinish(fixture->admin);
    g_free(fixture->settings.state_connection);
    g_free(fixture->schema);
    g_free(fixture);
}

static inline int fixture_setup(void **state)
{
    int from = 0, to = 0;
    g_autoptr(GError) error = NULL;
    Fixture *fixture = fixture_bare(fixture_connection());
    store_migrate(fixture->store, &from, &to, &error);
    assert_no_error(error);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    fixture_drop(*state);
    return 0;
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
