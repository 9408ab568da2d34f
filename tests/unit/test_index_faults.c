/* The building of a version's file stopped at every allocation that is sized by data: it ends with
 * its own error and leaves no file, and AddressSanitizer sees that nothing is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "context_shop.h"
#include "refused_memory.h"

#define ITEMS 20u

static bool build(const Shop *shop, GError **error)
{
    BuildOptions options = shop_options(PURCHASED_EXCLUDE, 0);
    options.cancel = &cancel;
    allocations = 0;
    return index_build(shop->path, &shop->planned.fitted, shop->view, shop->scope, &options, error);
}

static void expect_stopped(const Shop *shop, GError *error, ErrorCode code)
{
    assert_int_equal(error_code(error), code);
    assert_false(g_file_test(shop->path, G_FILE_TEST_EXISTS));
    g_error_free(error);
}

static void a_build_stops_wherever_memory_is_refused_or_it_is_cancelled(void **state)
{
    g_autoptr(Shop) shop = context_shop(ITEMS);
    cancel_init(&cancel);
    assert_true(build(shop, NULL));
    unsigned all = allocations, refused = 0, cancelled = 0;
    for (unsigned at = 1; at <= all; at++) {
        GError *error = NULL;
        g_unlink(shop->path);
        fail_at = at;
        if (!build(shop, &error)) {
            expect_stopped(shop, error, ERR_NO_MEMORY);
            refused++;
        }
        g_unlink(shop->path);
        fail_at = 0;
        cancel_at = at;
        error = NULL;
        if (!build(shop, &error)) {
            expect_stopped(shop, error, ERR_CANCELLED);
            cancelled++;
        }
        cancel_at = 0;
        cancel_init(&cancel);
    }
    assert_true(all > 30 && 4 * refused >= 3 * all); /* the others only shrink what there is */
    assert_true(4 * cancelled >= 3 * all);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_build_stops_wherever_memory_is_refused_or_it_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
