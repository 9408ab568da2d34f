/* What counts as a token of a product, for the learner of products that are described alike. */
#include "content_shop.h"

static void a_value_of_one_column_is_not_that_of_another(void **state)
{
    const Described items[] = {{.brand = "red"}, {.brand = "red"},  {.colour = "red"},
                               {.tags = "red"},  {.title = "red"},  {.colour = "red"},
                               {.tags = "red"},  {.title = "Red!"}, {.brand = "Red"}};
    const Bought bought[] = {{0, 0, 9}, {1, 2, 9}, {2, 3, 9}, {3, 4, 9}};
    Content content = {items, 9, 4, bought, 4, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    static const uint32_t like[4][2] = {{0, 1}, {2, 5}, {3, 6}, {4, 7}};
    for (uint32_t user = 0; user < 4; user++) {
        for (uint32_t item = 0; item < 9; item++)
            assert_int_equal(scores[user * 9 + item] > 0,
                             item == like[user][0] || item == like[user][1]);
    }
}

static void numbers_and_single_letters_are_no_words(void **state)
{
    const Described items[] = {{.title = "12 a 7x"},     {.title = "12 a"},
                               {.title = "kiosk 7X"},    {.title = "K\xc3\xa4se kiosk"},
                               {.title = "K\xc3\xa4se"}, {.title = "12"}};
    const Bought bought[] = {{0, 0, 9}, {1, 3, 9}};
    Content content = {items, 6, 2, bought, 2, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 6; item++) {
        assert_int_equal(scores[item] > 0, item == 0 || item == 2);
        assert_int_equal(scores[6 + item] > 0, item >= 2 && item <= 4);
    }
}

/* Words so long that what is kept of them is the same. */
static void words_without_end_are_cut(void **state)
{
    g_autofree char *stem = g_strnfill(5000, 'w');
    g_autofree char *one = g_strconcat(stem, "a", NULL);
    g_autofree char *other = g_strconcat(stem, "b", NULL);
    const Described items[] = {{.title = one},  {.title = other}, {0}, {.title = ""}, {0},
                               {.title = "..."}};
    const Bought bought[] = {{0, 0, 9}};
    Content content = {items, 6, 1, bought, 1, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 6; item++)
        assert_int_equal(scores[item] > 0, item < 2);
}

/* So that no text takes more memory than the estimate told. */
static void words_beyond_the_first_do_not_take_part(void **state)
{
    g_autoptr(GString) many = g_string_new("early");
    for (unsigned word = 1; word < 1u << 16; word++)
        g_string_append_printf(many, " w%u", word);
    const Described items[] = {
        {.title = many->str}, {.title = "early late"}, {.title = "late"}, {0}, {0}, {0}};
    const Bought bought[] = {{0, 1, 9}, {1, 2, 9}};
    Content content = {items, 6, 2, bought, 2, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 6; item++) {
        assert_int_equal(scores[item] > 0, item < 2);
        assert_true(scores[6 + item] == 0);
    }
}

static void products_without_shared_attributes_are_refused(void **state)
{
    const Bought bought[] = {{0, 0, 9}};
    g_autoptr(Dataset) bare = shop_new(1, 9, bought, 1);
    expect_invalid(bare);
    const Described empty[6] = {{0}};
    Content content = {empty, 6, 1, bought, 1, .attributes = NULL};
    g_autoptr(Dataset) without = described_shop(&content);
    expect_invalid(without);
    /* ids stand on one product each, the brand on more than a third */
    const Described alone[] = {{.brand = "ka", .colour = "1"}, {.brand = "ka", .colour = "2"},
                               {.brand = "ka", .colour = "3"}, {.brand = "lu", .colour = "4"},
                               {.brand = "mo", .colour = "5"}, {.brand = "ny", .colour = "6"}};
    content.items = alone;
    g_autoptr(Dataset) useless = described_shop(&content);
    expect_invalid(useless);
    /* on a third it tells something */
    Described third[6];
    memcpy(third, alone, sizeof third);
    third[2].brand = "lu";
    content.items = third;
    g_autoptr(Dataset) useful = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(useful, 10, 1);
    expect_finite_scores(fitted);
}

static void columns_left_out_are_not_looked_at(void **state)
{
    static const char *const brand[] = {"brand", NULL}, *const none[] = {NULL};
    const Described items[] = {
        {.brand = "ka", .title = "owl lamp"}, {.brand = "ka", .title = "mug"},
        {.brand = "lu", .title = "owl"},      {.brand = "lu", .tags = "x"},
        {.tags = "x", .title = "lamp"},       {.colour = "red"},
    };
    const Bought bought[] = {{0, 0, 9}};
    Content content = {items, 6, 1, bought, 1, .attributes = brand};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 6; item++)
        assert_int_equal(scores[item] > 0, item < 2);
    content.attributes = none;
    g_autoptr(Dataset) blind = described_shop(&content);
    expect_invalid(blind);
}

static void only_the_heaviest_tokens_are_kept(void **state)
{
    /* "rare" on 2 of 12, "some" on 3, "most" on 4 */
    const Described items[] = {{.title = "rare some most"},
                               {.title = "rare"},
                               {.title = "some"},
                               {.title = "some"},
                               {.title = "most"},
                               {.title = "most"},
                               {.title = "most"},
                               {0},
                               {0},
                               {0},
                               {0},
                               {0}};
    const Bought bought[] = {{0, 0, 9}};
    Content content = {items, 12, 1, bought, 1, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    ContentParams params = content_defaults;
    params.product_tokens = 2;
    g_autoptr(Fitted) of_products = fit_with(shop, &params, 10, 1);
    params = content_defaults;
    params.profile_tokens = 1;
    g_autoptr(Fitted) of_profiles = fit_with(shop, &params, 10, 1);
    g_autoptr(Fitted) whole = fit(shop, 10, 1);
    g_autofree float *two = all_scores(of_products);
    g_autofree float *one = all_scores(of_profiles);
    g_autofree float *all = all_scores(whole);
    for (uint32_t item = 1; item < 12; item++) {
        assert_int_equal(all[item] > 0, item < 7);
        assert_int_equal(two[item] > 0, item < 4);
        assert_int_equal(one[item] > 0, item < 2);
    }
    assert_float_equal(two[0], 1, 1e-6); /* what is kept has length 1 */
    assert_float_equal(one[1], 1, 1e-6);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_of_one_column_is_not_that_of_another),
        cmocka_unit_test(numbers_and_single_letters_are_no_words),
        cmocka_unit_test(words_without_end_are_cut),
        cmocka_unit_test(words_beyond_the_first_do_not_take_part),
        cmocka_unit_test(products_without_shared_attributes_are_refused),
        cmocka_unit_test(columns_left_out_are_not_looked_at),
        cmocka_unit_test(only_the_heaviest_tokens_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
