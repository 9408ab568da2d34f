/* base/config: F48, every setting from file and environment, and one clear line when one is bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/config_value.h"
#include "base/error.h"

#define SHIPPED "config/shortlist.ini"
#define STATE   "SHORTLIST_STATE_CONNECTION=host=state"

/* A file that goes with its scope. */
typedef char *TestFile;

static TestFile file_with(const char *text)
{
    char *path = NULL;
    int fd = g_file_open_tmp("shortlist-XXXXXX.ini", &path, NULL);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void file_clear(TestFile *file)
{
    unlink(*file);
    g_free(*file);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TestFile, file_clear)

static Settings *load(const char *text, char *const *environment)
{
    g_auto(TestFile) path = file_with(text);
    g_autoptr(GError) error = NULL;
    Settings *settings = settings_load(path, environment, &error);
    if (!settings)
        fail_msg("%s", error->message);
    return settings;
}

static char *refusal(const char *text, char *const *environment)
{
    g_auto(TestFile) path = file_with(text);
    g_autoptr(GError) error = NULL;
    g_autoptr(Settings) settings = settings_load(path, environment, &error);
    if (settings)
        fail_msg("\"%s\" was accepted", text);
    assert_int_equal(error_code(error), ERR_INVALID);
    assert_null(strchr(error->message, '\n'));
    return g_strdup(error->message);
}

static void defaults_are_those_of_the_contract(void **state)
{
    char *environment[] = {STATE, NULL};
    g_autoptr(Settings) settings = settings_load(NULL, environment, NULL);
    assert_non_null(settings);
    assert_string_equal(settings->listen_address, "127.0.0.1");
    assert_int_equal(settings->port, 8080);
    assert_int_equal(settings->http_threads, 0);
    assert_int_equal(settings->offload_threads, 4);
    assert_int_equal(settings->request_body_max, 1 << 20);
    assert_int_equal(settings->target_max, 4096);
    assert_int_equal(settings->request_timeout_ms, 30000);
    assert_int_equal(settings->idle_timeout_ms, 60000);
    assert_int_equal(settings->connections_max, 1000);
    assert_int_equal(settings->rate_per_second, 0);
    assert_int_equal(settings->drain_timeout_ms, 20000);
    assert_null(settings->tls_certificate);
    assert_null(settings->tls_key);
    assert_string_equal(settings->log_level, "info");
    assert_string_equal(settings->state_connection, "host=state");
    assert_string_equal(settings->state_schema, "shortlist_state");
    assert_string_equal(settings->data_dir, "/var/lib/shortlist");
    assert_int_equal(settings->versions_kept, 3);
    assert_int_equal(settings->workers, 1);
    assert_int_equal(settings->training_threads, 0);
    assert_int_equal(settings->lease_ms, 60000);
    assert_int_equal(settings->poll_ms, 2000);
    assert_int_equal(settings->memory_budget, 0);
    assert_int_equal(settings->n_sources, 0);
}

static void a_file_sets_and_the_environment_wins(void **state)
{
    char *environment[] = {"PATH=/bin", "SHORTLIST_SERVER_PORT=9001",
                           "SHORTLIST_SOURCE_MY_SHOP_READER_ROLE=bi", NULL};
    g_autoptr(Settings) settings = load("# comment\n"
                                        "; another\r\n"
                                        "[server]\r\n"
                                        "port = 9000\r\n"
                                        "  log_level=debug  \n"
                                        "request_timeout_ms = 2 min\n"
                                        "[state]\n"
                                        "connection = host=a password=x\\y=z#;\n"
                                        "\n"
                                        "[jobs]\n"
                                        "memory_budget = 3GiB\n"
                                        "[source my-shop]\n"
                                        "connection = host=b\n"
                                        "statement_timeout_ms = 1500\n"
                                        "[source second]\n"
                                        "connection = host=c",
                                        environment);
    assert_int_equal(settings->port, 9001);
    assert_string_equal(settings->log_level, "debug");
    assert_int_equal(settings->request_timeout_ms, 120000);
    assert_string_equal(settings->state_connection, "host=a password=x\\y=z#;");
    assert_int_equal(settings->memory_budget, UINT64_C(3) << 30);
    assert_int_equal(settings->n_sources, 2);
    const SourceSettings *source = settings_find_source(settings, "my-shop");
    assert_non_null(source);
    assert_string_equal(source->connection, "host=b");
    assert_string_equal(source->reader_role, "bi");
    assert_string_equal(source->output_schema, "shortlist");
    assert_int_equal(source->statement_timeout_ms, 1500);
    assert_null(settings_find_source(settings, "third"));
}

static void the_environment_alone_defines_a_source(void **state)
{
    char *environment[] = {STATE, "SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA=out",
                           "SHORTLIST_SOURCE_SHOP_CONNECTION=host=x",
                           "SHORTLIST_SOURCE_OLD_SHOP_CONNECTION=host=y", NULL};
    g_autoptr(Settings) settings = settings_load(NULL, environment, NULL);
    assert_non_null(settings);
    assert_int_equal(settings->n_sources, 2);
    assert_string_equal(settings_find_source(settings, "shop")->connection, "host=x");
    assert_string_equal(settings_find_source(settings, "shop")->output_schema, "out");
    assert_string_equal(settings_find_source(settings, "old_shop")->connection, "host=y");
}

static void secrets_are_read_from_files(void **state)
{
    g_auto(TestFile) secret = file_with("host=state password=s3cret\n");
    g_auto(TestFile) shop = file_with("host=shop\r\n");
    g_autofree char *first = g_strconcat("SHORTLIST_STATE_CONNECTION_FILE=", secret, NULL);
    g_autofree char *second = g_strconcat("SHORTLIST_SOURCE_SHOP_CONNECTION_FILE=", shop, NULL);
    char *environment[] = {first, second, NULL};
    g_autoptr(Settings) settings = settings_load(NULL, environment, NULL);
    assert_non_null(settings);
    assert_string_equal(settings->state_connection, "host=state password=s3cret");
    assert_string_equal(settings->sources[0].connection, "host=shop");
}

static const struct {
    const char *file;
    const char *expected; /* in the message */
} bad_files[] = {
    {"[server]\n\nport = 70000\n", "line 3: \"port\" must be an integer from 0 to 65535"},
    {"[server]\nport = -1\n", "\"port\" must be"},
    {"[server]\nport = +1\n", "\"port\" must be"},
    {"[server]\nport = 80x\n", "\"port\" must be"},
    {"[server]\nport =\n", "\"port\" must be"},
    {"[server]\nport = 99999999999999999999999\n", "\"port\" must be"},
    {"[server]\nrequest_body_max = 2MiB\n", "from 1024 to 1048576 bytes"},
    {"[server]\nrequest_body_max = 1MB\n", "KiB, MiB, GiB"},
    {"[server]\nidle_timeout_ms = 5 hours\n", "ms, s, min"},
    {"[jobs]\nmemory_budget = 18446744073709551615GiB\n", "\"memory_budget\" must be"},
    {"[server]\nlog_level = loud\n", "one of debug, info, warning, error"},
    {"[server]\nprot = 1\n", "line 2: unknown setting \"prot\": did you mean \"port\"?"},
    {"[server]\nzebra_crossing = 1\n", "unknown setting \"zebra_crossing\""},
    {"[sever]\n", "line 1: unknown section \"sever\": did you mean \"server\"?"},
    {"[source]\n", "unknown section \"source\""},
    {"[source NAME]\n", "a source's name must be"},
    {"[source 1shop]\n", "a source's name must be"},
    {"[source shop\n", "must end with ]"},
    {"[\n", "must end with ]"},
    {"[]\n", "unknown section \"\""},
    {"port = 1\n", "below a [section]"},
    {"[server]\nport\n", "name = value"},
    {"[server]\nport = 1\nport = 2\n", "line 3: \"port\" of [server] is set twice"},
    {"[server]\n[server]\n", "line 2: section [server] stands twice"},
    {"[source a-b]\nconnection=x\n[source a_b]\n", "line 3: source \"a_b\" stands twice"},
    {"[source a]\nreader_role = bi\n", "[source a] needs \"connection\""},
    {"[source a]\nconection = x\n", "did you mean \"connection\"?"},
    {"[source a]\nconnection = x\noutput_schema = Robert'); DROP\n", "\"output_schema\" must be"},
    {"[source a]\nconnection = x\noutput_schema = pg_catalog\n", "\"output_schema\" must be"},
    {"[state]\nconnection = a\tb\n", "without control characters"},
    {"[state]\nconnection = \xFF\n", "\"connection\" must be"},
    {"[server]\ntls_key = /x\n", "both \"tls_certificate\" and \"tls_key\""},
    {"[server]\ntarget_max = 8KiB\n", "\"target_max\" must be below \"header_max\""},
};

static void bad_files_are_refused_with_line_and_rule(void **state)
{
    char *environment[] = {STATE, NULL}, *none[] = {NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(bad_files); i++) {
        bool sets_state = strstr(bad_files[i].file, "[state]");
        g_autofree char *message = refusal(bad_files[i].file, sets_state ? none : environment);
        if (!strstr(message, bad_files[i].expected))
            fail_msg("%s: %s", bad_files[i].file, message);
    }
}

static const struct {
    char *variable;
    const char *expected;
} bad_variables[] = {
    {"SHORTLIST_SERVER_PROT=1",
     "\"SHORTLIST_SERVER_PROT\": did you mean \"SHORTLIST_SERVER_PORT\""},
    {"SHORTLIST_SERVER_PORT=x", "SHORTLIST_SERVER_PORT: \"port\" must be an integer"},
    {"SHORTLIST_SERVER_PORT=", "SHORTLIST_SERVER_PORT: \"port\" must be an integer"},
    {"SHORTLIST_=x", "unknown variable \"SHORTLIST_\""},
    {"SHORTLIST_FILE=x", "unknown variable \"SHORTLIST_FILE\""},
    {"SHORTLIST_SOURCE_CONNECTION=x", "unknown variable"},
    {"SHORTLIST_SOURCE__CONNECTION=x", "unknown variable"},
    {"SHORTLIST_SOURCE_SHOP_COLOUR=x", "unknown variable"},
    {"SHORTLIST_SOURCE_1_CONNECTION=x", "a source's name must be"},
    {"SHORTLIST_SOURCE_SHOP_READER_ROLE=x", "[source shop] needs \"connection\""},
    {"SHORTLIST_DATA_DIR_FILE=/nowhere/at/all", "SHORTLIST_DATA_DIR_FILE: cannot open"},
    {"SHORTLIST_DATA_DIR_FILE=/", "SHORTLIST_DATA_DIR_FILE: cannot read"},
    {"SHORTLIST_DATA_DIR_FILE=/dev/zero", "must be text of at most"},
    {"SHORTLIST_DATA_DIR_FILE=/dev/null", "\"dir\" must be"},
};

static void bad_variables_are_refused_by_name(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad_variables); i++) {
        char *environment[] = {STATE, bad_variables[i].variable, NULL};
        g_autofree char *message = refusal("", environment);
        if (!strstr(message, bad_variables[i].expected))
            fail_msg("%s: %s", bad_variables[i].variable, message);
    }
}

static void a_value_and_its_file_together_are_refused(void **state)
{
    g_auto(TestFile) secret = file_with("host=b");
    g_autofree char *file = g_strconcat("SHORTLIST_STATE_CONNECTION_FILE=", secret, NULL);
    char *environment[] = {STATE, file, NULL};
    g_autofree char *message = refusal("", environment);
    assert_non_null(strstr(message, "set twice"));
}

static void the_state_connection_is_needed(void **state)
{
    char *environment[] = {NULL};
    g_autofree char *message = refusal("", environment);
    assert_non_null(strstr(message, "[state] needs \"connection\""));
}

static void a_refusal_never_shows_the_value(void **state)
{
    char *environment[] = {"SHORTLIST_STATE_CONNECTION=password=s3cret\n", NULL};
    g_autofree char *message = refusal("", environment);
    assert_null(strstr(message, "s3cret"));
}

static void a_missing_file_and_one_with_nul_are_refused(void **state)
{
    char *environment[] = {STATE, NULL};
    g_autoptr(GError) error = NULL;
    assert_null(settings_load("/nowhere/shortlist.ini", environment, &error));
    assert_non_null(strstr(error->message, "cannot open /nowhere/shortlist.ini"));
    g_autoptr(GError) second = NULL;
    assert_null(settings_load("/dev/zero", environment, &second));
    assert_int_equal(error_code(second), ERR_INVALID);
}

/* The shipped file as "section.name" → its commented-out default. */
static GHashTable *shipped_settings(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(SHIPPED, &text, NULL, NULL))
        fail_msg("run this in the project's root: " SHIPPED);
    GHashTable *found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *section = g_strdup("");
    for (char **line = lines; *line; line++) {
        bool is_comment = (*line)[0] == '#';
        char *at = *line + is_comment;
        if (*at == '[') {
            g_free(section);
            section = g_strdelimit(g_strdup(at + 1), " ]", '\0');
        } else if (is_comment && g_ascii_islower(*at)) {
            g_auto(GStrv) parts = g_strsplit(at, "=", 2);
            g_autofree char *name = g_strjoin(".", section, g_strstrip(parts[0]), NULL);
            assert_non_null(parts[1]);
            assert_true(
                g_hash_table_insert(found, g_steal_pointer(&name), g_strdup(g_strstrip(parts[1]))));
        } else if (*at && !is_comment) {
            fail_msg("a setting is not commented out: %s", *line);
        }
    }
    return found;
}

static void the_shipped_file_has_every_setting_at_its_default(void **state)
{
    size_t n;
    const Setting *table = settings_table(&n);
    g_autoptr(GHashTable) shipped = shipped_settings();
    for (size_t i = 0; i < n; i++) {
        g_autofree char *name = g_strjoin(".", table[i].section, table[i].name, NULL);
        const char *value = g_hash_table_lookup(shipped, name);
        if (!value)
            fail_msg(SHIPPED " lacks %s", name);
        assert_string_equal(value, table[i].absent ? table[i].absent : "");
        g_hash_table_remove(shipped, name);
    }
    assert_int_equal(g_hash_table_size(shipped), 0);
}

static void the_shipped_file_loads(void **state)
{
    char *environment[] = {STATE, NULL};
    g_autoptr(Settings) settings = settings_load(SHIPPED, environment, NULL);
    assert_non_null(settings);
    assert_int_equal(settings->n_sources, 0);
}

static void help_names_every_setting_with_its_rule_and_default(void **state)
{
    size_t n;
    const Setting *table = settings_table(&n);
    g_autofree char *help = settings_help();
    for (size_t i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("\n  %s ", table[i].name);
        g_autofree char *rule = setting_rule(&table[i]);
        assert_non_null(strstr(help, name));
        assert_non_null(strstr(help, rule));
        assert_non_null(strstr(help, table[i].help));
    }
    assert_non_null(strstr(help, "default 127.0.0.1"));
    assert_non_null(strstr(help, "[source NAME]"));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(a_file_sets_and_the_environment_wins),
        cmocka_unit_test(the_environment_alone_defines_a_source),
        cmocka_unit_test(secrets_are_read_from_files),
        cmocka_unit_test(bad_files_are_refused_with_line_and_rule),
        cmocka_unit_test(bad_variables_are_refused_by_name),
        cmocka_unit_test(a_value_and_its_file_together_are_refused),
        cmocka_unit_test(the_state_connection_is_needed),
        cmocka_unit_test(a_refusal_never_shows_the_value),
        cmocka_unit_test(a_missing_file_and_one_with_nul_are_refused),
        cmocka_unit_test(the_shipped_file_has_every_setting_at_its_default),
        cmocka_unit_test(the_shipped_file_loads),
        cmocka_unit_test(help_names_every_setting_with_its_rule_and_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
