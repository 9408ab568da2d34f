/* Which route a method and a decoded path belong to: a tree of segments, built once from the route
 * table. A literal segment wins over a parameter. Read-only after router_new(): thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "http/server.h"
#include "target.h"

#define ROUTE_PARAMETERS_MAX 6

/* A row of the route table, taken apart. */
typedef struct RoutePlan {
    const Route *route;
    size_t index; /* in the table */
    struct {
        char *name;
        size_t segment;
    } parameters[ROUTE_PARAMETERS_MAX];
    size_t n_parameters;
    char **query; /* NULL-terminated names */
} RoutePlan;

typedef struct Router Router;

/* The table must be sound (known methods, unique routes, distinct parameter names): a programmer's
 * fault ends the process. */
Router *router_new(const Route *routes, size_t n);
void router_free(Router *router);

/* The plan for a request, or NULL; then *allowed is the Allow header's value when the path exists
 * with other methods, for g_free(), and NULL when it does not. HEAD finds what GET would. */
const RoutePlan *router_match(const Router *router, const char *method, const Target *target,
                              char **allowed);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Router, router_free)
