#include "index/audience.h"

#include <math.h>

#include "audience_kinds.h"
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

bool audience_add_items(const Snapshot *snapshot, const uint32_t *items, uint32_t n, float weight,
                        float *scores, GError **error)
{
    const Scorer *scorer = snapshot_scorer(snapshot, error);
    if (!scorer)
        return false;
    const Calibration *calibration = scorer->calibration;
    bool each = calibration && calibration_by_item(calibration);
    uint32_t n_users = snapshot->meta.n_users, step = each ? 1 : MAX(n, 1);
    g_autofree float *some = g_try_new(float, (size_t)n_users + 1);
    if (!some) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u users", n_users);
        return false;
    }
    for (uint32_t i = 0; i < n; i += step) {
        if (!scorer->fitted->learner->score_items(scorer->fitted, &items[i], step, some, error))
            return false;
        if (each)
            calibration_map_users(calibration, items[i], some, n_users);
        for (uint32_t user = 0; user < n_users; user++)
            scores[user] += weight * some[user];
    }
    return true;
}

/* By the probability of one product, or by how many of several are expected: then of those that the
 * caller gives first, most popular first. */
static bool score_users(const Snapshot *snapshot, const Scorer *scorer, const uint32_t *items,
                        uint32_t n, float *scores, GError **error)
{
    const Calibration *calibration = scorer->calibration;
    if (calibration && calibration_by_item(calibration))
        return audience_add_items(snapshot, items, MIN(n, AUDIENCE_ITEMS_MAX), 1, scores, error);
    if (!scorer->fitted->learner->score_items(scorer->fitted, items, n, scores, error))
        return false;
    if (calibration && n == 1)
        calibration_map_users(calibration, items[0], scores, snapshot->meta.n_users);
    return true;
}

Members *audience_rank_scores(const Snapshot *snapshot, float *scores, bool are_probabilities,
                              uint32_t limit, GError **error)
{
    g_autoptr(Members) members = g_new0(Members, 1);
    members->predictable = snapshot->meta.n_rows;
    members->wanting = mask_users(snapshot, scores);
    if (!select_members(members, scores, are_probabilities, snapshot->meta.n_users, limit, error))
        return NULL;
    members->short_because = why_short(members, limit);
    return g_steal_pointer(&members);
}

Members *audience_rank(const Snapshot *snapshot, const uint32_t *items, uint32_t n_items,
                       uint32_t limit, GError **error)
{
    uint32_t n_users = snapshot->meta.n_users;
    const Scorer *scorer = snapshot_scorer(snapshot, error);
    if (!scorer)
        return NULL;
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
    if (n_known > 0 && n_users > 0 && !score_users(snapshot, scorer, known, n_known, scores, error))
        return NULL;
    return audience_rank_scores(snapshot, scores, scorer->calibration && n_known == 1, limit,
                                error);
}

static uint32_t find_level(const Scorer *scorer, const Column *column, uint32_t value,
                           const uint32_t *items, uint32_t n)
{
    if (!scorer->levels || value >= ids_count(column->values))
        return LEVELS_NONE;
    size_t length;
    const char *text = ids_get(column->values, value, &length);
    return levels_find(scorer->levels, column->name, text, length, items, n);
}

Members *audience_rank_value(const Snapshot *snapshot, const Column *column, uint32_t value,
                             uint32_t limit, GError **error)
{
    uint32_t n;
    const Scorer *scorer = snapshot_scorer(snapshot, error);
    if (!scorer)
        return NULL;
    const uint32_t *items = snapshot_items_with(snapshot, column, value, &n);
    uint32_t level = find_level(scorer, column, value, items, n);
    if (level == LEVELS_NONE)
        return audience_rank(snapshot, items, n, limit, error);
    g_autofree float *scores = g_try_new(float, (size_t)snapshot->meta.n_users + 1);
    if (!scores) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u users", snapshot->meta.n_users);
        return NULL;
    }
    if (!levels_score(scorer->levels, level, 1, scores, error))
        return NULL;
    return audience_rank_scores(snapshot, scores, true, limit, error);
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
