/* The learner of products that are described alike. */
#include "content_shop.h"

#include "base/json.h"

/* Owls and cats among products whose other words stand on one product only; nobody bought 4. */
static const Described OWLS[] = {
    {.title = "Night OWL lamp"}, {.title = "owl, mug"},          {.title = "brass owl-bell"},
    {.title = "cat bowl"},       {.title = "Owl cushion (new)"}, {.title = "cat tree"},
    {.title = "garden chair"},   {.title = "tin kettle"},        {.title = "wool sock"},
    {.title = "cat flap"},       {.title = "paper kite"},        {.title = "oak table"},
};

/* User 0 buys owls, user 1 cats, user 2 what is like nothing else; user 3 nothing. */
static const Bought OWL_ROWS[] = {{0, 0, 80}, {0, 1, 85}, {0, 2, 90}, {1, 3, 80},
                                  {1, 5, 85}, {2, 6, 80}, {2, 7, 85}};

static Dataset *owl_shop(void)
{
    Content content = {OWLS,     G_N_ELEMENTS(OWLS),     4,
                       OWL_ROWS, G_N_ELEMENTS(OWL_ROWS), .attributes = NULL};
    return described_shop(&content);
}

static void who_buys_only_owls_gets_the_owl_that_nobody_bought_first(void **state)
{
    g_autoptr(Dataset) shop = owl_shop();
    g_autoptr(Fitted) fitted = fit(shop, 100, 2);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 3; item < G_N_ELEMENTS(OWLS); item++)
        assert_int_equal(scores[item] > 0, item == 4);
    assert_float_equal(scores[4], 1, 1e-6);
    assert_float_equal(scores[G_N_ELEMENTS(OWLS) + 9], 1, 1e-6); /* and the cats */
}

static void a_product_that_nobody_bought_is_scored_by_what_it_shares(void **state)
{
    const Described items[] = {
        {.brand = "ka", .tags = "warm|long"}, {.brand = "ka", .tags = "cool"},
        {.brand = "lu", .tags = "warm|long"}, {.brand = "lu", .tags = "cool"},
        {.brand = "mo", .tags = "wide"},      {.brand = "mo", .tags = "wide"},
    };
    const Bought bought[] = {{0, 0, 9}};
    Content content = {items, 6, 1, bought, 1, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 10, 1);
    g_autofree float *scores = all_scores(fitted);
    assert_float_equal(scores[1], 1 / sqrt(6), 1e-6); /* the brand: one of 3 times one of 2 */
    assert_float_equal(scores[2], 2.0 / 3, 1e-6);     /* two tags of three tokens each */
    assert_true(scores[3] == 0 && scores[4] == 0);
}

static void who_bought_nothing_or_nothing_described_scores_nothing(void **state)
{
    g_autoptr(Dataset) shop = owl_shop();
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < 2 * G_N_ELEMENTS(OWLS); item++)
        assert_true(scores[2 * G_N_ELEMENTS(OWLS) + item] == 0);
}

static void the_later_taste_comes_first(void **state)
{
    const Bought bought[] = {{0, 0, 10}, {0, 3, 190}, {1, 0, 190}, {1, 3, 10}};
    Content content = {OWLS, G_N_ELEMENTS(OWLS), 2, bought, 4, .attributes = NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) fitted = fit(shop, 200, 1);
    g_autofree float *scores = all_scores(fitted);
    const float *other = scores + G_N_ELEMENTS(OWLS);
    assert_true(scores[5] > 2 * scores[4] && scores[4] > 0); /* the cat before the owl */
    assert_true(other[4] > other[5] && other[5] > 0);
    ContentParams params = content_defaults;
    params.half_life_days = 0;
    g_autoptr(Fitted) timeless = fit_with(shop, &params, 200, 1);
    g_autofree float *same = all_scores(timeless);
    for (uint32_t item = 0; item < G_N_ELEMENTS(OWLS); item++)
        assert_float_equal(same[item], same[G_N_ELEMENTS(OWLS) + item], 1e-6);
}

static void other_events_count_by_their_weights(void **state)
{
    const Bought bought[] = {{0, 3, 90}}, carts[] = {{1, 0, 90}, {0, 1, 90}};
    Content content = {OWLS, G_N_ELEMENTS(OWLS), 2, bought, 1, carts, 2, NULL};
    g_autoptr(Dataset) shop = described_shop(&content);
    g_autoptr(Fitted) deaf = fit(shop, 100, 1);
    g_autofree float *before = all_scores(deaf);
    assert_true(before[4] == 0 && before[G_N_ELEMENTS(OWLS) + 4] == 0);

    SignalWeights weights = signal_weights_given(shop);
    weights.weight[0] = 0.25;
    FitContext context = {.as_of = day(100), .threads = 1, .signals = &weights};
    g_autoptr(Fitted) fitted = learner_content.fit(shop, &context, NULL);
    assert_non_null(fitted);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[4] > 0 && scores[4] < scores[5]);
    assert_float_equal(scores[G_N_ELEMENTS(OWLS) + 4], 1, 1e-6);

    content.n_bought = 0; /* carts alone */
    g_autoptr(Dataset) only = described_shop(&content);
    g_autoptr(Fitted) of_carts = learner_content.fit(only, &context, NULL);
    assert_non_null(of_carts);
    weights.weight[0] = 0;
    expect_refused(only, &context, ERR_INVALID);
    expect_invalid(only);
}

static void no_event_and_cancellation_are_refused(void **state)
{
    Content content = {OWLS, G_N_ELEMENTS(OWLS), 2, NULL, 0, .attributes = NULL};
    g_autoptr(Dataset) empty = described_shop(&content);
    expect_invalid(empty);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    FitContext context = {.as_of = day(100), .threads = 2, .cancel = &cancel};
    g_autoptr(Dataset) shop = owl_shop();
    expect_refused(shop, &context, ERR_CANCELLED);
}

#define R_USERS 25u
#define R_ITEMS 60u
#define R_ROWS  500u

/* The tokens of a product as a set of strings. */
static GHashTable *plain_tokens(const Described *about)
{
    GHashTable *tokens = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(tokens, g_strconcat("brand=", about->brand, NULL));
    g_hash_table_add(tokens, g_strconcat("colour=", about->colour, NULL));
    g_auto(GStrv) tags = g_strsplit(about->tags, "|", -1);
    for (char **tag = tags; *tag; tag++)
        g_hash_table_add(tokens, g_strconcat("tags=", *tag, NULL));
    g_autofree char *lower = g_ascii_strdown(about->title ? about->title : "", -1);
    g_auto(GStrv) words = g_strsplit_set(lower, " ,()-/", -1);
    for (char **word = words; *word; word++) {
        if (strlen(*word) > 1 && strspn(*word, "0123456789") < strlen(*word))
            g_hash_table_add(tokens, g_strdup(*word));
    }
    return tokens;
}

/* products × *n_tokens, rows of length 1; for g_free(). */
static double *plain_vectors(const Described *items, uint32_t n_items, uint32_t *n_tokens)
{
    g_autoptr(GPtrArray) of_item =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    g_autoptr(GHashTable) all = g_hash_table_new(g_str_hash, g_str_equal); /* to products */
    for (uint32_t item = 0; item < n_items; item++) {
        GHashTable *tokens = plain_tokens(&items[item]);
        g_ptr_array_add(of_item, tokens);
        g_autoptr(GList) names = g_hash_table_get_keys(tokens);
        for (GList *name = names; name; name = name->next)
            g_hash_table_replace(
                all, name->data,
                GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(all, name->data)) + 1));
    }
    g_autoptr(GList) names = g_hash_table_get_keys(all);
    *n_tokens = g_hash_table_size(all);
    double *vectors = g_new0(double, (size_t)n_items **n_tokens);
    for (uint32_t item = 0; item < n_items; item++) {
        double *row = vectors + (size_t)item * *n_tokens, squares = 0;
        uint32_t t = 0;
        for (GList *name = names; name; name = name->next, t++) {
            double with = GPOINTER_TO_UINT(g_hash_table_lookup(all, name->data));
            bool is_used = with >= 2 && 3 * with <= n_items &&
                           g_hash_table_contains(of_item->pdata[item], name->data);
            row[t] = is_used ? log(n_items / with) : 0;
            squares += row[t] * row[t];
        }
        for (t = 0; t < *n_tokens && squares > 0; t++)
            row[t] /= sqrt(squares);
    }
    return vectors;
}

/* Σ_j √c(u, j) · vector_j, one user's. */
static void plain_profile(const Dataset *shop, uint32_t user, const double *vectors,
                          uint32_t n_tokens, double as_of, double *profile)
{
    for (uint32_t j = 0; j < shop->n_items; j++) {
        double count = 0;
        for (uint64_t r = 0; r < shop->rows.n; r++) {
            double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
            if (shop->rows.user[r] == user && shop->rows.item[r] == j)
                count += exp2(-age / content_defaults.half_life_days);
        }
        for (uint32_t t = 0; t < n_tokens; t++)
            profile[t] += sqrt(count) * vectors[(size_t)j * n_tokens + t];
    }
}

static double plain_cosine(const double *a, const double *b, uint32_t n)
{
    double dot = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < n; i++) {
        dot += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return dot > 0 ? dot / sqrt(aa * bb) : 0;
}

static void content_is_its_formula(void **state)
{
    g_auto(RandomShop) random = random_shop(R_USERS, R_ITEMS, R_ROWS, 4);
    g_autoptr(Fitted) fitted = fit(random.shop, 200, 2);
    g_autofree float *scores = all_scores(fitted);
    uint32_t n_tokens;
    g_autofree double *vectors = plain_vectors(random.items, R_ITEMS, &n_tokens);
    double sum = 0;
    for (uint32_t user = 0; user < R_USERS; user++) {
        g_autofree double *profile = g_new0(double, n_tokens);
        plain_profile(random.shop, user, vectors, n_tokens, 200, profile);
        for (uint32_t item = 0; item < R_ITEMS; item++) {
            double expected = plain_cosine(profile, vectors + (size_t)item * n_tokens, n_tokens);
            assert_float_equal(scores[user * R_ITEMS + item], expected, 1e-5);
            sum += expected;
        }
    }
    assert_true(sum > R_USERS); /* of 60 products each */
    expect_items_as_users(fitted);
    expect_finite_scores(fitted);
}

static void threads_do_not_change_a_byte(void **state)
{
    g_auto(RandomShop) random = random_shop(900, 700, 9000, 7);
    ContentParams params = {.product_tokens = 5, .profile_tokens = 20, .half_life_days = 60};
    g_autoptr(Fitted) one = fit_with(random.shop, &params, 200, 1);
    g_autoptr(Fitted) four = fit_with(random.shop, &params, 200, 4);
    g_autofree float *a = all_scores(one);
    g_autofree float *b = all_scores(four);
    assert_memory_equal(a, b, 900 * 700 * sizeof(float));
}

static void hard_shops_are_learned_from(void **state)
{
    const Described items[] = {{.title = "owl"}, {.title = "owl"}, {0}, {0}, {0}, {0}};
    const Bought once[] = {{0, 0, 5}}, same[] = {{0, 0, 5}, {0, 0, 5}, {1, 2, 5}},
                 ancient[] = {{0, 0, 0}, {1, 1, 0}};
    const struct {
        const Bought *bought;
        size_t n;
        double as_of;
    } cases[] = {{once, 1, 5}, {same, 3, 6}, {ancient, 2, 90000}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Content content = {items, 6, 3, cases[i].bought, cases[i].n, .attributes = NULL};
        g_autoptr(Dataset) shop = described_shop(&content);
        g_autoptr(Fitted) fitted = fit(shop, cases[i].as_of, 2);
        g_autofree float *scores = all_scores(fitted);
        assert_float_equal(scores[1], 1, 1e-6);
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
    }
}

static void content_survives_its_file(void **state)
{
    g_auto(RandomShop) random = random_shop(R_USERS, R_ITEMS, R_ROWS, 9);
    g_autoptr(Fitted) fitted = fit(random.shop, 200, 1);
    expect_survives_its_file(fitted);
}

static void a_file_of_another_number_of_tokens_is_refused(void **state)
{
    const uint64_t start[] = {0, 0, 0};
    static const uint32_t shapes[][2] = {{3, 2}, {UINT32_MAX, 2}, {0, 2}, {2, 2}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        bool is_short = i == 3; /* without the number of products */
        g_auto(TestFile) file = test_file_new();
        g_autoptr(SectionsWriter) w = sections_writer_new(file.path, NULL);
        assert_true(sections_write(w, "learner.shape", shapes[i], 4, is_short ? 1 : 2, NULL));
        assert_true(sections_write(w, "learner.left.start", start, 8, 3, NULL));
        assert_true(sections_write(w, "learner.left.column", NULL, 4, 0, NULL));
        assert_true(sections_write(w, "learner.left.value", NULL, 4, 0, NULL));
        assert_true(sections_write(w, "learner.right.start", start, 8, 3, NULL));
        assert_true(sections_write(w, "learner.right.column", NULL, 4, 0, NULL));
        assert_true(sections_write(w, "learner.right.value", NULL, 4, 0, NULL));
        assert_true(sections_finish(w, NULL));
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        expect_damaged(&learner_content, sections, 2, 2);
    }
}

static void its_parameters_are_told(void **state)
{
    g_autoptr(Dataset) shop = owl_shop();
    ContentParams params = {.product_tokens = 5, .profile_tokens = 20, .half_life_days = 30};
    g_autoptr(Fitted) fitted = fit_with(shop, &params, 100, 1);
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    learner_content.describe(fitted, &json);
    json_end_object(&json);
    assert_string_equal(buffer_text(&text),
                        "{\"product_tokens\":5,\"profile_tokens\":20,\"half_life_days\":30}");
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_buys_only_owls_gets_the_owl_that_nobody_bought_first),
        cmocka_unit_test(a_product_that_nobody_bought_is_scored_by_what_it_shares),
        cmocka_unit_test(who_bought_nothing_or_nothing_described_scores_nothing),
        cmocka_unit_test(the_later_taste_comes_first),
        cmocka_unit_test(other_events_count_by_their_weights),
        cmocka_unit_test(no_event_and_cancellation_are_refused),
        cmocka_unit_test(content_is_its_formula),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(content_survives_its_file),
        cmocka_unit_test(a_file_of_another_number_of_tokens_is_refused),
        cmocka_unit_test(its_parameters_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
