#include "learn/ranked_features.h"
#include "learn/ranked_lessons.h"
#include "learn_shop.h"

static FeatureState *state_of(const Dataset *raw, double as_of, const Groupings *groupings)
{
    g_autoptr(Dataset) view = dataset_before(raw, day(as_of), NULL);
    StateOptions options = {.as_of = day(as_of), .raw = raw, .groupings = groupings, .threads = 1};
    FeatureState *state = feature_state_new(view, &options, NULL);
    assert_non_null(state);
    return state;
}

/* A feature by name, without recallers. */
static float feature(const FeatureState *state, uint32_t user, uint32_t item, const char *name)
{
    float row[FEATURES_MAX];
    Affinity affinity = {0.5f, 0.75f};
    features_write(state, user, item, &affinity, NULL, 0, row);
    for (uint32_t f = 0; f < features_count(state, 0); f++) {
        g_autofree char *known = features_name(state, NULL, f);
        if (g_str_equal(known, name))
            return row[f];
    }
    fail_msg("no feature %s", name);
    return NAN;
}

static void a_pair_is_described_by_its_rows(void **state)
{
    const Bought bought[] = {{0, 1, 10}, {0, 1, 30}, {0, 2, 30}, {1, 1, 95}, {1, 2, 99}};
    g_autoptr(Dataset) raw = shop_new(2, 3, bought, G_N_ELEMENTS(bought));
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) facts = state_of(raw, 100, groupings);
    static const struct {
        uint32_t user, item;
        const char *name;
        double value;
    } expected[] = {
        {0, 1, "pair.visits", 2},
        {0, 1, "pair.days_since_last", 70},
        {0, 1, "pair.days_since_first", 90},
        {0, 1, "pair.gap", 20},
        {0, 1, "pair.visit_share", 1},
        {0, 2, "pair.visit_share", 0.5},
        {0, 0, "pair.visits", 0},
        {0, 1, "user.visits", 2},
        {0, 1, "user.products", 2},
        {0, 1, "user.days_since_visit", 70},
        {0, 1, "user.basket", 1.5},
        {1, 1, "user.visits_30", 2},
        {0, 1, "product.buyers", 2},
        {0, 1, "product.repeaters", 0.5},
        {0, 1, "product.rows_7", 1},
        {0, 1, "product.days_since_sale", 5},
        {0, 1, "product.age", 90},
        {0, 1, "product.gap", 20},
        {0, 1, "both.similar_to_last", 0.5},
        {0, 2, "both.newer_than_visit", 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        assert_float_equal(feature(facts, expected[i].user, expected[i].item, expected[i].name),
                           expected[i].value, 1e-4);
    assert_true(isnan(feature(facts, 0, 0, "pair.days_since_last")));
    assert_true(isnan(feature(facts, 0, 2, "pair.gap")));
}

static void expect_same_arrays(FeatureState *one, FeatureState *other)
{
    KeptArrays a = {0}, b = {0};
    feature_state_arrays(one, &a);
    feature_state_arrays(other, &b);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        assert_int_equal(a.array[i].count, b.array[i].count);
        assert_memory_equal(*a.array[i].at, *b.array[i].at,
                            a.array[i].count * a.array[i].element_size);
    }
}

/* The leak test of the issue on features: future rows removed, future rows permuted. */
static void no_row_after_the_moment_changes_a_byte(void **state)
{
    enum { N = 3000 };
    g_autofree Bought *bought = random_purchases(N, 50, 40, 100, 9);
    g_autoptr(Dataset) whole = shop_new(50, 40, bought, N);
    size_t kept = 0;
    g_autofree Bought *past = g_new(Bought, N);
    for (size_t i = 0; i < N; i++) {
        if (bought[i].day < 70)
            past[kept++] = bought[i];
        else
            bought[i].item = 39 - bought[i].item;
    }
    assert_true(kept < N);
    g_autoptr(Dataset) permuted = shop_new(50, 40, bought, N);
    g_autoptr(Dataset) removed = shop_new(50, 40, past, kept);
    g_autoptr(Groupings) groupings = groupings_new(whole, NULL);
    g_autoptr(FeatureState) of_whole = state_of(whole, 70, groupings);
    g_autoptr(FeatureState) of_permuted = state_of(permuted, 70, groupings);
    g_autoptr(FeatureState) of_removed = state_of(removed, 70, groupings);
    expect_same_arrays(of_whole, of_permuted);
    expect_same_arrays(of_whole, of_removed);
}

static void affinity_is_the_same_asked_by_user_and_by_product(void **state)
{
    enum { N = 1500, USERS = 40, ITEMS = 30 };
    g_autofree Bought *bought = random_purchases(N, USERS, ITEMS, 100, 4);
    g_autoptr(Dataset) raw = shop_new(USERS, ITEMS, bought, N);
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) facts = state_of(raw, 100, groupings);
    for (uint32_t user = 0; user < USERS; user++) {
        Affinity by_user[ITEMS] = {0};
        features_user_affinity(facts, user, by_user);
        for (uint32_t item = 0; item < ITEMS; item++) {
            float similar[ITEMS] = {0};
            for (uint64_t e = facts->from.start[item]; e < facts->from.start[item + 1]; e++)
                similar[facts->from.item[e]] = facts->from.value[e];
            Affinity by_item = features_item_affinity(facts, user, similar);
            assert_memory_equal(&by_item, &by_user[item], sizeof by_item);
        }
        features_clear_user_affinity(facts, user, by_user);
        for (uint32_t item = 0; item < ITEMS; item++)
            assert_true(by_user[item].last == 0 && by_user[item].lately == 0);
    }
}

static void windows_fit_into_the_data(void **state)
{
    static const struct {
        double span;
        unsigned windows;
        double horizon;
    } cases[] = {{365, 3, 30}, {120, 3, 30}, {90, 2, 30}, {61, 2, 20}, {3, 2, 1}, {2, 0, 0}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Bought bought[] = {{0, 0, 0}, {0, 0, 1}};
        g_autoptr(Dataset) shop = shop_new(1, 1, bought, 2);
        int64_t horizon = 30 * US_PER_DAY;
        assert_int_equal(lessons_windows(shop, day(cases[i].span), &horizon), cases[i].windows);
        if (cases[i].windows > 0)
            assert_int_equal(horizon, (int64_t)cases[i].horizon * US_PER_DAY);
    }
}

/* F20: or a list and an audience would tell another probability of a pair. */
static void scores_that_differ_by_rounding_have_the_same_features(void **state)
{
    const float best = 0.9f, off = best * 1e-6f;
    float place[PLACES], features[2], others[2];
    for (uint32_t p = 0; p < PLACES; p++)
        place[p] = best / (float)(p + 1) - best * 1e-4f;
    unsigned kept = 0;
    for (uint32_t i = 1; i <= 1000; i++) {
        float score = best * (float)i / 1000;
        recall_features(place, score, features);
        recall_features(place, score + off, others);
        kept += memcmp(features, others, sizeof features) == 0;
        assert_float_equal(features[0], score, best * 1e-4f);
    }
    assert_true(kept >= 970); /* of 1,000 sums so far apart, few can lie on both sides of a step */
    recall_features(place, NAN, features);
    assert_true(isnan(features[0]) && isnan(features[1]));
    memset(place, 0, sizeof place); /* of a user with no score at all */
    recall_features(place, 0, features);
    assert_true(features[0] == 0 && features[1] == PLACES);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_described_by_its_rows),
        cmocka_unit_test(no_row_after_the_moment_changes_a_byte),
        cmocka_unit_test(affinity_is_the_same_asked_by_user_and_by_product),
        cmocka_unit_test(windows_fit_into_the_data),
        cmocka_unit_test(scores_that_differ_by_rounding_have_the_same_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
