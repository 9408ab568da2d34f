#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/audit.h"

static int64_t count_steps(Fixture *fixture)
{
    return ask_sql(fixture, "SELECT count(*) FROM schema_version");
}

static void migrate_brings_an_empty_database_forward_once(void **state)
{
    Fixture *fixture = fixture_bare(fixture_connection());
    g_autoptr(GError) error = NULL;
    int from = -1, to = -1;
    assert_false(store_check_schema(fixture->store, &error));
    assert_fails_with(&error, ERR_NOT_READY);
    assert_true(store_migrate(fixture->store, &from, &to, &error));
    assert_int_equal(from, 0);
    assert_true(to >= 1);
    assert_int_equal(count_steps(fixture), to);
    int newest = to;
    assert_true(store_migrate(fixture->store, &from, &to, &error));
    assert_int_equal(from, newest);
    assert_int_equal(to, newest);
    assert_int_equal(count_steps(fixture), newest);
    assert_true(store_check_schema(fixture->store, &error));
    fixture_drop(fixture);
}

static void *migrate_in_thread(void *store)
{
    int from = 0, to = 0;
    return store_migrate(store, &from, &to, NULL) ? store : NULL;
}

static void migrating_twice_at_once_applies_each_step_once(void **state)
{
    Fixture *fixture = fixture_bare(fixture_connection());
    pthread_t threads[4];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_create(&threads[i], NULL, migrate_in_thread, fixture->store);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, fixture->store);
    }
    assert_int_equal(count_steps(fixture),
                     ask_sql(fixture, "SELECT max(version) FROM schema_version"));
    fixture_drop(fixture);
}

static void a_newer_schema_is_refused(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    int from = 0, to = 0;
    run_sql(fixture, "INSERT INTO schema_version (version, name) VALUES (1000, 'later')");
    assert_false(store_check_schema(fixture->store, &error));
    assert_fails_with(&error, ERR_CONFLICT);
    assert_false(store_migrate(fixture->store, &from, &to, &error));
    assert_fails_with(&error, ERR_CONFLICT);
}

static void a_step_that_fails_leaves_nothing_half_done(void **state)
{
    Fixture *fixture = fixture_bare(fixture_connection());
    g_autoptr(GError) error = NULL;
    int from = 0, to = 0;
    g_autofree char *schema = g_strdup_printf("CREATE SCHEMA \"%s\"", fixture->schema);
    run_sql(fixture, schema);
    run_sql(fixture, "CREATE TABLE audit (in_the_way integer)"); /* late in the first step */
    assert_false(store_migrate(fixture->store, &from, &to, &error));
    g_clear_error(&error);
    assert_int_equal(ask_sql(fixture, "SELECT (to_regclass('document') IS NULL)::int"), 1);
    assert_int_equal(count_steps(fixture), 0);
    run_sql(fixture, "DROP TABLE audit");
    assert_true(store_migrate(fixture->store, &from, &to, &error));
    fixture_drop(fixture);
}

/* What a restart of PostgreSQL does to connections that lie in the pool. */
static void the_call_after_lost_connections_succeeds(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    assert_true(store_ping(fixture->store, &error));
    int64_t ended = ask_sql(fixture, "SELECT count(pg_terminate_backend(pid, 5000)) FROM "
                                     "pg_stat_activity WHERE application_name = 'shortlist'");
    assert_true(ended >= 1);
    store_ping(fixture->store, &error);
    assert_no_error(error);
}

static void a_call_gives_its_connection_back(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    for (int i = 0; i < 20; i++)
        assert_true(store_ping(fixture->store, &error));
    /* One from here; another program's tests may run beside us, so by its last statement. */
    assert_true(ask_sql(fixture, "SELECT count(*) FROM pg_stat_activity WHERE "
                                 "application_name = 'shortlist' AND query = 'SELECT 1'") <= 1);
}

static void an_unreachable_server_is_unavailable_and_no_secret_shows(void **state)
{
    static const char *const strings[] = {
        "host=127.0.0.1 port=1 user=u password=hunter2",
        "host=/nowhere-hunter2 user=u password=hunter2",
        "postgresql://user:hunter2@127.0.0.1:1/db",
        "postgresql://user:x@hunter2@127.0.0.1:1/db",
        "password=hunter2 nonsense",
        "hunter2",
        "postgresql://user:hunter2/x@127.0.0.1:1/db",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        Settings settings = {.state_connection = (char *)strings[i], .state_schema = "s"};
        g_autoptr(GError) error = NULL;
        g_autoptr(Store) store = store_new(&settings);
        assert_false(store_ping(store, &error));
        assert_null(strstr(error->message, "hunter2"));
        assert_fails_with(&error, ERR_UNAVAILABLE);
    }
}

/* A server that lets everybody in, is stopped at that moment, says so and hangs up. Ends when its
 * listening socket is shut down. */
static void *be_stopped(void *listening)
{
    static const char words[] = "R\0\0\0\x08\0\0\0\0"
                                "N\0\0\0\x36SWARNING\0VWARNING\0C57P01\0Mgoing down at once!!!!\0";
    for (int fd; (fd = accept(GPOINTER_TO_INT(listening), NULL, NULL)) >= 0; close(fd)) {
        char startup[1024];
        if (recv(fd, startup, sizeof startup, 0) > 0)
            send(fd, words, sizeof words, MSG_NOSIGNAL);
    }
    return NULL;
}

/* F48: between the lines of our log, which are JSON. */
static void a_server_stopped_amid_connecting_writes_nothing_to_stderr(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listening, 8), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &length), 0);
    pthread_t server;
    pthread_create(&server, NULL, be_stopped, GINT_TO_POINTER(listening));
    g_autofree char *connection = g_strdup_printf(
        "host=127.0.0.1 port=%d user=u sslmode=disable gssencmode=disable", ntohs(at.sin_port));

    FILE *written = tmpfile();
    int own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    dup2(fileno(written), STDERR_FILENO);
    g_autoptr(GError) error = NULL;
    PGconn *made = db_connect(connection, "test", 0, &error);
    fflush(stderr);
    dup2(own, STDERR_FILENO);
    close(own);
    long bytes = lseek(fileno(written), 0, SEEK_END);
    fclose(written);

    shutdown(listening, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listening);
    assert_null(made);
    assert_fails_with(&error, ERR_UNAVAILABLE);
    assert_int_equal(bytes, 0);
}

static void errors_of_the_server_get_our_codes(void **state)
{
    static const struct {
        const char *sql;
        ErrorCode code;
    } rows[] = {
        {"SELECT * FROM nowhere", ERR_INVALID},
        {"SELECT 1 / 0", ERR_INVALID},
        {"SELEKT", ERR_INVALID},
        {"SELECT 1; SELECT 2", ERR_INVALID},
        {"INSERT INTO schema_version (version, name) VALUES (1, 'twice')", ERR_CONFLICT},
        {"DO $$BEGIN RAISE SQLSTATE '53100'; END$$", ERR_NO_SPACE},
        {"DO $$BEGIN RAISE SQLSTATE '53300'; END$$", ERR_UNAVAILABLE},
        {"DO $$BEGIN RAISE SQLSTATE '40P01'; END$$", ERR_CONFLICT},
        {"DO $$BEGIN RAISE SQLSTATE '55P03'; END$$", ERR_TIMEOUT},
        {"DO $$BEGIN RAISE SQLSTATE 'XX000'; END$$", ERR_INTERNAL},
        {"DO $$BEGIN RAISE 'the view says no'; END$$", ERR_INVALID},
        {"SELECT pg_sleep(60)", ERR_TIMEOUT},
        /* In whatever language lc_messages has. */
        {"DO $$BEGIN RAISE SQLSTATE '57014' USING MESSAGE = 'canceling statement due to user "
         "request'; END$$",
         ERR_TIMEOUT},
        {"DO $$BEGIN RAISE SQLSTATE '57014' USING MESSAGE = 'annulation de la requête à la demande "
         "de l''utilisateur'; END$$",
         ERR_TIMEOUT},
    };
    Fixture *fixture = *state;
    run_sql(fixture, "SET statement_timeout = 50");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(db_query(fixture->admin, rows[i].sql, 0, NULL, &error));
        assert_fails_with(&error, rows[i].code);
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(PGconn) doomed = db_connect(fixture_connection(), "doomed", 0, &error);
    assert_null(db_query(doomed, "SELECT pg_terminate_backend(pg_backend_pid())", 0, NULL, &error));
    assert_fails_with(&error, ERR_UNAVAILABLE);
}

static void quoting_keeps_names_and_text_whole(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *name = db_identifier(fixture->admin, "a \"b\" ü");
    g_autofree char *text = db_literal(fixture->admin, "it's \\ ü");
    assert_string_equal(name, "\"a \"\"b\"\" ü\"");
    g_autofree char *sql = g_strdup_printf("SELECT (%s = E'it\\'s \\\\ ü')::int", text);
    assert_int_equal(ask_sql(fixture, sql), 1);
    g_autofree char *broken = db_identifier(fixture->admin, "\xff");
    assert_true(g_utf8_validate(broken, -1, NULL));
}

static void audit_keeps_who_did_what(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    assert_true(audit_append(fixture->store, "k", "createModel", "\xff target", 201, "r", &error));
    assert_true(audit_append(fixture->store, NULL, "deleteModel", NULL, 204, NULL, &error));
    assert_int_equal(ask_sql(fixture, "SELECT count(*) FROM audit WHERE at <= now() AND "
                                      "(key_id = 'k' AND status = 201 AND request_id = 'r' "
                                      "OR key_id IS NULL AND operation = 'deleteModel')"),
                     2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrate_brings_an_empty_database_forward_once),
        cmocka_unit_test(migrating_twice_at_once_applies_each_step_once),
        FRESH(a_newer_schema_is_refused),
        cmocka_unit_test(a_step_that_fails_leaves_nothing_half_done),
        FRESH(the_call_after_lost_connections_succeeds),
        FRESH(a_call_gives_its_connection_back),
        cmocka_unit_test(an_unreachable_server_is_unavailable_and_no_secret_shows),
        cmocka_unit_test(a_server_stopped_amid_connecting_writes_nothing_to_stderr),
        FRESH(errors_of_the_server_get_our_codes),
        FRESH(quoting_keeps_names_and_text_whole),
        FRESH(audit_keeps_who_did_what),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
