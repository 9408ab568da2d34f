#include "data/split.h"

#include <float.h>
#include <math.h>

#include "base/clock.h"
#include "base/error.h"

#define RECENT_DAYS      365
/* Longer than any data; keeps sums of moments within 64 bits. */
#define HORIZON_DAYS_MAX 1000000

static int64_t days_before(int64_t moment, int64_t days)
{
    int64_t before;
    return __builtin_sub_overflow(moment, days * US_PER_DAY, &before) ? INT64_MIN : before;
}

/* What is known of a user or item while rows pass by. */
typedef enum Seen { SEEN_NEVER, SEEN_BEFORE, SEEN_RECENTLY } Seen;

static void see(uint8_t *seen, bool is_recent)
{
    uint8_t now = is_recent ? SEEN_RECENTLY : SEEN_BEFORE;
    *seen = MAX(*seen, now);
}

static void see_rows(const Dataset *view, Scope *scope)
{
    int64_t from = days_before(scope->anchor, RECENT_DAYS);
    const Interactions *rows = &view->rows;
    for (uint64_t i = 0; i < rows->n; i++) {
        if (rows->time[i] >= scope->anchor)
            continue;
        bool is_recent = rows->time[i] >= from;
        see(&scope->user[rows->user[i]], is_recent);
        see(&scope->item[rows->item[i]], is_recent);
    }
}

static void judge_users(Scope *scope, uint32_t n)
{
    static const uint8_t scope_of[] = {[SEEN_NEVER] = USER_NO_PURCHASE,
                                       [SEEN_BEFORE] = USER_NO_RECENT_PURCHASE,
                                       [SEEN_RECENTLY] = USER_PREDICTABLE};
    for (uint32_t user = 0; user < n; user++) {
        scope->user[user] = scope_of[scope->user[user]];
        scope->n_users += scope->user[user] == USER_PREDICTABLE;
        scope->users_never += scope->user[user] == USER_NO_PURCHASE;
        scope->users_lapsed += scope->user[user] == USER_NO_RECENT_PURCHASE;
    }
}

static void judge_items(Scope *scope, uint32_t n)
{
    for (uint32_t item = 0; item < n; item++) {
        scope->n_items += scope->item[item] == SEEN_RECENTLY;
        scope->items_never += scope->item[item] == SEEN_NEVER;
        scope->items_lapsed += scope->item[item] == SEEN_BEFORE;
        scope->item[item] = scope->item[item] == SEEN_RECENTLY;
    }
}

Scope *scope_new(const Dataset *view, int64_t anchor, GError **error)
{
    g_autoptr(Scope) scope = g_new0(Scope, 1);
    scope->anchor = anchor;
    scope->user = g_try_new0(uint8_t, MAX(view->n_users, 1));
    scope->item = g_try_new0(uint8_t, MAX(view->n_items, 1));
    if (!scope->user || !scope->item) {
        error_set(error, ERR_NO_MEMORY, "no memory for the scope");
        return NULL;
    }
    see_rows(view, scope);
    judge_users(scope, view->n_users);
    judge_items(scope, view->n_items);
    return g_steal_pointer(&scope);
}

void scope_free(Scope *scope)
{
    if (!scope)
        return;
    g_free(scope->user);
    g_free(scope->item);
    g_free(scope);
}

/* Rows picked out of a data set, as triples for a matrix. */
typedef struct Picked {
    uint64_t n;
    uint32_t *user, *item;
    float *value;
} Picked;

static void picked_clear(Picked *picked)
{
    g_free(picked->user);
    g_free(picked->item);
    g_free(picked->value);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Picked, picked_clear)

static bool picked_alloc(Picked *picked, uint64_t n, GError **error)
{
    picked->user = g_try_new(uint32_t, MAX(n, 1));
    picked->item = g_try_new(uint32_t, MAX(n, 1));
    picked->value = g_try_new(float, MAX(n, 1));
    if (picked->user && picked->item && picked->value)
        return true;
    error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " rows", n);
    return false;
}

static bool is_bought_in(const Interactions *rows, uint64_t i, int64_t from, int64_t to)
{
    return rows->time[i] >= from && rows->time[i] < to && rows->quantity[i] > 0;
}

static uint64_t count_bought(const Interactions *rows, int64_t from, int64_t to)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < rows->n; i++)
        n += is_bought_in(rows, i, from, to);
    return n;
}

Csr *window_targets(const Dataset *raw, int64_t from, int64_t to, GError **error)
{
    const Interactions *rows = &raw->rows;
    g_auto(Picked) picked = {0};
    if (!picked_alloc(&picked, count_bought(rows, from, to), error))
        return NULL;
    for (uint64_t i = 0; i < rows->n; i++) {
        if (!is_bought_in(rows, i, from, to))
            continue;
        picked.user[picked.n] = rows->user[i];
        picked.item[picked.n] = rows->item[i];
        picked.value[picked.n++] = 1;
    }
    Csr *targets = csr_from_triples(raw->n_users, raw->n_items, picked.n, picked.user, picked.item,
                                    picked.value, error);
    for (uint64_t i = 0; targets && i < targets->start[targets->rows]; i++)
        targets->value[i] = 1;
    return targets;
}

/* Never 0: a pair that was bought stays an entry, however long ago. A row at `as_of` or after it
 * counts as one of that moment. */
static float decayed(int64_t time, int64_t as_of, double half_life_days)
{
    if (half_life_days <= 0)
        return 1;
    double age_days = ((double)as_of - (double)time) / (double)US_PER_DAY;
    return (float)fmax(exp2(-fmax(age_days, 0) / half_life_days), FLT_MIN);
}

Csr *decayed_counts(const Dataset *view, int64_t as_of, double half_life_days, GError **error)
{
    const Interactions *rows = &view->rows;
    g_autofree float *weight = g_try_new(float, MAX(rows->n, 1));
    if (!weight) {
        error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " weights", rows->n);
        return NULL;
    }
    for (uint64_t i = 0; i < rows->n; i++)
        weight[i] = decayed(rows->time[i], as_of, half_life_days);
    return csr_from_triples(view->n_users, view->n_items, rows->n, rows->user, rows->item, weight,
                            error);
}

Windows windows_plan(int64_t first, int64_t last, unsigned horizon_days)
{
    int64_t end = last < INT64_MAX ? last + 1 : last;
    int64_t span;
    if (__builtin_sub_overflow(end, first, &span))
        span = INT64_MAX;
    int64_t horizon = (int64_t)CLAMP(horizon_days, 1, HORIZON_DAYS_MAX) * US_PER_DAY;
    if (horizon <= span / 4)
        return (Windows){end - 2 * horizon, end - horizon, end, false, false};
    int64_t quarter = span / 4 / US_PER_DAY * US_PER_DAY;
    int64_t window = horizon <= span / 2 ? horizon : quarter;
    if (window < US_PER_DAY)
        return (Windows){end, end, end, true, true};
    return (Windows){end - window, end - window, end, true, false};
}
