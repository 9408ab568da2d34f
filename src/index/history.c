#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* Purchases at or after this moment are banned. */
static int64_t banned_since(const Scope *scope, const ListRules *rules)
{
    if (rules->purchased == PURCHASED_EXCLUDE)
        return INT64_MIN;
    if (rules->purchased == PURCHASED_EXCLUDE_WITHIN)
        return scope->anchor - (int64_t)rules->days * US_PER_DAY;
    return INT64_MAX;
}

/* Rows of a user are in order of time, so reading them backwards meets every item at its newest
 * purchase first, and what is banned is the first part. `met[item]` is user + 1 once met. */
static void collect(Histories *histories, const Dataset *view, uint32_t user, int64_t since,
                    uint32_t *met)
{
    uint64_t end = histories->start[user];
    uint32_t banned = 0;
    for (uint64_t row = view->user_start[user + 1]; row-- > view->user_start[user];) {
        uint32_t item = view->rows.item[row];
        if (met[item] == user + 1)
            continue;
        met[item] = user + 1;
        if (view->rows.time[row] >= since)
            banned++;
        histories->item[end++] = item;
    }
    histories->start[user + 1] = end;
    histories->banned[user] = banned;
}

static void sort_banned(Histories *histories, uint32_t user)
{
    uint64_t start = histories->start[user];
    uint32_t n = histories->banned[user];
    memcpy(histories->banned_item + start, histories->item + start, n * sizeof(uint32_t));
    memset(histories->banned_item + start + n, 0xff,
           (histories->start[user + 1] - start - n) * sizeof(uint32_t));
    qsort(histories->banned_item + start, n, sizeof(uint32_t), by_number);
}

Histories *histories_new(const Dataset *view, const Scope *scope, const ListRules *rules,
                         GError **error)
{
    g_autoptr(Histories) histories = g_new0(Histories, 1);
    histories->n_users = view->n_users;
    histories->start = g_try_new0(uint64_t, (size_t)view->n_users + 1);
    histories->item = g_try_new(uint32_t, view->rows.n + 1);
    histories->banned = g_try_new0(uint32_t, (size_t)view->n_users + 1);
    g_autofree uint32_t *met = g_try_new0(uint32_t, (size_t)view->n_items + 1);
    bool bans = rules->purchased != PURCHASED_ALLOW;
    if (bans)
        histories->banned_item = g_try_new(uint32_t, view->rows.n + 1);
    if (!histories->start || !histories->item || !histories->banned || !met ||
        (bans && !histories->banned_item)) {
        error_set(error, ERR_NO_MEMORY, "no memory for the histories of %u users", view->n_users);
        return NULL;
    }
    int64_t since = banned_since(scope, rules);
    for (uint32_t user = 0; user < view->n_users; user++) {
        collect(histories, view, user, since, met);
        if (bans)
            sort_banned(histories, user);
    }
    return g_steal_pointer(&histories);
}

void histories_free(Histories *histories)
{
    if (!histories)
        return;
    g_free(histories->start);
    g_free(histories->item);
    g_free(histories->banned);
    g_free(histories->banned_item);
    g_free(histories);
}

const uint32_t *histories_banned(const Histories *histories, uint32_t user, uint32_t *n)
{
    *n = histories->banned_item ? histories->banned[user] : 0;
    return histories->banned_item ? histories->banned_item + histories->start[user] : NULL;
}
