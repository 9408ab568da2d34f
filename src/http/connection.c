#include "connection.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#define NS_PER_MS        INT64_C(1000000)
#define NS_PER_US        INT64_C(1000)
/* Of libmicrohttpd's memory per connection: a record per header line, and the answer's head. It
 * drops the connection when the latter does not fit. */
#define MEMORY_PER_LINE  64
#define MEMORY_OF_ANSWER (RESPONSE_HEADER_BYTES + 512)
/* A refused body up to this size is read to its end, so that the client reads the answer instead of
 * failing to send. */
#define SWALLOW_MAX      (UINT64_C(8) << 20)

Connection *connection_new(Service *service)
{
    size_t target_max = service->settings->target_max;
    Connection *connection = g_try_new0(Connection, 1);
    char *texts = g_try_malloc(2 * target_max + 3);
    if (!connection || !texts) {
        g_free(connection);
        g_free(texts);
        return NULL;
    }
    connection->service = service;
    connection->raw_target = texts;
    connection->decoded = texts + target_max + 1;
    request_init(&connection->request, service->default_host);
    response_init(&connection->response, &connection->request);
    return connection;
}

void connection_free(Connection *connection)
{
    response_clear(&connection->response);
    request_clear(&connection->request);
    g_free(connection->raw_target);
    g_free(connection);
}

int64_t connection_deadline(uint32_t ms)
{
    return clock_ticks_ns() + ms * NS_PER_MS;
}

void connection_begin(Connection *connection, const char *target)
{
    const Settings *settings = connection->service->settings;
    RequestHead *head = &connection->request.head;
    connection->begun_ns = clock_ticks_ns();
    client_enter(&connection->client, CLIENT_RECEIVING,
                 connection->begun_ns + settings->request_timeout_ms * NS_PER_MS);
    connection->stage = STAGE_HEAD;
    connection->swallowed = 0;
    head->target = target;
    head->target_length = strlen(target);
    size_t kept = MIN(head->target_length, settings->target_max);
    memcpy(connection->raw_target, target, kept);
    connection->raw_target[kept] = '\0';
    connection->request.raw_target = connection->raw_target;
    trace_id_make(connection->request.id);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* libmicrohttpd leaves blanks behind a value; its buffer is writable. */
static void trim_values(RequestHead *head)
{
    for (size_t i = 0; i < head->n_lines; i++) {
        HeaderLine *line = &head->lines[i];
        while (line->value_length > 0 && is_blank(line->value[line->value_length - 1]))
            ((char *)line->value)[--line->value_length] = '\0';
    }
}

static bool check_size(Connection *connection, GError **error)
{
    const Service *service = connection->service;
    RequestHead *head = &connection->request.head;
    size_t n_lines = head->n_lines;
    size_t needed = head->bytes + n_lines * MEMORY_PER_LINE + MEMORY_OF_ANSWER;
    connection->cramped = needed > service->memory_limit;
    if (n_lines <= HEADER_LINES_MAX && head->bytes <= service->settings->header_max &&
        !connection->cramped)
        return true;
    head->n_lines = 0; /* not all were kept */
    error_set(error, ERR_HEADERS_TOO_LARGE,
              "the header block has %zu lines and %zu bytes, the limits are %d and %u", n_lines,
              head->bytes, HEADER_LINES_MAX, service->settings->header_max);
    return false;
}

static bool check_head(Connection *connection, GError **error)
{
    RequestHead *head = &connection->request.head;
    if (!check_size(connection, error) || !framing_check_layout(head, error))
        return false;
    trim_values(head);
    return framing_check_headers(head, &connection->framing, error);
}

static bool check_length(Connection *connection)
{
    uint64_t length = connection->framing.content_length;
    uint32_t max = connection->service->settings->request_body_max;
    if (length <= max)
        return true;
    response_fail(&connection->response, ERR_TOO_LARGE,
                  "the body has %" G_GUINT64_FORMAT " bytes, the limit is %u", length, max);
    return false;
}

bool connection_judge(Connection *connection)
{
    GError *error = NULL;
    connection->refused = true;
    connection->stage = STAGE_BODY;
    if (!check_head(connection, &error)) {
        response_error(&connection->response, error);
        return false;
    }
    const Framing *framing = &connection->framing;
    bool admitted = gate_admit(&connection->service->gate, &connection->request,
                               &connection->response, connection->decoded) &&
                    check_length(connection);
    connection->refused = !admitted;
    if (admitted && framing->content_length > 0)
        buffer_reserve(&connection->request.body, framing->content_length);
    return admitted || !framing->has_body ||
           (!framing->expects_continue && framing->content_length <= SWALLOW_MAX);
}

bool connection_take_body(Connection *connection, const char *data, size_t length)
{
    Buffer *body = &connection->request.body;
    uint32_t max = connection->service->settings->request_body_max;
    if (!connection->refused && body->length + length > max) {
        connection->refused = true;
        buffer_reset(body);
        response_fail(&connection->response, ERR_TOO_LARGE,
                      "the body is above the limit of %u bytes", max);
    }
    if (!connection->refused) {
        buffer_append(body, data, length);
        return true;
    }
    connection->swallowed += length;
    return connection->swallowed <= SWALLOW_MAX;
}

void connection_handle(Connection *connection)
{
    const ServerOptions *options = &connection->service->options;
    const Route *route = connection->request.plan->route;
    log_set_request(connection->request.id);
    if (connection->request.body.failed)
        response_fail(&connection->response, ERR_NO_MEMORY, "memory is short");
    else if (options->dispatch)
        options->dispatch(route, &connection->request, &connection->response, options->context);
    else
        route->handle(&connection->request, &connection->response, options->context);
    log_set_request(NULL);
}

/* Nobody waits any more: we stop, or the client has closed. libmicrohttpd does not look at a
 * suspended connection. */
static bool wait_is_over(const Connection *connection)
{
    struct pollfd client = {.fd = connection->client.fd, .events = POLLRDHUP};
    return atomic_load(&connection->service->draining) || poll(&client, 1, 0) > 0;
}

static void ask_for_piece(Connection *connection)
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
    stream->due_ns = stream->waits ? connection_deadline(wait_ms) : 0;
}

bool connection_make_piece(Connection *connection, bool cancelled)
{
    Stream *stream = &connection->response.stream;
    if (cancelled)
        stream->ended = stream->failed = true;
    else if (stream->waits && wait_is_over(connection))
        stream->ended = true;
    else
        ask_for_piece(connection);
    return !stream->waits || stream->ended || connection->response.body.length > 0;
}

size_t connection_read_piece(Connection *connection, char *out, size_t max)
{
    Response *response = &connection->response;
    Stream *stream = &response->stream;
    size_t n = MIN(response->body.length - stream->sent, max);
    if (n == 0 || stream->failed) {
        buffer_reset(&response->body);
        stream->sent = 0;
        return 0;
    }
    memcpy(out, response->body.data + stream->sent, n);
    stream->sent += n;
    return n;
}

static void count_and_log(const Connection *connection, bool complete)
{
    const Request *request = &connection->request;
    const RoutePlan *plan = request->plan;
    bool answered = connection->stage == STAGE_QUEUED;
    unsigned status = answered ? connection->response.status : 400; /* libmicrohttpd's own answer */
    bool lasted = !answered || response_is_stream(&connection->response);
    int64_t end = lasted ? clock_ticks_ns() : connection->answered_ns;
    uint64_t us = (uint64_t)((end - connection->begun_ns) / NS_PER_US);
    if (plan)
        metrics_count(connection->service->metrics, plan->index, status, us);
    else
        metrics_refuse(connection->service->metrics);
    log_set_request(request->id);
    log_event(plan && plan->route->flags & ROUTE_INLINE ? LOG_DEBUG : LOG_INFO, "request", "method",
              LOG_STRING(request->head.method ? request->head.method : ""), "operation",
              LOG_STRING(plan ? plan->route->operation : ""), "status", LOG_INT(status), "us",
              LOG_INT(us), "key", LOG_STRING(request->key), "complete", LOG_INT(complete), NULL);
    log_set_request(NULL);
}

void connection_end(Connection *connection, bool complete)
{
    count_and_log(connection, complete);
    response_reset(&connection->response);
    request_reset(&connection->request);
    client_enter(&connection->client, CLIENT_IDLE,
                 connection_deadline(connection->service->settings->idle_timeout_ms));
}
