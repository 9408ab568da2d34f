#include "router.h"

#include <string.h>

static const char *const METHODS[] = {"GET", "POST", "PATCH", "DELETE", "PUT"};
#define N_METHODS G_N_ELEMENTS(METHODS)
#define GET_BIT   1U

typedef struct Node {
    char *literal;          /* NULL: a parameter, or the root */
    size_t length;          /* of the literal */
    GPtrArray *literals;    /* of Node */
    struct Node *parameter; /* or NULL */
    RoutePlan *plans[N_METHODS];
} Node;

struct Router {
    RoutePlan *plans;
    size_t n;
    Node *root;
};

static void node_free(void *pointer)
{
    Node *node = pointer;
    if (!node)
        return;
    g_ptr_array_unref(node->literals);
    node_free(node->parameter);
    g_free(node->literal);
    g_free(node);
}

static Node *node_new(const char *literal)
{
    Node *node = g_new0(Node, 1);
    node->literal = g_strdup(literal);
    node->length = literal ? strlen(literal) : 0;
    node->literals = g_ptr_array_new_with_free_func(node_free);
    return node;
}

static Node *find_literal(const Node *node, const char *bytes, size_t length)
{
    for (guint i = 0; i < node->literals->len; i++) {
        Node *child = g_ptr_array_index(node->literals, i);
        if (child->length == length && memcmp(child->literal, bytes, length) == 0)
            return child;
    }
    return NULL;
}

static Node *grow(Node *node, const char *segment)
{
    if (segment[0] == '{') {
        if (!node->parameter)
            node->parameter = node_new(NULL);
        return node->parameter;
    }
    Node *child = find_literal(node, segment, strlen(segment));
    if (!child) {
        child = node_new(segment);
        g_ptr_array_add(node->literals, child);
    }
    return child;
}

/* -1 when unknown. */
static int method_index(const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        return 0;
    for (size_t i = 0; i < N_METHODS; i++)
        if (strcmp(method, METHODS[i]) == 0)
            return (int)i;
    return -1;
}

static void add_parameter(RoutePlan *plan, const char *segment, size_t at)
{
    size_t length = strlen(segment);
    g_assert(plan->n_parameters < ROUTE_PARAMETERS_MAX);
    g_assert(length > 2 && segment[length - 1] == '}');
    char *name = g_strndup(segment + 1, length - 2);
    for (size_t i = 0; i < plan->n_parameters; i++)
        g_assert(strcmp(plan->parameters[i].name, name) != 0);
    plan->parameters[plan->n_parameters].name = name;
    plan->parameters[plan->n_parameters++].segment = at;
}

static void add_route(Router *router, RoutePlan *plan)
{
    const Route *route = plan->route;
    int method = method_index(route->method);
    g_assert(method >= 0 && route->path[0] == '/');
    g_auto(GStrv) segments = g_strsplit(route->path, "/", -1);
    g_assert(g_strv_length(segments) <= TARGET_SEGMENTS_MAX + 1);
    Node *node = router->root;
    for (size_t i = 1; segments[i]; i++) { /* nothing stands before the first slash */
        if (segments[i][0] == '{')
            add_parameter(plan, segments[i], i - 1);
        node = grow(node, segments[i]);
    }
    g_assert(!node->plans[method]);
    node->plans[method] = plan;
    plan->query = g_strsplit(route->query ? route->query : "", " ", -1);
}

Router *router_new(const Route *routes, size_t n)
{
    Router *router = g_new0(Router, 1);
    router->plans = g_new0(RoutePlan, n);
    router->n = n;
    router->root = node_new(NULL);
    for (size_t i = 0; i < n; i++) {
        router->plans[i].route = &routes[i];
        router->plans[i].index = i;
        add_route(router, &router->plans[i]);
    }
    return router;
}

void router_free(Router *router)
{
    if (!router)
        return;
    for (size_t i = 0; i < router->n; i++) {
        for (size_t j = 0; j < router->plans[i].n_parameters; j++)
            g_free(router->plans[i].parameters[j].name);
        g_strfreev(router->plans[i].query);
    }
    node_free(router->root);
    g_free(router->plans);
    g_free(router);
}

static unsigned node_methods(const Node *node)
{
    unsigned methods = 0;
    for (size_t i = 0; i < N_METHODS; i++)
        if (node->plans[i])
            methods |= 1U << i;
    return methods;
}

/* Goes on with the parameter when the literal leads nowhere; gathers in *seen the methods of nodes
 * that the path reaches. */
static const RoutePlan *search(const Node *node, const Target *target, size_t at, int method,
                               unsigned *seen)
{
    if (at == target->n_segments) {
        *seen |= node_methods(node);
        return method >= 0 ? node->plans[method] : NULL;
    }
    const Text *segment = &target->segments[at];
    const Node *literal = find_literal(node, segment->bytes, segment->length);
    const RoutePlan *plan = literal ? search(literal, target, at + 1, method, seen) : NULL;
    if (!plan && node->parameter && segment->length > 0)
        plan = search(node->parameter, target, at + 1, method, seen);
    return plan;
}

static char *allow_text(unsigned methods)
{
    if (methods == 0)
        return NULL;
    GString *text = g_string_new(methods & GET_BIT ? "GET, HEAD" : "");
    for (size_t i = 1; i < N_METHODS; i++)
        if (methods & (1U << i))
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", METHODS[i]);
    return g_string_free(text, FALSE);
}

const RoutePlan *router_match(const Router *router, const char *method, const Target *target,
                              char **allowed)
{
    unsigned seen = 0;
    *allowed = NULL;
    if (target->n_segments > TARGET_SEGMENTS_MAX)
        return NULL;
    const RoutePlan *plan = search(router->root, target, 0, method_index(method), &seen);
    if (!plan)
        *allowed = allow_text(seen);
    return plan;
}
