/* Every allocation sized by data fails in turn while these methods learn: ERR_NO_MEMORY and
 * nothing leaked (AddressSanitizer looks). GLib's g_try_ functions are replaced by these. */
#include "content_shop.h"
#include "users_shop.h"

#include <stdlib.h>

#include "learn/ease.h"
#include "learn/item_knn.h"
#include "learn/popularity.h"
#include "learn/repeat.h"
#include "learn/segments.h"
#include "learn/slim.h"
#include "learn/tifu_knn.h"
#include "learn/transitions.h"
#include "learn/trending.h"

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

/* Of the events beside purchases, where a shop has any. */
static const SignalWeights weights = {.n = 1, .weight = {0.5}, .half_life_days = {30}};

/* Whether the fit came to its allocation number `at`, which failed. */
static bool fails_at(const Learner *learner, const Dataset *shop, unsigned at, unsigned *refused)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(100), .threads = 1, .signals = &weights};
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

static const char *of_two(uint32_t user)
{
    return user % 2 ? "a" : "b";
}

static const char *of_four(uint32_t user)
{
    static const char *const age[] = {"18", "27", "36", "45"};
    return age[user % 4];
}

static void each_allocation_fails_in_turn(void **state)
{
    const struct {
        const Learner *learner;
        unsigned least; /* allocations that cannot be done without */
    } cases[] = {{&learner_ease, 15},      {&learner_slim, 20},       {&learner_item_knn, 15},
                 {&learner_tifu_knn, 15},  {&learner_segments, 20},   {&learner_trending, 3},
                 {&learner_popularity, 2}, {&learner_transitions, 15}};
    const UserColumn columns[] = {{"group", COLUMN_CATEGORICAL, of_two, false},
                                  {"age", COLUMN_NUMERIC, of_four, false}};
    g_autofree Bought *bought = random_purchases(600, 50, 30, 100, 3);
    g_autoptr(Dataset) shop = shop_of_users(50, 30, bought, 600, columns, 2);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        unsigned at = 1, refused = 0;
        while (fails_at(cases[i].learner, shop, at, &refused))
            at++;
        assert_true(refused >= cases[i].least && at <= refused + 10);
    }
}

static void each_allocation_for_carts_fails_in_turn(void **state)
{
    static const Learner *const learners[] = {&learner_repeat, &learner_tifu_knn, &learner_segments,
                                              &learner_transitions, &learner_item_knn};
    const UserColumn columns[] = {{"group", COLUMN_CATEGORICAL, of_two, false}};
    g_autofree Bought *bought = random_purchases(600, 50, 30, 100, 3);
    g_autofree Bought *carts = random_purchases(900, 50, 30, 100, 4);
    const Signal signal = {{.name = "cart"}, carts, 900};
    g_autoptr(Dataset) shop = shop_of_users_with(50, 30, bought, 600, columns, 1, &signal);
    for (size_t i = 0; i < G_N_ELEMENTS(learners); i++) {
        unsigned at = 1, refused = 0;
        while (fails_at(learners[i], shop, at, &refused))
            at++;
        if (refused < 15 || at > refused + 16) /* each of the sums shrinks to what it holds */
            fail_msg("%s: %u of %u refused", learners[i]->name, refused, at);
    }
}

static void each_allocation_for_described_products_fails_in_turn(void **state)
{
    g_auto(RandomShop) random = random_shop(20, 30, 300, 3);
    unsigned at = 1, refused = 0;
    while (fails_at(&learner_content, random.shop, at, &refused))
        at++;
    assert_true(refused >= 20 && at <= refused + 10);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_in_turn),
        cmocka_unit_test(each_allocation_for_carts_fails_in_turn),
        cmocka_unit_test(each_allocation_for_described_products_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
