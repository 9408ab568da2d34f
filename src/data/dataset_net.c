#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "dataset_owner.h"
#include "drops.h"

/* What floats leave of 0.3 - 0.1 - 0.2, relative to the purchase, counts as nothing. */
#define NOTHING 1e-6

/* Rows of one user that have returns among them, by item and place. */
typedef struct Netting {
    const Dataset *raw;
    DropCount *returned;
    uint64_t *by_item; /* item << 32 | place within the user */
    uint32_t *stack;   /* places of purchases not yet taken back, oldest first */
    uint64_t capacity;
    float *left; /* of the user: the quantity left of each row, 0 for what goes */
} Netting;

static int compare_keys(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void count_returned(Netting *netting, uint32_t item)
{
    size_t length;
    const char *id = ids_get(netting->raw->items, item, &length);
    drop_add(netting->returned, id, length);
}

static bool reserve(Netting *netting, uint64_t n, GError **error)
{
    if (n <= netting->capacity)
        return true;
    uint64_t *by_item = g_try_renew(uint64_t, netting->by_item, 2 * n);
    if (!by_item)
        return dataset_no_memory(n, error);
    netting->by_item = by_item;
    uint32_t *stack = g_try_renew(uint32_t, netting->stack, 2 * n);
    if (!stack)
        return dataset_no_memory(n, error);
    netting->stack = stack;
    netting->capacity = 2 * n;
    return true;
}

/* Takes `back` pieces from the newest purchases on the stack; returns what is left of the stack. */
static uint64_t take_back(Netting *netting, uint32_t item, uint64_t depth, double back)
{
    while (depth > 0 && back > 0) {
        float *top = &netting->left[netting->stack[depth - 1]];
        double rest = *top - back;
        if (rest > NOTHING * *top) {
            *top = (float)rest;
            return depth;
        }
        back = -rest > NOTHING * *top ? -rest : 0;
        *top = 0;
        depth--;
        count_returned(netting, item);
    }
    return depth;
}

/* The n rows of a user, from `begin` on, some of them returns. */
static bool net_user(Netting *netting, uint64_t begin, uint64_t n, GError **error)
{
    if (!reserve(netting, n, error))
        return false;
    g_assert(netting->by_item && netting->stack);
    const uint32_t *items = netting->raw->rows.item + begin;
    for (uint64_t i = 0; i < n; i++)
        netting->by_item[i] = (uint64_t)items[i] << 32 | i;
    qsort(netting->by_item, n, sizeof *netting->by_item, compare_keys);
    uint64_t depth = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t place = (uint32_t)netting->by_item[i], item = items[place];
        if (i > 0 && netting->by_item[i - 1] >> 32 != item)
            depth = 0;
        if (netting->left[place] > 0) {
            netting->stack[depth++] = place;
            continue;
        }
        depth = take_back(netting, item, depth, -(double)netting->left[place]);
        netting->left[place] = 0;
        count_returned(netting, item);
    }
    return true;
}

/* The first row of the user at `until` or later. */
static uint64_t cut_user(const Dataset *raw, uint32_t user, int64_t until)
{
    uint64_t low = raw->user_start[user], high = raw->user_start[user + (size_t)1];
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (raw->rows.time[middle] < until)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_return(const float *quantity, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (quantity[i] < 0)
            return true;
    return false;
}

/* The rows before `until`, user by user, and what netting leaves of them. */
typedef struct Cut {
    uint64_t *n; /* n_users: rows of each before netting */
    float *left; /* of all these rows */
    uint64_t total;
} Cut;

static void cut_clear(Cut *cut)
{
    g_free(cut->n);
    g_free(cut->left);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Cut, cut_clear)

static bool cut_rows(const Dataset *raw, int64_t until, Cut *cut, GError **error)
{
    cut->n = g_try_new0(uint64_t, MAX(raw->n_users, 1));
    if (!cut->n)
        return dataset_no_memory(raw->rows.n, error);
    for (uint32_t user = 0; user < raw->n_users; user++) {
        cut->n[user] = cut_user(raw, user, until) - raw->user_start[user];
        cut->total += cut->n[user];
    }
    cut->left = g_try_new(float, MAX(cut->total, 1));
    return cut->left || dataset_no_memory(cut->total, error);
}

static bool net_rows(Netting *netting, const Cut *cut, GError **error)
{
    const Dataset *raw = netting->raw;
    netting->left = cut->left;
    for (uint32_t user = 0; user < raw->n_users; user++) {
        uint64_t begin = raw->user_start[user], n = cut->n[user];
        memcpy(netting->left, raw->rows.quantity + begin, n * sizeof *netting->left);
        if (has_return(netting->left, n) && !net_user(netting, begin, n, error))
            return false;
        netting->left += n;
    }
    return true;
}

static uint64_t count_left(const float *left, uint64_t n)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++)
        count += left[i] != 0;
    return count;
}

static bool alloc_rows(Dataset *view, const Dataset *raw, uint64_t n, GError **error)
{
    Interactions *rows = &view->rows;
    rows->n = n;
    rows->item = g_try_new(uint32_t, MAX(n, 1));
    rows->time = g_try_new(int64_t, MAX(n, 1));
    bool is_whole = rows->item && rows->time;
    if (is_whole && raw->rows.order)
        is_whole = (rows->order = g_try_new(uint32_t, MAX(n, 1))) != NULL;
    if (is_whole && raw->rows.price)
        is_whole = (rows->price = g_try_new(float, MAX(n, 1))) != NULL;
    return is_whole || dataset_no_memory(n, error);
}

static void copy_row(Interactions *to, uint64_t at, const Interactions *from, uint64_t i)
{
    to->item[at] = from->item[i];
    to->time[at] = from->time[i];
    if (to->order)
        to->order[at] = from->order[i];
    if (to->price)
        to->price[at] = from->price[i];
}

/* Copies what is left; cut->left becomes the quantities in place. */
static bool copy_left(Dataset *view, const Dataset *raw, Cut *cut, GError **error)
{
    view->user_start = g_try_new0(uint64_t, (size_t)raw->n_users + 1);
    if (!view->user_start)
        return dataset_no_memory(cut->total, error);
    if (!alloc_rows(view, raw, count_left(cut->left, cut->total), error))
        return false;
    float *quantity = cut->left;
    const float *left = cut->left;
    uint64_t at = 0;
    for (uint32_t user = 0; user < raw->n_users; user++) {
        uint64_t begin = raw->user_start[user];
        for (uint64_t i = 0; i < cut->n[user]; i++, left++) {
            if (*left == 0)
                continue;
            copy_row(&view->rows, at, &raw->rows, begin + i);
            quantity[at++] = *left;
        }
        view->user_start[user + (size_t)1] = at;
    }
    float *shrunk = g_try_renew(float, cut->left, MAX(at, 1));
    view->rows.quantity = shrunk ? shrunk : cut->left;
    cut->left = NULL;
    return dataset_fill_users(view, error);
}

/* By first row: a number given while reading would tell of orders after the cut. */
static bool renumber_orders(Dataset *view, uint32_t n_orders, GError **error)
{
    uint32_t *order = view->rows.order;
    g_autofree uint32_t *number = g_try_new(uint32_t, MAX(n_orders, 1));
    if (!number)
        return dataset_no_memory(view->rows.n, error);
    memset(number, 0xff, n_orders * sizeof *number);
    for (uint64_t i = 0; i < view->rows.n; i++) {
        if (order[i] == IDS_NONE)
            continue;
        if (number[order[i]] == IDS_NONE)
            number[order[i]] = view->n_orders++;
        order[i] = number[order[i]];
    }
    return true;
}

static bool net_all(Dataset *view, const Dataset *raw, const Cut *cut, GError **error)
{
    Netting netting = {.raw = raw, .returned = &view->dropped[DROP_RETURNED]};
    bool is_done = net_rows(&netting, cut, error);
    g_free(netting.by_item);
    g_free(netting.stack);
    return is_done;
}

typedef Dataset *DatasetCut(const Dataset *raw, int64_t until, GError **error);

/* A signal has none of its own: this goes one deep. */
static bool cut_signals(Dataset *view, const Dataset *raw, int64_t until, DatasetCut *cut,
                        GError **error)
{
    for (uint32_t s = 0; s < raw->n_signals; s++) {
        view->signal[s] = cut(raw->signal[s], until, error);
        if (!view->signal[s])
            return false;
        view->n_signals++;
    }
    return true;
}

Dataset *dataset_before(const Dataset *raw, int64_t until, GError **error)
{
    g_autoptr(Dataset) view = dataset_owner_new(raw->shared);
    g_auto(Cut) cut = {0};
    drops_copy(view->dropped, raw->dropped);
    view->users_left_out = raw->users_left_out;
    view->items_left_out = raw->items_left_out;
    if (!cut_rows(raw, until, &cut, error) || !net_all(view, raw, &cut, error) ||
        !copy_left(view, raw, &cut, error))
        return NULL;
    if (!cut_signals(view, raw, until, dataset_before, error))
        return NULL;
    if (view->rows.order && !renumber_orders(view, raw->n_orders, error))
        return NULL;
    dataset_set_range(view);
    return g_steal_pointer(&view);
}

static void take_quantities(const Dataset *raw, Cut *cut)
{
    float *left = cut->left;
    for (uint32_t user = 0; user < raw->n_users; user++) {
        memcpy(left, raw->rows.quantity + raw->user_start[user], cut->n[user] * sizeof *left);
        left += cut->n[user];
    }
}

Dataset *dataset_as_of(const Dataset *raw, int64_t until, GError **error)
{
    g_autoptr(Dataset) past = dataset_owner_new(raw->shared);
    g_auto(Cut) cut = {0};
    past->users_left_out = raw->users_left_out;
    past->items_left_out = raw->items_left_out;
    if (!cut_rows(raw, until, &cut, error))
        return NULL;
    take_quantities(raw, &cut);
    if (!copy_left(past, raw, &cut, error) ||
        !cut_signals(past, raw, until, dataset_as_of, error) ||
        (past->rows.order && !renumber_orders(past, raw->n_orders, error)))
        return NULL;
    dataset_set_range(past);
    return g_steal_pointer(&past);
}
