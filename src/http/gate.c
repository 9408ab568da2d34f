#include "gate.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define NEAR_MISSES 3

static bool check_target(const Gate *gate, Request *request, Response *response, char *scratch)
{
    const RequestHead *head = &request->head;
    if (head->target_length > gate->settings->target_max) {
        response_fail(response, ERR_URI_TOO_LONG, "path and query have %zu bytes, the limit is %u",
                      head->target_length, gate->settings->target_max);
        return false;
    }
    GError *error = NULL;
    if (target_parse(&request->target, request->raw_target, head->target_length, scratch, &error))
        return true;
    response_error(response, error);
    return false;
}

/* Would the path exist without the slash at its end? */
static bool only_slash_is_wrong(const Gate *gate, const Request *request)
{
    Target target = request->target;
    size_t n = target.n_segments;
    if (n < 2 || n > TARGET_SEGMENTS_MAX || target.segments[n - 1].length > 0)
        return false;
    target.n_segments--;
    g_autofree char *allowed = NULL;
    return router_match(gate->router, request->head.method, &target, &allowed) || allowed;
}

static bool find_route(const Gate *gate, Request *request, Response *response)
{
    g_autofree char *allowed = NULL;
    const char *method = request->head.method;
    request->plan = router_match(gate->router, method, &request->target, &allowed);
    if (request->plan)
        return true;
    if (allowed) {
        response_fail(response, ERR_METHOD_NOT_ALLOWED, "%s is not allowed here, but %s", method,
                      allowed);
        response_header(response, "Allow", allowed);
        return false;
    }
    response_fail(response, ERR_NOT_FOUND, "no such path");
    if (only_slash_is_wrong(gate, request))
        response_hint(response, "leave out the slash at the end of the path");
    return false;
}

static bool check_key(const Gate *gate, Request *request, Response *response)
{
    const Route *route = request->plan->route;
    if (route->flags & ROUTE_PUBLIC)
        return true;
    GError *error = NULL;
    const char *authorization = framing_single(&request->head, HEADER_AUTHORIZATION);
    if (!auth_check(gate->auth, &request->memory, authorization, request->key, &request->scopes,
                    &error)) {
        response_error(response, error);
        return false;
    }
    if (!(request->scopes & route->scopes)) {
        response_fail(response, ERR_FORBIDDEN, "the key's scopes do not reach %s",
                      route->operation);
        return false;
    }
    if (gate->settings->rate_per_second > 0 &&
        !limiter_take(gate->limiter, request->key, clock_ticks_ns())) {
        response_fail(response, ERR_RATE_LIMITED, "the key may ask %u times a second",
                      gate->settings->rate_per_second);
        return false;
    }
    return true;
}

static void add_unknown(Faults *faults, const Argument *argument, char *const *known)
{
    g_autofree char *pointer = g_strconcat("?", argument->name.bytes, NULL);
    g_auto(GStrv) near = near_misses(argument->name.bytes, (const char *const *)known, NEAR_MISSES);
    faults_add(faults, pointer, "unknown_field", NULL, (const char *const *)near,
               "there is no query parameter \"%s\" here", argument->name.bytes);
}

static void add_duplicate(Faults *faults, const Argument *argument)
{
    g_autofree char *pointer = g_strconcat("?", argument->name.bytes, NULL);
    faults_add(faults, pointer, "duplicate", NULL, NULL, "\"%s\" must come once",
               argument->name.bytes);
}

static bool check_query(Request *request, Response *response)
{
    const Target *target = &request->target;
    if (target->n_arguments == 0)
        return true;
    g_autoptr(Faults) faults = NULL;
    for (size_t i = 0; i < target->n_arguments; i++) {
        const Argument *argument = &target->arguments[i];
        bool known =
            g_strv_contains((const char *const *)request->plan->query, argument->name.bytes);
        bool repeated = target_argument(target, argument->name.bytes) != argument;
        if (known && !repeated)
            continue;
        if (!faults)
            faults = faults_new();
        if (!known)
            add_unknown(faults, argument, request->plan->query);
        else
            add_duplicate(faults, argument);
    }
    return !faults || !response_faults(response, faults);
}

bool gate_admit(const Gate *gate, Request *request, Response *response, char *scratch)
{
    return check_target(gate, request, response, scratch) && find_route(gate, request, response) &&
           check_key(gate, request, response) && check_query(request, response);
}
