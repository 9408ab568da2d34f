/* A data set in memory: who did what, when; dictionary-coded; rows ordered by user, time, item, and
 * at one moment purchases before returns.
 *
 * The builder is filled while rows stream in (products, then users, then events). What a row needs
 * to count: a user and a product that are in their models, a quantity that is finite and not 0, a
 * time not after `now` plus one day. Everything dropped is counted by rule with five samples.
 *
 * The rows are purchases, the target. Other event types (carts, views: signals) are kept apart,
 * each as a data set of its own over the same users and items, by the same rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "data/attributes.h"
#include "data/ids.h"

typedef struct Interactions {
    uint64_t n;
    uint32_t *user;
    uint32_t *item;
    int64_t *time;   /* µs since 1970 */
    float *quantity; /* < 0 is a return, in the raw data set only */
    uint32_t *order; /* number of the order, IDS_NONE where null; NULL when not mapped */
    float *price;    /* of one piece, NaN where null; NULL when not mapped */
} Interactions;

typedef enum DropRule {
    DROP_NO_USER,         /* guest: the user key is null or empty */
    DROP_NO_PRODUCT,      /* the product key is null or empty */
    DROP_UNKNOWN_USER,    /* not in the users model */
    DROP_UNKNOWN_PRODUCT, /* not in the products model */
    DROP_NO_TIME,         /* null or infinite */
    DROP_FUTURE,          /* later than now plus one day */
    DROP_BAD_QUANTITY,    /* null, 0, NaN or infinite */
    DROP_OUTSIDE_PERIOD,  /* before `from` or from `to` on */
    DROP_EXCLUDED_PERIOD, /* in a period that the prediction excludes, for all or these products */
    DROP_RETURNED,        /* a purchase cancelled by a later return, or the return itself */
    DROP_RULES
} DropRule;

#define DROP_SAMPLES 5

typedef struct DropCount {
    uint64_t rows;
    unsigned n_samples;
    char *samples[DROP_SAMPLES]; /* distinct ids it was about, printable, at most 64 characters: the
                                    user's for no_product and unknown_user, else the product's */
} DropCount;

/* "no_user", … as in the report. */
const char *drop_rule_name(DropRule rule);

/* Event types beside the target. */
#define SIGNALS_MAX       9u
#define SIGNAL_NAME_BYTES 48

typedef struct SignalKind {
    char name[SIGNAL_NAME_BYTES];
    double weight;         /* of one event, a purchase being 1; < 0: to be learned */
    double half_life_days; /* ≤ 0: to be learned */
} SignalKind;

typedef struct Dataset {
    const Ids *users; /* all rows of the users model */
    const Ids *items; /* all rows of the products model */
    uint32_t n_users, n_items;
    const Attributes *item_attributes; /* never NULL, maybe of no columns */
    const Attributes *user_attributes;
    Interactions rows;
    uint64_t *user_start;    /* n_users + 1: rows of a user */
    int64_t first, last;     /* times of the first and last row; 0, 0 when there is none */
    uint32_t n_orders;       /* 0 when not mapped */
    bool counts_visits;      /* a day stands for a visit: dataset_align_visits() */
    uint64_t users_left_out; /* rows of the users model whose key was null, empty or seen before */
    uint64_t items_left_out;
    DropCount dropped[DROP_RULES];
    uint32_t n_signals;
    const SignalKind *signal_kinds;      /* n_signals; shared by views */
    struct Dataset *signal[SIGNALS_MAX]; /* n_signals: cut at the same moment and netted alike (what
                                            was taken back out of a cart is no cart); without
                                            orders, prices and signals of their own */
    void *shared;                        /* what views share: private */
} Dataset;

/* What is left out: every line in [from, to) µs, or with `column` or `ids` the lines of those
 * products: that have one of the `values` in the column, or stand in `ids`. A column that the items
 * have no attributes of, and values and ids that no product has, name none. */
typedef struct Period {
    int64_t from, to;
    const char *column;        /* or NULL */
    const char *const *values; /* NULL-terminated; NULL without a column */
    const char *const *ids;    /* NULL-terminated, or NULL */
} Period;

typedef struct DatasetOptions {
    int64_t now;            /* µs; the moment against which "future" is judged */
    int64_t from, to;       /* training period, INT64_MIN and INT64_MAX when open */
    const Period *excluded; /* its texts are borrowed until the first event */
    size_t n_excluded;
    const char *const *attributes; /* item columns that learners may look at, NULL-terminated and
                                      borrowed until the first event; NULL: all */
    bool has_order, has_price;
    const SignalKind *signals; /* n_signals, borrowed for the call */
    size_t n_signals;          /* ≤ SIGNALS_MAX */
    unsigned threads;          /* of finishing; 0: all cores */
} DatasetOptions;

typedef struct DatasetBuilder DatasetBuilder;

/* `item_attributes` and `user_attributes` builders are owned by the dataset builder and filled by
 * the caller through dataset_builder_items() / _users(). */
DatasetBuilder *dataset_builder_new(const DatasetOptions *options,
                                    AttributesBuilder *takes_item_attributes,
                                    AttributesBuilder *takes_user_attributes);
void dataset_builder_free(DatasetBuilder *builder);

/* Adds one product or user; its row number, or IDS_NONE: with ERR_NO_MEMORY set, or without an
 * error for a null, empty or duplicate key (which is counted and left out). */
uint32_t dataset_builder_add_item(DatasetBuilder *builder, const char *key, size_t length,
                                  GError **error);
uint32_t dataset_builder_add_user(DatasetBuilder *builder, const char *key, size_t length,
                                  GError **error);
AttributesBuilder *dataset_builder_item_attributes(DatasetBuilder *builder);
AttributesBuilder *dataset_builder_user_attributes(DatasetBuilder *builder);

/* One order line; NULL bytes is a null. `time` is INT64_MIN when null; `price` NaN when null. */
typedef struct EventRow {
    const char *user, *item, *order;
    uint32_t user_length, item_length, order_length;
    int64_t time;
    float quantity;
    float price;
} EventRow;

/* Adds n ≤ IDS_BATCH rows at once, after all users and products; nothing is borrowed after the
 * call. A row that several rules would drop counts under the first of them. ERR_NO_MEMORY, after
 * which the builder is only good for freeing. */
bool dataset_builder_add_events(DatasetBuilder *builder, const EventRow *rows, size_t n,
                                GError **error);

/* What is added from here on is of the signal of that number, no longer of the target. After all
 * users and products. ERR_NO_MEMORY, as above. */
bool dataset_builder_begin_signal(DatasetBuilder *builder, uint32_t signal, GError **error);

/* Once, at the end. Sorts (by user, then by time and item within a user, on several threads) and
 * hands out the raw data set: returns are still in it. For dataset_unref(). ERR_NO_MEMORY,
 * ERR_CANCELLED. */
Dataset *dataset_builder_finish(DatasetBuilder *builder, const Cancel *cancel, GError **error);

/* Where the times tell no moment but only number each user's visits (everybody's begin at the same
 * time and go on in equal steps, as when made from the numbers of baskets): puts everybody's last
 * visit at `last`, the one before a day earlier, and so on, so that a day stands for a visit and
 * the next day for the next basket. The order of rows stays. True when it did; never where there
 * are signals, whose times would no longer fit. For a raw data set just finished. */
bool dataset_align_visits(Dataset *raw);

/* 1 where a day stands for a visit (the next basket is what there is to predict), else `asked`. */
unsigned dataset_horizon_days(const Dataset *raw, unsigned asked);

/* Rows before `until`, returns netted: a return takes back the latest earlier purchases of the same
 * user and product, newest first; a line taken back wholly goes, in part keeps the rest. Nothing
 * after `until` can change it: orders are numbered anew, by first row. What it took back, and every
 * return, is counted under DROP_RETURNED, on top of the raw data set's counts. Shares dictionaries
 * and attributes. Signals are cut and netted the same way. INT64_MAX: everything.
 * For dataset_unref(). ERR_NO_MEMORY. */
Dataset *dataset_before(const Dataset *raw, int64_t until, GError **error);

/* Which groups each item is in: none, one or several, each once. */
typedef struct ItemGroups {
    uint32_t n_groups;
    const uint64_t *start; /* items + 1 */
    const uint32_t *group;
} ItemGroups;

/* The raw data set as it stood at `until`: its rows before that, returns still in it, orders
 * numbered anew; no drops, which a raw data set counts without their times. Shares dictionaries and
 * attributes. For dataset_unref(). ERR_NO_MEMORY. */
Dataset *dataset_as_of(const Dataset *raw, int64_t until, GError **error);

/* The rows of some users, each drawn by lot with probability `share`, in the data set and in its
 * signals alike; users, items and orders keep their numbers. Same seed, same users. For
 * dataset_unref(). ERR_NO_MEMORY. */
Dataset *dataset_sample(const Dataset *view, double share, uint64_t seed, GError **error);

/* The same lines with groups in the place of items: each line once per group of its item, and what
 * of one user, moment and order falls into one group is one line (quantities added up, the price
 * their mean). Returns stay returns; signals are left out. Takes `names`, of as many ids as there
 * are groups; has no item attributes. For dataset_unref(). ERR_NO_MEMORY. */
Dataset *dataset_grouped(const Dataset *raw, const ItemGroups *groups, Ids *takes_names,
                         GError **error);

/* Whether a row is no return. */
bool dataset_has_purchase(const Dataset *dataset);

/* *repeats: whether anybody bought a product at two different times. Of a netted view.
 * ERR_NO_MEMORY. */
bool dataset_has_repeats(const Dataset *view, bool *repeats, GError **error);

/* Whether row r is of a later visit than row r - 1, of the same user: of another order, or on
 * another day where one of them names none. Rows of one moment, among which those of two orders
 * alternate, are one visit. */
bool interactions_begin_visit(const Interactions *rows, uint64_t r);

/* Thread-safe. */
Dataset *dataset_ref(Dataset *dataset);
void dataset_unref(Dataset *dataset);

/* Bytes held, with what it shares. */
uint64_t dataset_bytes(const Dataset *dataset);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dataset, dataset_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DatasetBuilder, dataset_builder_free)
