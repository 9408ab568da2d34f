/* A shop of brands whose chances of being bought are known, for the tests of the level model. */
#pragma once

#include "learn_shop.h"

#include "learn/levels.h"

#define USERS   500u
#define BRANDS  16u
#define ITEMS   (4 * BRANDS)
#define MONTHS  8u
#define AS_OF   210.0
#define HORIZON (30 * US_PER_DAY)

/* The chance that a user buys something of a brand in a month. */
static inline double chance(uint32_t user, uint32_t brand)
{
    double taste = (double)((user * 7919 + brand * 104729) % 97) / 97;
    return 0.01 + 0.5 * taste * taste * taste;
}

/* Who buys of a brand buys one to four of its products at once: what sums over products count
 * several times. */
static inline GArray *purchases(uint64_t seed, bool has_future)
{
    GArray *bought = g_array_new(FALSE, FALSE, sizeof(Bought));
    for (unsigned month = 0; month < MONTHS - !has_future; month++) {
        Rng rng;
        rng_init(&rng, seed, month);
        for (uint32_t user = 0; user < USERS; user++) {
            for (uint32_t brand = 0; brand < BRANDS; brand++) {
                bool buys = rng_uniform(&rng) < chance(user, brand);
                double when = 30 * (month + rng_uniform(&rng));
                uint32_t n = 1 + rng_below(&rng, 4);
                for (uint32_t i = 0; buys && i < n; i++) {
                    Bought one = {user, 4 * brand + i, when};
                    g_array_append_val(bought, one);
                }
            }
        }
    }
    return bought;
}

static inline void add_items(DatasetBuilder *builder)
{
    AttributesBuilder *attributes = dataset_builder_item_attributes(builder);
    for (uint32_t item = 0; item < ITEMS; item++) {
        char brand[16];
        int length = snprintf(brand, sizeof brand, "brand %u", item / 4);
        assert_int_equal(add_id(builder, 'i', item), item);
        attributes_builder_set(attributes, item, 0, brand, (size_t)length, NAN, NULL);
        if (item % 4 != 3)
            attributes_builder_set(attributes, item, 1, item % 2 ? "red|blue" : "red",
                                   8u - 5 * !(item % 2), NAN, NULL);
    }
}

/* One user more than anybody who buys. */
static inline Dataset *shop_of(GArray *takes_bought, ColumnKind kind)
{
    static const char *const names[] = {"brand", "colour"};
    const ColumnKind kinds[] = {kind, kind};
    DatasetOptions options = {.now = day(100000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(2, names, kinds, "\0|"),
                            attributes_builder_new(0, NULL, NULL, NULL));
    add_items(builder);
    for (uint32_t user = 0; user <= USERS; user++)
        assert_int_equal(add_id(builder, 'u', user), user);
    add_events(builder, (const Bought *)takes_bought->data, takes_bought->len);
    g_array_unref(takes_bought);
    Dataset *raw = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(raw);
    return raw;
}

static inline Dataset *shop(bool has_future)
{
    return shop_of(purchases(1, has_future), COLUMN_CATEGORICAL);
}

static inline LevelsOptions options_at(double as_of, unsigned threads)
{
    return (LevelsOptions){.as_of = day(as_of), .horizon = HORIZON, .seed = 3, .threads = threads};
}

static inline Levels *fit_at(const Dataset *raw, double as_of, unsigned threads, char **report)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *unread = NULL;
    LevelsOptions options = options_at(as_of, threads);
    Levels *levels;
    if (!levels_fit(raw, &options, &levels, report ? report : &unread, &error))
        fail_msg("%s", error->message);
    return levels;
}
