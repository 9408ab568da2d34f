/* Shops whose products are described, and the learner that looks at how. */
#pragma once

#include "learn_shop.h"

#include "learn/content.h"

/* How a product is described; NULL is null. Tags are separated by '|'. */
typedef struct Described {
    const char *brand, *colour, *tags, *title;
} Described;

#define N_COLUMNS 5

static inline void set_cell(AttributesBuilder *attributes, uint32_t item, size_t column,
                            const char *text)
{
    assert_true(attributes_builder_set(attributes, item, column, text, text ? strlen(text) : 0,
                                       column == 4 ? 7 : NAN, NULL));
}

static inline void add_described(DatasetBuilder *builder, const Described *items, uint32_t n)
{
    AttributesBuilder *attributes = dataset_builder_item_attributes(builder);
    for (uint32_t item = 0; item < n; item++) {
        assert_int_equal(add_id(builder, 'i', item), item);
        set_cell(attributes, item, 0, items[item].brand);
        set_cell(attributes, item, 1, items[item].colour);
        set_cell(attributes, item, 2, items[item].tags);
        set_cell(attributes, item, 3, items[item].title);
        set_cell(attributes, item, 4, "7"); /* a number describes nothing */
    }
}

typedef struct Content {
    const Described *items;
    uint32_t n_items, n_users;
    const Bought *bought;
    size_t n_bought;
    const Bought *carts;
    size_t n_carts;
    const char *const *attributes; /* that learners may look at; NULL: all */
} Content;

static inline Dataset *described_shop(const Content *content)
{
    static const char *const names[N_COLUMNS] = {"brand", "colour", "tags", "title", "weight"};
    static const ColumnKind kinds[N_COLUMNS] = {COLUMN_CATEGORICAL, COLUMN_ID, COLUMN_CATEGORICAL,
                                                COLUMN_TEXT, COLUMN_NUMERIC};
    static const char separators[N_COLUMNS] = {0, 0, '|', 0, 0};
    static const SignalKind cart = {.name = "cart", .weight = -1};
    DatasetOptions options = {.now = day(100000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .attributes = content->attributes,
                              .signals = &cart,
                              .n_signals = content->carts ? 1 : 0};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(N_COLUMNS, names, kinds, separators),
                            attributes_builder_new(0, NULL, NULL, NULL));
    add_described(builder, content->items, content->n_items);
    for (uint32_t user = 0; user < content->n_users; user++)
        assert_int_equal(add_id(builder, 'u', user), user);
    add_events(builder, content->bought, content->n_bought);
    if (content->carts) {
        assert_true(dataset_builder_begin_signal(builder, 0, NULL));
        add_events(builder, content->carts, content->n_carts);
    }
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

/* Products of random brands, colours, tags and words in all spellings; some without a title. */
typedef struct RandomShop {
    GPtrArray *text;
    Described *items;
    Bought *bought;
    Dataset *shop;
} RandomShop;

static inline void random_shop_clear(RandomShop *random)
{
    g_ptr_array_unref(random->text);
    g_free(random->items);
    g_free(random->bought);
    dataset_unref(random->shop);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RandomShop, random_shop_clear)

static inline const char *keep(GPtrArray *text, char *takes)
{
    g_ptr_array_add(text, takes);
    return takes;
}

static inline char *random_title(Rng *rng)
{
    static const char *const shapes[] = {"word%u ", "WoRd%u, ", "(word%u)", "-%u-", "\xc3\xa9%u/"};
    GString *title = g_string_new(NULL);
    for (unsigned n = rng_below(rng, 9); n > 0; n--) {
        g_autofree char *shape = g_strdup(shapes[rng_below(rng, 5)]);
        char *at = strstr(shape, "%u");
        g_string_append_len(title, shape, at - shape);
        g_string_append_printf(title, "%u%s", rng_below(rng, 25), at + 2);
    }
    return g_string_free(title, FALSE);
}

static inline RandomShop random_shop(uint32_t n_users, uint32_t n_items, size_t n_rows,
                                     uint64_t seed)
{
    RandomShop random = {g_ptr_array_new_with_free_func(g_free), g_new0(Described, n_items),
                         random_purchases(n_rows, n_users, n_items, 200, seed), NULL};
    Rng rng;
    rng_init(&rng, seed, 1);
    for (uint32_t item = 0; item < n_items; item++) {
        Described *about = &random.items[item];
        about->brand = keep(random.text, g_strdup_printf("b%u", rng_below(&rng, 10)));
        about->colour = keep(random.text, g_strdup_printf("%u", rng_below(&rng, 3)));
        about->tags = keep(random.text, g_strdup_printf("t%u|t%u|b%u", rng_below(&rng, 12),
                                                        rng_below(&rng, 12), rng_below(&rng, 9)));
        about->title = item % 7 == 0 ? NULL : keep(random.text, random_title(&rng));
    }
    Content content = {random.items, n_items, n_users, random.bought, n_rows, .attributes = NULL};
    random.shop = described_shop(&content);
    return random;
}

DEFINE_FIT_WITH(fit_with, content_fit_with, ContentParams)

static inline Fitted *fit(const Dataset *shop, double as_of, unsigned threads)
{
    return fit_with(shop, &content_defaults, as_of, threads);
}

static inline void expect_refused(const Dataset *shop, const FitContext *context, ErrorCode code)
{
    g_autoptr(GError) error = NULL;
    assert_null(learner_content.fit(shop, context, &error));
    assert_int_equal(error_code(error), code);
    assert_true(strlen(error->message) > 0);
}

static inline void expect_invalid(const Dataset *shop)
{
    FitContext context = {.as_of = day(100), .threads = 2};
    expect_refused(shop, &context, ERR_INVALID);
}
