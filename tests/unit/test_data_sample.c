/* Some of the users of a data set, whole. */
#include "learn_shop.h"

#define USERS 400u
#define ITEMS 30u
#define ROWS  4000u

static const SignalKind view = {.name = "view", .weight = -1};

static Dataset *shop(void)
{
    g_autofree Bought *bought = random_purchases(ROWS, USERS, ITEMS, 100, 1);
    g_autofree Bought *seen = random_purchases(2 * ROWS, USERS, ITEMS, 100, 2);
    const Signal signals[] = {{view, seen, 2 * ROWS}};
    return shop_with_signals(USERS, ITEMS, bought, ROWS, signals, 1);
}

static uint64_t rows_of(const Dataset *dataset, uint32_t user)
{
    return dataset->user_start[user + 1] - dataset->user_start[user];
}

/* The user's rows in both, or none of them. */
static void expect_rows(const Dataset *part, const Dataset *whole, uint32_t user, bool drawn)
{
    uint64_t from = whole->user_start[user], at = part->user_start[user], n = rows_of(part, user);
    assert_int_equal(n, drawn ? rows_of(whole, user) : 0);
    assert_memory_equal(part->rows.item + at, whole->rows.item + from, n * sizeof(uint32_t));
    assert_memory_equal(part->rows.time + at, whole->rows.time + from, n * sizeof(int64_t));
    assert_memory_equal(part->rows.quantity + at, whole->rows.quantity + from, n * sizeof(float));
    for (uint64_t r = at; r < at + n; r++)
        assert_int_equal(part->rows.user[r], user);
}

static void users_are_drawn_whole_with_what_they_viewed(void **state)
{
    g_autoptr(Dataset) whole = shop();
    g_autoptr(Dataset) part = dataset_sample(whole, 0.3, 5, NULL);
    uint32_t n = 0;
    assert_int_equal(part->n_signals, 1);
    assert_true(part->items == whole->items && part->n_users == USERS);
    for (uint32_t user = 0; user < USERS; user++) {
        bool drawn = rows_of(part, user) > 0;
        expect_rows(part, whole, user, drawn);
        expect_rows(part->signal[0], whole->signal[0], user, drawn);
        n += drawn;
    }
    assert_in_range(n, USERS * 0.22, USERS * 0.38);
    assert_true(part->first >= whole->first && part->last <= whole->last);
    assert_true(part->first < part->last);
}

static void the_seed_decides_and_shares_reach_from_none_to_all(void **state) /* F21 */
{
    g_autoptr(Dataset) whole = shop();
    g_autoptr(Dataset) a = dataset_sample(whole, 0.5, 5, NULL);
    g_autoptr(Dataset) b = dataset_sample(whole, 0.5, 5, NULL);
    g_autoptr(Dataset) c = dataset_sample(whole, 0.5, 6, NULL);
    assert_memory_equal(a->user_start, b->user_start, (USERS + 1) * sizeof(uint64_t));
    assert_memory_not_equal(a->user_start, c->user_start, (USERS + 1) * sizeof(uint64_t));
    g_autoptr(Dataset) all = dataset_sample(whole, 1, 5, NULL);
    g_autoptr(Dataset) none = dataset_sample(whole, 0, 5, NULL);
    assert_memory_equal(all->user_start, whole->user_start, (USERS + 1) * sizeof(uint64_t));
    assert_int_equal(none->rows.n + none->signal[0]->rows.n, 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_drawn_whole_with_what_they_viewed),
        cmocka_unit_test(the_seed_decides_and_shares_reach_from_none_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
