#include "levels_shop.h"

#include "base/json.h"

static uint32_t brand_number(const Levels *levels, uint32_t brand)
{
    char text[16];
    int length = snprintf(text, sizeof text, "brand %u", brand);
    uint32_t items[] = {4 * brand + 3, 4 * brand, 4 * brand + 1, 4 * brand + 2};
    return levels_find(levels, "brand", text, (size_t)length, items, 4);
}

/* Of one brand; for g_free(). */
static float *score(const Levels *levels, uint32_t brand, unsigned threads)
{
    float *scores = g_new(float, USERS + 1);
    uint32_t number = brand_number(levels, brand);
    assert_int_not_equal(number, LEVELS_NONE);
    assert_true(levels_score(levels, number, threads, scores, NULL));
    return scores;
}

static void f20_the_chance_of_a_value_is_what_comes_true(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    assert_non_null(levels);
    double all = 0, planned = 0, missed = 0;
    for (uint32_t brand = 0; brand < BRANDS; brand++) {
        g_autofree float *scores = score(levels, brand, 0);
        double expected = 0, wanted = 0;
        for (uint32_t user = 0; user < USERS; user++) {
            assert_true(scores[user] >= 0 && scores[user] <= 1);
            expected += scores[user];
            wanted += chance(user, brand);
            missed += fabs(scores[user] - chance(user, brand)) / (USERS * BRANDS);
        }
        assert_true(fabs(expected / wanted - 1) < 0.25);
        all += expected;
        planned += wanted;
    }
    assert_true(fabs(all / planned - 1) < 0.1);
    assert_true(missed < 0.09);
}

static void f35_who_likes_a_brand_is_ranked_first(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    double right = 0, pairs = 0;
    for (uint32_t brand = 0; brand < BRANDS; brand++) {
        g_autofree float *scores = score(levels, brand, 0);
        for (uint32_t a = 0; a < USERS; a++) {
            for (uint32_t b = 0; b < USERS; b++) {
                if (chance(a, brand) < chance(b, brand) + 0.2)
                    continue;
                pairs++;
                right += scores[a] > scores[b];
            }
        }
    }
    assert_true(right / pairs > 0.9);
}

static void who_never_bought_has_no_chance(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    g_autofree float *scores = score(levels, 0, 0);
    assert_int_equal(levels_users(levels), USERS + 1);
    assert_true(scores[USERS] == 0);
}

static cJSON *parse(const char *report)
{
    assert_non_null(report);
    cJSON *parsed = json_parse(report, strlen(report), NULL);
    assert_non_null(parsed);
    return parsed;
}

static void f20_the_report_judges_a_window_that_was_not_learned_from(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autofree char *report = NULL;
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, &report);
    g_autoptr(cJSON) figures = parse(report);
    const cJSON *overall = json_member(figures, "overall");
    const cJSON *columns = json_member(figures, "columns");
    assert_true(fabs(json_member_number(overall, "ratio", -1) - 1) < 0.1);
    assert_true(json_member_number(figures, "ece", 1) < 0.03);
    g_autoptr(Dataset) view = dataset_before(raw, day(AS_OF) - HORIZON, NULL);
    g_autoptr(Scope) scope = scope_new(view, day(AS_OF) - HORIZON, NULL);
    assert_int_equal(json_member_number(figures, "users", 0), scope->n_users);
    assert_int_equal(cJSON_GetArraySize(columns), 2);
    const cJSON *brands = cJSON_GetArrayItem(columns, 0);
    assert_string_equal(json_member(brands, "column")->valuestring, "brand");
    assert_int_equal(json_member_number(brands, "values", 0), BRANDS);
    assert_int_equal(cJSON_GetArraySize(json_member(brands, "largest")), 10);
    assert_true(json_member_number(brands, "median_error", 1) < 0.2);
    g_autoptr(Csr) targets = window_targets(raw, day(AS_OF) - HORIZON, day(AS_OF), NULL);
    double pairs = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t brand = 0; brand < BRANDS; brand++) {
            bool bought = false;
            for (uint32_t i = 0; i < 4 && scope->user[user] == USER_PREDICTABLE; i++)
                bought |= csr_get(targets, user, 4 * brand + i) > 0;
            pairs += bought;
        }
    }
    assert_true(json_member_number(brands, "actual", 0) == pairs);
}

static void expect_same(const Levels *one, const Levels *other)
{
    for (uint32_t brand = 0; brand < BRANDS; brand++) {
        g_autofree float *a = score(one, brand, 1), *b = score(other, brand, 3);
        assert_memory_equal(a, b, (USERS + 1) * sizeof *a);
    }
}

static void f20_the_future_changes_nothing(void **state)
{
    g_autoptr(Dataset) known = shop(true), past = shop(false);
    g_autofree char *of_known = NULL, *of_past = NULL;
    g_autoptr(Levels) one = fit_at(known, AS_OF, 0, &of_known);
    g_autoptr(Levels) other = fit_at(past, AS_OF, 0, &of_past);
    assert_true(known->rows.n > past->rows.n);
    expect_same(one, other);
    assert_string_equal(of_known, of_past);
}

static void f21_any_number_of_threads_gives_the_same(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autofree char *of_one = NULL, *of_three = NULL;
    g_autoptr(Levels) one = fit_at(raw, AS_OF, 1, &of_one);
    g_autoptr(Levels) three = fit_at(raw, AS_OF, 3, &of_three);
    expect_same(one, three);
    assert_string_equal(of_one, of_three);
}

static void a_value_is_found_while_its_products_are_the_same(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    static const uint32_t own[] = {7, 6, 5, 4}, other[] = {4, 5, 6, 8};
    assert_int_not_equal(levels_find(levels, "brand", "brand 1", 7, own, 4), LEVELS_NONE);
    assert_int_equal(levels_find(levels, "brand", "brand 1", 7, own, 3), LEVELS_NONE);
    assert_int_equal(levels_find(levels, "brand", "brand 1", 7, other, 4), LEVELS_NONE);
    assert_int_equal(levels_find(levels, "brand", "brand 9", 7, own, 4), LEVELS_NONE);
    assert_int_equal(levels_find(levels, "colour", "brand 1", 7, own, 4), LEVELS_NONE);
    assert_int_equal(levels_find(levels, "", "", 0, NULL, 0), LEVELS_NONE);
    uint32_t red[3 * BRANDS], n = 0;
    for (uint32_t item = 0; item < ITEMS; item++) {
        if (item % 4 != 3)
            red[n++] = item;
    }
    assert_int_not_equal(levels_find(levels, "colour", "red", 3, red, n), LEVELS_NONE);
}

static void expect_no_levels(const Dataset *raw, double as_of)
{
    g_autofree char *report = NULL;
    assert_null(fit_at(raw, as_of, 0, &report));
    assert_null(report);
}

static void without_enough_to_learn_from_there_are_none(void **state)
{
    g_autoptr(Dataset) texts = shop_of(purchases(1, true), COLUMN_TEXT);
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(Dataset) empty =
        shop_of(g_array_new(FALSE, FALSE, sizeof(Bought)), COLUMN_CATEGORICAL);
    expect_no_levels(texts, AS_OF);
    expect_no_levels(raw, 80);
    expect_no_levels(raw, -10);
    expect_no_levels(empty, AS_OF);
}

static void one_user_and_one_day_are_too_little(void **state)
{
    GArray *bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (unsigned i = 0; i < 300; i++) {
        Bought one = {0, i % ITEMS, i < 299 ? 1 : 200};
        g_array_append_val(bought, one);
    }
    g_autoptr(Dataset) raw = shop_of(bought, COLUMN_CATEGORICAL);
    expect_no_levels(raw, AS_OF);
}

static void with_too_short_a_past_there_is_no_report(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autofree char *report = NULL;
    g_autoptr(Levels) levels = fit_at(raw, 100, 0, &report);
    assert_non_null(levels);
    assert_null(report);
}

static void it_can_be_cancelled(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(GError) error = NULL;
    g_autofree char *report = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    LevelsOptions options = options_at(AS_OF, 0);
    options.cancel = &cancel;
    Levels *levels;
    assert_false(levels_fit(raw, &options, &levels, &report, &error));
    assert_int_equal(error->code, ERR_CANCELLED);
    assert_null(levels);
}

static void save(const Levels *levels, const char *path)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_non_null(writer);
    assert_true(levels_save(levels, writer, NULL));
    assert_true(sections_finish(writer, NULL));
}

static void what_is_stored_scores_the_same(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_auto(TestFile) file = test_file_new();
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    save(levels, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    g_autoptr(Levels) loaded = NULL;
    assert_true(levels_load(sections, USERS + 1, &loaded, NULL));
    assert_non_null(loaded);
    expect_same(levels, loaded);
}

static void a_file_without_any_gives_none(void **state)
{
    g_auto(TestFile) file = test_file_new();
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    assert_true(sections_write(writer, "other", "x", 1, 1, NULL));
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    Levels *loaded;
    assert_true(levels_load(sections, USERS, &loaded, NULL));
    assert_null(loaded);
}

static void a_file_of_other_users_is_damaged(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_autoptr(GError) error = NULL;
    g_auto(TestFile) file = test_file_new();
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    save(levels, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    Levels *loaded;
    assert_false(levels_load(sections, USERS, &loaded, &error));
    assert_int_equal(error->code, ERR_DAMAGED);
    assert_null(loaded);
}

/* Whatever bytes stand in the file: an error, or scores. The address sanitizer looks. */
static void read_damaged(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Sections) sections = sections_open(path, &error);
    g_autoptr(Levels) loaded = NULL;
    if (!sections || !levels_load(sections, USERS + 1, &loaded, &error) || !loaded) {
        assert_true(!error || error->code == ERR_DAMAGED);
        return;
    }
    g_autofree float *scores = g_new(float, USERS + 1);
    for (uint32_t brand = 0; brand < BRANDS; brand++) {
        uint32_t number = brand_number(loaded, brand);
        if (number != LEVELS_NONE)
            assert_true(levels_score(loaded, number, 1, scores, NULL));
    }
}

static void damaged_bytes_stay_within_the_arrays(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_auto(TestFile) file = test_file_new();
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    save(levels, file.path);
    g_autofree char *bytes = NULL;
    gsize length;
    assert_true(g_file_get_contents(file.path, &bytes, &length, NULL));
    Rng rng;
    rng_init(&rng, 1, 0);
    for (unsigned i = 0; i < 400; i++) {
        g_autofree char *broken = g_memdup2(bytes, length);
        /* in places of all kinds: most sections are short beside the users' facts */
        for (unsigned flips = 0; flips < 1 + i % 40; flips++)
            broken[rng_next(&rng) % length] = (char)rng_next(&rng);
        assert_true(g_file_set_contents(file.path, broken, (gssize)length, NULL));
        read_damaged(file.path);
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f20_the_chance_of_a_value_is_what_comes_true),
        cmocka_unit_test(f35_who_likes_a_brand_is_ranked_first),
        cmocka_unit_test(who_never_bought_has_no_chance),
        cmocka_unit_test(f20_the_report_judges_a_window_that_was_not_learned_from),
        cmocka_unit_test(f20_the_future_changes_nothing),
        cmocka_unit_test(f21_any_number_of_threads_gives_the_same),
        cmocka_unit_test(a_value_is_found_while_its_products_are_the_same),
        cmocka_unit_test(without_enough_to_learn_from_there_are_none),
        cmocka_unit_test(one_user_and_one_day_are_too_little),
        cmocka_unit_test(with_too_short_a_past_there_is_no_report),
        cmocka_unit_test(it_can_be_cancelled),
        cmocka_unit_test(what_is_stored_scores_the_same),
        cmocka_unit_test(a_file_without_any_gives_none),
        cmocka_unit_test(a_file_of_other_users_is_damaged),
        cmocka_unit_test(damaged_bytes_stay_within_the_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
