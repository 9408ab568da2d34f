#include "http/server.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "framing.h"
#include "gate.h"
#include "limiter.h"
#include "listener.h"
#include "metrics.h"
#include "offload.h"
#include "registry.h"
#include "request_state.h"
#include "response_state.h"

#define NS_PER_MS          INT64_C(1000000)
#define NS_PER_US          INT64_C(1000)
#define MEMORY_PAGE        4096
/* libmicrohttpd keeps a request's head, a record per header line and the head of our answer in one
 * block. It answers a head that does not fit by a bare 431 of its own, and drops the connection
 * when the answer's head does not: so the block is larger than what we let pass. */
#define MEMORY_PER_LINE    64
#define MEMORY_OF_ANSWER   (RESPONSE_HEADER_BYTES + 512)
/* libmicrohttpd's buffer grows by this: a coarse step would take the room for our 431. */
#define MEMORY_STEP        256
/* A refused body up to this size is read to its end, so that the client reads the answer instead of
 * failing to send. */
#define SWALLOW_MAX        (UINT64_C(8) << 20)
#define WAITING_PER_THREAD 32
#define STREAM_BLOCK       16384
#define IDLE_GRACE_MS      1000

typedef enum Stage {
    STAGE_HEAD,     /* the request line came; the handler was not called yet */
    STAGE_BODY,     /* checked; its body comes */
    STAGE_ANSWERED, /* the response is made and waits for being queued */
    STAGE_QUEUED
} Stage;

/* An open connection and the request it is at. Owned by libmicrohttpd's thread, but while it is
 * suspended by the offload thread. */
typedef struct Connection {
    Client client;
    OffloadTask task;
    Server *server;
    struct MHD_Connection *mhd;
    Stage stage;
    bool cramped; /* the head left hardly any memory: the answer's head must be short */
    bool refused; /* the response is an error; a body that still comes is dropped */
    uint64_t swallowed;
    int64_t begun_ns, answered_ns;
    Framing framing;
    Request request;
    Response response;
    char *raw_target; /* target_max + 1 bytes, then as many + 2 for its decoded form */
    char *decoded;
} Connection;

struct Server {
    ServerOptions options;
    Gate gate;
    Registry *registry;
    Offload *offload;
    Metrics *metrics;
    struct MHD_Daemon *daemon;
    size_t memory_limit; /* per connection, in libmicrohttpd */
    int listener;
    uint16_t port;
    char *default_host;
    atomic_bool draining;
};

static int64_t after_ms(int64_t now_ns, uint32_t ms)
{
    return now_ns + ms * NS_PER_MS;
}

/* ---- the connection's life ---- */

static Connection *connection_new(Server *server)
{
    size_t target_max = server->options.settings->target_max;
    Connection *connection = g_try_new0(Connection, 1);
    char *texts = g_try_malloc(2 * target_max + 3);
    if (!connection || !texts) {
        g_free(connection);
        g_free(texts);
        return NULL;
    }
    connection->server = server;
    connection->raw_target = texts;
    connection->decoded = texts + target_max + 1;
    request_init(&connection->request, server->default_host);
    response_init(&connection->response, &connection->request);
    return connection;
}

static void connection_free(Connection *connection)
{
    response_clear(&connection->response);
    request_clear(&connection->request);
    g_free(connection->raw_target);
    g_free(connection);
}

static void on_connection(void *closure, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    Server *server = closure;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        Connection *connection = *context;
        if (!connection)
            return;
        registry_remove(server->registry, &connection->client);
        connection_free(connection);
        *context = NULL;
        return;
    }
    Connection *connection = connection_new(server);
    *context = connection;
    if (!connection)
        return; /* on_target() finds none, and the request is dropped */
    connection->mhd = mhd;
    connection->client.fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    registry_add(server->registry, &connection->client,
                 after_ms(clock_ticks_ns(), server->options.settings->request_timeout_ms));
}

/* ---- receiving ---- */

/* Called with the request line's target, before libmicrohttpd takes it apart in place. */
static void *on_target(void *closure, const char *target, struct MHD_Connection *mhd)
{
    Connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!connection)
        return NULL;
    const Settings *settings = connection->server->options.settings;
    int64_t now = clock_ticks_ns();
    client_enter(&connection->client, CLIENT_RECEIVING,
                 after_ms(now, settings->request_timeout_ms));
    connection->begun_ns = now;
    connection->stage = STAGE_HEAD;
    RequestHead *head = &connection->request.head;
    head->target = target;
    head->target_length = strlen(target);
    g_strlcpy(connection->raw_target, target, settings->target_max + 1);
    connection->request.raw_target = connection->raw_target;
    trace_id_make(connection->request.id);
    /* We read the query ourselves. Some hundred arguments make libmicrohttpd hang, so it gets none:
     * the text lies in its own writable buffer. */
    char *mark = strchr((char *)target, '?');
    if (mark && mark[1])
        mark[1] = '\0';
    return connection;
}

/* libmicrohttpd decodes the path in place, for nothing: we use the raw one. */
static size_t leave_escapes(void *closure, struct MHD_Connection *mhd, char *text)
{
    return strlen(text);
}

static enum MHD_Result take_line(void *closure, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    RequestHead *head = closure;
    if (head->n_lines < HEADER_LINES_MAX)
        head->lines[head->n_lines] =
            (HeaderLine){name, name_length, value ? value : name + name_length, value_length};
    head->n_lines++;
    return MHD_YES;
}

/* libmicrohttpd leaves blanks behind a value; its buffer is writable. */
static void trim_values(RequestHead *head)
{
    for (size_t i = 0; i < head->n_lines; i++) {
        HeaderLine *line = &head->lines[i];
        while (line->value_length > 0 && strchr(" \t", line->value[line->value_length - 1]))
            ((char *)line->value)[--line->value_length] = '\0';
    }
}

static bool read_head(Connection *connection, const char *method, const char *version,
                      GError **error)
{
    RequestHead *head = &connection->request.head;
    head->method = method;
    head->version = version;
    head->n_lines = 0;
    head->bytes = MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
                      ->header_size;
    MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND, take_line, head);
    Server *server = connection->server;
    size_t needed = head->bytes + head->n_lines * MEMORY_PER_LINE + MEMORY_OF_ANSWER;
    connection->cramped = needed > server->memory_limit;
    if (head->n_lines > HEADER_LINES_MAX || head->bytes > server->options.settings->header_max ||
        connection->cramped) {
        size_t n_lines = head->n_lines;
        head->n_lines = 0;
        error_set(error, ERR_HEADERS_TOO_LARGE,
                  "the header block has %zu lines and %zu bytes, the limits are %d and %u", n_lines,
                  head->bytes, HEADER_LINES_MAX, server->options.settings->header_max);
        return false;
    }
    if (!framing_check_layout(head, error))
        return false;
    trim_values(head);
    return framing_check_headers(head, &connection->framing, error);
}

/* ---- answering ---- */

static bool wait_is_over(const Connection *connection)
{
    struct pollfd client = {.fd = connection->client.fd, .events = POLLRDHUP};
    return atomic_load(&connection->server->draining) || poll(&client, 1, 0) > 0;
}

static void produce_piece(Connection *connection)
{
    Response *response = &connection->response;
    Stream *stream = &response->stream;
    uint32_t wait_ms = 0;
    log_set_request(connection->request.id);
    StreamStep step = stream->next(stream->state, &response->body, &wait_ms);
    log_set_request(NULL);
    stream->failed = response->body.failed;
    stream->ended = step == STREAM_END || stream->failed;
    stream->waits = step == STREAM_WAIT;
    stream->due_ns = stream->waits ? after_ms(clock_ticks_ns(), wait_ms) : 0;
}

/* On an offload thread, the connection suspended. */
static void run_stream(OffloadTask *task, bool cancelled)
{
    Connection *connection = (Connection *)((char *)task - offsetof(Connection, task));
    Response *response = &connection->response;
    Stream *stream = &response->stream;
    if (cancelled)
        stream->ended = stream->failed = true;
    else if (stream->waits && wait_is_over(connection))
        stream->ended = true;
    else
        produce_piece(connection);
    bool nothing_yet = stream->waits && !stream->ended && response->body.length == 0;
    if (nothing_yet && offload_submit_at(connection->server->offload, task, stream->due_ns))
        return;
    MHD_resume_connection(connection->mhd);
}

static ssize_t read_stream(void *closure, uint64_t position, char *out, size_t max)
{
    Connection *connection = closure;
    Server *server = connection->server;
    Response *response = &connection->response;
    Stream *stream = &response->stream;
    size_t left = response->body.length - stream->sent;
    if (left > 0 && !stream->failed) {
        size_t n = MIN(left, max);
        memcpy(out, response->body.data + stream->sent, n);
        stream->sent += n;
        client_enter(&connection->client, CLIENT_SENDING,
                     after_ms(clock_ticks_ns(), server->options.settings->request_timeout_ms));
        return (ssize_t)n;
    }
    if (stream->ended)
        return stream->failed ? MHD_CONTENT_READER_END_WITH_ERROR
                              : MHD_CONTENT_READER_END_OF_STREAM;
    buffer_reset(&response->body);
    stream->sent = 0;
    client_enter(&connection->client, CLIENT_WORKING, 0);
    connection->task.run = run_stream;
    MHD_suspend_connection(connection->mhd);
    if (offload_submit_at(server->offload, &connection->task, stream->due_ns))
        return 0;
    stream->ended = stream->failed = true;
    MHD_resume_connection(connection->mhd);
    return 0;
}

static struct MHD_Response *make_answer(Connection *connection)
{
    Response *response = &connection->response;
    if (response_is_stream(response))
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
                                                 connection, NULL);
    /* The body stays ours: it lives until on_completed(). */
    size_t length = 0;
    const char *body = response_get_body(response, &length);
    return MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_PERSISTENT);
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
    if (!response->has_cache_control)
        MHD_add_response_header(answer, "Cache-Control", "no-store");
    for (size_t i = 0; i < response->n_headers; i++)
        MHD_add_response_header(answer, response_header_name(response, i),
                                response_header_value(response, i));
    if (atomic_load_explicit(&connection->server->draining, memory_order_relaxed))
        MHD_add_response_header(answer, "Connection", "close");
}

static enum MHD_Result queue_answer(Connection *connection)
{
    struct MHD_Response *answer = make_answer(connection);
    if (!answer)
        return MHD_NO;
    add_headers(connection, answer);
    connection->stage = STAGE_QUEUED;
    connection->answered_ns = clock_ticks_ns();
    client_enter(&connection->client, CLIENT_SENDING,
                 after_ms(connection->answered_ns,
                          connection->server->options.settings->request_timeout_ms));
    enum MHD_Result queued =
        MHD_queue_response(connection->mhd, connection->response.status, answer);
    MHD_destroy_response(answer);
    return queued;
}

static void handle(Connection *connection)
{
    const ServerOptions *options = &connection->server->options;
    const Route *route = connection->request.plan->route;
    log_set_request(connection->request.id);
    if (connection->request.body.failed)
        response_fail(&connection->response, ERR_NO_MEMORY, "memory is short");
    else if (options->dispatch)
        options->dispatch(route, &connection->request, &connection->response, options->context);
    else
        route->handle(&connection->request, &connection->response, options->context);
    log_set_request(NULL);
    connection->stage = STAGE_ANSWERED;
}

/* On an offload thread, the connection suspended. */
static void run_handler(OffloadTask *task, bool cancelled)
{
    Connection *connection = (Connection *)((char *)task - offsetof(Connection, task));
    if (cancelled)
        response_fail(&connection->response, ERR_UNAVAILABLE, "the server is stopping");
    else
        handle(connection);
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

/* ---- what libmicrohttpd calls for a request: at its head, with each part of its body, at its end,
 * and after a resume ---- */

/* An answer in this first call ends the connection, since the body stays unread. */
static enum MHD_Result on_head(Connection *connection, const char *method, const char *version)
{
    GError *error = NULL;
    connection->swallowed = 0;
    connection->stage = STAGE_BODY;
    if (!read_head(connection, method, version, &error)) {
        connection->refused = true;
        response_error(&connection->response, error);
        return queue_answer(connection);
    }
    Request *request = &connection->request;
    const Framing *framing = &connection->framing;
    uint32_t body_max = connection->server->options.settings->request_body_max;
    connection->refused =
        !gate_admit(&connection->server->gate, request, &connection->response, connection->decoded);
    if (!connection->refused && framing->content_length > body_max) {
        connection->refused = true;
        response_fail(&connection->response, ERR_TOO_LARGE,
                      "the body has %" G_GUINT64_FORMAT " bytes, the limit is %u",
                      framing->content_length, body_max);
    }
    bool pointless_to_read = framing->expects_continue || framing->content_length > SWALLOW_MAX;
    if (connection->refused && framing->has_body && pointless_to_read)
        return queue_answer(connection);
    if (!connection->refused && framing->content_length > 0)
        buffer_reserve(&request->body, framing->content_length);
    return MHD_YES;
}

static enum MHD_Result on_body(Connection *connection, const char *data, size_t length)
{
    Buffer *body = &connection->request.body;
    uint32_t body_max = connection->server->options.settings->request_body_max;
    if (!connection->refused && body->length + length > body_max) {
        connection->refused = true;
        buffer_reset(body);
        response_fail(&connection->response, ERR_TOO_LARGE,
                      "the body is above the limit of %u bytes", body_max);
    }
    if (!connection->refused) {
        buffer_append(body, data, length);
        return MHD_YES;
    }
    connection->swallowed += length;
    return connection->swallowed > SWALLOW_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_end(Connection *connection)
{
    if (connection->stage == STAGE_ANSWERED || connection->refused)
        return queue_answer(connection);
    client_enter(&connection->client, CLIENT_WORKING, 0);
    if (!(connection->request.plan->route->flags & ROUTE_INLINE))
        return hand_over(connection);
    handle(connection);
    return queue_answer(connection);
}

static enum MHD_Result on_request(void *closure, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *length, void **context)
{
    Connection *connection = *context;
    if (!connection)
        return MHD_NO;
    if (connection->stage == STAGE_HEAD)
        return on_head(connection, method, version);
    if (*length == 0)
        return on_end(connection);
    enum MHD_Result result = on_body(connection, data, *length);
    *length = 0;
    return result;
}

static void record(Connection *connection, bool complete)
{
    Server *server = connection->server;
    const Request *request = &connection->request;
    const RoutePlan *plan = request->plan;
    unsigned status = connection->stage == STAGE_QUEUED ? connection->response.status : 400;
    int64_t end = connection->answered_ns;
    if (response_is_stream(&connection->response) || connection->stage != STAGE_QUEUED)
        end = clock_ticks_ns();
    uint64_t us = (uint64_t)((end - connection->begun_ns) / NS_PER_US);
    if (plan)
        metrics_count(server->metrics, plan->index, status, us);
    else
        metrics_refuse(server->metrics);
    log_set_request(request->id);
    log_event(plan && plan->route->flags & ROUTE_INLINE ? LOG_DEBUG : LOG_INFO, "request", "method",
              LOG_STRING(request->head.method ? request->head.method : ""), "operation",
              LOG_STRING(plan ? plan->route->operation : ""), "status", LOG_INT(status), "us",
              LOG_INT(us), "key", LOG_STRING(request->key), "complete", LOG_INT(complete), NULL);
    log_set_request(NULL);
}

static void on_completed(void *closure, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    Connection *connection = *context;
    if (!connection)
        return;
    *context = NULL;
    record(connection, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    response_reset(&connection->response);
    request_reset(&connection->request);
    client_enter(&connection->client, CLIENT_IDLE,
                 after_ms(clock_ticks_ns(), connection->server->options.settings->idle_timeout_ms));
}

/* ---- start and stop ---- */

static unsigned http_threads(const Settings *settings)
{
    if (settings->http_threads > 0)
        return settings->http_threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (unsigned)cores : 1;
}

typedef struct Tls {
    char *certificate, *key;
} Tls;

static void tls_clear(Tls *tls)
{
    g_free(tls->certificate);
    g_free(tls->key);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tls, tls_clear)

static bool read_pem(const char *path, char **text, GError **error)
{
    GError *fault = NULL;
    if (g_file_get_contents(path, text, NULL, &fault))
        return true;
    error_set(error, ERR_INVALID, "cannot read the TLS file: %s", fault->message);
    g_error_free(fault);
    return false;
}

static bool start_daemon(Server *server, GError **error)
{
    const Settings *settings = server->options.settings;
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME;
    unsigned threads = http_threads(settings);
    g_auto(Tls) tls = {NULL, NULL};
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};
    if (settings->tls_certificate && settings->tls_key) {
        if (!read_pem(settings->tls_certificate, &tls.certificate, error) ||
            !read_pem(settings->tls_key, &tls.key, error))
            return false;
        flags |= MHD_USE_TLS;
        secure[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, tls.certificate};
        secure[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, tls.key};
    }
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, server->listener,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
        MAX(settings->connections_max, threads), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        server->memory_limit, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)MEMORY_STEP,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, server, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, server, MHD_OPTION_ARRAY, secure,
        MHD_OPTION_END);
    if (server->daemon)
        return true;
    error_set(error, ERR_INVALID,
              flags & MHD_USE_TLS ? "cannot start: are tls_certificate and tls_key a PEM pair?"
                                  : "cannot start the HTTP server");
    return false;
}

static void server_free(Server *server)
{
    offload_free(server->offload);
    registry_free(server->registry);
    metrics_free(server->metrics);
    limiter_free(server->gate.limiter);
    router_free(server->gate.router);
    if (server->listener >= 0)
        close(server->listener);
    g_free(server->default_host);
    g_free(server);
}

static bool start_parts(Server *server, GError **error)
{
    const Settings *settings = server->options.settings;
    uint32_t shortest = MIN(settings->request_timeout_ms, settings->idle_timeout_ms);
    size_t memory = settings->header_max + MEMORY_OF_ANSWER;
    server->memory_limit = (memory + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE;
    server->metrics = metrics_new(server->options.routes, server->options.n_routes);
    server->gate = (Gate){settings, router_new(server->options.routes, server->options.n_routes),
                          server->options.auth, limiter_new(settings->rate_per_second)};
    server->registry = registry_new(shortest, error);
    if (!server->registry)
        return false;
    size_t threads = MAX(settings->offload_threads, 1);
    server->offload = offload_new(threads, threads * WAITING_PER_THREAD, error);
    return server->offload != NULL;
}

static bool start_listening(Server *server, GError **error)
{
    const Settings *settings = server->options.settings;
    server->listener =
        listener_open(settings->listen_address, settings->port, &server->port, error);
    if (server->listener < 0)
        return false;
    server->default_host = g_strdup_printf("%s:%u", settings->listen_address, server->port);
    return start_daemon(server, error);
}

Server *server_start(const ServerOptions *options, GError **error)
{
    Server *server = g_new0(Server, 1);
    server->options = *options;
    server->listener = -1;
    if (start_parts(server, error) && start_listening(server, error))
        return server;
    if (server->offload)
        offload_stop(server->offload);
    server_free(server);
    return NULL;
}

uint16_t server_port(const Server *server)
{
    return server->port;
}

/* What the kernel has accepted for us must not be reset: it is served. The socket stops listening
 * but stays open, since a thread of libmicrohttpd may still be about to name it to epoll. */
static void close_listener(Server *server)
{
    listener_drop_new(server->listener);
    MHD_quiesce_daemon(server->daemon);
    while (true) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int fd = accept4(server->listener, (struct sockaddr *)&address, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            break;
        if (fd >= 0)
            MHD_add_connection(server->daemon, fd, (struct sockaddr *)&address, length);
    }
    shutdown(server->listener, SHUT_RDWR);
}

static void drain(Server *server)
{
    uint32_t timeout_ms = server->options.settings->drain_timeout_ms;
    int64_t begun = clock_ticks_ns();
    int64_t end = after_ms(begun, timeout_ms);
    int64_t next = after_ms(begun, MIN(IDLE_GRACE_MS, timeout_ms / 2));
    /* Whoever keeps asking learns by Connection: close; whoever is silent for the grace is closed.
     */
    while (!registry_wait_empty(server->registry, MIN(next, end)) && next < end) {
        registry_close_idle(server->registry);
        next = after_ms(next, IDLE_GRACE_MS / 4);
    }
}

void server_stop(Server *server)
{
    if (!server)
        return;
    atomic_store(&server->draining, true);
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
    metrics.routes = metrics_read(server->metrics, &metrics.n_routes, &metrics.requests_refused);
    return metrics;
}
