/* The operations of the service: the route table, and what all handlers share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "http/auth.h"
#include "http/server.h"
#include "index/register.h"
#include "jobs/workers.h"
#include "store/store.h"

/* What handlers work with; all borrowed from main. */
typedef struct Api {
    const Settings *settings;
    Store *store;
    Register *reg;
    Auth *auth;
    Server *server;      /* by api_set_server() */
    Workers *workers;    /* NULL when this process runs no jobs */
    const char *openapi; /* the document as JSON text, NUL-terminated */
    size_t openapi_length;
    bool (*ready)(void *context, const char **why); /* may be NULL */
    void *ready_context;
    void *state; /* caches of the handlers: api_state_new() */
} Api;

const Route *api_routes(size_t *n);

/* Around every handler: idempotency, audit. */
void api_dispatch(const Route *route, Request *request, Response *response, void *context);

/* Prepares api->state; api_clear() frees it. */
void api_init(Api *api);
void api_clear(Api *api);

/* What /metrics asks; NULL before the server runs and once it stops. Thread-safe. */
void api_set_server(Api *api, Server *server);

/* Fills `auth` from the store and keeps a copy of the hashes in the data folder, from which a start
 * without PostgreSQL lives. ERR_UNAVAILABLE. */
bool api_refresh_keys(Api *api, GError **error);

/* From that copy. ERR_NOT_FOUND. */
bool api_restore_keys(Api *api, GError **error);
