/* What reaches a handler, and what everybody else is told: over real sockets. */
#include "test_http_client.h"

#include "base/faults.h"

#define KEY       "Authorization: Bearer sl_bob_secret\r\n"
#define OTHER_KEY "Authorization: Bearer sl_eve_secret\r\n"

static void answer_path(Request *request, Response *response, void *context)
{
    size_t length = 0;
    const char *id = request_param(request, "id", &length);
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "id");
    json_string_n(json, id, length);
    json_key(json, "n");
    g_autoptr(Faults) faults = faults_new();
    json_int(json, request_query_int(request, "n", 1, 100, 10, faults));
    json_key(json, "text");
    json_string(json, request_query(request, "text", NULL));
    json_key(json, "key");
    json_string(json, request_key(request));
    json_key(json, "host");
    json_string(json, request_host(request));
    json_key(json, "target");
    json_string(json, request_target(request));
    json_end_object(json);
    response_faults(response, faults);
}

static void answer_body(Request *request, Response *response, void *context)
{
    size_t length = 0;
    const char *body = request_body(request, &length);
    buffer_append(response_body(response, "application/octet-stream"), body, length);
    response_status(response, 201);
}

static void answer_json(Request *request, Response *response, void *context)
{
    GError *error = NULL;
    const cJSON *json = request_json(request, &error);
    if (!json) {
        response_error(response, error);
        return;
    }
    json_value(response_json(response), json);
}

static void answer_headers(Request *request, Response *response, void *context)
{
    const char *value = request_header(request, "x-given");
    response_header(response, "X-Given", value ? value : "none");
    response_header(response, "X-Evil", "a\r\nX-Injected: 1");
    response_cache(response, "private");
    if (response_etag(response, "7"))
        return;
    buffer_append_text(response_body(response, "text/plain; charset=utf-8"), "seven");
}

static void answer_fault(Request *request, Response *response, void *context)
{
    buffer_append_text(response_body(response, "text/plain"), "half of an answ");
    response_header(response, "ETag", "\"1\"");
    response_fail(response, ERR_NOT_READY, "model \"%s\" is missing", "a\"b\n");
    response_hint(response, "send it");
}

static void answer_secret(Request *request, Response *response, void *context)
{
    response_error(response, g_error_new(g_quark_from_static_string("other"), 1, "SELECT secret"));
}

static void answer_nothing(Request *request, Response *response, void *context)
{
    response_status(response, 204);
}

// clang-format off
static const Route ROUTES[] = {
    {"GET",    "/v1/things/{id}", 1, ROUTE_INLINE,                answer_path, "getThing",    "n text"},
    {"GET",    "/off/{id}",       1, 0,                           answer_path, "getOff",      "n text"},
    {"DELETE", "/v1/things/{id}", 2, ROUTE_INLINE,                answer_nothing, "deleteThing", NULL},
    {"POST",   "/body",           0, ROUTE_INLINE | ROUTE_PUBLIC, answer_body, "postBody",    NULL},
    {"POST",   "/slow/body",      0, ROUTE_PUBLIC,                answer_body, "postSlow",    NULL},
    {"POST",   "/json",           0, ROUTE_PUBLIC,                answer_json, "postJson",    NULL},
    {"GET",    "/headers",        0, ROUTE_INLINE | ROUTE_PUBLIC, answer_headers, "getHeaders",  NULL},
    {"GET",    "/fault",          0, ROUTE_INLINE | ROUTE_PUBLIC, answer_fault, "getFault",    NULL},
    {"GET",    "/secret",         0, ROUTE_PUBLIC,                answer_secret, "getSecret",   NULL},
    {"GET",    "/nothing",        0, ROUTE_INLINE | ROUTE_PUBLIC, answer_nothing, "getNothing",  NULL},
};
// clang-format on

typedef struct Fixture {
    Settings settings;
    Auth *auth;
    Server *server;
    uint16_t port;
} Fixture;

static void start(Fixture *fixture)
{
    AuthKey keys[] = {{.id = "bob", .scopes = 1}, {.id = "eve", .scopes = 4}};
    auth_hash("sl_bob_secret", keys[0].hash);
    auth_hash("sl_eve_secret", keys[1].hash);
    fixture->auth = auth_new();
    auth_replace(fixture->auth, keys, 2);
    fixture->server =
        start_with(&fixture->settings, ROUTES, G_N_ELEMENTS(ROUTES), fixture->auth, NULL);
    fixture->port = server_port(fixture->server);
}

static void stop(Fixture *fixture)
{
    server_stop(fixture->server);
    auth_free(fixture->auth);
}

static int set_up(void **state)
{
    static Fixture fixture;
    fixture = (Fixture){.settings = test_settings()};
    start(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    stop(*state);
    return 0;
}

#define CRLF          "\r\n"
#define BYTES(text)   text, sizeof(text) - 1
#define GET_FAULTLESS "GET /headers HTTP/1.1" CRLF "Host: h" CRLF

// clang-format off
static const struct {
    const char *bytes;
    size_t length;
    int status;
} RAW[] = {
    {BYTES(GET_FAULTLESS CRLF), 200},
    {BYTES(GET_FAULTLESS "Accept:" CRLF CRLF), 200},
    {BYTES(GET_FAULTLESS "Accept: \t */* \t" CRLF "Cookie: a=b; c=d" CRLF CRLF), 200},
    {BYTES(CRLF CRLF GET_FAULTLESS CRLF), 200},
    {BYTES("GET /headers HTTP/1.0" CRLF CRLF), 200},
    {BYTES("GET http://other/headers HTTP/1.1" CRLF "Host: other" CRLF CRLF), 200},
    {BYTES("GET /headers HTTP/1.1" CRLF "Host: [::1]:8080" CRLF CRLF), 200},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 3" CRLF CRLF "abc"), 201},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 0" CRLF CRLF), 201},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF CRLF), 201},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Transfer-Encoding: Chunked" CRLF CRLF
           "3" CRLF "abc" CRLF "0" CRLF CRLF), 201},
    /* framing that two parties may read in two ways */
    {BYTES("GET /headers HTTP/1.1" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "Host: g" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "host: h" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/1.1" CRLF "Host: a/b" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/1.1" CRLF "Host: user@b" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 3" CRLF
           "Content-Length: 4" CRLF CRLF "abcd"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 3" CRLF
           "Content-Length: 3" CRLF CRLF "abc"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length : 3" CRLF CRLF "abc"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: +3" CRLF CRLF "abc"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: -3" CRLF CRLF "abc"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 3, 3" CRLF CRLF "abc"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 0x3" CRLF CRLF "abc"), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length:" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Content-Length: 3" CRLF
           "Transfer-Encoding: chunked" CRLF CRLF "3" CRLF "abc" CRLF "0" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Transfer-Encoding: chunked" CRLF
           "Transfer-Encoding: chunked" CRLF CRLF "0" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Transfer-Encoding: gzip" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Transfer-Encoding: gzip, chunked" CRLF CRLF
           "0" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Transfer-Encoding: \vchunked" CRLF CRLF
           "0" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.0" CRLF "Transfer-Encoding: chunked" CRLF CRLF "0" CRLF CRLF), 400},
    {BYTES("POST /body HTTP/1.1" CRLF "Host: h" CRLF "Transfer-Encoding: chunked" CRLF CRLF
           "zz" CRLF "abc" CRLF "0" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b" CRLF " c" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b" CRLF "\tContent-Length: 3" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/1.1" CRLF " Host: h" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b\n" CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b\nB: c" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/1.1\nHost: h\n\n"), 400},
    {BYTES(GET_FAULTLESS "A: b\rC: d" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b\0c" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b\0" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A\0: b" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: b\x01" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: a longer value\x1f, and so on" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: a longer value\x7f, and so on" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A: a tab\tand bytes \xC3\xA9 beyond ASCII" CRLF CRLF), 200},
    {BYTES(GET_FAULTLESS "A b: c" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "A(b): c" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS ": c" CRLF CRLF), 400},
    {BYTES(GET_FAULTLESS "no colon" CRLF CRLF), 400},
    {BYTES("GET /head\0ers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET  /headers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /headers  HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET\t/headers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /head ers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("G(T /headers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/1.1 " CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/1.2" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /headers HTTP/2.0" CRLF "Host: h" CRLF CRLF), 505}, /* the library's own */
    {BYTES("GET /headers" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET * HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("CONNECT h:80 HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    /* targets */
    {BYTES("GET /%00 HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /%zz HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /%ff HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /a?b=%00 HTTP/1.1" CRLF "Host: h" CRLF CRLF), 400},
    {BYTES("GET /nowhere HTTP/1.1" CRLF "Host: h" CRLF CRLF), 404},
    {BYTES("GET /headers/ HTTP/1.1" CRLF "Host: h" CRLF CRLF), 404},
    {BYTES("GET //headers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 404},
    {BYTES("POST /headers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 405},
    {BYTES("BREW /headers HTTP/1.1" CRLF "Host: h" CRLF CRLF), 405},
    {BYTES("GET /headers?a=1 HTTP/1.1" CRLF "Host: h" CRLF CRLF), 422},
    {BYTES("GET /v1/things/a HTTP/1.1" CRLF "Host: h" CRLF CRLF), 401},
    {BYTES("GET /v1/things/a HTTP/1.1" CRLF "Host: h" CRLF KEY CRLF), 200},
    {BYTES("GET /v1/things/a HTTP/1.1" CRLF "Host: h" CRLF KEY KEY CRLF), 400},
    {BYTES("GET /v1/things/a HTTP/1.1" CRLF "Host: h" CRLF OTHER_KEY CRLF), 403},
    {BYTES("DELETE /v1/things/a HTTP/1.1" CRLF "Host: h" CRLF KEY CRLF), 403},
};
// clang-format on

static void malformed_requests_are_refused_each_with_its_status(void **state)
{
    const Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(RAW); i++) {
        g_auto(Answer) answer = ask_bytes(fixture->port, RAW[i].bytes, RAW[i].length);
        if (answer.status != RAW[i].status || !answer.complete)
            fail_msg("case %zu: %d instead of %d for\n%s\n%s", i, answer.status, RAW[i].status,
                     RAW[i].bytes, answer.body->str);
    }
}

static void a_request_that_comes_byte_by_byte_is_read_alike(void **state)
{
    const Fixture *fixture = *state;
    const char *text = "POST /body HTTP/1.1\r\nHost: h\r\nA:  b \r\nContent-Length: 5\r\n\r\nhello";
    int fd = dial(fixture->port);
    for (const char *at = text; *at; at++)
        assert_true(send_bytes(fd, at, 1));
    g_auto(Answer) answer = take_answer(fd, true);
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body->str, "hello");
    close(fd);
}

static void a_refused_framing_ends_the_connection(void **state)
{
    const Fixture *fixture = *state;
    int fd = dial(fixture->port);
    send_text(fd,
              "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n"
              "GET /headers HTTP/1.1\r\nHost: h\r\n\r\n");
    g_auto(Answer) answer = take_answer(fd, true);
    assert_int_equal(answer.status, 400);
    assert_true(is_closed(fd));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    const Fixture *fixture = *state;
    int fd = dial(fixture->port);
    send_text(fd, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"
                  "POST /slow/body HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb"
                  "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nc");
    for (const char *expected = "abc"; *expected; expected++) {
        g_auto(Answer) answer = take_answer(fd, true);
        assert_int_equal(answer.status, 201);
        assert_int_equal(answer.body->str[0], *expected);
    }
    close(fd);
}

static void ids_are_decoded_after_splitting(void **state)
{
    static const struct {
        const char *raw, *id;
    } cases[] = {
        {"plain", "plain"},
        {"a%2Fb", "a/b"},
        {"%2F", "/"},
        {"..", ".."},
        {"a%20b%22%27", "a b\"'"},
        {"%0A", "\n"},
        {"%F0%9F%98%80", "\xF0\x9F\x98\x80"},
        {"a%252Fb", "a%2Fb"},
    };
    const Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (int off = 0; off < 2; off++) {
            g_auto(Answer) answer = ask(fixture->port, "GET %s/%s HTTP/1.1\r\nHost: h\r\n" KEY CRLF,
                                        off ? "/off" : "/v1/things", cases[i].raw);
            assert_int_equal(answer.status, 200);
            g_autofree char *id = problem_member(&answer, "id");
            assert_string_equal(id, cases[i].id);
        }
    }
}

static void a_handler_sees_query_key_host_and_target(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "GET /v1/things/x?text=a%%2Bb+c&n=7 HTTP/1.1\r\n"
                                               "Host: shop.example:1\r\n" KEY CRLF);
    assert_string_equal(answer.body->str,
                        "{\"id\":\"x\",\"n\":7,\"text\":\"a+b+c\",\"key\":\"bob\",\"host\":"
                        "\"shop.example:1\",\"target\":\"/v1/things/x?text=a%2Bb+c&n=7\"}");
}

static void a_host_is_there_even_without_a_header(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "GET /v1/things/x HTTP/1.0\r\n" KEY CRLF);
    g_autofree char *host = problem_member(&answer, "host");
    g_autofree char *expected = g_strdup_printf("127.0.0.1:%u", fixture->port);
    assert_string_equal(host, expected);
}

static void integers_of_the_query_are_checked(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {{"1", 200},    {"100", 200}, {"0", 422},   {"101", 422},
                 {"-1", 422},   {"", 422},    {"1.5", 422}, {"%201", 422},
                 {"%2B1", 422}, {"abc", 422}, {"1e2", 422}, {"99999999999999999999", 422}};
    const Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Answer) answer = ask(
            fixture->port, "GET /v1/things/x?n=%s HTTP/1.1\r\nHost: h\r\n" KEY CRLF, cases[i].text);
        if (answer.status != cases[i].status)
            fail_msg("n=%s: %d", cases[i].text, answer.status);
        if (answer.status == 422)
            assert_non_null(strstr(answer.body->str, "\"pointer\":\"?n\""));
    }
}

static void unknown_and_repeated_parameters_are_faults_with_near_misses(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer =
        ask(fixture->port, "GET /v1/things/x?texd=1&n=1&n=2 HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
    assert_int_equal(answer.status, 422);
    assert_non_null(strstr(answer.body->str, "\"pointer\":\"?texd\",\"code\":\"unknown_field\""));
    assert_non_null(strstr(answer.body->str, "\"candidates\":[\"text\"]"));
    assert_non_null(strstr(answer.body->str, "\"pointer\":\"?n\",\"code\":\"duplicate\""));
}

static void a_problem_says_all_that_rfc_9457_and_we_promise(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "GET /fault HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer.status, 409);
    g_autofree char *content_type = answer_header(&answer, "Content-Type");
    assert_string_equal(content_type, "application/problem+json");
    g_autofree char *etag = answer_header(&answer, "ETag");
    assert_null(etag);
    g_autofree char *id = answer_header(&answer, "X-Request-Id");
    assert_int_equal(strlen(id), 26);
    static const struct {
        const char *member, *value;
    } expected[] = {{"type", "urn:shortlist:problem:not_ready"},
                    {"status", "409"},
                    {"code", "not_ready"},
                    {"detail", "model \"a\"b\n\" is missing"},
                    {"hint", "send it"}};
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *value = problem_member(&answer, expected[i].member);
        assert_string_equal(value, expected[i].value);
    }
    g_autofree char *given_id = problem_member(&answer, "request_id");
    assert_string_equal(given_id, id);
    g_autofree char *title = problem_member(&answer, "title");
    assert_true(title && title[0]);
}

static void an_inner_error_shows_no_detail(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "GET /secret HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer.status, 500);
    assert_null(strstr(answer.body->str, "SELECT"));
}

static void every_answer_has_the_common_headers(void **state)
{
    const Fixture *fixture = *state;
    static const char *const targets[] = {"/headers", "/nowhere", "/nothing", "/secret"};
    g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        g_auto(Answer) answer =
            ask(fixture->port, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", targets[i]);
        g_autofree char *sniff = answer_header(&answer, "X-Content-Type-Options");
        assert_string_equal(sniff, "nosniff");
        g_autofree char *cache = answer_header(&answer, "Cache-Control");
        assert_string_equal(cache, i == 0 ? "private" : "no-store");
        g_autofree char *date = answer_header(&answer, "Date");
        assert_non_null(date);
        assert_true(g_hash_table_add(ids, answer_header(&answer, "X-Request-Id")));
    }
}

static void headers_reach_the_handler_and_injected_ones_nobody(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer =
        ask(fixture->port, "GET /headers HTTP/1.1\r\nHost: h\r\nX-GIVEN: \t a b \t\r\n\r\n");
    g_autofree char *given = answer_header(&answer, "X-Given");
    assert_string_equal(given, "a b");
    assert_null(strstr(answer.head->str, "X-Evil"));
    assert_null(strstr(answer.head->str, "X-Injected"));
    g_autofree char *etag = answer_header(&answer, "ETag");
    assert_string_equal(etag, "\"7\"");
}

static void a_known_etag_is_answered_304(void **state)
{
    static const struct {
        const char *tags;
        int status;
    } cases[] = {{"\"7\"", 304}, {"W/\"7\"", 304}, {"\"6\", \"7\"", 304}, {"*", 304},
                 {"\"6\"", 200}, {"7", 200},       {"\"77\"", 200},       {"", 200}};
    const Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Answer) answer =
            ask(fixture->port, GET_FAULTLESS "If-None-Match: %s\r\n\r\n", cases[i].tags);
        assert_int_equal(answer.status, cases[i].status);
        assert_string_equal(answer.body->str, cases[i].status == 304 ? "" : "seven");
    }
}

static void head_is_get_without_a_body(void **state)
{
    const Fixture *fixture = *state;
    int fd = dial(fixture->port);
    for (int i = 0; i < 2; i++) { /* a body would be taken for the second answer's head */
        send_text(fd, "HEAD /headers HTTP/1.1\r\nHost: h\r\n\r\n");
        g_auto(Answer) answer = take_answer(fd, false);
        assert_int_equal(answer.status, 200);
        g_autofree char *length = answer_header(&answer, "Content-Length");
        assert_string_equal(length, "5");
    }
    close(fd);
}

static void an_empty_answer_keeps_the_connection(void **state)
{
    const Fixture *fixture = *state;
    int fd = dial(fixture->port);
    for (int i = 0; i < 2; i++) {
        send_text(fd, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
        g_auto(Answer) answer = take_answer(fd, true);
        assert_int_equal(answer.status, 204);
    }
    close(fd);
}

static void a_405_says_what_is_allowed(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "PATCH /v1/things/x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer.status, 405);
    g_autofree char *allow = answer_header(&answer, "Allow");
    assert_string_equal(allow, "GET, HEAD, DELETE");
}

static void a_slash_at_the_end_is_hinted_at(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "GET /headers/ HTTP/1.1\r\nHost: h\r\n\r\n");
    g_autofree char *hint = problem_member(&answer, "hint");
    assert_non_null(hint);
    g_auto(Answer) other = ask(fixture->port, "GET /nowhere/ HTTP/1.1\r\nHost: h\r\n\r\n");
    g_autofree char *no_hint = problem_member(&other, "hint");
    assert_null(no_hint);
}

static void a_401_names_the_scheme(void **state)
{
    const Fixture *fixture = *state;
    g_auto(Answer) answer = ask(fixture->port, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n\r\n");
    g_autofree char *scheme = answer_header(&answer, "WWW-Authenticate");
    assert_string_equal(scheme, "Bearer");
}

static void json_bodies_are_read_and_faults_named(void **state)
{
    static const struct {
        const char *type, *body;
        int status;
    } cases[] = {
        {"application/json", "{\"a\":1}", 200},
        {"application/json; charset=utf-8", "{}", 200},
        {"Application/Merge-Patch+JSON", "{}", 200},
        {"application/json", "", 400},
        {"application/json", "[]", 400},
        {"application/json", "{\"a\":1,\"a\":2}", 400},
        {"application/json", "{} x", 400},
        {"text/plain", "{}", 415},
        {"application/jsonx", "{}", 415},
    };
    const Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Answer) answer = ask(
            fixture->port,
            "POST /json HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
            cases[i].type, strlen(cases[i].body), cases[i].body);
        if (answer.status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].type, cases[i].body, answer.status);
    }
}

static void targets_above_the_limit_are_414(void **state)
{
    const Fixture *fixture = *state;
    g_autofree char *id = g_strnfill(4096 - strlen("/v1/things/"), 'a');
    g_auto(Answer) longest =
        ask(fixture->port, "GET /v1/things/%s HTTP/1.1\r\nHost: h\r\n" KEY CRLF, id);
    assert_int_equal(longest.status, 200);
    g_auto(Answer) longer =
        ask(fixture->port, "GET /v1/things/%sa HTTP/1.1\r\nHost: h\r\n" KEY CRLF, id);
    assert_int_equal(longer.status, 414);
    g_autofree char *code = problem_member(&longer, "code");
    assert_non_null(code);
    g_autofree char *enormous = g_strnfill(100000, 'a');
    g_auto(Answer) huge = ask(fixture->port, "GET /%s HTTP/1.1\r\nHost: h\r\n\r\n", enormous);
    assert_int_equal(huge.status, 414);
}

static void a_query_of_a_thousand_arguments_is_answered(void **state)
{
    const Fixture *fixture = *state;
    g_autoptr(GString) query = g_string_new("");
    for (int i = 0; i < 1000; i++)
        g_string_append(query, "a&");
    g_auto(Answer) answer =
        ask(fixture->port, "GET /headers?%s HTTP/1.1\r\nHost: h\r\n\r\n", query->str);
    assert_int_equal(answer.status, 400);
    g_autofree char *id = problem_member(&answer, "request_id");
    assert_non_null(id);
}

static void header_blocks_above_the_limit_are_431(void **state)
{
    static const struct {
        int lines, bytes, status;
    } cases[] = {{1, 4096, 200}, {1, 6200, 431}, {1, 7000, 431},  {1, 60000, 431},
                 {40, 20, 200},  {65, 10, 431},  {5000, 10, 431}, {50, 80, 431}};
    const Fixture *fixture = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *value = g_strnfill((gsize)cases[i].bytes, 'v');
        g_autoptr(GString) text = g_string_new(GET_FAULTLESS);
        for (int j = 0; j < cases[i].lines; j++)
            g_string_append_printf(text, "A: %s\r\n", value);
        g_string_append(text, CRLF);
        g_auto(Answer) answer = ask_bytes(fixture->port, text->str, text->len);
        if (answer.status != cases[i].status)
            fail_msg("%d lines of %d: %d", cases[i].lines, cases[i].bytes, answer.status);
    }
}

static Answer post_sized(const Fixture *fixture, const char *path, size_t bytes, bool chunked)
{
    g_autofree char *body = g_strnfill(bytes, 'b');
    g_autoptr(GString) text = g_string_new("");
    g_string_append_printf(text, "POST %s HTTP/1.1\r\nHost: h\r\n", path);
    if (chunked)
        g_string_append_printf(text, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
                               bytes, body);
    else
        g_string_append_printf(text, "Content-Length: %zu\r\n\r\n%s", bytes, body);
    return ask_bytes(fixture->port, text->str, text->len);
}

static void bodies_up_to_the_limit_pass_and_above_are_413(void **state)
{
    const Fixture *fixture = *state;
    static const char *const paths[] = {"/body", "/slow/body"};
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            size_t max = fixture->settings.request_body_max;
            g_auto(Answer) whole = post_sized(fixture, paths[i], max, chunked);
            assert_int_equal(whole.status, 201);
            assert_int_equal(whole.body->len, max);
            g_auto(Answer) over = post_sized(fixture, paths[i], max + 1, chunked);
            assert_int_equal(over.status, 413);
            g_autofree char *code = problem_member(&over, "code");
            assert_non_null(code);
        }
    }
}

static void a_body_too_large_by_its_header_alone_is_413_at_once(void **state)
{
    const Fixture *fixture = *state;
    static const char *const heads[] = {"Content-Length: 99999999999\r\n",
                                        "Content-Length: 1048577\r\nExpect: 100-continue\r\n"};
    for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_auto(Answer) answer =
            ask(fixture->port, "POST /body HTTP/1.1\r\nHost: h\r\n%s\r\n", heads[i]);
        assert_int_equal(answer.status, 413);
    }
}

static void an_expecting_client_is_told_to_continue(void **state)
{
    const Fixture *fixture = *state;
    int fd = dial(fixture->port);
    send_text(fd, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    g_auto(Answer) go_on = take_head(fd);
    assert_int_equal(go_on.status, 100);
    send_text(fd, "ok");
    g_auto(Answer) answer = take_answer(fd, true);
    assert_int_equal(answer.status, 201);
    close(fd);
}

static void a_key_above_its_rate_is_429(void **state)
{
    Fixture fixture = {.settings = test_settings()};
    fixture.settings.rate_per_second = 1;
    start(&fixture);
    int refused = 0;
    for (int i = 0; i < 50; i++) {
        g_auto(Answer) answer =
            ask(fixture.port, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
        assert_true(answer.status == 200 || answer.status == 429);
        if (answer.status == 429) {
            g_autofree char *later = answer_header(&answer, "Retry-After");
            assert_string_equal(later, "1");
            refused++;
        }
    }
    assert_true(refused > 0);
    g_auto(Answer) public = ask(fixture.port, GET_FAULTLESS CRLF);
    assert_int_equal(public.status, 200);
    stop(&fixture);
}

static void the_next_key_set_counts_at_once(void **state)
{
    const Fixture *fixture = *state;
    int open = dial(fixture->port);
    send_text(open, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
    g_auto(Answer) before = take_answer(open, true);
    assert_int_equal(before.status, 200);
    AuthKey key = {.id = "new", .scopes = 1};
    auth_hash("sl_new_x", key.hash);
    auth_replace(fixture->auth, &key, 1);
    send_text(open, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
    g_auto(Answer) revoked = take_answer(open, true);
    assert_int_equal(revoked.status, 401);
    close(open);
    g_auto(Answer) old = ask(fixture->port, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
    assert_int_equal(old.status, 401);
    g_auto(Answer) fresh = ask(fixture->port, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n"
                                              "Authorization: Bearer sl_new_x\r\n\r\n");
    assert_int_equal(fresh.status, 200);
}

static void metrics_count_answers_by_route_and_class(void **state)
{
    Fixture fixture = {.settings = test_settings()};
    start(&fixture);
    int fd = dial(fixture.port);
    for (int i = 0; i < 3; i++) {
        send_text(fd, "GET /v1/things/x HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
        g_auto(Answer) answer = take_answer(fd, true);
    }
    send_text(fd, "GET /v1/things/x?n=0 HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
    g_auto(Answer) faulty = take_answer(fd, true);
    send_text(fd, "GET /nowhere HTTP/1.1\r\nHost: h\r\n" KEY CRLF);
    g_auto(Answer) lost = take_answer(fd, true);
    send_text(fd, GET_FAULTLESS CRLF); /* its answer says that the ones before are counted */
    g_auto(Answer) last = take_answer(fd, true);
    ServerMetrics metrics = server_metrics(fixture.server);
    assert_int_equal(metrics.n_routes, G_N_ELEMENTS(ROUTES));
    const RouteMetrics *route = &metrics.routes[0];
    assert_string_equal(route->operation, "getThing");
    assert_int_equal(route->by_class[2], 3);
    assert_int_equal(route->by_class[4], 1);
    assert_int_equal(route->count, 4);
    assert_int_equal(route->buckets[15], 4);
    assert_int_equal(metrics.requests_refused, 1);
    assert_int_equal(metrics.connections_total, 1);
    assert_int_equal(metrics.connections_open, 1);
    g_free((void *)metrics.routes);
    close(fd);
    stop(&fixture);
}

static void a_port_in_use_is_a_clear_error(void **state)
{
    const Fixture *fixture = *state;
    Settings settings = test_settings();
    settings.port = fixture->port;
    const ServerOptions options = {
        .settings = &settings, .routes = ROUTES, .n_routes = 1, .auth = fixture->auth};
    g_autoptr(GError) error = NULL;
    assert_null(server_start(&options, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
    assert_non_null(strstr(error->message, "127.0.0.1"));
    g_clear_error(&error);
    settings.listen_address = (char *)"not an address";
    assert_null(server_start(&options, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
}

static void missing_tls_files_are_a_clear_error(void **state)
{
    const Fixture *fixture = *state;
    Settings settings = test_settings();
    settings.tls_certificate = settings.tls_key = (char *)"/nowhere/x.pem";
    const ServerOptions options = {
        .settings = &settings, .routes = ROUTES, .n_routes = 1, .auth = fixture->auth};
    g_autoptr(GError) error = NULL;
    assert_null(server_start(&options, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
}

int main(void)
{
    error_init();
    log_set_level(LOG_ERROR + 1);
#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVED(malformed_requests_are_refused_each_with_its_status),
        SERVED(a_request_that_comes_byte_by_byte_is_read_alike),
        SERVED(a_refused_framing_ends_the_connection),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(ids_are_decoded_after_splitting),
        SERVED(a_handler_sees_query_key_host_and_target),
        SERVED(a_host_is_there_even_without_a_header),
        SERVED(integers_of_the_query_are_checked),
        SERVED(unknown_and_repeated_parameters_are_faults_with_near_misses),
        SERVED(a_problem_says_all_that_rfc_9457_and_we_promise),
        SERVED(an_inner_error_shows_no_detail),
        SERVED(every_answer_has_the_common_headers),
        SERVED(headers_reach_the_handler_and_injected_ones_nobody),
        SERVED(a_known_etag_is_answered_304),
        SERVED(head_is_get_without_a_body),
        SERVED(an_empty_answer_keeps_the_connection),
        SERVED(a_405_says_what_is_allowed),
        SERVED(a_slash_at_the_end_is_hinted_at),
        SERVED(a_401_names_the_scheme),
        SERVED(json_bodies_are_read_and_faults_named),
        SERVED(targets_above_the_limit_are_414),
        SERVED(a_query_of_a_thousand_arguments_is_answered),
        SERVED(header_blocks_above_the_limit_are_431),
        SERVED(bodies_up_to_the_limit_pass_and_above_are_413),
        SERVED(a_body_too_large_by_its_header_alone_is_413_at_once),
        SERVED(an_expecting_client_is_told_to_continue),
        SERVED(a_key_above_its_rate_is_429),
        SERVED(the_next_key_set_counts_at_once),
        SERVED(metrics_count_answers_by_route_and_class),
        SERVED(a_port_in_use_is_a_clear_error),
        SERVED(missing_tls_files_are_a_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
