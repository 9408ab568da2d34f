/* The learner of what users buy of whom the same is known. */
#include "users_shop.h"

#include "learn/popularity.h"
#include "learn/segments.h"

/* By the usual parameters. */
static Fitted *fit(const Dataset *shop, double as_of)
{
    return fit_shop("segments", shop, as_of, 2);
}

static const char *of_two(uint32_t user)
{
    static const char *const value[] = {"A", "B"};
    return value[user % 2];
}

#define FANS 60u

/* 60 users of A buy 0 and 2, 180 of B buy 1 and 2, each ten times lately; then one of each without
 * a purchase, and one of whom nothing is known. */
static const char *of_fans(uint32_t user)
{
    if (user == 4 * FANS + 2)
        return NULL;
    return user < FANS || user == 4 * FANS ? "A" : "B";
}

static Dataset *shop_of_fans(void)
{
    const UserColumn columns[] = {{"group", COLUMN_CATEGORICAL, of_fans, false}};
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (uint32_t user = 0; user < 4 * FANS; user++) {
        for (unsigned i = 0; i < 10; i++) {
            Bought one = {user, i % 5 == 4 ? 2 : user >= FANS, 90 + i};
            g_array_append_val(bought, one);
        }
    }
    return shop_of_users(4 * FANS + 3, 4, (Bought *)bought->data, bought->len, columns, 1);
}

static void expect_popularity(const Dataset *shop, const float *row)
{
    FitContext context = {.as_of = day(100)};
    g_autofree float *expected =
        popularity_decayed(shop, &context, segments_defaults.half_life_days, NULL);
    for (uint32_t item = 0; item < shop->n_items; item++)
        assert_float_equal(row[item], expected[item], 1e-5 * (1 + expected[item]));
}

/* F6: Customers' attributes decide what they are shown. */
static void users_want_what_their_segment_buys_though_others_buy_more_of_other_things(void **state)
{
    g_autoptr(Dataset) shop = shop_of_fans();
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    const float *a = scores, *b = scores + 4 * (size_t)FANS;
    assert_true(a[0] > a[1] && a[0] > a[2]);
    assert_true(b[1] > b[0] && b[1] > b[2]);
    assert_true(a[3] == 0 && b[3] == 0);
}

static void a_user_without_a_purchase_gets_the_list_of_the_segment(void **state)
{
    g_autoptr(Dataset) shop = shop_of_fans();
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    const float *new_to_a = scores + 4 * 4 * (size_t)FANS, *new_to_b = new_to_a + 4;
    assert_memory_equal(new_to_a, scores, 4 * sizeof(float));
    assert_memory_equal(new_to_b, scores + 4 * (size_t)FANS, 4 * sizeof(float));
    assert_true(new_to_a[0] > new_to_a[1]);
}

static void a_user_of_whom_nothing_is_known_gets_what_everybody_buys(void **state)
{
    g_autoptr(Dataset) shop = shop_of_fans();
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    const float *unknown = scores + 4 * (size_t)(4 * FANS + 2);
    expect_popularity(shop, unknown);
}

#define MOST 200u

/* 20 users of C buy 1 once each, 19 of 25 of D buy 2; the many others buy 0 three times. */
static const char *of_few(uint32_t user)
{
    return user < MOST ? of_two(user) : user < MOST + 20 ? "C" : "D";
}

static Dataset *shop_of_few(void)
{
    const UserColumn columns[] = {{"group", COLUMN_CATEGORICAL, of_few, false}};
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (uint32_t user = 0; user < MOST + 39; user++) {
        for (unsigned i = 0; i < (user < MOST ? 3 : 1); i++) {
            Bought one = {user, user < MOST ? 0 : user < MOST + 20 ? 1 : 2, 99};
            g_array_append_val(bought, one);
        }
    }
    return shop_of_users(MOST + 45, 3, (Bought *)bought->data, bought->len, columns, 1);
}

static void a_small_segment_falls_back_towards_what_everybody_buys(void **state)
{
    g_autoptr(Dataset) shop = shop_of_few();
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    const float *most = scores, *c = scores + 3 * (size_t)MOST;
    assert_true(c[0] > c[1] && c[1] > c[2]);
    assert_true(c[0] < most[0] && c[1] > most[1]);
    /* what is trusted more says more */
    SegmentsParams trusting = segments_defaults;
    trusting.prior = 1;
    g_autoptr(Fitted) trusted = fit_segments(shop, &trusting, 100, 1);
    g_autofree float *by_trust = all_scores(trusted);
    assert_true(by_trust[3 * MOST + 1] > by_trust[3 * MOST]);
}

static void a_value_of_too_few_buyers_is_no_segment(void **state)
{
    g_autoptr(Dataset) shop = shop_of_few();
    g_autoptr(Fitted) fitted = fit(shop, 100);
    g_autofree float *scores = all_scores(fitted);
    const float *d = scores + 3 * (size_t)(MOST + 20);
    expect_popularity(shop, d);
}

static void expect_invalid(const Dataset *shop)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(100), .threads = 1};
    assert_null(learner_segments.fit(shop, &context, &error));
    assert_int_equal(error_code(error), ERR_INVALID);
}

static const char *the_same(uint32_t user)
{
    return "yes";
}

static const char *of_201(uint32_t user)
{
    static char value[16];
    g_snprintf(value, sizeof value, "%u", user % 201);
    return value;
}

static const char *of_nobody(uint32_t user)
{
    return NULL;
}

static void columns_that_tell_no_segments_apart_are_refused(void **state)
{
    const UserColumn columns[] = {
        {"same", COLUMN_CATEGORICAL, the_same, false}, {"many", COLUMN_ID, of_201, false},
        {"empty", COLUMN_ID, of_nobody, false},        {"name", COLUMN_TEXT, of_two, false},
        {"age", COLUMN_NUMERIC, of_two, false},        {"left out", COLUMN_ID, of_two, false},
    };
    g_autoptr(GArray) bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (uint32_t user = 0; user < 201 * 20; user++) {
        Bought one = {user, user % 3, 90};
        g_array_append_val(bought, one);
    }
    const Bought *rows = (Bought *)bought->data;
    g_autoptr(Dataset) shop = shop_of_users(bought->len, 3, rows, bought->len, columns, 6);
    g_autoptr(Fitted) fitted = fit(shop, 100);
    shop->user_attributes->columns[5].is_left_out = true;
    expect_invalid(shop);
    g_autoptr(Dataset) without = shop_new(bought->len, 3, rows, bought->len);
    expect_invalid(without);
}

static void no_purchase_and_cancellation_are_refused(void **state)
{
    const UserColumn columns[] = {{"group", COLUMN_ID, of_two, false}};
    g_autoptr(Dataset) empty = shop_of_users(50, 9, NULL, 0, columns, 1);
    expect_invalid(empty);

    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    g_autoptr(GError) error = NULL;
    g_autoptr(Dataset) shop = shop_of_fans();
    FitContext context = {.as_of = day(100), .threads = 2, .cancel = &cancel};
    assert_null(segments_fit_with(shop, &segments_defaults, &context, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

/* Of 40 values, more than count of one user. */
static const char *of_everything(uint32_t user)
{
    return "0|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30|31|"
           "32|33|34|35|36|37|38|39";
}

static void hard_shops_are_learned_from(void **state)
{
    const UserColumn columns[] = {{"all", COLUMN_CATEGORICAL, of_everything, true},
                                  {"group", COLUMN_CATEGORICAL, of_two, false}};
    const double as_of[] = {100, 90000};
    for (size_t i = 0; i < G_N_ELEMENTS(as_of); i++) {
        g_autofree Bought *bought = random_purchases(500, 50, 9, 100, 8);
        g_autoptr(Dataset) shop = shop_of_users(50, 9, bought, 500, columns, 2);
        g_autoptr(Fitted) fitted = fit(shop, as_of[i]);
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
        g_autofree float *scores = all_scores(fitted);
        for (uint64_t r = 0; r < shop->rows.n; r++)
            assert_true(scores[shop->rows.item[r]] > 0); /* however long ago */
    }
}

static const char *of_columns(uint32_t user)
{
    return user % 3 ? "x" : "y";
}

static const char *of_five(uint32_t user)
{
    static const char *const value[] = {"1", "2", "3", "4", "5"};
    return value[user % 5];
}

static void sixteen_columns_count_and_no_more(void **state)
{
    UserColumn columns[USER_COLUMNS_MAX];
    for (size_t c = 0; c < USER_COLUMNS_MAX; c++)
        columns[c] = (UserColumn){"column", COLUMN_ID, c < 15 ? of_columns : of_two, false};
    for (size_t c = 16; c < USER_COLUMNS_MAX; c++)
        columns[c].cell = of_five;
    g_autofree Bought *bought = random_purchases(1500, 150, 9, 100, 8);
    const size_t n[] = {15, 16, USER_COLUMNS_MAX};
    float *scores[3];
    for (size_t i = 0; i < 3; i++) {
        g_autoptr(Dataset) shop = shop_of_users(150, 9, bought, 1500, columns, n[i]);
        g_autoptr(Fitted) fitted = fit(shop, 100);
        scores[i] = all_scores(fitted);
    }
    assert_memory_not_equal(scores[0], scores[1], 150 * 9 * sizeof(float));
    assert_memory_equal(scores[1], scores[2], 150 * 9 * sizeof(float));
    for (size_t i = 0; i < 3; i++)
        g_free(scores[i]);
}

static void of_what_a_segment_buys_equally_the_first_are_kept(void **state)
{
    const UserColumn columns[] = {{"group", COLUMN_ID, of_two, false}};
    Bought bought[12 * 5];
    for (uint32_t i = 0; i < G_N_ELEMENTS(bought); i++)
        bought[i] = (Bought){i % 12, i / 12, 90};
    g_autoptr(Dataset) shop = shop_of_users(12, 5, bought, G_N_ELEMENTS(bought), columns, 1);
    SegmentsParams params = segments_defaults;
    params.buyers = 6;
    params.items = 2;
    g_autoptr(Fitted) fitted = fit_segments(shop, &params, 90, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < 12; user++) {
        const float *row = scores + 5 * (size_t)user;
        assert_true(row[0] == row[1] && row[1] > row[2] && row[2] == row[3] && row[3] == row[4]);
    }
}

/* The matrices of one user, two segments and two items. */
static Sections *file_of(const TestFile *file, const uint32_t *shape, uint64_t n_shape,
                         uint32_t column)
{
    const uint64_t left_start[] = {0, 2}, right_start[] = {0, 2, 3};
    const uint32_t left_column[] = {0, column}, right_column[] = {0, column, 1};
    const float ones[] = {1, 1, 1};
    g_autoptr(SectionsWriter) writer = sections_writer_new(file->path, NULL);
    assert_true(sections_write(writer, "learner.shape", shape, 4, n_shape, NULL));
    assert_true(sections_write(writer, "learner.left.start", left_start, 8, 2, NULL));
    assert_true(sections_write(writer, "learner.left.column", left_column, 4, 2, NULL));
    assert_true(sections_write(writer, "learner.left.value", ones, 4, 2, NULL));
    assert_true(sections_write(writer, "learner.right.start", right_start, 8, 3, NULL));
    assert_true(sections_write(writer, "learner.right.column", right_column, 4, 3, NULL));
    assert_true(sections_write(writer, "learner.right.value", ones, 4, 3, NULL));
    assert_true(sections_finish(writer, NULL));
    Sections *sections = sections_open(file->path, NULL);
    assert_non_null(sections);
    return sections;
}

static void damaged_shapes_are_refused(void **state)
{
    const uint32_t shapes[][3] = {{3, 2}, {0, 2}, {UINT32_MAX, 2}, {2, 3}, {2, 2, 2}};
    const uint64_t n[] = {2, 2, 2, 2, 3, 1, 0};
    for (size_t i = 0; i < G_N_ELEMENTS(n); i++) {
        g_auto(TestFile) file = test_file_new();
        g_autoptr(Sections) sections =
            file_of(&file, shapes[MIN(i, G_N_ELEMENTS(shapes) - 1)], n[i], 1);
        expect_damaged(&learner_segments, sections, 1, 2);
    }
}

static void damaged_indices_never_leave_the_arrays(void **state)
{
    const uint32_t shape[] = {2, 2}, columns[] = {1, 2, 1000000};
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        g_auto(TestFile) file = test_file_new();
        g_autoptr(Sections) sections = file_of(&file, shape, 2, columns[i]);
        g_autoptr(Fitted) fitted = learner_segments.load(sections, 1, 2, NULL);
        assert_non_null(fitted);
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
    }
}

static void parameters_are_described(void **state)
{
    g_autoptr(Dataset) shop = shop_of_fans();
    g_autoptr(Fitted) fitted = fit(shop, 100);
    Buffer buffer = {0};
    JsonWriter writer;
    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    learner_segments.describe(fitted, &writer);
    json_end_object(&writer);
    g_autoptr(cJSON) told = json_parse(buffer.data, buffer.length, NULL);
    assert_float_equal(json_member_number(told, "half_life_days", 0), 21, 0);
    assert_float_equal(json_member_number(told, "prior", 0), 300, 0);
    assert_float_equal(json_member_number(told, "segments", 0), 2, 0);
    buffer_clear(&buffer);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_want_what_their_segment_buys_though_others_buy_more_of_other_things),
        cmocka_unit_test(a_user_without_a_purchase_gets_the_list_of_the_segment),
        cmocka_unit_test(a_user_of_whom_nothing_is_known_gets_what_everybody_buys),
        cmocka_unit_test(a_small_segment_falls_back_towards_what_everybody_buys),
        cmocka_unit_test(a_value_of_too_few_buyers_is_no_segment),
        cmocka_unit_test(columns_that_tell_no_segments_apart_are_refused),
        cmocka_unit_test(no_purchase_and_cancellation_are_refused),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(sixteen_columns_count_and_no_more),
        cmocka_unit_test(of_what_a_segment_buys_equally_the_first_are_kept),
        cmocka_unit_test(damaged_shapes_are_refused),
        cmocka_unit_test(damaged_indices_never_leave_the_arrays),
        cmocka_unit_test(parameters_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
