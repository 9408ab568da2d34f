/* A raw HTTP client and a server of fixed routes, for the tests of the http folder. Any wait that
 * never ends fails the test after PATIENCE_S. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "http/server.h"

#define PATIENCE_S 20

typedef struct Answer {
    int status; /* 0: closed without an answer */
    GString *head;
    GString *body;
    bool complete;
} Answer;

static inline void answer_clear(Answer *answer)
{
    if (answer->head)
        g_string_free(answer->head, TRUE);
    if (answer->body)
        g_string_free(answer->body, TRUE);
    *answer = (Answer){0};
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)

static inline int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* False when the other side has closed. */
static inline bool send_bytes(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

static inline bool send_text(int fd, const char *text)
{
    return send_bytes(fd, text, strlen(text));
}

/* One byte; false at the end of the connection. */
static inline bool take_byte(int fd, GString *into)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("nothing came for %d s", PATIENCE_S);
    if (n <= 0)
        return false;
    g_string_append_c(into, c);
    return true;
}

static inline bool take_until(int fd, GString *into, const char *end)
{
    size_t n = strlen(end);
    while (into->len < n || memcmp(into->str + into->len - n, end, n) != 0)
        if (!take_byte(fd, into))
            return false;
    return true;
}

static inline bool take_bytes(int fd, GString *into, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!take_byte(fd, into))
            return false;
    return true;
}

static inline char *answer_header(const Answer *answer, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(answer->head->str, "\r\n", -1);
    size_t n = strlen(name);
    for (size_t i = 0; lines[i]; i++)
        if (g_ascii_strncasecmp(lines[i], name, n) == 0 && lines[i][n] == ':')
            return g_strstrip(g_strdup(lines[i] + n + 1));
    return NULL;
}

/* One chunk of a chunked body; false at its end or when cut. *last says which. */
static inline bool take_chunk(int fd, GString *into, bool *last)
{
    g_autoptr(GString) size = g_string_new("");
    *last = false;
    if (!take_until(fd, size, "\r\n"))
        return false;
    size_t n = strtoul(size->str, NULL, 16);
    g_autoptr(GString) chunk = g_string_new("");
    if (!take_bytes(fd, chunk, n + 2))
        return false;
    g_string_append_len(into, chunk->str, (gssize)n);
    *last = n == 0;
    return n > 0;
}

static inline Answer take_head(int fd)
{
    Answer answer = {.head = g_string_new(""), .body = g_string_new("")};
    if (take_until(fd, answer.head, "\r\n\r\n"))
        answer.status = atoi(answer.head->str + strlen("HTTP/1.1 "));
    return answer;
}

static inline Answer take_answer(int fd, bool has_body)
{
    Answer answer = take_head(fd);
    if (answer.status == 0)
        return answer;
    g_autofree char *length = answer_header(&answer, "Content-Length");
    g_autofree char *coding = answer_header(&answer, "Transfer-Encoding");
    if (!has_body || answer.status == 304 || answer.status == 204) {
        answer.complete = true;
    } else if (coding) {
        while (take_chunk(fd, answer.body, &answer.complete)) {
        }
    } else if (length) {
        answer.complete = take_bytes(fd, answer.body, strtoul(length, NULL, 10));
    } else {
        while (take_byte(fd, answer.body)) {
        }
        answer.complete = true;
    }
    return answer;
}

/* True when the server ends the connection and sends nothing more. */
static inline bool is_closed(int fd)
{
    g_autoptr(GString) rest = g_string_new("");
    return !take_byte(fd, rest);
}

/* Sends a whole request on a connection of its own. */
static inline Answer ask_bytes(uint16_t port, const char *bytes, size_t length)
{
    int fd = dial(port);
    assert_true(fd >= 0);
    send_bytes(fd, bytes, length);
    Answer answer = take_answer(fd, strncmp(bytes, "HEAD ", 5) != 0);
    close(fd);
    return answer;
}

static inline Answer ask(uint16_t port, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return ask_bytes(port, text, strlen(text));
}

/* A member of a problem document, as text; NULL when there is none. */
static inline char *problem_member(const Answer *answer, const char *name)
{
    g_autoptr(cJSON) json = json_parse(answer->body->str, answer->body->len, NULL);
    const cJSON *member = json ? json_member(json, name) : NULL;
    if (!member)
        return NULL;
    return cJSON_IsString(member) ? g_strdup(member->valuestring) : json_print(member);
}

/* What a shipped configuration says, but for deadlines. */
static inline Settings test_settings(void)
{
    return (Settings){.listen_address = (char *)"127.0.0.1",
                      .http_threads = 2,
                      .offload_threads = 2,
                      .request_body_max = 1 << 20,
                      .header_max = 6144,
                      .target_max = 4096,
                      .request_timeout_ms = 30000,
                      .idle_timeout_ms = 60000,
                      .connections_max = 1000,
                      .drain_timeout_ms = 20000};
}

static inline Server *start_with(const Settings *settings, const Route *routes, size_t n,
                                 Auth *auth, void *context)
{
    const ServerOptions options = {
        .settings = settings, .routes = routes, .n_routes = n, .auth = auth, .context = context};
    GError *error = NULL;
    Server *server = server_start(&options, &error);
    if (!server)
        fail_msg("%s", error->message);
    return server;
}
