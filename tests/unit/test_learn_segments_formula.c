/* The learner of what users buy of whom the same is known, against a slow plain version of itself.
 */
#include "users_shop.h"

#include "learn/segments.h"

#define RANDOM_USERS 70u
#define RANDOM_ITEMS 30u

/* Some have none, "rare" only one. */
static const char *country(uint32_t user)
{
    static const char *const value[] = {"de", "at", NULL, "ch", "de"};
    return user == 0 ? "rare" : value[user % 5];
}

static const char *hobbies(uint32_t user)
{
    static const char *const value[] = {"garden|books", "books", NULL, "garden", "books|sea|odd"};
    return user == 7 ? "books|garden|sea" : value[user / 3 % 5];
}

static const char *shop_number(uint32_t user)
{
    static const char *const value[] = {"17", "4"};
    return user % 7 < 2 ? value[user % 7] : NULL;
}

/* 22 buyers are 20 years old, 15 are 33, seven 41 and eight 41.5: four bands. */
static const char *age(uint32_t user)
{
    static const char *const value[] = {"20", "41.5", NULL, "33", "20", "20", "33", "41"};
    return user >= RANDOM_USERS - 5 ? "7" : value[user % 8];
}

/* By hand. */
static const char *age_band(uint32_t user)
{
    static const char *const value[] = {"up to 20",         "over 41",         NULL,
                                        "over 20 up to 33", "up to 20",        "up to 20",
                                        "over 20 up to 33", "over 33 up to 41"};
    return user >= RANDOM_USERS - 5 ? "up to 20" : value[user % 8];
}

static const UserColumn KNOWN[] = {
    {"country", COLUMN_CATEGORICAL, country, false},
    {"hobbies", COLUMN_CATEGORICAL, hobbies, true},
    {"shop", COLUMN_ID, shop_number, false},
    {"age", COLUMN_NUMERIC, age, false},
};

/* The same by values. */
static const UserColumn PLAIN[] = {
    {"country", COLUMN_CATEGORICAL, country, false},
    {"hobbies", COLUMN_CATEGORICAL, hobbies, true},
    {"shop", COLUMN_ID, shop_number, false},
    {"age", COLUMN_CATEGORICAL, age_band, false},
};

/* The last ten users buy nothing. */
static Dataset *random_shop(void)
{
    g_autofree Bought *bought =
        random_purchases(1500, RANDOM_USERS - 10, RANDOM_ITEMS - 2, 100, 11);
    return shop_of_users(RANDOM_USERS, RANDOM_ITEMS, bought, 1500, KNOWN, G_N_ELEMENTS(KNOWN));
}

static const SegmentsParams SMALL = {
    .half_life_days = 30, .prior = 20, .buyers = 6, .values = 4, .items = 1000};

static bool has(const UserColumn *column, uint32_t user, const char *value)
{
    const char *cell = column->cell(user);
    g_auto(GStrv) values = g_strsplit(cell ? cell : "", "|", -1);
    return g_strv_contains((const char *const *)values, value);
}

/* c_v(item); everybody's where `value` is NULL; of all items together where `item` is IDS_NONE. */
static double plain_sum(const Dataset *shop, const SegmentsParams *params, double as_of,
                        const UserColumn *column, const char *value, uint32_t item)
{
    double sum = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
        if ((item == IDS_NONE || shop->rows.item[r] == item) &&
            (!value || has(column, shop->rows.user[r], value)))
            sum += exp2(-age / params->half_life_days);
    }
    return sum;
}

static bool is_segment(const Dataset *shop, const SegmentsParams *params, const UserColumn *column,
                       const char *value)
{
    uint32_t buyers = 0;
    for (uint32_t user = 0; user < shop->n_users; user++)
        buyers += shop->user_start[user] < shop->user_start[user + 1] && has(column, user, value);
    return buyers >= params->buyers;
}

/* Whether the item is among those kept of a segment. */
static bool is_kept(const Dataset *shop, const SegmentsParams *params, double as_of,
                    const UserColumn *column, const char *value, uint32_t item)
{
    double own = plain_sum(shop, params, as_of, column, value, item);
    uint32_t before = 0;
    for (uint32_t other = 0; other < shop->n_items; other++)
        before += plain_sum(shop, params, as_of, column, value, other) > own;
    return before < params->items;
}

static double plain_share(const Dataset *shop, const SegmentsParams *params, double as_of,
                          const UserColumn *column, const char *value, uint32_t item)
{
    double share = plain_sum(shop, params, as_of, NULL, NULL, item) /
                   plain_sum(shop, params, as_of, NULL, NULL, IDS_NONE);
    double lines = plain_sum(shop, params, as_of, column, value, IDS_NONE);
    double own = is_kept(shop, params, as_of, column, value, item)
                     ? plain_sum(shop, params, as_of, column, value, item)
                     : 0;
    return (own + params->prior * share) / (lines + params->prior);
}

/* The mean share over the segments in the user's cell; NaN: there is none. */
static double plain_cell(const Dataset *shop, const SegmentsParams *params, double as_of,
                         const UserColumn *column, uint32_t user, uint32_t item)
{
    const char *cell = column->cell(user);
    g_auto(GStrv) values = g_strsplit(cell ? cell : "", "|", -1);
    double sum = 0;
    unsigned n = 0;
    for (char **value = values; *value; value++) {
        if (!is_segment(shop, params, column, *value))
            continue;
        sum += plain_share(shop, params, as_of, column, *value, item);
        n++;
    }
    return n == 0 ? NAN : sum / n;
}

/* The formula of segments.h, each pair on its own. */
static double plain_score(const Dataset *shop, const SegmentsParams *params, double as_of,
                          uint32_t user, uint32_t item)
{
    double sum = 0, all = plain_sum(shop, params, as_of, NULL, NULL, IDS_NONE);
    unsigned n = 0;
    for (size_t c = 0; c < G_N_ELEMENTS(PLAIN); c++) {
        double share = plain_cell(shop, params, as_of, &PLAIN[c], user, item);
        sum += isnan(share) ? 0 : share;
        n += !isnan(share);
    }
    return n == 0 ? plain_sum(shop, params, as_of, NULL, NULL, item) : sum / n * all;
}

static void expect_formula(const Dataset *shop, const SegmentsParams *params)
{
    g_autoptr(Fitted) fitted = fit_segments(shop, params, 110, 2);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < RANDOM_USERS; user++) {
        for (uint32_t item = 0; item < RANDOM_ITEMS; item++) {
            double expected = plain_score(shop, params, 110, user, item);
            assert_float_equal(scores[user * RANDOM_ITEMS + item], expected, 1e-5 * (1 + expected));
        }
    }
    expect_items_as_users(fitted);
    expect_finite_scores(fitted);
}

static void segments_are_their_formula(void **state)
{
    g_autoptr(Dataset) shop = random_shop();
    expect_formula(shop, &SMALL);
}

static void a_large_shop_keeps_what_each_segment_buys_most(void **state)
{
    g_autoptr(Dataset) shop = random_shop();
    SegmentsParams params = SMALL;
    params.items = 4;
    expect_formula(shop, &params);
}

static void left_out_columns_are_not_looked_at(void **state)
{
    g_autofree Bought *bought = random_purchases(1500, RANDOM_USERS, RANDOM_ITEMS, 100, 4);
    const UserColumn one[] = {KNOWN[0]};
    g_autoptr(Dataset) without = shop_of_users(RANDOM_USERS, RANDOM_ITEMS, bought, 1500, one, 1);
    g_autoptr(Dataset) shop = shop_of_users(RANDOM_USERS, RANDOM_ITEMS, bought, 1500, KNOWN, 3);
    g_autoptr(Fitted) all = fit_segments(shop, &SMALL, 100, 1);
    shop->user_attributes->columns[1].is_left_out = true;
    shop->user_attributes->columns[2].is_left_out = true;
    g_autoptr(Fitted) fitted = fit_segments(shop, &SMALL, 100, 1);
    g_autoptr(Fitted) expected = fit_segments(without, &SMALL, 100, 1);
    g_autofree float *a = all_scores(fitted);
    g_autofree float *b = all_scores(expected);
    g_autofree float *c = all_scores(all);
    assert_memory_equal(a, b, RANDOM_USERS * RANDOM_ITEMS * sizeof(float));
    assert_memory_not_equal(a, c, RANDOM_USERS * RANDOM_ITEMS * sizeof(float));
}

static void threads_do_not_change_a_byte(void **state)
{
    g_autoptr(Dataset) shop = random_shop();
    g_autoptr(Fitted) one = fit_segments(shop, &SMALL, 100, 1);
    g_autoptr(Fitted) four = fit_segments(shop, &SMALL, 100, 4);
    g_autofree float *a = all_scores(one);
    g_autofree float *b = all_scores(four);
    assert_memory_equal(a, b, RANDOM_USERS * RANDOM_ITEMS * sizeof(float));
}

static void segments_survive_their_file(void **state)
{
    g_autoptr(Dataset) shop = random_shop();
    g_autoptr(Fitted) fitted = fit_segments(shop, &SMALL, 100, 1);
    expect_round_trip(fitted);
    expect_misfits_refused(fitted);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_their_formula),
        cmocka_unit_test(a_large_shop_keeps_what_each_segment_buys_most),
        cmocka_unit_test(left_out_columns_are_not_looked_at),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(segments_survive_their_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
