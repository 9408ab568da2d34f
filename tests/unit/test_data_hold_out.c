#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include "base/error.h"
#include "data/split.h"

#define USERS 200u
#define ITEMS 20u

/* User u has bought items 0 to u % ITEMS, each twice. */
static Dataset *shop(void)
{
    DatasetOptions options = {.now = 1000, .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    char user[8], item[8];
    for (uint32_t i = 0; i < ITEMS; i++)
        dataset_builder_add_item(builder, item, (size_t)snprintf(item, sizeof item, "i%u", i),
                                 NULL);
    for (uint32_t u = 0; u < USERS; u++)
        dataset_builder_add_user(builder, user, (size_t)snprintf(user, sizeof user, "u%u", u),
                                 NULL);
    for (uint32_t u = 0; u < USERS; u++) {
        for (uint32_t i = 0; i <= 2 * (u % ITEMS) + 1; i++) {
            EventRow row = {.user = user,
                            .item = item,
                            .user_length = (uint32_t)snprintf(user, sizeof user, "u%u", u),
                            .item_length = (uint32_t)snprintf(item, sizeof item, "i%u", i / 2),
                            .time = 500,
                            .quantity = 1,
                            .price = NAN};
            assert_true(dataset_builder_add_events(builder, &row, 1, NULL));
        }
    }
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

static bool has(const Dataset *dataset, uint32_t user, uint32_t item)
{
    for (uint64_t r = dataset->user_start[user]; r < dataset->user_start[user + 1]; r++) {
        if (dataset->rows.item[r] == item)
            return true;
    }
    return false;
}

static void every_pair_is_on_one_side_and_everybody_keeps_one(void **state) /* F18 */
{
    g_autoptr(Dataset) whole = shop(), rest = NULL;
    g_autoptr(Csr) aside = NULL;
    assert_true(hold_out(whole, 0.2, 1, &rest, &aside, NULL));
    uint64_t pairs = 0, n_aside = aside->start[USERS];
    for (uint32_t user = 0; user < USERS; user++) {
        assert_true(rest->user_start[user + 1] > rest->user_start[user]);
        for (uint32_t item = 0; item < ITEMS; item++) {
            bool is_aside = csr_get(aside, user, item) > 0;
            pairs += has(whole, user, item);
            assert_int_equal(has(rest, user, item) + is_aside, has(whole, user, item));
        }
    }
    assert_int_equal(rest->rows.n, 2 * (pairs - n_aside));
    assert_true(n_aside > 0.15 * (double)pairs && n_aside < 0.25 * (double)pairs);
}

static void the_same_seed_draws_the_same(void **state) /* F21 */
{
    g_autoptr(Dataset) whole = shop(), a = NULL, b = NULL, c = NULL;
    g_autoptr(Csr) aside_a = NULL, aside_b = NULL, aside_c = NULL;
    assert_true(hold_out(whole, 0.2, 1, &a, &aside_a, NULL));
    assert_true(hold_out(whole, 0.2, 1, &b, &aside_b, NULL));
    assert_true(hold_out(whole, 0.2, 2, &c, &aside_c, NULL));
    assert_int_equal(a->rows.n, b->rows.n);
    assert_memory_equal(a->rows.item, b->rows.item, a->rows.n * sizeof(uint32_t));
    assert_true(a->rows.n != c->rows.n ||
                memcmp(a->rows.item, c->rows.item, a->rows.n * sizeof(uint32_t)) != 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_on_one_side_and_everybody_keeps_one),
        cmocka_unit_test(the_same_seed_draws_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
