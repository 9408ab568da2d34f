/* Which route a path finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/router.h"

// clang-format off
static const Route ROUTES[] = {
    {"GET",    "/",                              0, 0, NULL, "root",           NULL},
    {"GET",    "/v1/audiences",                  0, 0, NULL, "listAudiences",  "limit cursor"},
    {"POST",   "/v1/audiences",                  0, 0, NULL, "makeAudience",   NULL},
    {"POST",   "/v1/audiences/estimate",         0, 0, NULL, "estimate",       NULL},
    {"GET",    "/v1/audiences/{audience}",       0, 0, NULL, "getAudience",    NULL},
    {"DELETE", "/v1/audiences/{audience}",       0, 0, NULL, "deleteAudience", NULL},
    {"GET",    "/v1/p/{p}/users/{u}/recommendations", 0, 0, NULL, "recommend", "n"},
};

static const struct {
    const char *method, *path, *operation, *allowed;
} CASES[] = {
    {"GET",    "/",                                 "root",           NULL},
    {"GET",    "/v1/audiences",                     "listAudiences",  NULL},
    {"HEAD",   "/v1/audiences",                     "listAudiences",  NULL},
    {"POST",   "/v1/audiences",                     "makeAudience",   NULL},
    {"POST",   "/v1/audiences/estimate",            "estimate",       NULL},
    {"GET",    "/v1/audiences/estimate",            "getAudience",    NULL}, /* an audience's id */
    {"DELETE", "/v1/audiences/a%2Fb",               "deleteAudience", NULL},
    {"GET",    "/v1/p/x/users/y/recommendations",   "recommend",      NULL},
    {"GET",    "/v1/p/x/users/a%2Fb/recommendations", "recommend",    NULL},
    {"GET",    "/v1/p/x/users/a/b/recommendations", NULL,             NULL},
    {"PATCH",  "/v1/audiences",                     NULL,             "GET, HEAD, POST"},
    {"PATCH",  "/v1/audiences/estimate",            NULL,             "GET, HEAD, POST, DELETE"},
    {"BREW",   "/v1/audiences/x",                   NULL,             "GET, HEAD, DELETE"},
    {"get",    "/v1/audiences",                     NULL,             "GET, HEAD, POST"},
    {"GET",    "/v1/audiences/",                    NULL,             NULL},
    {"GET",    "/v1//audiences",                    NULL,             NULL},
    {"GET",    "/v1",                               NULL,             NULL},
    {"GET",    "/V1/audiences",                     NULL,             NULL},
    {"GET",    "/v1/audience",                      NULL,             NULL},
    {"GET",    "/v1/p/x/users//recommendations",    NULL,             NULL},
    {"GET",    "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL,    NULL},
};
// clang-format on

static const RoutePlan *match(const Router *router, const char *method, const char *path,
                              Target *target, char *scratch, char **allowed)
{
    assert_true(target_parse(target, path, strlen(path), scratch, NULL));
    return router_match(router, method, target, allowed);
}

static void each_path_finds_its_route(void **state)
{
    g_autoptr(Router) router = router_new(ROUTES, G_N_ELEMENTS(ROUTES));
    for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
        Target target;
        char scratch[128];
        g_autofree char *allowed = NULL;
        const RoutePlan *plan =
            match(router, CASES[i].method, CASES[i].path, &target, scratch, &allowed);
        if (g_strcmp0(plan ? plan->route->operation : NULL, CASES[i].operation) != 0 ||
            g_strcmp0(allowed, CASES[i].allowed) != 0)
            fail_msg("%s %s: %s, allowed %s", CASES[i].method, CASES[i].path,
                     plan ? plan->route->operation : "none", allowed ? allowed : "none");
    }
}

static void a_plan_knows_parameters_and_query_names(void **state)
{
    g_autoptr(Router) router = router_new(ROUTES, G_N_ELEMENTS(ROUTES));
    Target target;
    char scratch[128];
    g_autofree char *allowed = NULL;
    const RoutePlan *plan =
        match(router, "GET", "/v1/p/x/users/y/recommendations", &target, scratch, &allowed);
    assert_int_equal(plan->index, 6);
    assert_int_equal(plan->n_parameters, 2);
    assert_string_equal(plan->parameters[0].name, "p");
    assert_int_equal(plan->parameters[0].segment, 2);
    assert_string_equal(plan->parameters[1].name, "u");
    assert_int_equal(plan->parameters[1].segment, 4);
    assert_int_equal(g_strv_length(plan->query), 1);
    assert_string_equal(plan->query[0], "n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_finds_its_route),
        cmocka_unit_test(a_plan_knows_parameters_and_query_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
