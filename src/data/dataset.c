#include "data/dataset.h"

#include "dataset_owner.h"
#include "drops.h"

#include "base/clock.h"
#include "base/error.h"

typedef struct DatasetOwner {
    Dataset dataset; /* first: one pointer for both */
    atomic_uint references;
} DatasetOwner;

DatasetShared *shared_new(void)
{
    DatasetShared *shared = g_new0(DatasetShared, 1);
    atomic_init(&shared->references, 1);
    return shared;
}

DatasetShared *shared_ref(DatasetShared *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void shared_unref(DatasetShared *shared)
{
    if (!shared || atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) > 1)
        return;
    if (!shared->lender) {
        ids_free(shared->users);
        attributes_free(shared->user_attributes);
    }
    shared_unref(shared->lender);
    ids_free(shared->items);
    attributes_free(shared->item_attributes);
    g_free(shared);
}

Dataset *dataset_owner_new(DatasetShared *shared)
{
    DatasetOwner *owner = g_new0(DatasetOwner, 1);
    Dataset *dataset = &owner->dataset;
    atomic_init(&owner->references, 1);
    dataset->shared = shared_ref(shared);
    dataset->users = shared->users;
    dataset->items = shared->items;
    dataset->n_users = ids_count(shared->users);
    dataset->n_items = ids_count(shared->items);
    dataset->item_attributes = shared->item_attributes;
    dataset->user_attributes = shared->user_attributes;
    dataset->signal_kinds = shared->signals;
    return dataset;
}

void dataset_set_range(Dataset *dataset)
{
    dataset->first = dataset->last = 0;
    if (dataset->rows.n == 0)
        return;
    dataset->first = INT64_MAX;
    dataset->last = INT64_MIN;
    for (uint32_t user = 0; user < dataset->n_users; user++) {
        uint64_t begin = dataset->user_start[user], end = dataset->user_start[user + (size_t)1];
        if (begin == end)
            continue;
        dataset->first = MIN(dataset->first, dataset->rows.time[begin]);
        dataset->last = MAX(dataset->last, dataset->rows.time[end - 1]);
    }
}

bool dataset_fill_users(Dataset *dataset, GError **error)
{
    dataset->rows.user = g_try_new(uint32_t, MAX(dataset->rows.n, 1));
    if (!dataset->rows.user)
        return dataset_no_memory(dataset->rows.n, error);
    for (uint32_t user = 0; user < dataset->n_users; user++)
        for (uint64_t i = dataset->user_start[user]; i < dataset->user_start[user + (size_t)1]; i++)
            dataset->rows.user[i] = user;
    return true;
}

bool dataset_no_memory(uint64_t rows, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for a data set of %" G_GUINT64_FORMAT " rows", rows);
    return false;
}

void interactions_clear(Interactions *interactions)
{
    g_free(interactions->user);
    g_free(interactions->item);
    g_free(interactions->time);
    g_free(interactions->quantity);
    g_free(interactions->order);
    g_free(interactions->price);
    *interactions = (Interactions){0};
}

Dataset *dataset_ref(Dataset *dataset)
{
    DatasetOwner *owner = (DatasetOwner *)dataset;
    atomic_fetch_add_explicit(&owner->references, 1, memory_order_relaxed);
    return dataset;
}

void dataset_unref(Dataset *dataset)
{
    DatasetOwner *owner = (DatasetOwner *)dataset;
    if (!owner || atomic_fetch_sub_explicit(&owner->references, 1, memory_order_acq_rel) > 1)
        return;
    interactions_clear(&dataset->rows);
    g_free(dataset->user_start);
    drops_clear(dataset->dropped);
    for (uint32_t s = 0; s < dataset->n_signals; s++)
        dataset_unref(dataset->signal[s]);
    shared_unref(dataset->shared);
    g_free(owner);
}

/* Of the data set alone, without what it shares. */
static uint64_t rows_bytes(const Dataset *dataset)
{
    const Interactions *rows = &dataset->rows;
    uint64_t row =
        sizeof *rows->user + sizeof *rows->item + sizeof *rows->time + sizeof *rows->quantity;
    if (rows->order)
        row += sizeof *rows->order;
    if (rows->price)
        row += sizeof *rows->price;
    return sizeof(DatasetOwner) + rows->n * row +
           ((uint64_t)dataset->n_users + 1) * sizeof *dataset->user_start;
}

uint64_t dataset_bytes(const Dataset *dataset)
{
    uint64_t bytes = rows_bytes(dataset);
    for (uint32_t s = 0; s < dataset->n_signals; s++)
        bytes += rows_bytes(dataset->signal[s]);
    return bytes + ids_bytes(dataset->users) + ids_bytes(dataset->items) +
           attributes_bytes(dataset->item_attributes) + attributes_bytes(dataset->user_attributes);
}

bool dataset_has_purchase(const Dataset *dataset)
{
    for (uint64_t r = 0; r < dataset->rows.n; r++) {
        if (dataset->rows.quantity[r] > 0)
            return true;
    }
    return false;
}

/* Rows of a user ascend in time. */
bool dataset_has_repeats(const Dataset *view, bool *repeats, GError **error)
{
    g_autofree uint32_t *user_of = g_try_new0(uint32_t, MAX(view->n_items, 1));
    g_autofree int64_t *time_of = g_try_new(int64_t, MAX(view->n_items, 1));
    if (!user_of || !time_of) {
        error_set(error, ERR_NO_MEMORY, "no memory to look for repeats of %u products",
                  view->n_items);
        return false;
    }
    *repeats = false;
    for (uint64_t r = 0; r < view->rows.n && !*repeats; r++) {
        uint32_t item = view->rows.item[r], user = view->rows.user[r];
        *repeats = user_of[item] == user + 1 && time_of[item] != view->rows.time[r];
        user_of[item] = user + 1;
        time_of[item] = view->rows.time[r];
    }
    return true;
}

bool interactions_begin_visit(const Interactions *rows, uint64_t r)
{
    if (rows->time[r] == rows->time[r - 1])
        return false;
    bool has_orders = rows->order && rows->order[r] != IDS_NONE && rows->order[r - 1] != IDS_NONE;
    if (has_orders)
        return rows->order[r] != rows->order[r - 1];
    return rows->time[r] / US_PER_DAY != rows->time[r - 1] / US_PER_DAY;
}
