/* A fixture in a database of its own, which can be made to go away. */
#pragma once

#include "fixture.h"

typedef struct Absence {
    Fixture *fixture; /* its admin connection stays */
    PGconn *outside;
    char *database;
} Absence;

static inline void run_outside(Absence *absence, const char *format)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) sql = g_string_new(format);
    g_string_replace(sql, "%", absence->database, 0);
    g_autoptr(PGresult) result = db_query(absence->outside, sql->str, 0, NULL, &error);
    assert_no_error(error);
}

static inline void go_away(Absence *absence)
{
    run_outside(absence, "ALTER DATABASE % ALLOW_CONNECTIONS false");
    run_sql(absence->fixture, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
                              "datname = current_database() AND application_name = 'shortlist'");
}

static inline void come_back(Absence *absence)
{
    run_outside(absence, "ALTER DATABASE % ALLOW_CONNECTIONS true");
}

static inline int absence_setup(void **state)
{
    int from = 0, to = 0;
    g_autoptr(GError) error = NULL;
    g_autofree char *random = g_uuid_string_random();
    Absence *absence = g_new0(Absence, 1);
    absence->database = g_strdup_printf("absence_%.8s", random);
    absence->outside = db_connect(fixture_connection(), "test", 0, &error);
    run_outside(absence, "CREATE DATABASE %");
    g_autofree char *connection =
        g_strdup_printf("%s dbname=%s", fixture_connection(), absence->database);
    absence->fixture = fixture_bare(connection);
    store_migrate(absence->fixture->store, &from, &to, &error);
    assert_no_error(error);
    *state = absence;
    return 0;
}

static inline int absence_teardown(void **state)
{
    Absence *absence = *state;
    fixture_drop(absence->fixture);
    run_outside(absence, "DROP DATABASE % WITH (FORCE)");
    PQfinish(absence->outside);
    g_free(absence->database);
    g_free(absence);
    return 0;
}

#define ABSENT(test) cmocka_unit_test_setup_teardown(test, absence_setup, absence_teardown)
