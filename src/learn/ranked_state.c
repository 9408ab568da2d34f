#include "ranked_state.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"

/* Products remembered of a user's last three visits. */
#define BASKET_MAX 300u
#define VISITS     3u

static void find_days(const Dataset *view, int64_t as_of, float *days)
{
    for (uint64_t r = 0; r < view->rows.n; r++)
        days[r] = (float)((double)(as_of - view->rows.time[r]) / (double)US_PER_DAY);
}

/* Numbers the visits of each user from 0. */
static void find_visits(const Dataset *view, uint32_t *visit)
{
    for (uint32_t user = 0; user < view->n_users; user++) {
        uint64_t begin = view->user_start[user], end = view->user_start[user + 1];
        if (begin < end)
            visit[begin] = 0;
        for (uint64_t r = begin + 1; r < end; r++)
            visit[r] = visit[r - 1] + interactions_begin_visit(&view->rows, r);
    }
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A user's rows by product, then by time: item << 32 | place among the user's rows. */
static size_t sort_by_item(const Dataset *view, uint32_t user, uint64_t *keys)
{
    uint64_t begin = view->user_start[user];
    size_t n = view->user_start[user + 1] - begin;
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint64_t)view->rows.item[begin + i] << 32 | i;
    qsort(keys, n, sizeof *keys, compare_keys);
    return n;
}

static size_t longest_history(const Dataset *view)
{
    uint64_t most = 0;
    for (uint32_t user = 0; user < view->n_users; user++)
        most = MAX(most, view->user_start[user + 1] - view->user_start[user]);
    return most;
}

/* Sums up rows[keys[0 … n-1]], all of one product. */
static PairFacts pair_facts(const Dataset *view, const uint64_t *keys, size_t n, uint64_t begin,
                            const float *days, const uint32_t *visit)
{
    PairFacts facts = {.first = days[begin + (uint32_t)keys[0]],
                       .last = days[begin + (uint32_t)keys[n - 1]]};
    double quantity = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t row = begin + (uint32_t)keys[i];
        facts.visits += i == 0 || visit[row] != visit[begin + (uint32_t)keys[i - 1]];
        facts.decayed_30 += exp2f(-days[row] / 30);
        facts.decayed_120 += exp2f(-days[row] / 120);
        quantity += view->rows.quantity[row];
    }
    facts.log_quantity = (float)log1p(MAX(quantity, 0));
    return facts;
}

static size_t same_item(const uint64_t *keys, size_t n)
{
    size_t end = 1;
    while (end < n && keys[end] >> 32 == keys[0] >> 32)
        end++;
    return end;
}

bool state_find_pairs(FeatureState *state, const Dataset *view, const float *days,
                      const uint32_t *visit, GError **error)
{
    g_autofree uint64_t *keys = kept_new0(longest_history(view), sizeof *keys, error);
    state->pair_start = kept_new0((uint64_t)view->n_users + 1, sizeof *state->pair_start, error);
    /* as many as rows at most */
    state->pair_item = kept_new0(view->rows.n, sizeof *state->pair_item, error);
    state->pair = kept_new0(view->rows.n, sizeof *state->pair, error);
    if (!keys || !state->pair_start || !state->pair_item || !state->pair)
        return false;
    for (uint32_t user = 0; user < view->n_users; user++) {
        size_t n = sort_by_item(view, user, keys);
        for (size_t at = 0, width; at < n; at += width) {
            width = same_item(keys + at, n - at);
            state->pair_item[state->n_pairs] = (uint32_t)(keys[at] >> 32);
            state->pair[state->n_pairs++] =
                pair_facts(view, keys + at, width, view->user_start[user], days, visit);
        }
        state->pair_start[user + 1] = state->n_pairs;
    }
    return true;
}

/* The distinct products of the last visits of one user; newest first, so that what is cut is old.
 */
static uint32_t last_visits(const Dataset *view, uint32_t user, const uint32_t *visit,
                            uint32_t *seen, uint32_t *item, uint32_t *n_last)
{
    uint64_t begin = view->user_start[user], end = view->user_start[user + 1];
    uint32_t n = 0;
    *n_last = 0;
    for (uint64_t r = end; r-- > begin && visit[end - 1] - visit[r] < VISITS && n < BASKET_MAX;) {
        if (seen[view->rows.item[r]] == user + 1)
            continue;
        seen[view->rows.item[r]] = user + 1;
        item[n++] = view->rows.item[r];
        *n_last += visit[r] == visit[end - 1];
    }
    return n;
}

static bool find_baskets(FeatureState *state, const Dataset *view, const uint32_t *visit,
                         GError **error)
{
    g_autofree uint32_t *seen = kept_new0(view->n_items, sizeof *seen, error);
    state->basket_start = kept_new0((uint64_t)view->n_users + 1, sizeof(uint64_t), error);
    state->basket_item = kept_new0(view->rows.n, sizeof(uint32_t), error);
    state->basket_last = kept_new0(view->n_users, sizeof(uint32_t), error);
    if (!seen || !state->basket_start || !state->basket_item || !state->basket_last)
        return false;
    for (uint32_t user = 0; user < view->n_users; user++) {
        state->n_basket +=
            last_visits(view, user, visit, seen, state->basket_item + state->n_basket,
                        &state->basket_last[user]);
        state->basket_start[user + 1] = state->n_basket;
    }
    return true;
}

FeatureState *feature_state_new(const Dataset *view, const StateOptions *options, GError **error)
{
    g_autoptr(FeatureState) state = g_new0(FeatureState, 1);
    state->n_users = view->n_users;
    state->n_items = view->n_items;
    state->groupings = options->groupings;
    g_autofree float *days = kept_new0(view->rows.n, sizeof *days, error);
    g_autofree uint32_t *visit = kept_new0(view->rows.n, sizeof *visit, error);
    if (!days || !visit)
        return NULL;
    find_days(view, options->as_of, days);
    find_visits(view, visit);
    if (!state_find_pairs(state, view, days, visit, error) ||
        !find_baskets(state, view, visit, error) ||
        !state_describe_users(state, view, days, visit, error) ||
        !state_describe_items(state, view, days, error) ||
        !state_count_returns(state, options->raw, options->as_of, error) ||
        !state_find_similar(state, options, error) || !state_find_groups(state, error) ||
        !signal_state_init(&state->signals, view, options->as_of, options->signals, error) ||
        (options->has_traits && !traits_init(&state->traits, view, options->as_of, days, error)))
        return NULL;
    return g_steal_pointer(&state);
}

uint64_t feature_state_longest(const FeatureState *state)
{
    uint64_t most = 0;
    for (uint32_t user = 0; user < state->n_users; user++) {
        uint64_t bought = state->pair_start[user + 1] - state->pair_start[user];
        most = MAX(most, bought + signal_state_pairs(&state->signals, user));
    }
    return most;
}

uint64_t state_find(const uint32_t *list, uint64_t begin, uint64_t end, uint32_t wanted)
{
    uint64_t low = begin, high = end;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (list[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && list[low] == wanted ? low : end;
}

static void add_similar(KeptArrays *arrays, const FeatureState *state, Similar *similar,
                        const char *side)
{
    kept_add(arrays, &similar->start, sizeof(uint64_t), (uint64_t)state->n_items + 1,
             "learner.similar_%s_start", side);
    kept_add(arrays, &similar->item, sizeof(uint32_t), similar->n, "learner.similar_%s_item", side);
    kept_add(arrays, &similar->value, sizeof(float), similar->n, "learner.similar_%s_value", side);
}

static void add_group(KeptArrays *arrays, const FeatureState *state, GroupFacts *facts, size_t g)
{
    unsigned number = (unsigned)g;
    kept_add(arrays, &facts->start, sizeof(uint64_t), (uint64_t)state->n_users + 1,
             "learner.group%u_start", number);
    kept_add(arrays, &facts->group, sizeof(uint32_t), facts->n, "learner.group%u_group", number);
    kept_add(arrays, &facts->weight, sizeof(float), facts->n, "learner.group%u_weight", number);
    kept_add(arrays, &facts->last, sizeof(float), facts->n, "learner.group%u_last", number);
    kept_add(arrays, &facts->total, sizeof(float), state->n_users, "learner.group%u_total", number);
    kept_add(arrays, &facts->log_share, sizeof(float), state->groupings->grouping[g].n_groups,
             "learner.group%u_log_share", number);
}

void feature_state_arrays(FeatureState *state, KeptArrays *arrays)
{
    uint64_t users = state->n_users, items = state->n_items;
    kept_add(arrays, &state->pair_start, sizeof(uint64_t), users + 1, "learner.pair_start");
    kept_add(arrays, &state->pair_item, sizeof(uint32_t), state->n_pairs, "learner.pair_item");
    kept_add(arrays, &state->pair, sizeof(PairFacts), state->n_pairs, "learner.pair");
    kept_add(arrays, &state->user, sizeof(float), users * USER_FEATURES, "learner.user");
    kept_add(arrays, &state->item, sizeof(float), items * ITEM_FEATURES, "learner.item");
    kept_add(arrays, &state->basket_start, sizeof(uint64_t), users + 1, "learner.basket_start");
    kept_add(arrays, &state->basket_item, sizeof(uint32_t), state->n_basket, "learner.basket_item");
    kept_add(arrays, &state->basket_last, sizeof(uint32_t), users, "learner.basket_last");
    add_similar(arrays, state, &state->to, "to");
    add_similar(arrays, state, &state->from, "from");
    for (size_t g = 0; g < state->groupings->n; g++)
        add_group(arrays, state, &state->group[g], g);
    signal_state_arrays(&state->signals, arrays);
    traits_arrays(&state->traits, state->n_users, arrays);
}

void feature_state_free(FeatureState *state)
{
    if (!state)
        return;
    KeptArrays arrays = {0};
    feature_state_arrays(state, &arrays);
    kept_free(&arrays);
    g_free(state);
}
