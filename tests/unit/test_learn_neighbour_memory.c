/* Every allocation sized by data fails in turn while the neighbour methods learn: ERR_NO_MEMORY and
 * nothing leaked (AddressSanitizer looks). GLib's g_try_ functions are replaced by these. */
#include "learn_shop.h"

#include <stdlib.h>

#include "learn/ease.h"
#include "learn/item_knn.h"
#include "learn/tifu_knn.h"

static unsigned allocations; /* since the last start */
static unsigned fail_at;     /* the allocation that fails; 0: none */

void *g_try_realloc_n(void *memory, gsize n, gsize size)
{
    gsize bytes;
    if (++allocations == fail_at || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return realloc(memory, bytes);
}

void *g_try_malloc_n(gsize n, gsize size)
{
    return g_try_realloc_n(NULL, n, size);
}

void *g_try_malloc0_n(gsize n, gsize size)
{
    return ++allocations == fail_at ? NULL : calloc(n, size);
}

void *g_try_malloc(gsize bytes)
{
    return g_try_malloc_n(bytes, 1);
}

void *g_try_malloc0(gsize bytes)
{
    return g_try_malloc0_n(bytes, 1);
}

void *g_try_realloc(void *memory, gsize bytes)
{
    return g_try_realloc_n(memory, bytes, 1);
}

/* Whether the fit came to its allocation number `at`, which failed. */
static bool fails_at(const Learner *learner, const Dataset *shop, unsigned at, unsigned *refused)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(100), .threads = 1};
    allocations = 0;
    fail_at = at;
    g_autoptr(Fitted) fitted = learner->fit(shop, &context, &error);
    fail_at = 0;
    if (!fitted) {
        assert_int_equal(error_code(error), ERR_NO_MEMORY);
        ++*refused;
    } else {
        expect_finite_scores(fitted); /* only shrinking failed, which costs nothing */
    }
    return allocations >= at;
}

static void each_allocation_fails_in_turn(void **state)
{
    const Learner *learners[] = {&learner_ease, &learner_item_knn, &learner_tifu_knn};
    g_autofree Bought *bought = random_purchases(300, 20, 30, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 30, bought, 300);
    for (size_t i = 0; i < G_N_ELEMENTS(learners); i++) {
        unsigned at = 1, refused = 0;
        while (fails_at(learners[i], shop, at, &refused))
            at++;
        assert_true(refused >= 15 && at <= refused + 10);
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
