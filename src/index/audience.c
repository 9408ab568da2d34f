#include "index/audience.h"

#include <math.h>

#include "base/error.h"
#include "layout.h"
#include "math/topk.h"

/* Who does not count leaves the selection: -INFINITY is never selected. */
static uint32_t mask_users(const Snapshot *snapshot, float *scores)
{
    uint32_t wanting = 0;
    for (uint32_t user = 0; user < snapshot->meta.n_users; user++) {
        if (snapshot->user_scope[user] == USER_PREDICTABLE && scores[user] > 0)
            wanting++;
        else
            scores[user] = -INFINITY;
    }
    return wanting;
}

static char *why_short(const Members *members, uint32_t limit)
{
    if (members->n >= limit)
        return NULL;
    if (members->predictable == 0)
        return g_strdup("no user bought anything in the last year, so nobody can be ranked");
    if (members->wanting == 0)
        return g_strdup_printf("none of the %u predictable users shows any interest in this",
                               members->predictable);
    return g_strdup_printf("only %u of the %u predictable users show any interest in this",
                           members->wanting, members->predictable);
}

/* The first `limit` of `scores` into members, relative to the best. */
static bool select_members(Members *members, const float *scores, uint32_t n_users, uint32_t limit,
                           GError **error)
{
    size_t k = MIN(limit, members->wanting);
    g_autofree Scored *work = g_try_new(Scored, 2 * k + 1);
    g_autofree Scored *best = g_try_new(Scored, k + 1);
    members->user = g_try_new(uint32_t, k + 1);
    members->score = g_try_new(float, k + 1);
    if (!work || !best || !members->user || !members->score) {
        error_set(error, ERR_NO_MEMORY, "no memory for an audience of %zu members", k);
        return false;
    }
    members->n = k > 0 ? (uint32_t)topk_select(scores, n_users, k, work, best) : 0;
    for (uint32_t i = 0; i < members->n; i++) {
        members->user[i] = best[i].index;
        members->score[i] = isfinite(best[0].score) ? best[i].score / best[0].score : 1;
    }
    return true;
}

Members *audience_rank(const Snapshot *snapshot, const uint32_t *items, uint32_t n_items,
                       uint32_t limit, GError **error)
{
    uint32_t n_users = snapshot->meta.n_users;
    g_autofree float *scores = g_try_new0(float, (size_t)n_users + 1);
    g_autofree uint32_t *known = g_try_new(uint32_t, (size_t)n_items + 1);
    if (!scores || !known) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u users", n_users);
        return NULL;
    }
    uint32_t n_known = 0;
    for (uint32_t i = 0; i < n_items; i++) {
        if (items[i] < snapshot->meta.n_items)
            known[n_known++] = items[i];
    }
    if (n_known > 0 && n_users > 0)
        snapshot->fitted->learner->score_items(snapshot->fitted, known, n_known, scores);
    g_autoptr(Members) members = g_new0(Members, 1);
    members->predictable = snapshot->meta.n_rows;
    members->wanting = mask_users(snapshot, scores);
    if (!select_members(members, scores, n_users, limit, error))
        return NULL;
    members->short_because = why_short(members, limit);
    return g_steal_pointer(&members);
}

void members_free(Members *members)
{
    if (!members)
        return;
    g_free(members->user);
    g_free(members->score);
    g_free(members->short_because);
    g_free(members);
}

const uint32_t *snapshot_items_with(const Snapshot *snapshot, const Column *column, uint32_t value,
                                    uint32_t *n)
{
    uint32_t most;
    const uint32_t *items =
        inverted_list(snapshot, (size_t)(column - snapshot->attributes->columns), value, &most);
    *n = 0;
    while (*n < most && items[*n] < snapshot->meta.n_items)
        ++*n;
    return items;
}
