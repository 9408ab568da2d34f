/* What owns the arrays of a data set, and what its views share. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"

typedef struct DatasetShared {
    atomic_uint references;
    Ids *users, *items;
    Attributes *item_attributes, *user_attributes;
    uint32_t n_signals;
    SignalKind signals[SIGNALS_MAX];
    struct DatasetShared *lender; /* whose the users and their attributes are; or NULL */
} DatasetShared;

/* With one reference, for shared_unref(); any part may be NULL until it is filled. */
DatasetShared *shared_new(void);
DatasetShared *shared_ref(DatasetShared *shared);
void shared_unref(DatasetShared *shared);

/* A data set of no rows over what is shared, of which it takes its own reference; `shared` is
 * complete. user_start is for the caller to fill. */
Dataset *dataset_owner_new(DatasetShared *shared);

/* Sets `first` and `last` from the rows, which are sorted. */
void dataset_set_range(Dataset *dataset);

/* Fills rows.user from user_start. ERR_NO_MEMORY. */
bool dataset_fill_users(Dataset *dataset, GError **error);

/* False with ERR_NO_MEMORY, naming what for. */
bool dataset_no_memory(uint64_t rows, GError **error);

void interactions_clear(Interactions *interactions);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DatasetShared, shared_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Interactions, interactions_clear)
