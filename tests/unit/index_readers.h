/* Every reading function of a snapshot, called so that a wrong number in the file would lead out of
 * an array: for the tests and the fuzz target of damaged files. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "index/audience.h"
#include "index/recommend.h"
#include "index/snapshot.h"

static inline void touch_id(const Ids *ids, uint32_t number)
{
    if (number >= ids_count(ids))
        abort();
    size_t length;
    const char *bytes = ids_get(ids, number, &length);
    volatile char sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = (char)(sum + bytes[i]);
}

static inline void touch_list(const Snapshot *snapshot, const Recommendation *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(list[i].score >= 0 && list[i].score <= 1) || list[i].rank != i + 1)
            abort();
        touch_id(snapshot_items(snapshot), list[i].item);
    }
}

static inline void touch_items(const Snapshot *snapshot, const uint32_t *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        touch_id(snapshot_items(snapshot), items[i]);
}

static inline void touch_context(const Snapshot *snapshot, uint32_t user)
{
    const Attributes *contexts = snapshot_contexts(snapshot);
    uint32_t context = snapshot_context(snapshot, user);
    for (size_t c = 0; context != IDS_NONE && c < contexts->n_columns; c++) {
        uint32_t n;
        const uint32_t *values = column_values(&contexts->columns[c], context, &n);
        for (uint32_t v = 0; v < n; v++)
            touch_id(contexts->columns[c].values, values[v]);
    }
}

static inline void touch_user(const Snapshot *snapshot, uint32_t user)
{
    static const uint32_t excluded[] = {0, 2, IDS_NONE};
    Recommendation list[RECOMMEND_MAX];
    touch_list(snapshot, list, recommend_user(snapshot, user, RECOMMEND_MAX, NULL, 0, list));
    touch_list(snapshot, list, recommend_user(snapshot, user, 10, excluded, 3, list));
    touch_list(snapshot, list, recommend_personal(snapshot, user, RECOMMEND_MAX, list));
    touch_context(snapshot, user);
    uint32_t n;
    const uint32_t *items = snapshot_history(snapshot, user, &n);
    touch_items(snapshot, items, n);
    if (snapshot_user_scope(snapshot, user) > USER_NO_RECENT_PURCHASE)
        abort();
}

static inline void touch_column(const Snapshot *snapshot, const Column *column)
{
    ValueCount values[10];
    uint32_t total, n = snapshot_values(snapshot, column, "b", 0, 10, values, &total, NULL);
    for (uint32_t i = 0; i < n; i++)
        touch_id(column->values, values[i].value);
    snapshot_values(snapshot, column, "", total / 2, 10, values, &total, NULL);
    Recommendation list[RECOMMEND_MAX];
    for (uint32_t value = 0; value <= ids_count(column->values); value++) {
        uint32_t n_items;
        const uint32_t *items = snapshot_items_with(snapshot, column, value, &n_items);
        touch_items(snapshot, items, n_items);
        touch_list(snapshot, list, recommend_popular(snapshot, column, value, 10, list));
    }
    g_strfreev(snapshot_near_values(snapshot, column, "blau", 3));
}

static inline void touch_audience(const Snapshot *snapshot, const uint32_t *items, uint32_t n)
{
    g_autoptr(Members) members = audience_rank(snapshot, items, n, 3, NULL);
    for (uint32_t i = 0; members && i < members->n; i++)
        touch_id(snapshot_users(snapshot), members->user[i]);
}

static inline void touch_all(const Snapshot *snapshot)
{
    size_t length;
    snapshot_card(snapshot, &length);
    snapshot_report(snapshot, &length);
    snapshot_verify(snapshot, NULL, NULL);
    for (uint32_t user = 0; user <= ids_count(snapshot_users(snapshot)); user++)
        touch_user(snapshot, user);
    touch_user(snapshot, IDS_NONE);
    for (uint32_t item = 0; item <= ids_count(snapshot_items(snapshot)); item++)
        snapshot_item_predictable(snapshot, item);
    ids_find(snapshot_users(snapshot), "u1", 2);
    ids_find(snapshot_items(snapshot), "nothing like it", 15);
    const Attributes *attributes = snapshot_item_attributes(snapshot);
    for (size_t c = 0; c < attributes->n_columns; c++)
        touch_column(snapshot, &attributes->columns[c]);
    Recommendation list[RECOMMEND_MAX];
    touch_list(snapshot, list, recommend_popular(snapshot, NULL, 0, RECOMMEND_MAX, list));
    touch_audience(snapshot, (const uint32_t[]){1, 0, IDS_NONE}, 3);
    touch_audience(snapshot, (const uint32_t[]){2}, 1);
    g_strfreev(snapshot_near_values(snapshot, NULL, "i0", 3));
}
