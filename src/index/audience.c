#include "index/audience.h"

#include <math.h>

#include "base/error.h"
#include "layout.h"
#include "math/topk.h"

/* Of the products of a value, so many count: each costs a look at every user, and those bought most
 * tell most. */
#define ITEMS_ADDED 40u

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
static bool select_members(Members *members, const float *scores, bool are_probabilities,
                           uint32_t n_users, uint32_t limit, GError **error)
{
    size_t k = MIN(limit, members->wanting);
    g_autofree Scored *work = g_try_new(Scored, 2 * k + 1);
    g_autofree Scored *best = g_try_new(Scored, k + 1);
    members->user = g_try_new(uint32_t, k + 1);
    members->score = g_try_new(float, k + 1);
    members->probability = g_try_new0(float, k + 1);
    if (!work || !best || !members->user || !members->score || !members->probability) {
        error_set(error, ERR_NO_MEMORY, "no memory for an audience of %zu members", k);
        return false;
    }
    members->n = k > 0 ? (uint32_t)topk_select(scores, n_users, k, work, best) : 0;
    for (uint32_t i = 0; i < members->n; i++) {
        members->user[i] = best[i].index;
        members->score[i] = isfinite(best[0].score) ? best[i].score / best[0].score : 1;
        members->probability[i] = are_probabilities ? best[i].score : 0;
    }
    return true;
}

/* Adds up the probabilities of the first products, which the caller gives most popular first. */
static bool add_probabilities(const Snapshot *snapshot, const uint32_t *items, uint32_t n,
                              float *scores, GError **error)
{
    uint32_t n_users = snapshot->meta.n_users;
    g_autofree float *one = g_try_new(float, (size_t)n_users + 1);
    if (!one) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u users", n_users);
        return false;
    }
    for (uint32_t i = 0; i < MIN(n, ITEMS_ADDED); i++) {
        snapshot->fitted->learner->score_items(snapshot->fitted, &items[i], 1, one);
        calibration_map_users(snapshot->calibration, items[i], one, n_users);
        for (uint32_t user = 0; user < n_users; user++)
            scores[user] += one[user];
    }
    return true;
}

/* By the probability of one product, or by how many of several are expected. */
static bool score_users(const Snapshot *snapshot, const uint32_t *items, uint32_t n, float *scores,
                        GError **error)
{
    const Calibration *calibration = snapshot->calibration;
    if (calibration && calibration_reorders(calibration))
        return add_probabilities(snapshot, items, n, scores, error);
    snapshot->fitted->learner->score_items(snapshot->fitted, items, n, scores);
    if (calibration && n == 1)
        calibration_map_users(calibration, items[0], scores, snapshot->meta.n_users);
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
    if (n_known > 0 && n_users > 0 && !score_users(snapshot, known, n_known, scores, error))
        return NULL;
    g_autoptr(Members) members = g_new0(Members, 1);
    members->predictable = snapshot->meta.n_rows;
    members->wanting = mask_users(snapshot, scores);
    bool are_probabilities = snapshot->calibration && n_known == 1;
    if (!select_members(members, scores, are_probabilities, n_users, limit, error))
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
    g_free(members->probability);
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
