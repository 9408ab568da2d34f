#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/api.h"
#include "base/error.h"
#include "store/keys.h"

static void every_route_says_who_may_come_in(void **state)
{
    size_t n = 0;
    const Route *routes = api_routes(&n);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        bool is_public = routes[i].flags & ROUTE_PUBLIC;
        if (is_public != (routes[i].scopes == 0) || (!is_public && !(routes[i].scopes & KEY_ADMIN)))
            fail_msg("scopes of %s", routes[i].operation);
        if ((routes[i].scopes & KEY_STOREFRONT) && strcmp(routes[i].method, "GET") != 0)
            fail_msg("a storefront key changes something by %s", routes[i].operation);
    }
}

static void every_change_is_audited_and_nothing_else(void **state)
{
    size_t n = 0;
    const Route *routes = api_routes(&n);
    for (size_t i = 0; i < n; i++)
        if ((strcmp(routes[i].method, "GET") != 0) != !!(routes[i].flags & ROUTE_AUDITED))
            fail_msg("audit of %s", routes[i].operation);
}

/* F49: a POST may be repeated; but the answer that shows a key is never kept. */
static void every_post_may_be_repeated_but_that_of_a_key(void **state)
{
    size_t n = 0;
    const Route *routes = api_routes(&n);
    for (size_t i = 0; i < n; i++) {
        bool wanted =
            strcmp(routes[i].method, "POST") == 0 && strcmp(routes[i].operation, "createKey") != 0;
        if (wanted != !!(routes[i].flags & ROUTE_IDEMPOTENT))
            fail_msg("repeats of %s", routes[i].operation);
    }
}

static void operations_and_paths_are_unique(void **state)
{
    size_t n = 0;
    const Route *routes = api_routes(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(routes[i].operation, routes[k].operation) == 0 ||
                (strcmp(routes[i].path, routes[k].path) == 0 &&
                 strcmp(routes[i].method, routes[k].method) == 0))
                fail_msg("%s is there twice", routes[i].operation);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_says_who_may_come_in),
        cmocka_unit_test(every_change_is_audited_and_nothing_else),
        cmocka_unit_test(every_post_may_be_repeated_but_that_of_a_key),
        cmocka_unit_test(operations_and_paths_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
