#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include <sys/resource.h>
#include <signal.h>

#include "index/recommend.h"
#include "math/rng.h"

static char *read_file(const char *path, gsize *length)
{
    char *content = NULL;
    assert_true(g_file_get_contents(path, &content, length, NULL));
    return content;
}

/* A shop of any size, everything drawn from one seed. */
static Dataset *random_data(uint32_t n_users, uint32_t n_items, size_t n)
{
    DatasetOptions options = {.now = shop_day(1000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    Rng rng;
    rng_init(&rng, 11, 0);
    char user[16], item[16];
    for (uint32_t i = 0; i < n_items; i++)
        dataset_builder_add_item(builder, item, (size_t)snprintf(item, 16, "i%u", i), NULL);
    for (uint32_t u = 0; u < n_users; u++)
        dataset_builder_add_user(builder, user, (size_t)snprintf(user, 16, "u%u", u), NULL);
    for (size_t i = 0; i < n; i++) {
        snprintf(user, sizeof user, "u%u", rng_below(&rng, n_users));
        snprintf(item, sizeof item, "i%u", rng_below(&rng, n_items));
        shop_add_event(builder, user, item, SHOP_DAY * rng_uniform(&rng));
    }
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    return dataset_before(raw, INT64_MAX, NULL);
}

static float *random_scores(uint32_t n_users, uint32_t n_items)
{
    float *scores = g_new(float, (size_t)n_users *n_items);
    Rng rng;
    rng_init(&rng, 12, 0);
    for (size_t i = 0; i < (size_t)n_users * n_items; i++)
        scores[i] = (float)rng_below(&rng, 50); /* many ties, some zeros */
    return scores;
}

/* The best allowed item by a plain search: what the builder's selection is held against. */
static uint32_t next_best(const Shop *shop, uint32_t user, const bool *used, bool exclude)
{
    const Dataset *view = shop->view;
    const float *scores = shop->planned.scores + (size_t)user * view->n_items;
    uint32_t best = IDS_NONE;
    for (uint32_t item = 0; item < view->n_items; item++) {
        bool bought = false;
        for (uint64_t r = view->user_start[user]; r < view->user_start[user + 1]; r++)
            bought |= view->rows.item[r] == item;
        if (used[item] || !shop->scope->item[item] || scores[item] <= 0 || (exclude && bought))
            continue;
        if (best == IDS_NONE || scores[item] > scores[best])
            best = item;
    }
    return best;
}

static void expect_plain_lists(const Shop *shop, const Snapshot *snapshot, uint32_t length,
                               bool exclude)
{
    for (uint32_t user = 0; user < shop->view->n_users; user++) {
        Recommendation list[INDEX_LIST_MAX];
        size_t n = recommend_personal(snapshot, user, INDEX_LIST_MAX, list);
        g_autofree bool *used = g_new0(bool, shop->view->n_items);
        const float *scores = shop->planned.scores + (size_t)user * shop->view->n_items;
        bool predictable = shop->scope->user[user] == USER_PREDICTABLE;
        for (size_t i = 0; i < n; i++) {
            uint32_t expected = next_best(shop, user, used, exclude);
            assert_int_equal(list[i].item, expected);
            assert_float_equal(list[i].score, scores[expected] / scores[list[0].item], 1e-6);
            used[expected] = true;
        }
        if (n < length && predictable)
            assert_int_equal(next_best(shop, user, used, exclude), IDS_NONE);
        assert_true(predictable || n == 0);
    }
}

static void lists_are_the_best_that_the_rules_allow(void **state)
{
    enum { USERS = 300, ITEMS = 120 };
    g_autofree float *scores = random_scores(USERS, ITEMS);
    for (int exclude = 0; exclude < 2; exclude++) {
        g_autoptr(Shop) shop = shop_new_of(random_data(USERS, ITEMS, 1500), "popularity");
        shop->planned.scores = scores;
        BuildOptions options = shop_options(exclude ? PURCHASED_EXCLUDE : PURCHASED_ALLOW, 0);
        options.list_length = 30;
        options.threads = 2;
        shop_build(shop, shop->path, &options);
        g_autoptr(Snapshot) snapshot = shop_open(shop->path);
        expect_plain_lists(shop, snapshot, 30, exclude);
    }
}

static void the_file_does_not_depend_on_the_number_of_threads(void **state)
{
    g_autofree float *scores = random_scores(700, 40);
    g_autoptr(Shop) shop = shop_new_of(random_data(700, 40, 3000), "repeat");
    shop->planned.scores = scores;
    BuildOptions options = shop_options(PURCHASED_EXCLUDE, 0);
    shop_build(shop, shop->path, &options);
    gsize one_length, many_length;
    g_autofree char *one = read_file(shop->path, &one_length);
    options.threads = 3;
    shop_build(shop, shop->path, &options);
    g_autofree char *many = read_file(shop->path, &many_length);
    assert_int_equal(one_length, many_length);
    assert_memory_equal(one, many, one_length);
}

static void list_lengths_are_clamped(void **state)
{
    static const struct {
        uint32_t asked, stored;
    } cases[] = {{0, INDEX_LIST_MIN}, {30, 30}, {100000, INDEX_LIST_MAX}};
    enum { USERS = 20, ITEMS = 300 };
    g_autofree float *scores = g_new(float, USERS *ITEMS);
    for (size_t i = 0; i < USERS * ITEMS; i++)
        scores[i] = (float)(i + 1);
    g_autoptr(Shop) shop = shop_new_of(random_data(USERS, ITEMS, 9000), "popularity");
    shop->planned.scores = scores;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
        options.list_length = cases[i].asked;
        shop_build(shop, shop->path, &options);
        g_autoptr(Snapshot) snapshot = shop_open(shop->path);
        Recommendation list[INDEX_LIST_MAX];
        assert_int_equal(recommend_personal(snapshot, 0, INDEX_LIST_MAX, list), cases[i].stored);
    }
}

static void answers_have_the_length_that_the_version_says(void **state)
{
    static const uint32_t cases[][2] = {{0, 10}, {1, 1}, {25, 25}, {100, 100}, {101, 10}};
    g_autoptr(Shop) shop = shop_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
        options.n = cases[i][0];
        shop_build(shop, shop->path, &options);
        g_autoptr(Snapshot) snapshot = shop_open(shop->path);
        assert_int_equal(snapshot_default_n(snapshot), cases[i][1]);
    }
}

static void note(void *context, double fraction)
{
    double *last = context;
    assert_true(fraction >= *last && fraction <= 1);
    *last = fraction;
}

static void progress_rises_to_1(void **state)
{
    double last = 0;
    g_autofree float *scores = random_scores(2000, 10);
    g_autoptr(Shop) shop = shop_new_of(random_data(2000, 10, 5000), "popularity");
    shop->planned.scores = scores;
    BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
    options.progress = note;
    options.progress_context = &last;
    shop_build(shop, shop->path, &options);
    assert_true(last == 1);
}

static void a_cancelled_build_leaves_no_file(void **state)
{
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    g_autoptr(Shop) shop = shop_new();
    BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
    options.cancel = &cancel;
    g_autoptr(GError) error = NULL;
    assert_false(
        index_build(shop->path, &shop->planned.fitted, shop->view, shop->scope, &options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    assert_int_equal(g_rmdir(shop->folder), 0); /* it is empty */
}

static void a_full_disk_leaves_no_file(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
    struct rlimit before, small = {.rlim_cur = 1024};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    g_autoptr(GError) error = NULL;
    bool built =
        index_build(shop->path, &shop->planned.fitted, shop->view, shop->scope, &options, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(built);
    assert_non_null(error);
    assert_int_equal(g_rmdir(shop->folder), 0);
}

static void a_shop_where_nobody_is_predictable_is_built_too(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    scope_free(shop->scope);
    shop->scope = scope_new(shop->view, shop_day(5000), NULL);
    g_autoptr(Snapshot) snapshot = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    Recommendation list[RECOMMEND_MAX];
    assert_int_equal(recommend_user(snapshot, 0, 10, NULL, 0, list), 0);
    assert_int_equal(recommend_popular(snapshot, NULL, 0, 10, list), 0);
    assert_int_equal(snapshot_predictable_users(snapshot), 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_the_best_that_the_rules_allow),
        cmocka_unit_test(the_file_does_not_depend_on_the_number_of_threads),
        cmocka_unit_test(list_lengths_are_clamped),
        cmocka_unit_test(answers_have_the_length_that_the_version_says),
        cmocka_unit_test(progress_rises_to_1),
        cmocka_unit_test(a_cancelled_build_leaves_no_file),
        cmocka_unit_test(a_full_disk_leaves_no_file),
        cmocka_unit_test(a_shop_where_nobody_is_predictable_is_built_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
