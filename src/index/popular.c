#include "popular.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "math/topk.h"

#define HALF_LIFE_DAYS 30
#define WINDOW_DAYS    365 /* as long as an item is predictable */

/* weight[item] = Σ over its rows of the window  2^-((anchor - time) / half-life) */
static bool weigh(const Dataset *view, const Scope *scope, float *weight)
{
    g_autofree double *sum = g_try_new0(double, (size_t)view->n_items + 1);
    if (!sum)
        return false;
    int64_t from = scope->anchor - WINDOW_DAYS * US_PER_DAY;
    for (uint64_t row = 0; row < view->rows.n; row++) {
        int64_t time = view->rows.time[row];
        if (time < from || time >= scope->anchor)
            continue;
        double age_days = (double)(scope->anchor - time) / (double)US_PER_DAY;
        sum[view->rows.item[row]] += exp2(-age_days / HALF_LIFE_DAYS);
    }
    for (uint32_t item = 0; item < view->n_items; item++)
        weight[item] = scope->item[item] ? (float)sum[item] : 0;
    return true;
}

static bool order(const Scope *scope, uint32_t n_items, Popular *popular)
{
    g_autofree Scored *list = g_try_new(Scored, (size_t)n_items + 1);
    if (!list)
        return false;
    for (uint32_t item = 0; item < n_items; item++) {
        if (scope->item[item])
            list[popular->n++] = (Scored){.index = item, .score = popular->weight[item]};
    }
    topk_sort(list, popular->n);
    for (uint32_t i = 0; i < popular->n; i++)
        popular->item[i] = list[i].index;
    return true;
}

Popular *popular_new(const Dataset *view, const Scope *scope, GError **error)
{
    g_autoptr(Popular) popular = g_new0(Popular, 1);
    popular->item = g_try_new(uint32_t, (size_t)view->n_items + 1);
    popular->weight = g_try_new(float, (size_t)view->n_items + 1);
    if (!popular->item || !popular->weight || !weigh(view, scope, popular->weight) ||
        !order(scope, view->n_items, popular)) {
        error_set(error, ERR_NO_MEMORY, "no memory to order %u products", view->n_items);
        return NULL;
    }
    return g_steal_pointer(&popular);
}

void popular_free(Popular *popular)
{
    if (!popular)
        return;
    g_free(popular->item);
    g_free(popular->weight);
    g_free(popular);
}

/* Calls for every (value, item) pair in order of popularity; a value that a cell names twice counts
 * once. `last[value]` is the place of the item that had it last, plus one. */
static void each_pair(const Popular *popular, const Column *column, uint32_t *last,
                      uint64_t *cursor, uint32_t *into)
{
    for (uint32_t i = 0; i < popular->n; i++) {
        uint32_t item = popular->item[i];
        if (item >= column->n_rows)
            continue;
        for (uint64_t j = column->start[item]; j < column->start[item + 1]; j++) {
            uint32_t value = column->value[j];
            if (last[value] == i + 1)
                continue;
            last[value] = i + 1;
            if (into)
                into[cursor[value]] = item;
            cursor[value]++;
        }
    }
}

static void sum_up(uint64_t *count, uint64_t *start, uint32_t n)
{
    for (uint32_t value = 0; value < n; value++) {
        start[value + 1] = start[value] + count[value];
        count[value] = start[value];
    }
}

ValueLists *value_lists_new(const Popular *popular, const Column *column, GError **error)
{
    uint32_t n_values = ids_count(column->values);
    g_autoptr(ValueLists) lists = g_new0(ValueLists, 1);
    lists->start = g_try_new0(uint64_t, (size_t)n_values + 1);
    lists->item = g_try_new(uint32_t, column->start[column->n_rows] + 1);
    g_autofree uint32_t *last = g_try_new0(uint32_t, (size_t)n_values + 1);
    g_autofree uint64_t *cursor = g_try_new0(uint64_t, (size_t)n_values + 1);
    if (!lists->start || !lists->item || !last || !cursor) {
        error_set(error, ERR_NO_MEMORY, "no memory to list the products of %u values", n_values);
        return NULL;
    }
    each_pair(popular, column, last, cursor, NULL);
    sum_up(cursor, lists->start, n_values);
    memset(last, 0, sizeof *last * n_values);
    each_pair(popular, column, last, cursor, lists->item);
    return g_steal_pointer(&lists);
}

void value_lists_free(ValueLists *lists)
{
    if (!lists)
        return;
    g_free(lists->start);
    g_free(lists->item);
    g_free(lists);
}
