/* A small shop for the tests of src/index, with the scores of a learner that does as it is told, so
 * that every list can be worked out by hand.
 *
 *   user   bought (item on day)      scope as of day 400
 *   u0     i0 390, i1 395, i0 398    predictable
 *   u1     i1 380, i2 381            predictable
 *   u2     i5 5, i2 10               bought nothing for a year
 *   u3                               never bought
 *   u4     i1 397, i3 399            predictable
 * i4 was never bought and i5 not for a year: both are not predictable. By popularity: i1 i0 i3 i2.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/split.h"
#include "index/builder.h"
#include "index/snapshot.h"
#include "learn/learner.h"

#define SHOP_USERS 5
#define SHOP_ITEMS 6
#define SHOP_DAY   400

/* Scores a test gives; stored in the file as what `stored` learned. */
typedef struct Planned {
    Fitted fitted;
    const float *scores; /* users × items */
    Fitted *stored;
} Planned;

typedef struct Shop {
    Dataset *view;
    Scope *scope;
    Planned planned;
    char *folder, *path;
} Shop;

static const float shop_scores[SHOP_USERS * SHOP_ITEMS] = {
    1, 2, 4, 0, 9, 9, /* u0 */
    3, 3, 1, 0, 9, 9, /* u1 */
    5, 4, 3, 2, 1, 1, /* u2 */
    5, 4, 3, 2, 1, 1, /* u3 */
    0, 0, 0, 0, 9, 9, /* u4 */
};

static inline int64_t shop_day(double day)
{
    return INT64_C(1300000000) * US_PER_SECOND + (int64_t)(day * (double)US_PER_DAY);
}

static inline bool planned_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n,
                                       float *tile, GError **error)
{
    const Planned *planned = (const Planned *)fitted;
    for (uint32_t u = 0; u < n; u++)
        memcpy(tile + (size_t)u * fitted->n_items,
               planned->scores + (size_t)users[u] * fitted->n_items,
               fitted->n_items * sizeof(float));
    return true;
}

static inline bool planned_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    const Fitted *stored = ((const Planned *)fitted)->stored;
    return stored->learner->save(stored, writer, error);
}

static inline const Learner *planned_learner(const char *stored_as)
{
    static Learner learner;
    learner =
        (Learner){.name = stored_as, .score_users = planned_score_users, .save = planned_save};
    return &learner;
}

static inline void shop_add_item(DatasetBuilder *builder, const char *id, const char *colour,
                                 const char *brand)
{
    uint32_t item = dataset_builder_add_item(builder, id, strlen(id), NULL);
    AttributesBuilder *attributes = dataset_builder_item_attributes(builder);
    if (colour)
        g_assert_true(
            attributes_builder_set(attributes, item, 0, colour, strlen(colour), NAN, NULL));
    if (brand)
        g_assert_true(attributes_builder_set(attributes, item, 1, brand, strlen(brand), NAN, NULL));
}

static inline void shop_add_event(DatasetBuilder *builder, const char *user, const char *item,
                                  double day)
{
    EventRow row = {.user = user,
                    .item = item,
                    .user_length = (uint32_t)strlen(user),
                    .item_length = (uint32_t)strlen(item),
                    .time = shop_day(day),
                    .quantity = 1,
                    .price = NAN};
    g_assert_true(dataset_builder_add_events(builder, &row, 1, NULL));
}

static inline Dataset *shop_data(void)
{
    static const char *const names[] = {"colour", "brand"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_CATEGORICAL};
    static const char separators[] = {'|', '\0'};
    DatasetOptions options = {.now = shop_day(1000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(2, names, kinds, separators),
                            attributes_builder_new(0, NULL, NULL, NULL));
    shop_add_item(builder, "i0", "Red|Blue|Red", "Acme");
    shop_add_item(builder, "i1", "Blue", "Acme");
    shop_add_item(builder, "i2", "Green", "Best");
    shop_add_item(builder, "i3", NULL, "Best");
    shop_add_item(builder, "i4", "Grey", NULL);
    shop_add_item(builder, "i5", "Blue", "ÉCLAIR");
    for (unsigned user = 0; user < SHOP_USERS; user++) {
        char id[8];
        int length = snprintf(id, sizeof id, "u%u", user);
        dataset_builder_add_user(builder, id, (size_t)length, NULL);
    }
    shop_add_event(builder, "u0", "i0", 390);
    shop_add_event(builder, "u0", "i1", 395);
    shop_add_event(builder, "u0", "i0", 398);
    shop_add_event(builder, "u1", "i1", 380);
    shop_add_event(builder, "u1", "i2", 381);
    shop_add_event(builder, "u2", "i5", 5);
    shop_add_event(builder, "u2", "i2", 10);
    shop_add_event(builder, "u4", "i1", 397);
    shop_add_event(builder, "u4", "i3", 399);
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    g_assert_nonnull(raw);
    return dataset_before(raw, INT64_MAX, NULL);
}

static inline Shop *shop_new_of(Dataset *takes_view, const char *learner)
{
    g_autoptr(GError) error = NULL;
    Shop *shop = g_new0(Shop, 1);
    shop->view = takes_view;
    shop->scope = scope_new(takes_view, shop_day(SHOP_DAY), &error);
    FitContext context = {.as_of = shop_day(SHOP_DAY), .seed = 1, .threads = 1};
    shop->planned.stored = learners_find(learner)->fit(takes_view, &context, &error);
    if (!shop->planned.stored)
        g_error("%s", error->message);
    shop->planned.fitted = (Fitted){.learner = planned_learner(learner),
                                    .n_users = takes_view->n_users,
                                    .n_items = takes_view->n_items};
    shop->planned.scores = shop_scores;
    shop->folder = g_dir_make_tmp("index-XXXXXX", NULL);
    shop->path = g_build_filename(shop->folder, "v1-1.snapshot", NULL);
    return shop;
}

static inline Shop *shop_new(void)
{
    return shop_new_of(shop_data(), "repeat");
}

static inline void shop_free(Shop *shop)
{
    if (!shop)
        return;
    g_unlink(shop->path);
    g_rmdir(shop->folder);
    fitted_free(shop->planned.stored);
    scope_free(shop->scope);
    dataset_unref(shop->view);
    g_free(shop->folder);
    g_free(shop->path);
    g_free(shop);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Shop, shop_free)

static inline BuildOptions shop_options(PurchasedPolicy purchased, unsigned days)
{
    return (BuildOptions){.prediction = "next-buy",
                          .version = 7,
                          .list_length = 20,
                          .rules = {.purchased = purchased, .days = days},
                          .card = "{\"learner\":\"planned\"}",
                          .report = "{\"grade\":\"B\"}",
                          .built_at = shop_day(401),
                          .threads = 1};
}

static inline void shop_build(const Shop *shop, const char *path, const BuildOptions *options)
{
    g_autoptr(GError) error = NULL;
    if (!index_build(path, &shop->planned.fitted, shop->view, shop->scope, options, &error))
        g_error("%s", error->message);
}

static inline Snapshot *shop_open(const char *path)
{
    g_autoptr(GError) error = NULL;
    Snapshot *snapshot = snapshot_open(path, &error);
    if (!snapshot)
        g_error("%s", error->message);
    return snapshot;
}

static inline Snapshot *shop_snapshot(const Shop *shop, PurchasedPolicy purchased, unsigned days)
{
    BuildOptions options = shop_options(purchased, days);
    shop_build(shop, shop->path, &options);
    return shop_open(shop->path);
}
