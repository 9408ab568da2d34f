/* What is known of users who have no list of their own. */
#include "users_shop.h"

#include "learn/contexts.h"

#define BUYERS 240u

static Contexts *find(const Dataset *shop, double as_of)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Scope) scope = scope_new(shop, day(as_of), &error);
    assert_non_null(scope);
    FitContext context = {.as_of = day(as_of), .threads = 2};
    Contexts *contexts = contexts_find(shop, scope, &context, &error);
    if (!contexts)
        fail_msg("%s", error->message);
    return contexts;
}

/* Half of the buyers want 0 and half 1, all of them 2. */
static bool wants_0(uint32_t user)
{
    return user % 2 == 0;
}

static const char *group_of(uint32_t user)
{
    static const char *const of_new[] = {"A", "B", "A", NULL, "other"};
    if (user >= BUYERS)
        return of_new[(user - BUYERS) % G_N_ELEMENTS(of_new)];
    return wants_0(user) ? "A" : "B";
}

/* Tells nothing: every third user, whatever they want. */
static const char *noise_of(uint32_t user)
{
    static const char *const values[] = {"x", "y", "z"};
    return user < BUYERS + 5 ? values[user / 2 % 3] : NULL;
}

/* The buyers, each ten times within days 90 to 99, and n_new users without a purchase. */
static Dataset *shop_of(uint32_t n_new, const UserColumn *columns, size_t n_columns)
{
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (uint32_t user = 0; user < BUYERS; user++)
        for (unsigned i = 0; i < 10; i++) {
            Bought one = {user, i % 5 == 4 ? 2 : !wants_0(user), 90 + i};
            g_array_append_val(bought, one);
        }
    return shop_of_users(BUYERS + n_new, 4, (Bought *)bought->data, bought->len, columns,
                         n_columns);
}

static const UserColumn group = {"group", COLUMN_CATEGORICAL, group_of, false};
static const UserColumn noise = {"noise", COLUMN_CATEGORICAL, noise_of, false};

static void f26_users_of_whom_the_same_is_known_share_a_context(void **state)
{
    g_autoptr(Dataset) shop = shop_of(10, &group, 1);
    g_autoptr(Contexts) contexts = find(shop, 100);
    const uint32_t *of = contexts->of_user + BUYERS;
    assert_int_equal(contexts->n, 2);
    assert_int_equal(of[0], 0);
    assert_int_equal(of[1], 1);
    for (uint32_t user = 0; user < 10; user++)
        assert_int_equal(of[user], user % 5 == 0 || user % 5 == 2 ? 0
                                   : user % 5 == 1                ? 1
                                                                  : IDS_NONE);
    assert_int_equal(contexts->user[0], BUYERS);
    assert_int_equal(contexts->user[1], BUYERS + 1);
}

static void users_with_a_list_of_their_own_need_none(void **state)
{
    g_autoptr(Dataset) shop = shop_of(10, &group, 1);
    g_autoptr(Contexts) contexts = find(shop, 100);
    for (uint32_t user = 0; user < BUYERS; user++)
        assert_int_equal(contexts->of_user[user], IDS_NONE);
}

/* F31: One formula for popularity in context, wherever it shows. */
static void f31_a_context_scores_as_segments_score_its_users(void **state)
{
    const UserColumn columns[] = {noise, group};
    g_autoptr(Dataset) shop = shop_of(10, columns, 2);
    g_autoptr(Contexts) contexts = find(shop, 100);
    g_autoptr(Fitted) segments = fit_segments(shop, &segments_defaults, 100, 1);
    assert_int_equal(contexts->n_columns, 2);
    assert_true(contexts->n > 2);
    for (uint32_t user = BUYERS; user < BUYERS + 10; user++) {
        float expected[4], got[4];
        if (contexts->of_user[user] == IDS_NONE)
            continue;
        assert_true(segments->learner->score_users(segments, &user, 1, expected, NULL));
        assert_true(contexts->fitted->learner->score_users(contexts->fitted,
                                                           &contexts->of_user[user], 1, got, NULL));
        for (uint32_t item = 0; item < 4; item++)
            assert_float_equal(got[item], expected[item], 1e-4 * (1 + expected[item]));
        assert_true(got[3] == 0 && got[2] > 0);
    }
}

static void the_column_that_tells_more_comes_first(void **state)
{
    const UserColumn columns[2][2] = {{noise, group}, {group, noise}};
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(Dataset) shop = shop_of(10, columns[i], 2);
        g_autoptr(Contexts) contexts = find(shop, 100);
        assert_int_equal(contexts->n_columns, 2);
        assert_string_equal(contexts->column[0]->name, "group");
        assert_string_equal(contexts->column[1]->name, "noise");
    }
}

static void f6_the_values_of_a_context_are_those_of_its_users(void **state)
{
    const UserColumn columns[] = {noise, group};
    g_autoptr(Dataset) shop = shop_of(10, columns, 2);
    g_autoptr(Contexts) contexts = find(shop, 100);
    for (uint32_t user = BUYERS; user < BUYERS + 10; user++) {
        const char *cells[] = {group_of(user), noise_of(user)};
        for (size_t c = 0; c < 2 && contexts->of_user[user] != IDS_NONE; c++) {
            uint32_t values[CONTEXT_VALUES_MAX];
            uint32_t n = contexts_values(contexts, contexts->of_user[user], c, values);
            bool counts = cells[c] && strcmp(cells[c], "other") != 0;
            assert_int_equal(n, counts);
            if (counts)
                assert_int_equal(values[0],
                                 ids_find(contexts->column[c]->values, cells[c], strlen(cells[c])));
        }
    }
}

/* Of those without a purchase 19 is among what A has, 90 beyond what anybody has. */
static const char *age_of(uint32_t user)
{
    static const char *const of_new[] = {"19", "90", "19", NULL, "61"};
    if (user >= BUYERS)
        return of_new[(user - BUYERS) % G_N_ELEMENTS(of_new)];
    return wants_0(user) ? "19" : "61";
}

static void f6_numbers_make_contexts_by_their_bands(void **state)
{
    const UserColumn age = {"age", COLUMN_NUMERIC, age_of, false};
    g_autoptr(Dataset) shop = shop_of(10, &age, 1);
    g_autoptr(Contexts) contexts = find(shop, 100);
    assert_int_equal(contexts->n, 2);
    assert_string_equal(contexts->column[0]->name, "age");
    static const char *const bands[] = {"up to 19", "over 19"};
    static const uint32_t band_of_new[] = {0, 1, 0, IDS_NONE, 1};
    for (uint32_t user = BUYERS; user < BUYERS + 10; user++) {
        uint32_t context = contexts->of_user[user], values[CONTEXT_VALUES_MAX];
        uint32_t band = band_of_new[(user - BUYERS) % 5];
        assert_int_equal(context, band); /* in the order they appear in */
        if (context == IDS_NONE)
            continue;
        assert_int_equal(contexts_values(contexts, context, 0, values), 1);
        assert_int_equal(values[0],
                         ids_find(contexts->column[0]->values, bands[band], strlen(bands[band])));
        float scores[4];
        assert_true(
            contexts->fitted->learner->score_users(contexts->fitted, &context, 1, scores, NULL));
        assert_true(scores[band] > scores[!band]);
    }
}

static const char *several_of(uint32_t user)
{
    static const char *const of_new[] = {"A|B", "B|A", "B|other|A", "other"};
    return user >= BUYERS ? of_new[user - BUYERS] : group_of(user);
}

static void the_order_of_several_values_makes_no_difference(void **state)
{
    const UserColumn column = {"groups", COLUMN_CATEGORICAL, several_of, true};
    g_autoptr(Dataset) shop = shop_of(4, &column, 1);
    g_autoptr(Contexts) contexts = find(shop, 100);
    assert_int_equal(contexts->n, 1);
    for (uint32_t user = BUYERS; user < BUYERS + 3; user++)
        assert_int_equal(contexts->of_user[user], 0);
    assert_int_equal(contexts->of_user[BUYERS + 3], IDS_NONE);
}

/* 20 buyers each; of 12 · 12 · 12 · 3 combinations too many for the last column. */
#define WAYS 12u

static char way[WAYS][4];

static const char *way_of(uint32_t number)
{
    snprintf(way[number % WAYS], sizeof way[0], "%u", number % WAYS);
    return way[number % WAYS];
}

static const char *first_of(uint32_t user)
{
    return user < BUYERS ? way_of(user) : way_of(user - BUYERS);
}

static const char *second_of(uint32_t user)
{
    return user < BUYERS ? way_of(user) : way_of((user - BUYERS) / WAYS);
}

static const char *third_of(uint32_t user)
{
    return user < BUYERS ? way_of(user) : way_of((user - BUYERS) / WAYS / WAYS);
}

static const char *fourth_of(uint32_t user)
{
    return user < BUYERS ? way_of(user / 2) : way_of((user - BUYERS) / WAYS / WAYS / WAYS);
}

static void there_are_no_more_contexts_than_can_be_kept(void **state)
{
    enum { NEW = WAYS * WAYS * WAYS * 3 };
    const UserColumn columns[] = {{"fourth", COLUMN_CATEGORICAL, fourth_of, false},
                                  {"first", COLUMN_CATEGORICAL, first_of, false},
                                  {"second", COLUMN_ID, second_of, false},
                                  {"third", COLUMN_CATEGORICAL, third_of, false}};
    g_autoptr(Dataset) shop = shop_of(NEW, columns, 4);
    g_autoptr(Contexts) contexts = find(shop, 100);
    assert_true((uint32_t)NEW > CONTEXTS_MAX);
    assert_int_equal(contexts->n, WAYS * WAYS * WAYS);
    assert_int_equal(contexts->n_columns, 3);
    for (size_t c = 0; c < 3; c++)
        assert_string_not_equal(contexts->column[c]->name, "fourth"); /* it tells least */
    for (uint32_t user = 0; user < NEW; user++)
        assert_int_equal(contexts->of_user[BUYERS + user],
                         contexts->of_user[BUYERS + user % (WAYS * WAYS * WAYS)]);
}

static void where_nothing_tells_there_are_no_contexts(void **state)
{
    g_autoptr(Dataset) without_columns = shop_of(10, NULL, 0);
    g_autoptr(Dataset) nobody_new = shop_of(0, &group, 1);
    const Dataset *shops[] = {without_columns, nobody_new};
    for (size_t i = 0; i < G_N_ELEMENTS(shops); i++) {
        g_autoptr(Contexts) contexts = find(shops[i], 100);
        assert_int_equal(contexts->n, 0);
        assert_null(contexts->fitted);
    }
}

/* F26: Nobody is predictable any more, but what the same country bought is still known. */
static void f26_who_bought_nothing_for_a_year_has_a_context(void **state)
{
    g_autoptr(Dataset) shop = shop_of(10, &group, 1);
    g_autoptr(Contexts) contexts = find(shop, 1000);
    assert_int_equal(contexts->n, 2);
    for (uint32_t user = 0; user < BUYERS; user++)
        assert_int_equal(contexts->of_user[user], contexts->of_user[wants_0(user) ? 0 : 1]);
}

static void f17_finding_them_can_be_cancelled(void **state)
{
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    g_autoptr(GError) error = NULL;
    g_autoptr(Dataset) shop = shop_of(10, &group, 1);
    g_autoptr(Scope) scope = scope_new(shop, day(100), NULL);
    FitContext context = {.as_of = day(100), .threads = 1, .cancel = &cancel};
    assert_null(contexts_find(shop, scope, &context, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

static void f7_their_memory_is_counted(void **state)
{
    FitSize size = {.rows = 1000, .n_users = 5000000, .n_items = 100, .threads = 1};
    FitSize more = size;
    more.n_users += 1000000;
    assert_true(contexts_bytes(&more) >= contexts_bytes(&size) + 8 * 1000000);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f26_users_of_whom_the_same_is_known_share_a_context),
        cmocka_unit_test(users_with_a_list_of_their_own_need_none),
        cmocka_unit_test(f31_a_context_scores_as_segments_score_its_users),
        cmocka_unit_test(the_column_that_tells_more_comes_first),
        cmocka_unit_test(f6_the_values_of_a_context_are_those_of_its_users),
        cmocka_unit_test(f6_numbers_make_contexts_by_their_bands),
        cmocka_unit_test(the_order_of_several_values_makes_no_difference),
        cmocka_unit_test(there_are_no_more_contexts_than_can_be_kept),
        cmocka_unit_test(where_nothing_tells_there_are_no_contexts),
        cmocka_unit_test(f26_who_bought_nothing_for_a_year_has_a_context),
        cmocka_unit_test(f17_finding_them_can_be_cancelled),
        cmocka_unit_test(f7_their_memory_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
