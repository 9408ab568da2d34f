/* Builds the parts in order, runs them, stops them in reverse. One sub-command, one function. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <poll.h>
#include <systemd/sd-daemon.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "index/register.h"
#include "jobs/audience_table.h"
#include "jobs/backtest.h"
#include "jobs/follow.h"
#include "jobs/remap.h"
#include "jobs/train.h"
#include "jobs/workers.h"
#include "spec/model.h"
#include "store/audience_tables.h"
#include "store/documents.h"
#include "store/jobs.h"
#include "store/keys.h"
#include "store/retention.h"
#include "store/remaps.h"
#include "store/source.h"
#include "store/store.h"
#include "version.h"

#define DEFAULT_CONFIG "/etc/shortlist/shortlist.ini"
#define KEEPER_MS      2000
#define FORGET_NS      INT64_C(3600000000000) /* between looks for what is old */
#define LARGE_BLOCK    (4 << 20)

extern char **environ;
/* Of OpenBLAS, which Debian's cblas.h does not declare. */
extern int openblas_get_parallel(void);
extern void openblas_set_num_threads(int threads);

/* openapi/openapi.yaml as JSON, embedded by the Makefile. */
extern const char OPENAPI_JSON[];
extern const char OPENAPI_JSON_END[];

static const JobKind JOB_KINDS[] = {
    {"training", train_run},
    {REMAP_KIND, remap_run},
    {AUDIENCE_TABLE_KIND, audience_table_run},
    {BACKTEST_KIND, backtest_run},
};

/* What the command line said. */
typedef struct Command {
    char *config;
    bool check_config;
    char **rest; /* the sub-command and its own arguments */
} Command;

static int fail(GError *error)
{
    fprintf(stderr, "shortlistd: %s\n", error->message);
    g_error_free(error);
    return EXIT_FAILURE;
}

static int usage(const char *text)
{
    fprintf(stderr, "shortlistd: %s\nTry 'shortlistd --help'.\n", text);
    return 2;
}

/* Arrays of megabytes go back to the system as soon as they are freed. By itself glibc takes to
 * keeping them, up to 32 MB each, between smaller blocks that live longer. */
static void return_large_blocks(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
}

/* The serial variant of OpenBLAS returns wrong numbers when two threads call it, and the openmp one
 * ignores a limit set from our threads. */
static bool check_blas(GError **error)
{
    openblas_set_num_threads(1);
    if (openblas_get_parallel() == 1)
        return true;
    error_set(error, ERR_INVALID,
              "this OpenBLAS is not the pthread variant: install libopenblas0-pthread");
    return false;
}

/* The file named on the command line must exist; the default one may be missing. */
static Settings *load_settings(const Command *command, GError **error)
{
    const char *path = command->config;
    if (!path && access(DEFAULT_CONFIG, F_OK) == 0)
        path = DEFAULT_CONFIG;
    g_autoptr(Settings) settings = settings_load(path, environ, error);
    if (!settings)
        return NULL;
    static const char *const LEVELS[] = {"debug", "info", "warning", "error"};
    for (unsigned level = 0; level < G_N_ELEMENTS(LEVELS); level++)
        if (g_strcmp0(settings->log_level, LEVELS[level]) == 0)
            log_set_level((LogLevel)level);
    return g_steal_pointer(&settings);
}

/* ---- serve ---- */

/* The running service. */
typedef struct Service {
    const Settings *settings;
    Store *store;
    Register *reg;
    Auth *auth;
    Workers *workers;
    Server *server;
    Api api;
    TrainContext training;
    Cancel stopping;
    int wake; /* eventfd, readable from the first SIGTERM or SIGINT on */
    bool migrated;
    int64_t forget_at_ns; /* ticks */
    atomic_bool schema_refused;
} Service;

/* True when the schema is ours. Away is not refused: the service serves what it has, and the keeper
 * tries again. */
static bool bring_schema(Service *service, GError **error)
{
    int from = 0, to = 0;
    if (service->migrated)
        return true;
    if (!store_migrate(service->store, &from, &to, error))
        return false;
    service->migrated = true;
    if (from != to)
        log_event(LOG_INFO, "schema migrated", "from", LOG_INT(from), "to", LOG_INT(to), NULL);
    return true;
}

/* One round of what must follow PostgreSQL: schema, keys, active versions. */
static bool keep_up(Service *service, GError **error)
{
    return bring_schema(service, error) && api_refresh_keys(&service->api, error) &&
           follow_active_versions(service->store, service->reg, error);
}

/* Batch by batch, one each round; when nothing is left, or it fails, not again for a while. */
static void forget_old(Service *service)
{
    int64_t now = clock_ticks_ns();
    if (now < service->forget_at_ns)
        return;
    bool more = false;
    g_autoptr(GError) failure = NULL;
    if (!retention_apply(service->store, service->settings, &more, &failure))
        log_failure("old jobs and audit rows are still there", failure);
    service->forget_at_ns = more ? now : now + FORGET_NS;
}

static void *keeper(void *argument)
{
    Service *service = argument;
    bool was_up = true;
    while (!cancel_is_raised(&service->stopping)) {
        g_autoptr(GError) error = NULL;
        bool up = keep_up(service, &error);
        if (!up && was_up)
            log_failure("cannot keep up with PostgreSQL", error);
        if (up && !was_up)
            log_event(LOG_INFO, "PostgreSQL is back", NULL);
        was_up = up;
        if (up)
            forget_old(service);
        if (!up && error_code(error) == ERR_CONFLICT) {
            atomic_store(&service->schema_refused, true);
            kill(getpid(), SIGTERM);
            break;
        }
        struct pollfd fd = {service->wake, POLLIN, 0};
        poll(&fd, 1, KEEPER_MS);
        if (fd.revents)
            break;
    }
    return NULL;
}

static int stop_fd = -1;

static void on_stop_signal(int number)
{
    int before = errno;
    eventfd_write(stop_fd, 1);
    errno = before;
}

/* The eventfd that SIGTERM and SIGINT make readable. Our threads block them, but for the main one
 * while it waits; those that OpenBLAS made before main() began do not, and may get them any time.
 */
static int watch_signals(void)
{
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const struct sigaction stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of the write */
    return stop_fd;
}

/* What can be known before the first request: schema, keys. Without PostgreSQL the copy of the keys
 * from last time has to do. */
static bool prepare_state(Service *service, GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (keep_up(service, &failure))
        return true;
    if (error_code(failure) != ERR_UNAVAILABLE) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    log_failure("starting without PostgreSQL", failure);
    g_autoptr(GError) no_copy = NULL;
    if (!api_restore_keys(&service->api, &no_copy))
        log_failure("no keys until PostgreSQL is back", no_copy);
    return true;
}

static bool service_start(Service *service, GError **error)
{
    const Settings *settings = service->settings;
    service->store = store_new(settings);
    service->reg = register_new(settings->data_dir, error);
    if (!service->reg)
        return false;
    size_t serving = register_restore(service->reg);
    service->auth = auth_new();
    service->api = (Api){.settings = settings,
                         .store = service->store,
                         .reg = service->reg,
                         .auth = service->auth,
                         .openapi = OPENAPI_JSON,
                         .openapi_length = (size_t)(OPENAPI_JSON_END - OPENAPI_JSON)};
    api_init(&service->api);
    if (!prepare_state(service, error))
        return false;
    service->training = (TrainContext){settings, service->store, service->reg};
    service->workers = workers_start(service->store, settings, JOB_KINDS, G_N_ELEMENTS(JOB_KINDS),
                                     &service->training);
    service->api.workers = service->workers;
    ServerOptions options = {.settings = settings,
                             .auth = service->auth,
                             .dispatch = api_dispatch,
                             .context = &service->api};
    options.routes = api_routes(&options.n_routes);
    service->server = server_start(&options, error);
    if (!service->server)
        return false;
    api_set_server(&service->api, service->server);
    log_event(LOG_INFO, "listening", "address", LOG_STRING(settings->listen_address), "port",
              LOG_INT(server_port(service->server)), "snapshots", LOG_INT(serving), NULL);
    return true;
}

/* In reverse order of service_start(). */
static void service_stop(Service *service)
{
    if (service->server) {
        api_set_server(&service->api, NULL);
        server_stop(service->server);
    }
    if (service->workers)
        workers_stop(service->workers);
    if (service->api.store)
        api_clear(&service->api);
    auth_free(service->auth);
    register_free(service->reg);
    store_free(service->store);
}

/* Until SIGTERM or SIGINT. */
static void service_wait(Service *service)
{
    pthread_t thread;
    bool keeping = pthread_create(&thread, NULL, keeper, service) == 0;
    sd_notify(0, "READY=1");
    struct pollfd fd = {service->wake, POLLIN, 0};
    sigset_t none;
    sigemptyset(&none);
    while (ppoll(&fd, 1, NULL, &none) < 0 && errno == EINTR)
        continue;
    sd_notify(0, "STOPPING=1");
    log_event(LOG_INFO, "draining", NULL);
    cancel_raise(&service->stopping);
    if (keeping)
        pthread_join(thread, NULL);
}

static int command_serve(const Command *command)
{
    GError *error = NULL;
    g_autoptr(Settings) settings = load_settings(command, &error);
    if (!settings)
        return fail(error);
    Service service = {.settings = settings, .wake = watch_signals()};
    cancel_init(&service.stopping);
    bool started = check_blas(&error) && service_start(&service, &error);
    if (started)
        service_wait(&service);
    service_stop(&service);
    close(service.wake);
    if (!started)
        return fail(error);
    log_event(LOG_INFO, "stopped", NULL);
    return atomic_load(&service.schema_refused) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- check ---- */

/* The stored models of one source, for the rights they need. */
static GPtrArray *models_of(Store *store, const char *source)
{
    GPtrArray *models = g_ptr_array_new_with_free_func((GDestroyNotify)model_free);
    g_autofree char *holding = g_strdup_printf("{\"source\":\"%s\"}", source);
    g_autoptr(Documents) documents =
        documents_list(store, DOCUMENT_MODEL, NULL, 1000, holding, NULL);
    for (size_t i = 0; documents && i < documents->n; i++) {
        const char *body = documents->list[i].body;
        g_autoptr(cJSON) json = json_parse(body, strlen(body), NULL);
        g_autoptr(Faults) faults = faults_new();
        Model *model = json ? model_read(json, faults) : NULL;
        if (model)
            g_ptr_array_add(models, model);
    }
    return models;
}

static bool check_source(Store *store, const SourceSettings *source)
{
    g_autoptr(GPtrArray) models = models_of(store, source->name);
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    g_autoptr(GError) error = NULL;
    bool answered = source_check(source, (Model *const *)models->pdata, models->len, &json, &error);
    json_end_object(&json);
    if (!answered) {
        printf("source %s: %s\n", source->name, error->message);
        return false;
    }
    g_autoptr(cJSON) answer = json_parse(text.data, text.length, NULL);
    const cJSON *missing = json_member(answer, "missing"), *item = NULL;
    bool reachable = cJSON_IsTrue(json_member(answer, "reachable"));
    printf("source %s: %s, %d rights missing\n", source->name,
           reachable ? "reachable" : "not reachable", cJSON_GetArraySize(missing));
    cJSON_ArrayForEach(item, missing) printf("  %s;\n", json_member_string(item, "grant"));
    return reachable && cJSON_GetArraySize(missing) == 0;
}

static int command_check(const Command *command)
{
    GError *error = NULL;
    g_autoptr(Settings) settings = load_settings(command, &error);
    if (!settings || !check_blas(&error))
        return fail(error);
    g_autoptr(Store) store = store_new(settings);
    g_autoptr(GError) state = NULL;
    bool good = store_check_schema(store, &state);
    printf("configuration: good\nstate schema: %s\n", good ? "good" : state->message);
    for (size_t i = 0; i < settings->n_sources; i++)
        good &= check_source(store, &settings->sources[i]);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- migrate ---- */

static int command_migrate(const Command *command)
{
    GError *error = NULL;
    int from = 0, to = 0;
    g_autoptr(Settings) settings = load_settings(command, &error);
    if (!settings)
        return fail(error);
    g_autoptr(Store) store = store_new(settings);
    if (!store_migrate(store, &from, &to, &error))
        return fail(error);
    if (from == to)
        printf("schema is at version %d: nothing to do\n", to);
    else
        printf("schema migrated from version %d to %d\n", from, to);
    return EXIT_SUCCESS;
}

/* ---- keys ---- */

static void print_key(const Key *key)
{
    char created[CLOCK_TEXT_MAX], expires[CLOCK_TEXT_MAX] = "never";
    clock_format(key->created_at, created);
    if (key->expires_at)
        clock_format(key->expires_at, expires);
    printf("%s\t%s\t", key->id, key->name);
    for (unsigned scope = KEY_ADMIN, n = 0; scope <= KEY_EVENTS; scope <<= 1)
        if (key->scopes & scope)
            printf("%s%s", n++ ? "," : "", key_scope_name(scope));
    printf("\t%s\t%s\n", created, expires);
}

static int keys_print_all(Store *store, GError **error)
{
    g_autoptr(KeyList) keys = keys_list(store, error);
    for (size_t i = 0; keys && i < keys->n; i++)
        print_key(&keys->list[i]);
    return keys ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The scopes named, 0 with an error for an unknown one. */
static unsigned scopes_of(char *const *names, GError **error)
{
    unsigned scopes = 0;
    for (size_t i = 0; names && names[i]; i++) {
        unsigned scope = key_scope_find(names[i]);
        if (!scope) {
            error_set(error, ERR_INVALID,
                      "scope \"%s\" is unknown: admin, marketer, storefront, events", names[i]);
            return 0;
        }
        scopes |= scope;
    }
    if (!scopes)
        error_set(error, ERR_INVALID, "--scope is missing: admin, marketer, storefront, events");
    return scopes;
}

static bool keys_make(Store *store, char **words, GError **error)
{
    g_auto(GStrv) arguments = g_strdupv(words);
    g_autofree char *name = NULL;
    g_autofree char *expires = NULL;
    g_auto(GStrv) scope_names = NULL;
    const GOptionEntry entries[] = {
        {"name", 0, 0, G_OPTION_ARG_STRING, &name, "What the key is for", "TEXT"},
        {"scope", 0, 0, G_OPTION_ARG_STRING_ARRAY, &scope_names, "May be repeated", "SCOPE"},
        {"expires", 0, 0, G_OPTION_ARG_STRING, &expires, "Date or RFC 3339 time", "TIME"},
        {NULL, 0, 0, 0, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse_strv(context, &arguments, error))
        return false;
    int64_t expires_at = 0;
    unsigned scopes = scopes_of(scope_names, error);
    if (!scopes)
        return false;
    if (expires && !clock_parse(expires, &expires_at)) {
        error_set(error, ERR_INVALID, "--expires must be a date or an RFC 3339 time");
        return false;
    }
    g_autofree char *text = NULL;
    g_autoptr(Key) key =
        keys_create(store, name ? name : "command line", scopes, expires_at, &text, error);
    if (key)
        printf("%s\n", text);
    return key != NULL;
}

static int command_keys(const Command *command)
{
    GError *error = NULL;
    const char *verb = command->rest[1];
    if (!verb)
        return usage("keys needs create, list or revoke");
    g_autoptr(Settings) settings = load_settings(command, &error);
    if (!settings)
        return fail(error);
    g_autoptr(Store) store = store_new(settings);
    int from, to;
    bool good = store_migrate(store, &from, &to, &error);
    if (good && strcmp(verb, "create") == 0)
        good = keys_make(store, command->rest + 1, &error);
    else if (good && strcmp(verb, "list") == 0)
        good = keys_print_all(store, &error) == EXIT_SUCCESS;
    else if (good && strcmp(verb, "revoke") == 0 && command->rest[2])
        good = keys_revoke(store, command->rest[2], &error);
    else if (good)
        return usage("keys needs create, list or revoke ID");
    return good ? EXIT_SUCCESS : fail(error);
}

/* ---- train ---- */

/* Prints each change until the job has ended. */
static int follow_job(Store *store, const char *id, GError **error)
{
    double shown = -1;
    for (;;) {
        g_autoptr(Job) job = jobs_get(store, id, error);
        if (!job)
            return EXIT_FAILURE;
        if (job->percent != shown)
            printf("%5.1f %%  %s\n", shown = job->percent, job->stage);
        if (job->state == JOB_SUCCEEDED) {
            printf("%s\n", job->result);
            return EXIT_SUCCESS;
        }
        if (job->state == JOB_FAILED || job->state == JOB_CANCELLED) {
            error_set(error, ERR_CANCELLED, "the training ended as %s: %s",
                      job_state_name(job->state), job->error_message ? job->error_message : "");
            return EXIT_FAILURE;
        }
        g_usleep(500000);
    }
}

/* In this process, unless a daemon on the same queue is quicker to take it. */
static int command_train(const Command *command)
{
    GError *error = NULL;
    const char *prediction = command->rest[1];
    if (!prediction)
        return usage("train needs the id of a prediction");
    g_autoptr(Settings) settings = load_settings(command, &error);
    if (!settings || !check_blas(&error))
        return fail(error);
    g_autoptr(Store) store = store_new(settings);
    g_autoptr(Register) reg = register_new(settings->data_dir, &error);
    if (!reg || !store_check_schema(store, &error))
        return fail(error);
    register_restore(reg);
    g_autoptr(Job) job = train_enqueue(store, prediction, -1, &error);
    if (!job)
        return fail(error);
    TrainContext context = {settings, store, reg};
    Workers *workers = workers_start(store, settings, JOB_KINDS, G_N_ELEMENTS(JOB_KINDS), &context);
    int status = follow_job(store, job->id, &error);
    workers_stop(workers);
    return status == EXIT_SUCCESS ? status : fail(error);
}

/* ---- demo ---- */

/* The walk-through on sample data is a script; this only finds it. */
static int command_demo(const Command *command)
{
    const char *folder = g_getenv("SHORTLIST_DEMO");
    g_autofree char *script = g_build_filename(folder ? folder : "demo", "demo.sh", NULL);
    execl("/bin/bash", "bash", script, (char *)NULL);
    fprintf(stderr, "shortlistd: %s: %s\n", script, g_strerror(errno));
    return EXIT_FAILURE;
}

static const struct {
    const char *name;
    int (*run)(const Command *command);
    const char *help;
} COMMANDS[] = {
    // clang-format off
    {"serve",   command_serve,   "serve HTTP and run jobs, until SIGTERM"},
    {"check",   command_check,   "look at configuration, schema and rights; prints missing GRANTs"},
    {"migrate", command_migrate, "bring the state schema forward"},
    {"keys",    command_keys,    "create --name N --scope S [--expires T] | list | revoke ID"},
    {"train",   command_train,   "PREDICTION: train now and wait"},
    {"demo",    command_demo,    "the walk-through on sample data (as make demo)"},
    // clang-format on
};

static char *help_text(void)
{
    GString *text = g_string_new("Commands:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(COMMANDS); i++)
        g_string_append_printf(text, "  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    g_autofree char *settings = settings_help();
    g_string_append_printf(text, "\nSettings (file, or SHORTLIST_<SECTION>_<NAME>[_FILE]):\n%s",
                           settings);
    return g_string_free(text, FALSE);
}

static int run_command(const Command *command)
{
    GError *error = NULL;
    if (command->check_config) {
        g_autoptr(Settings) settings = load_settings(command, &error);
        if (!settings)
            return fail(error);
        printf("configuration is good\n");
        return EXIT_SUCCESS;
    }
    if (!command->rest || !command->rest[0])
        return usage("a command is missing");
    for (size_t i = 0; i < G_N_ELEMENTS(COMMANDS); i++)
        if (strcmp(command->rest[0], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(command);
    return usage("unknown command");
}

int main(int argc, char **argv)
{
    return_large_blocks();
    error_init();
    Command command = {0};
    gboolean check_config = FALSE, version = FALSE;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &command.config,
         "Settings file (default " DEFAULT_CONFIG ")", "FILE"},
        {"check-config", 't', 0, G_OPTION_ARG_NONE, &check_config, "Check the settings and end",
         NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and end", NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND [ARGUMENT…]");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_strict_posix(context, FALSE);
    g_option_context_set_ignore_unknown_options(context, TRUE);
    g_autofree char *help = help_text();
    g_option_context_set_description(context, help);
    GError *error = NULL;
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return fail(error);
    if (version) {
        printf("shortlistd %s\n", SHORTLIST_VERSION);
        return EXIT_SUCCESS;
    }
    command.check_config = check_config;
    command.rest = argv + 1;
    int status = run_command(&command);
    g_free(command.config);
    return status;
}
