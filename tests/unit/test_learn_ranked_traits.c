/* F6: what the shop says of its users, and what their purchases say, as features of the ranker. */
#include "learn/ranked_features.h"
#include "learn_shop.h"

#define USERS 60u
#define ITEMS 30u

typedef struct Line {
    Bought bought;
    float price;
} Line;

static void set_text(AttributesBuilder *builder, uint32_t row, size_t column, const char *text)
{
    assert_true(attributes_builder_set(builder, row, column, text, strlen(text), NAN, NULL));
}

static void set_number(AttributesBuilder *builder, uint32_t row, size_t column, double number)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%.9g", number);
    assert_true(attributes_builder_set(builder, row, column, text, (size_t)length, number, NULL));
}

/* Users: region (u0 and u1 in the north, u59 nowhere), age, joined (u2 on day 50), a note, a title
 * that is the same for all. */
static AttributesBuilder *describe_users(void)
{
    static const char *const names[] = {"region", "age", "joined", "note", "title"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_NUMERIC, COLUMN_TIME, COLUMN_TEXT,
                                       COLUMN_CATEGORICAL};
    AttributesBuilder *users = attributes_builder_new(5, names, kinds, NULL);
    for (uint32_t user = 0; user < USERS; user++) {
        if (user < USERS - 1)
            set_text(users, user, 0, user < 2 ? "north" : "south");
        set_number(users, user, 1, 20 + user);
        set_number(users, user, 2, (double)day(user == 2 ? 50 : 1) / (double)US_PER_SECOND);
        set_text(users, user, 3, user % 2 ? "likes owls" : "likes foxes");
        set_text(users, user, 4, "customer");
    }
    return users;
}

static AttributesBuilder *describe_items(void)
{
    static const char *const names[] = {"brand", "colour"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_CATEGORICAL};
    AttributesBuilder *items = attributes_builder_new(2, names, kinds, NULL);
    for (uint32_t item = 0; item < ITEMS; item++) {
        set_text(items, item, 0, item < 2 ? "acme" : "zenith");
        set_text(items, item, 1, item % 2 ? "red" : "blue");
    }
    return items;
}

static Dataset *shop_of(const Line *lines, size_t n, const char *const *attributes)
{
    DatasetOptions options = {.now = day(100000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .has_price = true,
                              .attributes = attributes};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, describe_items(), describe_users());
    add_ids(builder, 'i', ITEMS);
    add_ids(builder, 'u', USERS);
    for (size_t i = 0; i < n; i++)
        add_event(builder, &lines[i].bought, lines[i].price);
    Dataset *shop = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(shop);
    return shop;
}

static FeatureState *state_of(const Dataset *raw, double as_of, const Groupings *groupings)
{
    g_autoptr(Dataset) view = dataset_before(raw, day(as_of), NULL);
    StateOptions options = {
        .as_of = day(as_of), .raw = raw, .groupings = groupings, .has_traits = true, .threads = 1};
    FeatureState *state = feature_state_new(view, &options, NULL);
    assert_non_null(state);
    return state;
}

static bool find_feature(const FeatureState *state, const char *name, uint32_t *found)
{
    for (uint32_t f = 0; f < features_count(state, 0); f++) {
        g_autofree char *known = features_name(state, NULL, f);
        *found = f;
        if (g_str_equal(known, name))
            return true;
    }
    return false;
}

static float feature(const FeatureState *state, uint32_t user, uint32_t item, const char *name)
{
    float row[FEATURES_MAX];
    Affinity affinity = {0, 0};
    uint32_t f;
    features_write(state, user, item, &affinity, NULL, 0, row);
    if (!find_feature(state, name, &f))
        fail_msg("no feature %s", name);
    return row[f];
}

static bool has_feature(const FeatureState *state, const char *name)
{
    uint32_t f;
    return find_feature(state, name, &f);
}

/* u0 and u1 buy four lines together in the last 90 days, u2 to u4 one. */
static const Line lines[] = {{{0, 0, 60}, 1}, {{0, 1, 70}, 1}, {{0, 2, 80}, 1},
                             {{1, 0, 90}, 1}, {{2, 3, 95}, 1}, {{3, 3, 2}, 1}};

static void columns_of_the_users_become_numbers(void **state)
{
    g_autoptr(Dataset) raw = shop_of(lines, G_N_ELEMENTS(lines), NULL);
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) facts = state_of(raw, 100, groupings);
    double north = log(4) + log(2), south = log(2), average = (north + south) / USERS;
    assert_float_equal(feature(facts, 0, 0, "customer.region"), (north + 20 * average) / 22, 1e-5);
    assert_float_equal(feature(facts, 1, 3, "customer.region"), (north + 20 * average) / 22, 1e-5);
    assert_float_equal(feature(facts, 4, 0, "customer.region"),
                       (south + 20 * average) / (USERS - 3 + 20), 1e-5);
    assert_true(isnan(feature(facts, USERS - 1, 0, "customer.region")));
    assert_float_equal(feature(facts, 3, 0, "customer.age"), 23, 0);
    assert_float_equal(feature(facts, 3, 0, "customer.joined"), 99, 1e-2);
    assert_false(has_feature(facts, "customer.note"));
    assert_false(has_feature(facts, "customer.title"));
}

/* A moment's features know nothing that came later. */
static void who_joins_later_has_not_joined_yet(void **state)
{
    g_autoptr(Dataset) raw = shop_of(lines, G_N_ELEMENTS(lines), NULL);
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) before = state_of(raw, 40, groupings);
    g_autoptr(FeatureState) after = state_of(raw, 75, groupings);
    assert_true(isnan(feature(before, 2, 0, "customer.joined")));
    assert_float_equal(feature(after, 2, 0, "customer.joined"), 25, 1e-2);
    /* u0's purchases on days 60 and 70 are not known on day 40 */
    assert_true(feature(after, 0, 0, "customer.region") > feature(before, 0, 0, "customer.region"));
}

/* Day 0 is a Sunday. u0 buys at 1 what others pay 2 for, mostly on Saturdays. */
static void habits_are_derived_from_purchases(void **state)
{
    static const Line bought[] = {
        {{0, 0, 6}, 1},   {{0, 0, 13}, 1},  {{0, 1, 15}, 2}, /* Saturday, Saturday, Monday */
        {{1, 0, 15}, 2},  {{1, 0, 16}, 2},  {{1, 1, 17}, 2}, /* Monday to Wednesday */
        {{0, 2, 20}, 3},  {{0, 2, 384}, 3},                  /* Saturday; and a year after day 19 */
        {{2, 3, 300}, 2},
    };
    g_autoptr(Dataset) raw = shop_of(bought, G_N_ELEMENTS(bought), NULL);
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) facts = state_of(raw, 379, groupings);
    /* three lines have the usual price or are alone; item 0 usually costs 2^(2/4) */
    assert_float_equal(feature(facts, 0, 0, "user.promotions"), 2.0 / 4, 1e-6);
    assert_float_equal(feature(facts, 1, 0, "user.promotions"), 0, 0);
    assert_float_equal(feature(facts, 0, 0, "user.weekend"), 3.0 / 4, 1e-6);
    assert_float_equal(feature(facts, 1, 0, "user.weekend"), 0, 0);
    assert_float_equal(feature(facts, 1, 0, "product.weekend"), 2.0 / 4, 1e-6);
    assert_float_equal(feature(facts, 0, 1, "both.weekend_difference"), -3.0 / 4, 1e-6);
    /* days 14 to 44 are a year before days 379 to 409 */
    assert_float_equal(feature(facts, 0, 0, "user.visits_year_ago"), 2, 0);
    assert_float_equal(feature(facts, 1, 0, "user.visits_year_ago"), 3, 0);
    assert_float_equal(feature(facts, 1, 0, "product.rows_year_ago"), 2, 0);
    /* not a customer for a year yet */
    assert_true(isnan(feature(facts, 2, 0, "user.visits_year_ago")));
    assert_true(isnan(feature(facts, 3, 0, "user.weekend")));
}

/* F9 */
static void columns_left_out_make_no_groups(void **state)
{
    static const char *const only_brand[] = {"brand", NULL};
    g_autoptr(Dataset) all = shop_of(lines, G_N_ELEMENTS(lines), NULL);
    g_autoptr(Dataset) some = shop_of(lines, G_N_ELEMENTS(lines), only_brand);
    g_autoptr(Groupings) of_all = groupings_new(all, NULL);
    g_autoptr(Groupings) of_some = groupings_new(some, NULL);
    g_autoptr(FeatureState) facts = state_of(all, 100, of_all);
    g_autoptr(FeatureState) fewer = state_of(some, 100, of_some);
    assert_true(has_feature(facts, "brand.lift") && has_feature(facts, "colour.lift"));
    assert_true(has_feature(fewer, "brand.lift") && !has_feature(fewer, "colour.lift"));
}

static void a_ranker_with_traits_survives_its_file(void **state)
{
    enum { N = 3000 };
    g_autofree Bought *bought = random_purchases(N, USERS, ITEMS, 100, 3);
    g_autofree Line *many = g_new(Line, N);
    for (size_t i = 0; i < N; i++)
        many[i] = (Line){bought[i], 1};
    g_autoptr(Dataset) shop = shop_of(many, N, NULL);
    g_autoptr(Dataset) view = dataset_before(shop, day(100), NULL);
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(100), .seed = 5, .threads = 1, .raw = shop};
    g_autoptr(Fitted) fitted = learners_find("ranked")->fit(view, &context, &error);
    if (!fitted)
        fail_msg("%s", error->message);
    expect_round_trip(fitted);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_the_users_become_numbers),
        cmocka_unit_test(who_joins_later_has_not_joined_yet),
        cmocka_unit_test(habits_are_derived_from_purchases),
        cmocka_unit_test(columns_left_out_make_no_groups),
        cmocka_unit_test(a_ranker_with_traits_survives_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
