#include "handlers.h"

#include "api/api.h"
#include "state.h"

HANDLER(health_live)
{
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "status");
    json_string(json, "ok");
    json_end_object(json);
}

HANDLER(health_openapi)
{
    const Api *api = context;
    buffer_append(response_body(response, "application/json"), api->openapi, api->openapi_length);
}

/* Why no request should come here; NULL when it should. */
static const char *why_not_ready(const Api *api, bool database, size_t serving)
{
    const char *why = NULL;
    if (!state_server(api))
        return "the service is starting or stopping";
    if (api->ready && !api->ready(api->ready_context, &why))
        return why ? why : "the service is starting or stopping";
    if (!database && serving == 0)
        return "PostgreSQL is away and no prediction has a version to serve";
    return NULL;
}

HANDLER(health_ready)
{
    Api *api = context;
    bool database = store_ping(api->store, NULL);
    RegisterStatus status = register_status(api->reg);
    const char *why = why_not_ready(api, database, status.serving);
    response_status(response, why ? 503 : 200);
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "status");
    json_string(json, why ? "not_ready" : "ready");
    json_key(json, "database");
    json_string(json, database ? "up" : "down");
    json_key(json, "snapshots");
    json_uint(json, status.serving);
    json_key(json, "verifying");
    json_bool(json, status.verifying);
    json_key(json, "reason");
    json_string(json, why);
    json_end_object(json);
}
