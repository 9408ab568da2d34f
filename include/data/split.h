/* Time windows over a raw data set: who is predictable as of a moment, and what they bought after
 * it (the answer sheet of an evaluation). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "math/csr.h"

typedef enum UserScope {
    USER_PREDICTABLE = 0,
    USER_NO_PURCHASE,       /* none in the data set */
    USER_NO_RECENT_PURCHASE /* none in the year before the anchor */
} UserScope;

/* Who and what can be predicted as of `anchor`: users and products with a purchase in [anchor - 365
 * days, anchor). `view` is netted (dataset_before). */
typedef struct Scope {
    int64_t anchor;
    uint8_t *user;                      /* n_users of UserScope */
    uint8_t *item;                      /* n_items: 1 when predictable */
    uint32_t n_users, n_items;          /* predictable ones */
    uint32_t users_never, users_lapsed; /* left out, by rule */
    uint32_t items_never, items_lapsed;
} Scope;

Scope *scope_new(const Dataset *view, int64_t anchor, GError **error);
void scope_free(Scope *scope);

/* What happened in [from, to): per user the distinct items of rows with quantity > 0, value 1.
 * users × items. For csr_free(). */
Csr *window_targets(const Dataset *raw, int64_t from, int64_t to, GError **error);

/* users × items: for each pair the sum over rows of quantity-independent decayed counts,
 * Σ 2^-((as_of - time) / half_life); half_life_days ≤ 0 counts rows plainly. `view` is netted. */
Csr *decayed_counts(const Dataset *view, int64_t as_of, double half_life_days, GError **error);

/* The windows of a training: choose on [validation, test), report on [test, end), where
 * end = anchor (just after the last row), each `horizon_days` long when the data is long enough
 * (at least half of the span must stay for learning); else one window serves both and `single` is
 * set; when even that is impossible (`none`), nothing can be measured and the baseline is taken. */
typedef struct Windows {
    int64_t validation, test, end;
    bool single, none;
} Windows;

Windows windows_plan(int64_t first, int64_t last, unsigned horizon_days);

/* Where time tells nothing: puts about `share` of every user's distinct items aside by lot, never
 * all of them. `whole` is netted. *rest, for dataset_unref(), has the rows of the others; *targets,
 * for csr_free(), users × items put aside, value 1. Signals stay whole. ERR_NO_MEMORY. */
bool hold_out(const Dataset *whole, double share, uint64_t seed, Dataset **rest, Csr **targets,
              GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scope, scope_free)
