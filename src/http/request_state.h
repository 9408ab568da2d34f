/* What a request is made of; the server fills it, request.c answers questions about it. */
#pragma once

#include "base/buffer.h"
#include "framing.h"
#include "http/auth.h"
#include "http/request.h"
#include "router.h"
#include "target.h"
#include "trace_id.h"

struct Request {
    char id[TRACE_ID_LENGTH + 1];
    RequestHead head;
    const char *raw_target; /* as it came, NUL-terminated */
    Target target;
    const RoutePlan *plan; /* NULL until a route matched */
    Buffer body;
    cJSON *json;
    char key[AUTH_ID_MAX + 1]; /* "" on a public route */
    unsigned scopes;
    AuthMemory memory; /* of the connection's requests before */
    const char *default_host;
};

void request_init(Request *request, const char *default_host);

/* Makes it ready for the connection's next request; keeps a small body's memory. */
void request_reset(Request *request);
void request_clear(Request *request);
