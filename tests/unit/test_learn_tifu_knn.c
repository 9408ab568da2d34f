#include "learn_shop.h"

#include "learn/tifu_knn.h"

DEFINE_FIT_WITH(fit_with, tifu_knn_fit_with, TifuParams)

static Fitted *fit(const Dataset *shop, double as_of, unsigned threads)
{
    return fit_with(shop, &tifu_defaults, as_of, threads);
}

typedef struct Ordered {
    uint32_t user, item;
    const char *order; /* NULL: null */
    double day;
} Ordered;

static Dataset *ordered_shop(uint32_t n_users, uint32_t n_items, const Ordered *lines, size_t n)
{
    DatasetOptions options = {
        .now = day(100000), .from = INT64_MIN, .to = INT64_MAX, .has_order = true};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    for (uint32_t item = 0; item < n_items; item++)
        add_id(builder, 'i', item);
    for (uint32_t user = 0; user < n_users; user++)
        add_id(builder, 'u', user);
    for (size_t i = 0; i < n; i++) {
        char user[16], item[16];
        EventRow row = {.user = user,
                        .item = item,
                        .order = lines[i].order,
                        .user_length = (uint32_t)snprintf(user, sizeof user, "u%u", lines[i].user),
                        .item_length = (uint32_t)snprintf(item, sizeof item, "i%u", lines[i].item),
                        .order_length = lines[i].order ? (uint32_t)strlen(lines[i].order) : 0,
                        .time = day(lines[i].day),
                        .quantity = 1,
                        .price = NAN};
        assert_true(dataset_builder_add_events(builder, &row, 1, NULL));
    }
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    Dataset *view = raw ? dataset_before(raw, INT64_MAX, NULL) : NULL;
    assert_non_null(view);
    return view;
}

static TifuParams alone(void)
{
    TifuParams params = tifu_defaults;
    params.own = 1;
    return params;
}

static void a_personal_vector_is_the_mean_of_decayed_groups(void **state)
{
    /* five orders in groups of three: e d c | b a, counted from the last */
    const Ordered lines[] = {{0, 0, "a", 1}, {0, 1, "b", 2},   {0, 2, "c", 3},  {0, 3, "d", 4},
                             {0, 4, "e", 5}, {0, 0, "e", 5.1}, {0, 0, "e", 5.2}};
    g_autoptr(Dataset) shop = ordered_shop(1, 5, lines, G_N_ELEMENTS(lines));
    TifuParams params = alone();
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 6, 1);
    g_autofree float *scores = all_scores(fitted);
    double w = params.within, a = params.across;
    const double expected[] = {1.0 / 3 / 2 + a * w / 2 / 2, a / 2 / 2, w * w / 3 / 2, w / 3 / 2,
                               1.0 / 3 / 2};
    for (size_t i = 0; i < 5; i++)
        assert_float_equal(scores[i], expected[i], 1e-6);
}

static void orders_that_overlap_are_told_apart(void **state)
{
    const Ordered lines[] = {{0, 0, "a", 1}, {0, 1, "b", 1.1}, {0, 2, "a", 1.2}, {0, 3, "b", 1.3}};
    g_autoptr(Dataset) shop = ordered_shop(1, 4, lines, G_N_ELEMENTS(lines));
    TifuParams params = alone();
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 6, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[0] == scores[2] && scores[1] == scores[3] && scores[1] > scores[0]);
}

static void without_orders_a_day_is_an_order(void **state)
{
    const Ordered numbered[] = {{0, 0, "a", 1.1}, {0, 1, "a", 1.6}, {0, 0, "b", 2.2}};
    const Ordered null[] = {{0, 0, NULL, 1.1}, {0, 1, NULL, 1.3}, {0, 0, NULL, 2.2}};
    const Bought unmapped[] = {{0, 0, 1.1}, {0, 1, 1.3}, {0, 0, 2.2}};
    Dataset *shops[] = {ordered_shop(1, 2, numbered, 3), ordered_shop(1, 2, null, 3),
                        shop_new(1, 2, unmapped, 3)};
    TifuParams params = alone();
    float scores[3][2];
    for (size_t i = 0; i < 3; i++) {
        g_autoptr(Fitted) fitted = fit_with(shops[i], &params, 3, 1);
        g_autofree float *tile = all_scores(fitted);
        memcpy(scores[i], tile, sizeof scores[i]);
        dataset_unref(shops[i]);
    }
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    assert_memory_equal(scores[0], scores[2], sizeof scores[0]);
}

static void neighbours_bring_what_they_bought_lately(void **state)
{
    /* users 0 to 2 share product 0; 1 bought 1 long ago and 2 lately; user 3 has other tastes */
    const Bought bought[] = {{0, 0, 99}, {1, 0, 99}, {1, 1, 0}, {1, 2, 99}, {3, 3, 99}, {3, 4, 99}};
    g_autoptr(Dataset) shop = shop_new(4, 5, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[0] > scores[2] && scores[2] > scores[1] && scores[1] > 0);
    assert_true(scores[3] == 0 && scores[4] == 0);
    for (uint32_t item = 0; item < 5; item++)
        assert_true(scores[2 * 5 + item] == 0); /* user 2 bought nothing */
}

/* Means and cosines of tifu_knn.h with days as orders, in double. */
static double *plain_scores(const Dataset *shop, double as_of, const TifuParams *p)
{
    uint32_t m = shop->n_users, n = shop->n_items, n_days = (uint32_t)as_of + 1;
    double *own = g_new0(double, (size_t)m *n), sum_own = 0, sum_recent = 0;
    g_autofree double *recent = g_new0(double, (size_t)m *n);
    for (uint32_t u = 0; u < m; u++) {
        g_autofree bool *bought = g_new0(bool, (size_t)n_days *n);
        g_autofree bool *is_order = g_new0(bool, n_days);
        uint32_t orders = 0, back = 0;
        for (uint64_t r = shop->user_start[u]; r < shop->user_start[u + 1]; r++) {
            int64_t age = day(as_of) - shop->rows.time[r];
            int64_t d = shop->rows.time[r] / US_PER_DAY - DAY_ZERO / US_PER_DAY;
            recent[u * n + shop->rows.item[r]] +=
                exp2(-(double)age / (double)US_PER_DAY / p->half_life_days);
            bought[(size_t)d * n + shop->rows.item[r]] = true;
            orders += !is_order[d];
            is_order[d] = true;
        }
        for (uint32_t d = n_days; d-- > 0;) {
            if (!is_order[d])
                continue;
            uint32_t group = back / p->group, left = orders - group * p->group;
            double weight = pow(p->within, back % p->group) * pow(p->across, group) /
                            MIN(p->group, left) / ceil((double)orders / p->group);
            back++;
            for (uint32_t i = 0; i < n; i++)
                own[u * n + i] += bought[(size_t)d * n + i] ? weight : 0;
        }
    }
    for (size_t at = 0; at < (size_t)m * n; at++) {
        sum_own += own[at];
        sum_recent += recent[at];
    }
    double *scores = g_new0(double, (size_t)m *n);
    for (uint32_t u = 0; u < m; u++) {
        double total = 0;
        g_autofree double *square = g_new0(double, m);
        for (uint32_t v = 0; v < m; v++) {
            double dot = 0, vv = 0;
            for (uint32_t i = 0; i < n; i++) {
                dot += own[u * n + i] * own[v * n + i];
                vv += own[v * n + i] * own[v * n + i];
            }
            square[v] = v == u || vv == 0 ? 0 : dot * dot / vv;
            total += square[v];
        }
        for (uint32_t i = 0; i < n; i++) {
            double others = 0;
            for (uint32_t v = 0; v < m && total > 0; v++)
                others += square[v] / total * recent[v * n + i];
            scores[u * n + i] =
                p->own * own[u * n + i] + (1 - p->own) * others * sum_own / sum_recent;
        }
    }
    g_free(own);
    return scores;
}

static void tifu_knn_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(900, 40, 30, 60, 2);
    g_autoptr(Dataset) shop = shop_new(41, 30, bought, 900);
    g_autoptr(Fitted) fitted = fit(shop, 61, 2); /* all others are neighbours */
    g_autofree float *scores = all_scores(fitted);
    g_autofree double *expected = plain_scores(shop, 61, &tifu_defaults);
    for (size_t i = 0; i < 41 * 30; i++)
        assert_float_equal(scores[i], expected[i], 1e-5);
    expect_items_as_users(fitted);
    expect_finite_scores(fitted);
}

/* Users in twos of one taste each. */
static Dataset *twins(uint32_t n_users)
{
    g_autofree Bought *bought = g_new(Bought, 2 * n_users);
    for (uint32_t user = 0; user < n_users; user++) {
        bought[2 * user] = (Bought){user, user / 2 * 3, 9};
        bought[2 * user + 1] = (Bought){user, user / 2 * 3 + 1 + user % 2, 9};
    }
    return shop_new(n_users, n_users / 2 * 3, bought, 2 * n_users);
}

static void the_nearest_neighbour_is_the_twin(void **state)
{
    g_autoptr(Dataset) shop = twins(100);
    TifuParams params = tifu_defaults;
    params.neighbours = 1;
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 10, 2);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < 100; user++) {
        for (uint32_t item = 0; item < 150; item++)
            assert_int_equal(scores[user * 150 + item] > 0, item / 3 == user / 2);
    }
}

static void of_many_users_an_even_sample_can_be_neighbours(void **state)
{
    g_autoptr(Dataset) shop = twins(100);
    TifuParams params = tifu_defaults;
    params.candidates_max = 50; /* users 0, 2, 4, … */
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 10, 2);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < 100; user++) {
        const float *others = scores + user * 150 + user / 2 * 3 + 1;
        assert_true(others[user % 2] > 0);
        assert_int_equal(others[1 - user % 2] > 0, user % 2 == 1);
    }
}

static void threads_do_not_change_a_byte(void **state)
{
    expect_threads_agree("tifu_knn", 4000, 350, 120);
}

static void hard_shops_are_learned_from(void **state)
{
    const Bought once[] = {{0, 0, 5}}, same[] = {{0, 0, 5}, {0, 0, 5}, {1, 0, 5}, {2, 0, 5}},
                 ancient[] = {{0, 0, 0}, {0, 1, 0}, {1, 1, 0}, {1, 0, 0}};
    g_autofree Bought *daily = g_new(Bought, 3000);
    for (uint32_t i = 0; i < 3000; i++)
        daily[i] = (Bought){i % 2, i % 7, i / 2};
    const struct {
        const Bought *bought;
        size_t n;
        uint32_t users, items;
        double as_of;
    } cases[] = {{once, 1, 1, 1, 5},
                 {same, 4, 3, 1, 6},
                 {ancient, 4, 2, 50, 90000},
                 {daily, 3000, 2, 7, 1500}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Dataset) shop =
            shop_new(cases[i].users, cases[i].items, cases[i].bought, cases[i].n);
        g_autoptr(Fitted) fitted = fit(shop, cases[i].as_of, 2);
        g_autofree float *scores = all_scores(fitted);
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
        assert_true(scores[cases[i].bought[0].item] > 0);
    }
}

static void no_purchase_and_cancellation_are_refused(void **state)
{
    g_autoptr(Dataset) shop = twins(20);
    expect_refusals("tifu_knn", shop);
}

static void tifu_knn_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    expect_survives_its_file(fitted);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_personal_vector_is_the_mean_of_decayed_groups),
        cmocka_unit_test(orders_that_overlap_are_told_apart),
        cmocka_unit_test(without_orders_a_day_is_an_order),
        cmocka_unit_test(neighbours_bring_what_they_bought_lately),
        cmocka_unit_test(tifu_knn_is_its_formula),
        cmocka_unit_test(the_nearest_neighbour_is_the_twin),
        cmocka_unit_test(of_many_users_an_even_sample_can_be_neighbours),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(no_purchase_and_cancellation_are_refused),
        cmocka_unit_test(tifu_knn_survives_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
