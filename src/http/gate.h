/* What a request passes before a handler sees it: target, route, key, rate, query parameters. Knows
 * no socket. Thread-safe. */
#pragma once

#include <stdbool.h>

#include "base/config.h"
#include "http/auth.h"
#include "limiter.h"
#include "request_state.h"
#include "response_state.h"
#include "router.h"

typedef struct Gate {
    const Settings *settings;
    Router *router;
    Auth *auth;
    Limiter *limiter;
} Gate;

/* Fills target, plan, key and scopes of a request whose head is known. `scratch` is
 * target_parse()'s. False: the response says why not. */
bool gate_admit(const Gate *gate, Request *request, Response *response, char *scratch);
