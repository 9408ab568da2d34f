/* What lasts: offloaded requests, streams, deadlines, draining. */
#include "test_http_client.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "base/clock.h"

/* Lets a test hold handlers and see them: all under the lock. */
typedef struct Stage {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int entered; /* handlers that wait or waited at the gate */
    bool gate_open;
    int pieces;       /* stream pieces made */
    int freed;        /* stream states */
    bool two_at_once; /* two pieces of one stream were made at the same time */
} Stage;

static Stage stage;

static void stage_reset(void)
{
    stage = (Stage){0};
    pthread_mutex_init(&stage.lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&stage.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void stage_set(int *what, int value)
{
    pthread_mutex_lock(&stage.lock);
    *what = value;
    pthread_cond_broadcast(&stage.changed);
    pthread_mutex_unlock(&stage.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&stage.lock);
    stage.gate_open = true;
    pthread_cond_broadcast(&stage.changed);
    pthread_mutex_unlock(&stage.lock);
}

static void stage_await(const int *what, int value)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    int late = 0;
    pthread_mutex_lock(&stage.lock);
    while (*what < value && late == 0)
        late = pthread_cond_timedwait(&stage.changed, &stage.lock, &until);
    pthread_mutex_unlock(&stage.lock);
    if (late)
        fail_msg("did not get to %d in %d s", value, PATIENCE_S);
}

static void answer_at_once(Request *request, Response *response, void *context)
{
    buffer_append_text(response_body(response, "text/plain"), "at once");
}

static void answer_behind_the_gate(Request *request, Response *response, void *context)
{
    pthread_mutex_lock(&stage.lock);
    stage.entered++;
    pthread_cond_broadcast(&stage.changed);
    while (!stage.gate_open)
        pthread_cond_wait(&stage.changed, &stage.lock);
    pthread_mutex_unlock(&stage.lock);
    buffer_append_text(response_body(response, "text/plain"), "at last");
}

typedef struct Pieces {
    int n, of, bytes;
    bool wait_between;
    atomic_bool inside;
} Pieces;

static void pieces_free(void *state)
{
    g_free(state);
    pthread_mutex_lock(&stage.lock);
    stage.freed++;
    pthread_cond_broadcast(&stage.changed);
    pthread_mutex_unlock(&stage.lock);
}

static StreamStep next_piece(void *state, Buffer *out, uint32_t *wait_ms)
{
    Pieces *pieces = state;
    bool twice = atomic_exchange(&pieces->inside, true);
    for (int i = 0; i < pieces->bytes; i++)
        buffer_append(out, &"abcdefghij"[pieces->n % 10], 1);
    pieces->n++;
    pthread_mutex_lock(&stage.lock);
    stage.pieces++;
    stage.two_at_once |= twice;
    pthread_cond_broadcast(&stage.changed);
    pthread_mutex_unlock(&stage.lock);
    *wait_ms = 1;
    atomic_store(&pieces->inside, false);
    if (pieces->n == pieces->of)
        return STREAM_END;
    return pieces->wait_between ? STREAM_WAIT : STREAM_MORE;
}

static void start_stream(Response *response, int of, int bytes, bool wait_between)
{
    Pieces *pieces = g_new0(Pieces, 1);
    pieces->of = of;
    pieces->bytes = bytes;
    pieces->wait_between = wait_between;
    response_stream(response, "text/plain", next_piece, pieces, pieces_free);
}

static void answer_stream(Request *request, Response *response, void *context)
{
    start_stream(response, 20, 10000, false);
}

static void answer_slow_stream(Request *request, Response *response, void *context)
{
    start_stream(response, 20, 10, true);
}

/* Says one thing, then nothing for an hour. */
static StreamStep say_once(void *state, Buffer *out, uint32_t *wait_ms)
{
    Pieces *pieces = state;
    if (pieces->n++ == 0)
        buffer_append_text(out, "event: progress\n\n");
    *wait_ms = 3600 * 1000;
    return STREAM_WAIT;
}

static void answer_events(Request *request, Response *response, void *context)
{
    response_stream(response, "text/event-stream", say_once, g_new0(Pieces, 1), pieces_free);
}

/* Never says anything. */
static StreamStep stay_silent(void *state, Buffer *out, uint32_t *wait_ms)
{
    pthread_mutex_lock(&stage.lock);
    stage.pieces++;
    pthread_cond_broadcast(&stage.changed);
    pthread_mutex_unlock(&stage.lock);
    *wait_ms = 2;
    return STREAM_WAIT;
}

static void answer_silence(Request *request, Response *response, void *context)
{
    response_stream(response, "text/event-stream", stay_silent, g_new0(Pieces, 1), pieces_free);
}

static void answer_endlessly(Request *request, Response *response, void *context)
{
    start_stream(response, -1, 60000, false);
}

static void change_mind(Request *request, Response *response, void *context)
{
    start_stream(response, 20, 10, false);
    response_fail(response, ERR_NOT_FOUND, "no such thing after all");
}

static void answer_large(Request *request, Response *response, void *context)
{
    Buffer *body = response_body(response, "text/plain");
    for (int i = 0; i < 1000000; i++)
        buffer_append(body, "0123456789abcdef", 16);
}

// clang-format off
static const Route ROUTES[] = {
    {"GET",  "/once",    0, ROUTE_INLINE | ROUTE_PUBLIC, answer_at_once,         "getOnce",    NULL},
    {"GET",  "/gate",    0, ROUTE_PUBLIC,                answer_behind_the_gate, "getGate",    NULL},
    {"POST", "/gate",    0, ROUTE_PUBLIC,                answer_behind_the_gate, "postGate",   NULL},
    {"GET",  "/stream",  0, ROUTE_PUBLIC,                answer_stream,          "getStream",  NULL},
    {"GET",  "/inline",  0, ROUTE_INLINE | ROUTE_PUBLIC, answer_stream,          "getInline",  NULL},
    {"GET",  "/slow",    0, ROUTE_PUBLIC,                answer_slow_stream,     "getSlow",    NULL},
    {"GET",  "/events",  0, ROUTE_PUBLIC,                answer_events,          "getEvents",  NULL},
    {"GET",  "/silence", 0, ROUTE_PUBLIC,                answer_silence,         "getSilence", NULL},
    {"GET",  "/endless", 0, ROUTE_PUBLIC,                answer_endlessly,       "getEndless", NULL},
    {"GET",  "/mind",    0, ROUTE_PUBLIC,                change_mind,            "getMind",    NULL},
    {"GET",  "/large",   0, ROUTE_PUBLIC,                answer_large,           "getLarge",   NULL},
};
// clang-format on

static Server *begin(Settings *settings)
{
    stage_reset();
    return start_with(settings, ROUTES, G_N_ELEMENTS(ROUTES), NULL, NULL);
}

static void get(int fd, const char *path)
{
    g_autofree char *text = g_strdup_printf("GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    send_text(fd, text);
}

static Answer ask_on(int fd, const char *path)
{
    get(fd, path);
    return take_answer(fd, true);
}

/* Until so many requests wait for a thread while all threads are busy. */
static void await_waiting(Server *server, size_t waiting)
{
    ServerMetrics metrics = {0};
    int64_t late = clock_ticks_ns() + PATIENCE_S * INT64_C(1000000000);
    while (metrics.offload_waiting < waiting || metrics.offload_busy == 0) {
        if (clock_ticks_ns() > late)
            fail_msg("%zu requests wait, not %zu", metrics.offload_waiting, waiting);
        sched_yield();
        metrics = server_metrics(server);
        g_free((void *)metrics.routes);
    }
}

/* ---- offload ---- */

static void a_waiting_handler_delays_no_inline_request(void **state)
{
    Settings settings = test_settings();
    settings.http_threads = 1;
    Server *server = begin(&settings);
    int held[2];
    for (int i = 0; i < 2; i++) {
        held[i] = dial(server_port(server));
        get(held[i], "/gate");
    }
    stage_await(&stage.entered, 2);
    ServerMetrics metrics = server_metrics(server);
    assert_int_equal(metrics.offload_busy, 2);
    g_free((void *)metrics.routes);
    g_auto(Answer) inline_answer =
        ask(server_port(server), "GET /once HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(inline_answer.status, 200);
    open_gate();
    for (int i = 0; i < 2; i++) {
        g_auto(Answer) answer = take_answer(held[i], true);
        assert_string_equal(answer.body->str, "at last");
        close(held[i]);
    }
    server_stop(server);
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
    Settings settings = test_settings();
    settings.offload_threads = 1;
    Server *server = begin(&settings);
    enum { ACCEPTED = 33 }; /* one runs, 32 wait */
    int fds[ACCEPTED];
    for (int i = 0; i < ACCEPTED; i++) {
        fds[i] = dial(server_port(server));
        get(fds[i], "/gate");
        if (i == 0)
            stage_await(&stage.entered, 1);
    }
    await_waiting(server, ACCEPTED - 1);
    g_auto(Answer) full = ask(server_port(server), "GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(full.status, 503);
    g_autofree char *later = answer_header(&full, "Retry-After");
    assert_non_null(later);
    open_gate();
    for (int i = 0; i < ACCEPTED; i++) {
        g_auto(Answer) answer = take_answer(fds[i], true);
        assert_int_equal(answer.status, 200);
        close(fds[i]);
    }
    server_stop(server);
}

static void a_client_that_leaves_a_working_handler_harms_nobody(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    int fd = dial(server_port(server));
    get(fd, "/gate");
    stage_await(&stage.entered, 1);
    close(fd);
    open_gate();
    g_auto(Answer) answer = ask(server_port(server), "GET /once HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer.status, 200);
    server_stop(server);
}

static void a_large_answer_arrives_whole(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    int fd = dial(server_port(server));
    get(fd, "/large");
    g_auto(Answer) answer = take_head(fd);
    size_t length = 0;
    static char bytes[1 << 16];
    while (length < 16000000) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        assert_true(n > 0);
        length += (size_t)n;
    }
    assert_int_equal(length, 16000000);
    close(fd);
    server_stop(server);
}

/* ---- streams ---- */

static void assert_is_stream(const Answer *answer, size_t bytes)
{
    assert_int_equal(answer->status, 200);
    assert_true(answer->complete);
    assert_int_equal(answer->body->len, 20 * bytes);
    for (size_t i = 0; i < answer->body->len; i++)
        if (answer->body->str[i] != "abcdefghij"[i / bytes % 10])
            fail_msg("byte %zu is wrong", i);
}

static void a_stream_arrives_whole_and_in_order(void **state)
{
    static const char *const paths[] = {"/stream", "/inline", "/slow", "/stream"};
    Settings settings = test_settings();
    Server *server = begin(&settings);
    int fd = dial(server_port(server));
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_auto(Answer) answer = ask_on(fd, paths[i]);
        assert_is_stream(&answer, i == 2 ? 10 : 10000);
        stage_await(&stage.freed, (int)i + 1);
    }
    assert_false(stage.two_at_once);
    close(fd);
    server_stop(server);
}

static void an_http_1_0_client_gets_the_stream_unchunked(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    g_auto(Answer) answer = ask(server_port(server), "GET /stream HTTP/1.0\r\n\r\n");
    g_autofree char *coding = answer_header(&answer, "Transfer-Encoding");
    assert_null(coding);
    assert_is_stream(&answer, 10000);
    server_stop(server);
}

static void many_streams_at_once_do_not_mix(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    int fds[20];
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = dial(server_port(server));
        get(fds[i], i % 2 ? "/slow" : "/stream");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_auto(Answer) answer = take_answer(fds[i], true);
        assert_is_stream(&answer, i % 2 ? 10 : 10000);
        close(fds[i]);
    }
    stage_await(&stage.freed, 20);
    assert_false(stage.two_at_once);
    server_stop(server);
}

static void head_of_a_stream_makes_no_piece_and_frees_its_state(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    int fd = dial(server_port(server));
    send_text(fd, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    g_auto(Answer) answer = take_answer(fd, false);
    assert_int_equal(answer.status, 200);
    stage_await(&stage.freed, 1);
    assert_int_equal(stage.pieces, 0);
    close(fd);
    server_stop(server);
}

static void an_error_after_starting_a_stream_frees_its_state(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    g_auto(Answer) answer = ask(server_port(server), "GET /mind HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer.status, 404);
    assert_int_equal(stage.freed, 1);
    server_stop(server);
}

static void a_client_that_leaves_a_stream_ends_it(void **state)
{
    static const char *const paths[] = {"/endless", "/silence"};
    Settings settings = test_settings();
    Server *server = begin(&settings);
    for (int i = 0; i < 2; i++) {
        int fd = dial(server_port(server));
        stage_set(&stage.pieces, 0);
        get(fd, paths[i]);
        stage_await(&stage.pieces, 3);
        close(fd);
        stage_await(&stage.freed, i + 1);
    }
    server_stop(server);
}

static void waiting_streams_hold_no_thread(void **state)
{
    Settings settings = test_settings();
    settings.offload_threads = 1;
    Server *server = begin(&settings);
    int fds[10];
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = dial(server_port(server));
        get(fds[i], "/events");
        g_autoptr(GString) head = g_string_new("");
        assert_true(take_until(fds[i], head, "event: progress\n\n"));
    }
    g_auto(Answer) answer = ask(server_port(server), "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_is_stream(&answer, 10000);
    server_stop(server); /* ends them, an hour before their time */
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_autoptr(GString) rest = g_string_new("");
        assert_true(take_until(fds[i], rest, "\r\n0\r\n\r\n"));
        assert_true(is_closed(fds[i]));
        close(fds[i]);
    }
    assert_int_equal(stage.freed, 11);
}

/* ---- deadlines ---- */

static void *drip(void *pointer)
{
    int fd = *(int *)pointer;
    while (send_bytes(fd, "a", 1))
        g_usleep(5000); /* the attack itself */
    return NULL;
}

static void a_client_that_drips_bytes_is_cut_off(void **state)
{
    static const char *const beginnings[] = {
        "", "GE", "GET /once HTTP/1.1\r\nHost: h\r\nX: ",
        "POST /gate HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"};
    Settings settings = test_settings();
    settings.request_timeout_ms = 60;
    settings.idle_timeout_ms = 60;
    Server *server = begin(&settings);
    for (size_t i = 0; i < G_N_ELEMENTS(beginnings); i++) {
        int fd = dial(server_port(server));
        send_text(fd, beginnings[i]);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, drip, &fd), 0);
        pthread_join(thread, NULL); /* sending fails only when the server has closed */
        close(fd);
    }
    server_stop(server);
}

static void a_silent_connection_is_closed_after_the_idle_timeout(void **state)
{
    Settings settings = test_settings();
    settings.idle_timeout_ms = 50;
    Server *server = begin(&settings);
    int fd = dial(server_port(server));
    g_auto(Answer) answer = ask_on(fd, "/once");
    assert_int_equal(answer.status, 200);
    assert_true(is_closed(fd));
    close(fd);
    server_stop(server);
}

static void a_client_that_does_not_read_its_answer_is_cut_off(void **state)
{
    Settings settings = test_settings();
    settings.request_timeout_ms = 80;
    Server *server = begin(&settings);
    int fd = dial(server_port(server));
    get(fd, "/endless");
    stage_await(&stage.freed, 1);
    close(fd);
    server_stop(server);
}

static void a_handler_may_take_longer_than_the_request_timeout(void **state)
{
    Settings settings = test_settings();
    settings.request_timeout_ms = 50;
    Server *server = begin(&settings);
    int slow = dial(server_port(server));
    get(slow, "/gate");
    stage_await(&stage.entered, 1);
    int late = dial(server_port(server)); /* when this one is closed, the deadline has passed */
    assert_true(is_closed(late));
    close(late);
    open_gate();
    g_auto(Answer) answer = take_answer(slow, true);
    assert_string_equal(answer.body->str, "at last");
    close(slow);
    server_stop(server);
}

static void a_connection_above_the_maximum_waits_for_another_to_go(void **state)
{
    Settings settings = test_settings();
    settings.connections_max = 2;
    settings.http_threads = 1;
    Server *server = begin(&settings);
    int fds[3];
    for (int i = 0; i < 2; i++) {
        fds[i] = dial(server_port(server));
        g_auto(Answer) answer = ask_on(fds[i], "/once");
        assert_int_equal(answer.status, 200);
    }
    fds[2] = dial(server_port(server)); /* by the kernel, in our name */
    get(fds[2], "/once");
    ServerMetrics metrics = server_metrics(server);
    assert_int_equal(metrics.connections_open, 2);
    g_free((void *)metrics.routes);
    close(fds[0]);
    g_auto(Answer) answer = take_answer(fds[2], true);
    assert_int_equal(answer.status, 200);
    close(fds[1]);
    close(fds[2]);
    server_stop(server);
}

static void a_connection_waits_while_there_is_no_descriptor(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    struct rlimit plenty = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &plenty), 0);
    int next = dup(STDIN_FILENO);
    close(next);
    const struct rlimit scarce = {(rlim_t)next + 1, plenty.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &scarce), 0);
    int fd = dial(server_port(server)); /* takes the last one */
    get(fd, "/once");
    g_usleep(20000); /* let the server try */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &plenty), 0);
    g_auto(Answer) answer = take_answer(fd, true);
    assert_int_equal(answer.status, 200);
    close(fd);
    server_stop(server);
}

/* ---- draining ---- */

typedef struct Load {
    uint16_t port;
    const char *path;
    atomic_int *answered;
    int lost;
} Load;

/* Asks on and on over kept connections until the server is gone. A request is lost when the
 * connection ends with no answer although the server had not said Connection: close before. */
static void *keep_asking(void *pointer)
{
    Load *load = pointer;
    int fd;
    while ((fd = dial(load->port)) >= 0) {
        bool open = true;
        while (open) {
            g_auto(Answer) answer = ask_on(fd, load->path);
            if (answer.status != 200 || !answer.complete) {
                load->lost++;
                break;
            }
            atomic_fetch_add(load->answered, 1);
            g_autofree char *connection = answer_header(&answer, "Connection");
            open = g_strcmp0(connection, "close") != 0;
        }
        close(fd);
        if (load->lost)
            break;
    }
    return NULL;
}

static void draining_under_load_loses_no_request(void **state)
{
    enum { CLIENTS = 8 };
    for (int round = 0; round < 5; round++) {
        Settings settings = test_settings();
        Server *server = begin(&settings);
        atomic_int answered = 0;
        Load loads[CLIENTS];
        pthread_t threads[CLIENTS];
        static const char *const paths[] = {"/once", "/slow", "/once", "/stream"};
        for (int i = 0; i < CLIENTS; i++) {
            loads[i] = (Load){server_port(server), paths[i % 4], &answered, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &loads[i]), 0);
        }
        while (atomic_load(&answered) < 200)
            sched_yield();
        server_stop(server);
        int lost = 0;
        for (int i = 0; i < CLIENTS; i++) {
            pthread_join(threads[i], NULL);
            lost += loads[i].lost;
        }
        assert_int_equal(lost, 0);
    }
}

static void draining_serves_who_waited_above_the_maximum(void **state)
{
    Settings settings = test_settings();
    settings.connections_max = 1;
    Server *server = begin(&settings);
    int first = dial(server_port(server));
    g_auto(Answer) before = ask_on(first, "/once");
    assert_int_equal(before.status, 200);
    int second = dial(server_port(server));
    get(second, "/once");
    server_stop(server);
    g_auto(Answer) after = take_answer(second, true);
    assert_int_equal(after.status, 200);
    close(first);
    close(second);
}

static void *stop_server(void *server)
{
    server_stop(server);
    return NULL;
}

static void draining_waits_for_a_request_under_way(void **state)
{
    Settings settings = test_settings();
    Server *server = begin(&settings);
    uint16_t port = server_port(server);
    int busy = dial(port), idle = dial(port), half = dial(port);
    get(busy, "/gate");
    send_text(half, "POST /gate HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
    g_auto(Answer) first = ask_on(idle, "/once");
    stage_await(&stage.entered, 1);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, server), 0);
    assert_true(is_closed(idle)); /* so draining has begun */
    assert_int_equal(dial(port), -1);
    send_text(half, "b");
    stage_await(&stage.entered, 2);
    open_gate();
    g_auto(Answer) answer = take_answer(busy, true);
    assert_string_equal(answer.body->str, "at last");
    g_autofree char *connection = answer_header(&answer, "Connection");
    assert_string_equal(connection, "close");
    g_auto(Answer) completed = take_answer(half, true);
    assert_string_equal(completed.body->str, "at last");
    pthread_join(stopper, NULL);
    close(busy);
    close(idle);
    close(half);
}

static void draining_ends_at_its_deadline(void **state)
{
    Settings settings = test_settings();
    settings.drain_timeout_ms = 50;
    settings.offload_threads = 1;
    Server *server = begin(&settings);
    int endless = dial(server_port(server)), half = dial(server_port(server));
    get(endless, "/endless");
    send_text(half, "POST /gate HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
    stage_await(&stage.pieces, 1);
    server_stop(server);
    assert_int_equal(stage.freed, 1);
    close(endless);
    close(half);
}

static void a_queued_request_never_runs_once_time_is_up(void **state)
{
    Settings settings = test_settings();
    settings.drain_timeout_ms = 50;
    settings.offload_threads = 1;
    Server *server = begin(&settings);
    int running = dial(server_port(server)), waiting = dial(server_port(server));
    get(running, "/gate");
    stage_await(&stage.entered, 1);
    get(waiting, "/gate");
    await_waiting(server, 1);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, server), 0);
    assert_true(is_closed(running)); /* time is up: all are cut */
    open_gate();
    pthread_join(stopper, NULL);
    assert_int_equal(stage.entered, 1); /* the queued one never ran */
    close(running);
    close(waiting);
}

int main(void)
{
    error_init();
    log_set_level(LOG_ERROR + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waiting_handler_delays_no_inline_request),
        cmocka_unit_test(a_full_queue_is_503_with_retry_after),
        cmocka_unit_test(a_client_that_leaves_a_working_handler_harms_nobody),
        cmocka_unit_test(a_large_answer_arrives_whole),
        cmocka_unit_test(a_stream_arrives_whole_and_in_order),
        cmocka_unit_test(an_http_1_0_client_gets_the_stream_unchunked),
        cmocka_unit_test(many_streams_at_once_do_not_mix),
        cmocka_unit_test(head_of_a_stream_makes_no_piece_and_frees_its_state),
        cmocka_unit_test(an_error_after_starting_a_stream_frees_its_state),
        cmocka_unit_test(a_client_that_leaves_a_stream_ends_it),
        cmocka_unit_test(waiting_streams_hold_no_thread),
        cmocka_unit_test(a_client_that_drips_bytes_is_cut_off),
        cmocka_unit_test(a_silent_connection_is_closed_after_the_idle_timeout),
        cmocka_unit_test(a_client_that_does_not_read_its_answer_is_cut_off),
        cmocka_unit_test(a_handler_may_take_longer_than_the_request_timeout),
        cmocka_unit_test(a_connection_above_the_maximum_waits_for_another_to_go),
        cmocka_unit_test(a_connection_waits_while_there_is_no_descriptor),
        cmocka_unit_test(draining_under_load_loses_no_request),
        cmocka_unit_test(draining_serves_who_waited_above_the_maximum),
        cmocka_unit_test(draining_waits_for_a_request_under_way),
        cmocka_unit_test(draining_ends_at_its_deadline),
        cmocka_unit_test(a_queued_request_never_runs_once_time_is_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
