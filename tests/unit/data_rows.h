/* Data sets out of literal rows, for the tests of src/data. Users are "u0" …, items "i0" …, orders
 * "o0" …; times in days. */
#pragma once

#include "data_files.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "math/rng.h"

#define NO_ORDER UINT32_MAX

typedef struct Row {
    uint32_t user, item;
    double day;
    float quantity;
    uint32_t order;
    float price;
} Row;

static inline int64_t day(double days)
{
    return (int64_t)(days * (double)US_PER_DAY);
}

static inline DatasetBuilder *options_builder(const DatasetOptions *options, uint32_t n_users,
                                              uint32_t n_items)
{
    DatasetBuilder *builder = dataset_builder_new(options, NULL, NULL);
    char id[16];
    for (uint32_t i = 0; i < n_items; i++)
        dataset_builder_add_item(builder, id, (size_t)snprintf(id, 16, "i%u", i), NULL);
    for (uint32_t i = 0; i < n_users; i++)
        dataset_builder_add_user(builder, id, (size_t)snprintf(id, 16, "u%u", i), NULL);
    return builder;
}

static inline DatasetBuilder *rows_builder(uint32_t n_users, uint32_t n_items, bool has_order,
                                           bool has_price)
{
    DatasetOptions options = {.now = day(10000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .has_order = has_order,
                              .has_price = has_price};
    return options_builder(&options, n_users, n_items);
}

static inline void rows_add(DatasetBuilder *builder, const Row *rows, size_t n)
{
    char user[IDS_BATCH][16], item[IDS_BATCH][16], order[IDS_BATCH][16];
    EventRow events[IDS_BATCH];
    size_t in_batch = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = in_batch++;
        EventRow *event = &events[at];
        event->user_length = (uint32_t)snprintf(user[at], 16, "u%u", rows[i].user);
        event->item_length = (uint32_t)snprintf(item[at], 16, "i%u", rows[i].item);
        event->order_length = (uint32_t)snprintf(order[at], 16, "o%u", rows[i].order);
        event->user = user[at];
        event->item = item[at];
        event->order = rows[i].order == NO_ORDER ? NULL : order[at];
        event->time = day(rows[i].day);
        event->quantity = rows[i].quantity;
        event->price = rows[i].price;
        if (in_batch < IDS_BATCH && i + 1 < n)
            continue;
        assert_true(dataset_builder_add_events(builder, events, in_batch, NULL));
        in_batch = 0;
    }
}

/* With orders and prices. */
static inline Dataset *rows_dataset(uint32_t n_users, uint32_t n_items, const Row *rows, size_t n)
{
    g_autoptr(DatasetBuilder) builder = rows_builder(n_users, n_items, true, true);
    rows_add(builder, rows, n);
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

/* Days 0 to 99 on a coarse grid, so that times tie; every fifth row a return. For g_free(). */
static inline Row *rows_random(size_t n, uint32_t n_users, uint32_t n_items, uint64_t seed)
{
    Row *rows = g_new(Row, n);
    Rng rng;
    rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        float pieces = (float)(1 + rng_below(&rng, 4));
        rows[i].user = rng_below(&rng, n_users);
        rows[i].item = rng_below(&rng, n_items);
        rows[i].day = rng_below(&rng, 100);
        rows[i].quantity = rng_below(&rng, 5) ? pieces : -pieces;
        /* An order has one user, moment and product: ties between rows are ties in all. */
        rows[i].order = (rows[i].user * n_items + rows[i].item) * 100 + (uint32_t)rows[i].day;
        rows[i].price = rng_below(&rng, 10) ? (float)rng_below(&rng, 5) : NAN;
    }
    return rows;
}

static inline void rows_shuffle(Row *rows, size_t n, uint64_t seed)
{
    Rng rng;
    rng_init(&rng, seed, 1);
    for (size_t i = n; i > 1; i--) {
        size_t other = rng_below(&rng, (uint32_t)i);
        Row held = rows[i - 1];
        rows[i - 1] = rows[other];
        rows[other] = held;
    }
}

/* Same bytes in every array. `with_orders`: raw data sets number orders as they are read. */
static inline void expect_same_rows(const Dataset *a, const Dataset *b, bool with_orders)
{
    uint64_t n = a->rows.n;
    assert_int_equal(n, b->rows.n);
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->last, b->last);
    assert_int_equal(a->n_users, b->n_users);
    assert_memory_equal(a->user_start, b->user_start, (a->n_users + 1) * sizeof *a->user_start);
    assert_memory_equal(a->rows.user, b->rows.user, n * sizeof *a->rows.user);
    assert_memory_equal(a->rows.item, b->rows.item, n * sizeof *a->rows.item);
    assert_memory_equal(a->rows.time, b->rows.time, n * sizeof *a->rows.time);
    assert_memory_equal(a->rows.quantity, b->rows.quantity, n * sizeof *a->rows.quantity);
    assert_memory_equal(a->rows.price, b->rows.price, n * sizeof *a->rows.price);
    if (!with_orders)
        return;
    assert_int_equal(a->n_orders, b->n_orders);
    assert_memory_equal(a->rows.order, b->rows.order, n * sizeof *a->rows.order);
}
