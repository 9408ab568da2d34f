/* The HTTP/1.1 server: libmicrohttpd behind limits of our own. server.c is the only file that knows
 * it. A request is checked (framing, headers, path, query, size, key, rate) before any handler sees
 * it; inline routes run on the HTTP thread, all others on offload threads while their connection is
 * suspended. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "http/auth.h"
#include "http/request.h"
#include "http/response.h"

typedef enum RouteFlags {
    ROUTE_INLINE = 1,     /* microseconds, memory only: runs on the HTTP thread */
    ROUTE_PUBLIC = 2,     /* no key */
    ROUTE_IDEMPOTENT = 4, /* takes Idempotency-Key; for the dispatcher */
    ROUTE_AUDITED = 8     /* changes something; for the dispatcher */
} RouteFlags;

typedef void (*Handler)(Request *request, Response *response, void *context);

typedef struct Route {
    const char *method; /* GET POST PATCH DELETE */
    const char *path;   /* "/v1/predictions/{prediction}": a whole segment is a parameter or none */
    unsigned scopes;    /* any of these bits lets a key in; 0 with ROUTE_PUBLIC */
    unsigned flags;
    Handler handle;
    const char *operation; /* operationId in openapi */
    const char *query;     /* names of its query parameters, blank-separated, or NULL */
} Route;

/* Runs a matched, authenticated request: calls route->handle, with whatever belongs around it. */
typedef void (*Dispatch)(const Route *route, Request *request, Response *response, void *context);

typedef struct ServerOptions {
    const Settings *settings;
    const Route *routes;
    size_t n_routes;
    Auth *auth;        /* borrowed */
    Dispatch dispatch; /* NULL: only the handler */
    void *context;     /* for handlers and dispatch */
} ServerOptions;

typedef struct Server Server;

/* Listens. ERR_INVALID (address, port in use, TLS files), ERR_INTERNAL. */
Server *server_start(const ServerOptions *options, GError **error);

/* The port it listens on (useful when the setting is 0). */
uint16_t server_port(const Server *server);

/* Drains: answers get Connection: close, the listening socket closes, requests under way (streams
 * too) get until drain_timeout_ms, then everything stops. Frees the server. */
void server_stop(Server *server);

typedef struct RouteMetrics {
    const char *operation;
    uint64_t by_class[6]; /* answers 1xx … 5xx at [1] … [5] */
    uint64_t buckets[16]; /* cumulative, by SERVER_BUCKETS_US */
    uint64_t count, sum_us;
} RouteMetrics;

/* Upper edges in µs of the latency buckets, the last one is +Inf (UINT32_MAX). */
extern const uint32_t SERVER_BUCKETS_US[16];

typedef struct ServerMetrics {
    uint64_t connections_open, connections_total, requests_refused; /* before any route */
    size_t offload_waiting, offload_busy;
    size_t n_routes;
    const RouteMetrics *routes; /* copied, for g_free() */
} ServerMetrics;

ServerMetrics server_metrics(Server *server);
