#include "http/server.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/error.h"
#include "acceptor.h"
#include "connection.h"
#include "limiter.h"
#include "listener.h"
#include "metrics.h"
#include "offload.h"
#include "registry.h"
#include "tls.h"

#define NS_PER_MS          INT64_C(1000000)
/* libmicrohttpd keeps a request's head, its records of it and the head of our answer in one block,
 * which it clears after each request: 8 KiB with the default header_max, and no larger than needed.
 */
#define MEMORY_PAGE        4096
#define MEMORY_RESERVED    2048
/* The part of it that receives grows by this: a coarse step would take the room for our 431. */
#define MEMORY_STEP        256
#define WAITING_PER_THREAD 32
#define STREAM_BLOCK       16384
#define IDLE_GRACE_MS      1000

struct Server {
    Service service;
    Registry *registry;
    Offload *offload;
    struct MHD_Daemon *daemon;
    Acceptor *acceptor;
    int listener;
    uint16_t port;
};

static void drop_connection(Server *server, Connection *connection)
{
    if (connection) {
        registry_remove(server->registry, &connection->client);
        connection_free(connection);
    } else
        registry_lose(server->registry);
    acceptor_wake(server->acceptor);
}

static void on_connection(void *closure, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    Server *server = closure;
    Connection *connection = *context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        drop_connection(server, connection);
        return;
    }
    *context = connection = connection_new(&server->service);
    if (!connection)
        return; /* on_target() finds none, and the request is dropped */
    connection->server = server;
    connection->mhd = mhd;
    connection->client.fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    registry_add(server->registry, &connection->client,
                 connection_deadline(server->service.settings->request_timeout_ms));
}

/* Called with the request line's target, before libmicrohttpd takes it apart in place. */
static void *on_target(void *closure, const char *target, struct MHD_Connection *mhd)
{
    Connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!connection)
        return NULL;
    connection_begin(connection, target);
    /* We read the query ourselves. Some hundred arguments make libmicrohttpd hang, so it gets none:
     * the text lies in its own writable buffer. */
    char *mark = strchr((char *)target, '?');
    if (mark && mark[1])
        mark[1] = '\0';
    return connection;
}

/* libmicrohttpd would decode the path in place, for nothing: we use the raw one. */
static size_t leave_escapes(void *closure, struct MHD_Connection *mhd, char *text)
{
    return strlen(text);
}

static enum MHD_Result take_line(void *closure, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    RequestHead *head = closure;
    HeaderLine line = {name, name_length, value ? value : name + name_length, value_length};
    if (head->n_lines < HEADER_LINES_MAX)
        head->lines[head->n_lines] = line;
    head->n_lines++;
    return MHD_YES;
}

static void gather_head(Connection *connection, const char *method, const char *version)
{
    RequestHead *head = &connection->request.head;
    head->method = method;
    head->version = version;
    head->n_lines = 0;
    head->bytes = MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
                      ->header_size;
    MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND, take_line, head);
}

static void add_headers(const Connection *connection, struct MHD_Response *answer)
{
    const Response *response = &connection->response;
    MHD_add_response_header(answer, "X-Request-Id", connection->request.id);
    if (response->content_type[0])
        MHD_add_response_header(answer, "Content-Type", response->content_type);
    if (connection->cramped)
        return;
    MHD_add_response_header(answer, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(answer, "Cache-Control",
                            response->cache_policy ? response->cache_policy : "no-store");
    for (size_t i = 0; i < response->n_headers; i++)
        MHD_add_response_header(answer, response_header_name(response, i),
                                response_header_value(response, i));
    if (atomic_load_explicit(&connection->service->draining, memory_order_relaxed))
        MHD_add_response_header(answer, "Connection", "close");
}

/* On an offload thread, the connection suspended. */
static void run_stream(OffloadTask *task, bool cancelled)
{
    Connection *connection = (Connection *)((char *)task - offsetof(Connection, task));
    if (connection_make_piece(connection, cancelled) ||
        !offload_submit_at(connection->server->offload, task, connection->response.stream.due_ns))
        MHD_resume_connection(connection->mhd);
}

static ssize_t read_stream(void *closure, uint64_t position, char *out, size_t max)
{
    Connection *connection = closure;
    Stream *stream = &connection->response.stream;
    size_t n = connection_read_piece(connection, out, max);
    if (n > 0) {
        uint32_t timeout_ms = connection->service->settings->request_timeout_ms;
        client_enter(&connection->client, CLIENT_SENDING, connection_deadline(timeout_ms));
        return (ssize_t)n;
    }
    if (stream->failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    client_enter(&connection->client, CLIENT_WORKING, 0);
    connection->task.run = run_stream;
    MHD_suspend_connection(connection->mhd);
    if (!offload_submit_at(connection->server->offload, &connection->task, stream->due_ns)) {
        stream->failed = true;
        MHD_resume_connection(connection->mhd);
    }
    return 0;
}

static struct MHD_Response *make_answer(Connection *connection)
{
    if (response_is_stream(&connection->response))
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
                                                 connection, NULL);
    /* The body stays ours: it lives until on_completed(). */
    size_t length = 0;
    const char *body = response_get_body(&connection->response, &length);
    return MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result queue_answer(Connection *connection)
{
    struct MHD_Response *answer = make_answer(connection);
    if (!answer)
        return MHD_NO;
    add_headers(connection, answer);
    connection->stage = STAGE_QUEUED;
    connection->answered_ns = clock_ticks_ns();
    uint32_t timeout_ms = connection->service->settings->request_timeout_ms;
    client_enter(&connection->client, CLIENT_SENDING,
                 connection->answered_ns + timeout_ms * NS_PER_MS);
    enum MHD_Result queued =
        MHD_queue_response(connection->mhd, connection->response.status, answer);
    MHD_destroy_response(answer);
    return queued;
}

/* On an offload thread, the connection suspended. */
static void run_handler(OffloadTask *task, bool cancelled)
{
    Connection *connection = (Connection *)((char *)task - offsetof(Connection, task));
    if (cancelled)
        response_fail(&connection->response, ERR_UNAVAILABLE, "the server is stopping");
    else
        connection_handle(connection);
    connection->stage = STAGE_ANSWERED;
    MHD_resume_connection(connection->mhd);
}

static enum MHD_Result hand_over(Connection *connection)
{
    connection->task.run = run_handler;
    MHD_suspend_connection(connection->mhd);
    if (offload_submit(connection->server->offload, &connection->task))
        return MHD_YES;
    response_fail(&connection->response, ERR_UNAVAILABLE, "too many requests wait already");
    connection->stage = STAGE_ANSWERED;
    MHD_resume_connection(connection->mhd);
    return MHD_YES;
}

static enum MHD_Result on_end(Connection *connection)
{
    if (connection->stage == STAGE_ANSWERED || connection->refused)
        return queue_answer(connection);
    client_enter(&connection->client, CLIENT_WORKING, 0);
    if (!(connection->request.plan->route->flags & ROUTE_INLINE))
        return hand_over(connection);
    connection_handle(connection);
    return queue_answer(connection);
}

/* Called at a request's head, with each part of its body, at its end, and after a resume. An answer
 * in the first call makes libmicrohttpd close the connection: only for what must not go on. */
static enum MHD_Result on_request(void *closure, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *length, void **context)
{
    Connection *connection = *context;
    if (!connection)
        return MHD_NO;
    if (connection->stage == STAGE_HEAD) {
        gather_head(connection, method, version);
        return connection_judge(connection) ? MHD_YES : queue_answer(connection);
    }
    if (*length == 0)
        return on_end(connection);
    bool taken = connection_take_body(connection, data, *length);
    *length = 0;
    return taken ? MHD_YES : MHD_NO;
}

static void on_completed(void *closure, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    Connection *connection = *context;
    if (!connection)
        return;
    *context = NULL;
    connection_end(connection, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

static unsigned http_threads(const Settings *settings)
{
    if (settings->http_threads > 0)
        return settings->http_threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (unsigned)cores : 1;
}

/* The limit is ours to keep: libmicrohttpd would have each thread keep its share of it, and refuse
 * what is above. A server that stops may have the kernel's whole queue beside it. */
static struct MHD_Daemon *start_daemon(Server *server, const Tls *tls)
{
    const Settings *settings = server->service.settings;
    unsigned threads = http_threads(settings);
    static char protocols[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, protocols},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    // clang-format off
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_NO_LISTEN_SOCKET | (tls->key ? MHD_USE_TLS : 0),
        0, NULL, NULL, on_request, server,
        MHD_OPTION_THREAD_POOL_SIZE, threads,
        MHD_OPTION_CONNECTION_LIMIT, threads * (settings->connections_max + LISTENER_BACKLOG),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, server->service.memory_limit,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)MEMORY_STEP,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, server,
        MHD_OPTION_ARRAY, tls->key ? secure : plain,
        MHD_OPTION_END);
    // clang-format on
}

static void server_free(Server *server)
{
    offload_free(server->offload);
    registry_free(server->registry);
    metrics_free(server->service.metrics);
    limiter_free(server->service.gate.limiter);
    router_free(server->service.gate.router);
    acceptor_free(server->acceptor);
    if (server->listener >= 0)
        close(server->listener);
    g_free(server->service.default_host);
    g_free(server);
}

static void init_service(Service *service, const ServerOptions *options)
{
    const Settings *settings = options->settings;
    size_t memory = settings->header_max + MEMORY_RESERVED;
    service->options = *options;
    service->settings = settings;
    service->memory_limit = (memory + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE;
    service->metrics = metrics_new(options->routes, options->n_routes);
    service->gate = (Gate){settings, router_new(options->routes, options->n_routes), options->auth,
                           limiter_new(settings->rate_per_second)};
}

static bool start_threads(Server *server, GError **error)
{
    const Settings *settings = server->service.settings;
    uint32_t shortest = MIN(settings->request_timeout_ms, settings->idle_timeout_ms);
    server->registry = registry_new(shortest, error);
    if (!server->registry)
        return false;
    size_t threads = MAX(settings->offload_threads, 1);
    server->offload = offload_new(threads, threads * WAITING_PER_THREAD, error);
    return server->offload != NULL;
}

static bool start_listening(Server *server, GError **error)
{
    const Settings *settings = server->service.settings;
    g_auto(Tls) tls = {0};
    if (!tls_init(&tls, settings, error))
        return false;
    server->listener =
        listener_open(settings->listen_address, settings->port, &server->port, error);
    if (server->listener < 0)
        return false;
    server->service.default_host = g_strdup_printf("%s:%u", settings->listen_address, server->port);
    server->daemon = start_daemon(server, &tls);
    if (!server->daemon)
        error_set(error, ERR_INVALID,
                  tls.key ? "cannot start: are tls_certificate and tls_key a PEM pair?"
                          : "cannot start the HTTP threads");
    return server->daemon != NULL;
}

static bool has_room(void *closure)
{
    Server *server = closure;
    uint64_t open = 0, total = 0;
    registry_count(server->registry, &open, &total);
    return open < server->service.settings->connections_max;
}

static void take_client(void *closure, int fd, const struct sockaddr *address, socklen_t length)
{
    Server *server = closure;
    registry_expect(server->registry);
    if (MHD_add_connection(server->daemon, fd, address, length) != MHD_YES)
        registry_lose(server->registry); /* the socket is closed */
}

static bool start_accepting(Server *server, GError **error)
{
    AcceptorOptions options = {server->listener, has_room, take_client, server};
    server->acceptor = acceptor_new(&options, error);
    return server->acceptor && acceptor_start(server->acceptor, error);
}

Server *server_start(const ServerOptions *options, GError **error)
{
    Server *server = g_new0(Server, 1);
    server->listener = -1;
    init_service(&server->service, options);
    if (start_threads(server, error) && start_listening(server, error) &&
        start_accepting(server, error))
        return server;
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    if (server->offload)
        offload_stop(server->offload);
    server_free(server);
    return NULL;
}

uint16_t server_port(const Server *server)
{
    return server->port;
}

/* What the kernel has accepted for us must not be reset: it is served. */
static void close_listener(Server *server)
{
    acceptor_stop(server->acceptor);
    close(server->listener);
    server->listener = -1;
}

/* Whoever keeps asking learns by Connection: close; whoever is silent for the grace is closed. */
static void drain(Server *server)
{
    uint32_t timeout_ms = server->service.settings->drain_timeout_ms;
    int64_t grace_ns = MIN(IDLE_GRACE_MS, timeout_ms / 2) * NS_PER_MS;
    int64_t end = connection_deadline(timeout_ms);
    int64_t next = clock_ticks_ns() + grace_ns;
    while (!registry_wait_empty(server->registry, MIN(next, end)) && next < end) {
        registry_close_idle(server->registry, next - grace_ns);
        next += IDLE_GRACE_MS / 4 * NS_PER_MS;
    }
}

void server_stop(Server *server)
{
    if (!server)
        return;
    atomic_store(&server->service.draining, true);
    offload_hurry(server->offload);
    close_listener(server);
    drain(server);
    offload_cancel(server->offload);
    registry_close_all(server->registry);
    /* Resumes all that is suspended: libmicrohttpd must not stop before. */
    offload_stop(server->offload);
    MHD_stop_daemon(server->daemon);
    server_free(server);
}

ServerMetrics server_metrics(Server *server)
{
    ServerMetrics metrics = {0};
    registry_count(server->registry, &metrics.connections_open, &metrics.connections_total);
    offload_load(server->offload, &metrics.offload_waiting, &metrics.offload_busy);
    metrics.routes =
        metrics_read(server->service.metrics, &metrics.n_routes, &metrics.requests_refused);
    return metrics;
}
