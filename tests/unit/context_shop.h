/* A shop of two countries that buy different things, with customers who have nothing of their own
 * to go by, for the tests of what is popular in context.
 *
 *   users                             country         bought, days 390 to 399
 *   CONTEXT_FRENCH                    France          8 of 10 times i0, else i2
 *   CONTEXT_BRITISH, three as many    United Kingdom  8 of 10 times i1, else i2
 *   then, out of scope:
 *   new_french, new_british           theirs          nothing
 *   new_both                          both            nothing
 *   new_elsewhere                     Nowhere         nothing; nobody else is from there
 *   new_somebody                      null            nothing
 *   lapsed                            France          i0 and i3, on day 5
 * By popularity: i1 i2 i0, and where there are more items than four, those after i3, which one
 * Briton bought; i3 is not predictable. */
#pragma once

#include "index_shop.h"

#define CONTEXT_FRENCH  30u
#define CONTEXT_BRITISH 90u
#define CONTEXT_FANS    (CONTEXT_FRENCH + CONTEXT_BRITISH)
#define CONTEXT_USERS   (CONTEXT_FANS + 6)

enum {
    new_french = CONTEXT_FANS,
    new_british,
    new_both,
    new_elsewhere,
    new_somebody,
    lapsed,
};

static inline const char *context_country(uint32_t user)
{
    static const char *const others[] = {
        "France", "United Kingdom", "United Kingdom|France", "Nowhere", NULL, "France"};
    if (user >= CONTEXT_FANS)
        return others[user - CONTEXT_FANS];
    return user < CONTEXT_FRENCH ? "France" : "United Kingdom";
}

static inline void context_buy(DatasetBuilder *builder, uint32_t user, uint32_t item, double day)
{
    char user_id[16], item_id[16];
    snprintf(user_id, sizeof user_id, "u%u", user);
    snprintf(item_id, sizeof item_id, "i%u", item);
    shop_add_event(builder, user_id, item_id, day);
}

static inline void context_add_users(DatasetBuilder *builder)
{
    AttributesBuilder *attributes = dataset_builder_user_attributes(builder);
    for (uint32_t user = 0; user < CONTEXT_USERS; user++) {
        char id[16];
        const char *country = context_country(user);
        dataset_builder_add_user(builder, id, (size_t)snprintf(id, sizeof id, "u%u", user), NULL);
        g_assert_true(attributes_builder_set(attributes, user, 0, country,
                                             country ? strlen(country) : 0, NAN, NULL));
    }
}

static inline Dataset *context_data(uint32_t n_items)
{
    static const char *const names[] = {"country"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL};
    DatasetOptions options = {.now = shop_day(1000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(1, names, kinds, "|"));
    for (uint32_t item = 0; item < n_items; item++) {
        char id[16];
        dataset_builder_add_item(builder, id, (size_t)snprintf(id, sizeof id, "i%u", item), NULL);
    }
    context_add_users(builder);
    for (uint32_t user = 0; user < CONTEXT_FANS; user++)
        for (uint32_t i = 0; i < 10; i++)
            context_buy(builder, user, i % 5 == 4 ? 2 : user >= CONTEXT_FRENCH, 390 + i);
    for (uint32_t item = 4; item < n_items; item++)
        context_buy(builder, CONTEXT_FRENCH, item, 395);
    context_buy(builder, lapsed, 0, 5);
    context_buy(builder, lapsed, 3, 5);
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    return dataset_before(raw, INT64_MAX, NULL);
}

/* No predictable user is known to want anything: their lists are what is popular with everybody. */
static inline Shop *context_shop(uint32_t n_items)
{
    static const float nothing[CONTEXT_USERS * 512];
    g_assert_true(n_items <= 512);
    Shop *shop = shop_new_of(context_data(n_items), "popularity");
    shop->planned.scores = nothing;
    return shop;
}
