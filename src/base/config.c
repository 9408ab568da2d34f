#include "base/config.h"

#include <string.h>

#include "base/error.h"
#include "base/faults.h"
#include "config_file.h"
#include "config_value.h"

#define PREFIX          "SHORTLIST_"
#define SOURCE_PREFIX   PREFIX "SOURCE_"
#define FILE_SUFFIX     "_FILE"
#define SECRET_MAX      65536
#define SOURCE_NAME_MAX 40
#define SOURCES_MAX     64
#define CONNECTION_MAX  4096
#define PATH_LENGTH     4095
#define MIB             (UINT64_C(1) << 20)
#define MINUTES         UINT64_C(60000)
#define KEEP_DAYS_MAX   36500

static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};

/* Variables with our prefix that are no settings: they serve the demo and the tests. */
static const char *const other_variables[] = {PREFIX "DEMO", PREFIX "TEST_DB", NULL};

#define AT(member)        offsetof(Settings, member)
#define SOURCE_AT(member) offsetof(SourceSettings, member)

// clang-format off
static const Setting table[] = {
    {"server", "listen_address", SETTING_TEXT, UNIT_NONE, AT(listen_address), 1, 255, "127.0.0.1", NULL,
     "address to listen on; 0.0.0.0 or :: for all"},
    {"server", "port", SETTING_UINT16, UNIT_NONE, AT(port), 0, 65535, "8080", NULL,
     "port to listen on; 0 takes any free one and says which"},
    {"server", "http_threads", SETTING_UINT32, UNIT_NONE, AT(http_threads), 0, 256, "0", NULL,
     "threads that answer from memory; 0: one per core"},
    {"server", "offload_threads", SETTING_UINT32, UNIT_NONE, AT(offload_threads), 1, 64, "4", NULL,
     "threads for requests that ask PostgreSQL or scan"},
    {"server", "request_body_max", SETTING_UINT32, UNIT_BYTES, AT(request_body_max), 1024, MIB, "1MiB", NULL,
     "longest request body"},
    {"server", "header_max", SETTING_UINT32, UNIT_BYTES, AT(header_max), 1024, 65536, "6KiB", NULL,
     "longest header block, request line included; each connection keeps as much memory"},
    {"server", "target_max", SETTING_UINT32, UNIT_BYTES, AT(target_max), 256, 32768, "4KiB", NULL,
     "longest path and query; below header_max"},
    {"server", "request_timeout_ms", SETTING_UINT32, UNIT_MS, AT(request_timeout_ms), 100, 10 * MINUTES, "30s", NULL,
     "time to receive one whole request"},
    {"server", "idle_timeout_ms", SETTING_UINT32, UNIT_MS, AT(idle_timeout_ms), 100, 60 * MINUTES, "60s", NULL,
     "time a connection may wait for its next request"},
    {"server", "connections_max", SETTING_UINT32, UNIT_NONE, AT(connections_max), 1, 100000, "1000", NULL,
     "connections at once"},
    {"server", "rate_per_second", SETTING_UINT32, UNIT_NONE, AT(rate_per_second), 0, 1000000, "0", NULL,
     "requests per second of one key; 0: no limit"},
    {"server", "drain_timeout_ms", SETTING_UINT32, UNIT_MS, AT(drain_timeout_ms), 0, 10 * MINUTES, "20s", NULL,
     "time to finish requests after a signal to stop"},
    {"server", "tls_certificate", SETTING_TEXT, UNIT_NONE, AT(tls_certificate), 1, PATH_LENGTH, NULL, NULL,
     "PEM file with the certificate chain; turns HTTPS on, together with tls_key"},
    {"server", "tls_key", SETTING_TEXT, UNIT_NONE, AT(tls_key), 1, PATH_LENGTH, NULL, NULL,
     "PEM file with the private key of tls_certificate"},
    {"server", "log_level", SETTING_CHOICE, UNIT_NONE, AT(log_level), 0, 0, "info", log_levels,
     "least level that is logged"},
    {"state", "connection", SETTING_TEXT, UNIT_NONE, AT(state_connection), 1, CONNECTION_MAX, NULL, NULL,
     "connection string (libpq) of the database for our own tables; needed; better given as "
     "SHORTLIST_STATE_CONNECTION_FILE"},
    {"state", "schema", SETTING_SCHEMA, UNIT_NONE, AT(state_schema), 0, 0, "shortlist_state", NULL,
     "schema of our own tables, made when it is missing"},
    {"state", "jobs_keep_days", SETTING_UINT32, UNIT_NONE, AT(jobs_keep_days), 1, KEEP_DAYS_MAX, "90", NULL,
     "days that jobs which ended are kept; one whose version is kept stays with it"},
    {"state", "audit_keep_days", SETTING_UINT32, UNIT_NONE, AT(audit_keep_days), 1, KEEP_DAYS_MAX, "365", NULL,
     "days that the record of who changed what is kept"},
    {"data", "dir", SETTING_TEXT, UNIT_NONE, AT(data_dir), 1, PATH_LENGTH, "/var/lib/shortlist", NULL,
     "folder of the snapshot files"},
    {"data", "versions_kept", SETTING_UINT32, UNIT_NONE, AT(versions_kept), 1, 100, "3", NULL,
     "versions kept per prediction"},
    {"jobs", "workers", SETTING_UINT32, UNIT_NONE, AT(workers), 0, 64, "1", NULL,
     "jobs at once; 0: this process serves only"},
    {"jobs", "training_threads", SETTING_UINT32, UNIT_NONE, AT(training_threads), 0, 256, "0", NULL,
     "cores of one training; 0: all"},
    {"jobs", "lease_ms", SETTING_UINT32, UNIT_MS, AT(lease_ms), 500, 60 * MINUTES, "60s", NULL,
     "a job whose worker is silent for so long is taken over; a restart here does so at once"},
    {"jobs", "poll_ms", SETTING_UINT32, UNIT_MS, AT(poll_ms), 50, 10 * MINUTES, "2s", NULL,
     "slow poll of the queue, behind its notifications"},
    {"jobs", "memory_budget", SETTING_UINT64, UNIT_BYTES, AT(memory_budget), 0, UINT64_C(1) << 50, "0", NULL,
     "memory one training may need; 0: three quarters of the machine"},
    {"source", "connection", SETTING_TEXT, UNIT_NONE, SOURCE_AT(connection), 1, CONNECTION_MAX, NULL, NULL,
     "connection string (libpq) of the shop's database; needed; better given as "
     "SHORTLIST_SOURCE_SHOP_CONNECTION_FILE"},
    {"source", "output_schema", SETTING_SCHEMA, UNIT_NONE, SOURCE_AT(output_schema), 0, 0, "shortlist", NULL,
     "schema of the tables written for the shop"},
    {"source", "reader_role", SETTING_TEXT, UNIT_NONE, SOURCE_AT(reader_role), 1, 63, NULL, NULL,
     "role that may read those tables"},
    {"source", "statement_timeout_ms", SETTING_UINT32, UNIT_MS, SOURCE_AT(statement_timeout_ms), 100, 1440 * MINUTES, "10min", NULL,
     "longest time of one statement in the shop's database"},
};
// clang-format on

/* What loading knows besides the result: what was set, so that nothing is set twice in one place.
 */
typedef struct Loader {
    Settings *settings;
    GHashTable *set; /* "section\nname" */
} Loader;

static bool is_source_row(const Setting *setting)
{
    return strcmp(setting->section, "source") == 0;
}

static bool refuse_unknown(const char *what, const char *name, const char *const *known,
                           GError **error)
{
    g_auto(GStrv) near = near_misses(name, known, 3);
    g_autofree char *list = near ? g_strjoinv("\", \"", near) : NULL;
    error_set(error, ERR_INVALID, "unknown %s \"%s\"%s%s%s", what, name,
              list ? ": did you mean \"" : "", list ? list : "", list ? "\"?" : "");
    return false;
}

static bool is_source_name(const char *name)
{
    size_t length = strlen(name);
    if (length > SOURCE_NAME_MAX || !g_ascii_islower(*name))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!g_ascii_islower(name[i]) && !g_ascii_isdigit(name[i]) && !strchr("_-", name[i]))
            return false;
    return true;
}

/* As in a variable's name: upper case with - as _. */
static char *variable_part(const char *name)
{
    return g_strdelimit(g_ascii_strup(name, -1), "-", '_');
}

static bool set_defaults(const char *section, void *base, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        bool belongs = section ? is_source_row(&table[i]) : !is_source_row(&table[i]);
        if (belongs && table[i].absent && !setting_parse(&table[i], table[i].absent, base, error))
            return false;
    }
    return true;
}

static SourceSettings *find_source_by_variable(const Settings *settings, const char *part)
{
    for (size_t i = 0; i < settings->n_sources; i++) {
        g_autofree char *own = variable_part(settings->sources[i].name);
        if (strcmp(own, part) == 0)
            return &settings->sources[i];
    }
    return NULL;
}

static bool add_source(Settings *settings, const char *name, GError **error)
{
    if (!is_source_name(name)) {
        error_set(error, ERR_INVALID,
                  "a source's name must be a-z, 0-9, _ and -, beginning with a letter, at most %d "
                  "long",
                  SOURCE_NAME_MAX);
        return false;
    }
    g_autofree char *part = variable_part(name);
    if (find_source_by_variable(settings, part)) {
        error_set(error, ERR_INVALID, "source \"%s\" stands twice (- and _ count as equal)", name);
        return false;
    }
    if (settings->n_sources == SOURCES_MAX) {
        error_set(error, ERR_INVALID, "more than %d sources", SOURCES_MAX);
        return false;
    }
    settings->sources = g_renew(SourceSettings, settings->sources, settings->n_sources + 1);
    SourceSettings *source = &settings->sources[settings->n_sources++];
    *source = (SourceSettings){.name = g_strdup(name)};
    return set_defaults("source", source, error);
}

static bool set_once(Loader *loader, const Setting *setting, const char *section, const char *text,
                     GError **error)
{
    if (!g_hash_table_add(loader->set, g_strconcat(section, "\n", setting->name, NULL))) {
        error_set(error, ERR_INVALID, "\"%s\" of [%s] is set twice", setting->name, section);
        return false;
    }
    void *base = loader->settings;
    if (is_source_row(setting))
        base = (void *)settings_find_source(loader->settings, section + strlen("source "));
    return setting_parse(setting, text, base, error);
}

/* "source" for any [source NAME]. */
static const char *section_kind(const char *section)
{
    return g_str_has_prefix(section, "source ") ? "source" : section;
}

static const Setting *find_setting(const char *kind, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i].section, kind) == 0 && strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static bool refuse_name(const char *kind, const char *name, GError **error)
{
    const char *known[G_N_ELEMENTS(table) + 1] = {NULL};
    for (size_t i = 0, n = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i].section, kind) == 0)
            known[n++] = table[i].name;
    return refuse_unknown("setting", name, known, error);
}

static bool open_section(Loader *loader, const char *section, GError **error)
{
    static const char *const sections[] = {"server", "state", "data", "jobs", "source NAME", NULL};
    if (!g_hash_table_add(loader->set, g_strdup(section))) {
        error_set(error, ERR_INVALID, "section [%s] stands twice", section);
        return false;
    }
    if (g_str_has_prefix(section, "source "))
        return add_source(loader->settings, section + strlen("source "), error);
    if (strcmp(section, "source NAME") != 0 && g_strv_contains(sections, section))
        return true;
    return refuse_unknown("section", section, sections, error);
}

static bool visit_file(void *data, const char *section, const char *name, const char *value,
                       GError **error)
{
    Loader *loader = data;
    if (!name)
        return open_section(loader, section, error);
    const char *kind = section_kind(section);
    const Setting *setting = find_setting(kind, name);
    if (!setting)
        return refuse_name(kind, name, error);
    return set_once(loader, setting, section, value, error);
}

static char *variable_of(const Setting *setting)
{
    g_autofree char *section = g_ascii_strup(setting->section, -1);
    g_autofree char *name = g_ascii_strup(setting->name, -1);
    return g_strconcat(PREFIX, section, "_", name, NULL);
}

/* The setting that `variable` names and the section it stands for, for g_free(); a source that the
 * file does not have is added. NULL with an error, or without one when no setting has the name. */
static const Setting *resolve_source(Loader *loader, const char *variable, char **section,
                                     GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (!is_source_row(&table[i]))
            continue;
        g_autofree char *name = g_ascii_strup(table[i].name, -1);
        g_autofree char *ending = g_strconcat("_", name, NULL);
        g_autofree char *part = g_strdup(variable + strlen(SOURCE_PREFIX));
        if (!g_str_has_suffix(part, ending) || strlen(part) == strlen(ending))
            continue;
        part[strlen(part) - strlen(ending)] = '\0';
        const SourceSettings *source = find_source_by_variable(loader->settings, part);
        if (!source) {
            g_autofree char *lower = g_ascii_strdown(part, -1);
            if (!add_source(loader->settings, lower, error))
                return NULL;
            source = &loader->settings->sources[loader->settings->n_sources - 1];
        }
        *section = g_strconcat("source ", source->name, NULL);
        return &table[i];
    }
    return NULL;
}

static const Setting *resolve_variable(Loader *loader, const char *variable, char **section,
                                       GError **error)
{
    if (g_str_has_prefix(variable, SOURCE_PREFIX))
        return resolve_source(loader, variable, section, error);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *own = variable_of(&table[i]);
        if (is_source_row(&table[i]) || strcmp(own, variable) != 0)
            continue;
        *section = g_strdup(table[i].section);
        return &table[i];
    }
    return NULL;
}

static bool refuse_variable(const char *variable, GError **error)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (!is_source_row(&table[i]))
            g_ptr_array_add(known, variable_of(&table[i]));
    g_ptr_array_add(known, NULL);
    return refuse_unknown("variable", variable, (const char *const *)known->pdata, error);
}

/* A secret's file usually ends with a line break that is not part of it. */
static char *read_secret(const char *path, GError **error)
{
    char *text = config_file_text(path, SECRET_MAX, error);
    return text ? g_strchomp(text) : NULL;
}

static bool apply_variable(Loader *loader, const char *variable, const char *value, GError **error)
{
    g_autofree char *section = NULL, *from_file = NULL;
    g_autoptr(GError) failure = NULL;
    const Setting *setting = resolve_variable(loader, variable, &section, &failure);
    if (!setting && !failure && g_str_has_suffix(variable, FILE_SUFFIX)) {
        g_autofree char *plain = g_strndup(variable, strlen(variable) - strlen(FILE_SUFFIX));
        setting = resolve_variable(loader, plain, &section, &failure);
        from_file = setting ? read_secret(value, &failure) : NULL;
    }
    if (failure) {
        g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s: ", variable);
        return false;
    }
    if (!setting)
        return refuse_variable(variable, error);
    if (set_once(loader, setting, section, from_file ? from_file : value, error))
        return true;
    g_prefix_error(error, "%s: ", variable);
    return false;
}

static bool apply_environment(Loader *loader, char *const *environment, GError **error)
{
    g_hash_table_remove_all(loader->set);
    for (; environment && *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        if (!equals || !g_str_has_prefix(*environment, PREFIX))
            continue;
        g_autofree char *variable = g_strndup(*environment, (gsize)(equals - *environment));
        if (!g_strv_contains(other_variables, variable) &&
            !apply_variable(loader, variable, equals + 1, error))
            return false;
    }
    return true;
}

static bool check_whole(const Settings *settings, GError **error)
{
    if (!settings->state_connection) {
        error_set(error, ERR_INVALID,
                  "[state] needs \"connection\": set " PREFIX "STATE_CONNECTION_FILE");
        return false;
    }
    if (!settings->tls_certificate != !settings->tls_key) {
        error_set(error, ERR_INVALID, "[server] needs both \"tls_certificate\" and \"tls_key\"");
        return false;
    }
    if (settings->target_max >= settings->header_max) {
        error_set(error, ERR_INVALID, "[server] \"target_max\" must be below \"header_max\"");
        return false;
    }
    for (size_t i = 0; i < settings->n_sources; i++) {
        if (settings->sources[i].connection)
            continue;
        error_set(error, ERR_INVALID, "[source %s] needs \"connection\"",
                  settings->sources[i].name);
        return false;
    }
    return true;
}

static void append_help(GString *text, const Setting *setting)
{
    g_autofree char *rule = setting_rule(setting);
    g_string_append_printf(text, "  %-21s %s\n  %-21s %s", setting->name, setting->help, "", rule);
    if (setting->absent)
        g_string_append_printf(text, "; default %s", setting->absent);
    g_string_append_c(text, '\n');
}

const Setting *settings_table(size_t *n)
{
    *n = G_N_ELEMENTS(table);
    return table;
}

Settings *settings_load(const char *path, char *const *environment, GError **error)
{
    g_autoptr(Settings) settings = g_new0(Settings, 1);
    g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Loader loader = {settings, set};
    if (!set_defaults(NULL, settings, error) ||
        (path && !config_file_read(path, visit_file, &loader, error)) ||
        !apply_environment(&loader, environment, error) || !check_whole(settings, error))
        return NULL;
    return g_steal_pointer(&settings);
}

void settings_free(Settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (!setting_is_text(&table[i]))
            continue;
        bool of_source = is_source_row(&table[i]);
        for (size_t j = 0; j < (of_source ? settings->n_sources : 1); j++) {
            char *base = of_source ? (char *)&settings->sources[j] : (char *)settings;
            g_free(*(char **)(void *)(base + table[i].offset));
        }
    }
    for (size_t i = 0; i < settings->n_sources; i++)
        g_free(settings->sources[i].name);
    g_free(settings->sources);
    g_free(settings);
}

const SourceSettings *settings_find_source(const Settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->n_sources; i++)
        if (strcmp(settings->sources[i].name, name) == 0)
            return &settings->sources[i];
    return NULL;
}

char *settings_help(void)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (i == 0 || strcmp(table[i].section, table[i - 1].section) != 0)
            g_string_append_printf(text, "[%s%s]\n", table[i].section,
                                   is_source_row(&table[i]) ? " NAME" : "");
        append_help(text, &table[i]);
    }
    return g_string_free(text, false);
}
