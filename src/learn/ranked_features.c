#include "ranked_features.h"

#include <math.h>
#include <string.h>

#include "ranked_recall.h"

enum {
    CROSS_PRICE,
    CROSS_NICHE,
    CROSS_NEWER,
    CROSS_WEEKEND,
    CROSS_LAST_SIMILAR,
    CROSS_LATELY_SIMILAR,
    CROSS_FEATURES
};

enum {
    PAIR_VISITS,
    PAIR_LAST,
    PAIR_FIRST,
    PAIR_QUANTITY,
    PAIR_DECAYED_30,
    PAIR_DECAYED_120,
    PAIR_GAP,
    PAIR_LAST_GAP,
    PAIR_SHARE,
    PAIR_FEATURES
};

enum { GROUP_WEIGHT, GROUP_LIFT, GROUP_LAST, GROUP_FEATURES };

static const char *const NAMES[] = {
    "pair.visits",
    "pair.days_since_last",
    "pair.days_since_first",
    "pair.quantity",
    "pair.decayed_30",
    "pair.decayed_120",
    "pair.gap",
    "pair.last_by_gap",
    "pair.visit_share",
    "user.visits",
    "user.products",
    "user.days_since_visit",
    "user.age",
    "user.gap",
    "user.since_by_gap",
    "user.visits_30",
    "user.visits_90",
    "user.basket",
    "user.repeats",
    "user.price",
    "user.price_spread",
    "user.quantity",
    "user.returns",
    "user.promotions",
    "user.weekend",
    "user.visits_year_ago",
    "product.buyers",
    "product.lines",
    "product.repeaters",
    "product.rows_7",
    "product.rows_14",
    "product.rows_30",
    "product.rows_60",
    "product.rows_90",
    "product.trend_7",
    "product.trend_30",
    "product.age",
    "product.days_since_sale",
    "product.gap",
    "product.price",
    "product.price_change",
    "product.returns",
    "product.quantity",
    "product.weekend",
    "product.rows_year_ago",
    "both.price_difference",
    "both.price_in_spreads",
    "both.newer_than_visit",
    "both.weekend_difference",
    "both.similar_to_last",
    "both.similar_to_lately",
};

#define FIXED_FEATURES (PAIR_FEATURES + USER_FEATURES + ITEM_FEATURES + CROSS_FEATURES)
G_STATIC_ASSERT(G_N_ELEMENTS(NAMES) == FIXED_FEATURES);

uint32_t features_count(const FeatureState *state, uint32_t n_recallers)
{
    return (uint32_t)(FIXED_FEATURES + GROUP_FEATURES * state->groupings->n +
                      SIGNAL_FEATURES * state->signals.n + state->traits.n + 2 * n_recallers);
}

uint32_t features_most(uint32_t n_signals)
{
    return (uint32_t)(FIXED_FEATURES + GROUP_FEATURES * GROUPINGS_MAX +
                      SIGNAL_FEATURES * n_signals + TRAITS_MAX + 2 * RECALLERS_MAX);
}

char *features_name(const FeatureState *state, const char *const *recallers, uint32_t feature)
{
    static const char *const of_group[] = {"weight", "lift", "days_since_last"};
    if (feature < FIXED_FEATURES)
        return g_strdup(NAMES[feature]);
    feature -= FIXED_FEATURES;
    if (feature < GROUP_FEATURES * state->groupings->n)
        return g_strdup_printf("%s.%s", state->groupings->grouping[feature / GROUP_FEATURES].name,
                               of_group[feature % GROUP_FEATURES]);
    feature -= (uint32_t)(GROUP_FEATURES * state->groupings->n);
    if (feature < SIGNAL_FEATURES * state->signals.n)
        return signal_feature_name(&state->signals, feature);
    feature -= SIGNAL_FEATURES * state->signals.n;
    if (feature < state->traits.n)
        return g_strdup_printf("customer.%s", state->traits.name[feature]);
    feature -= state->traits.n;
    return g_strdup_printf("%s.%s", recallers[feature / 2], feature % 2 ? "place" : "score");
}

FeatureFamily features_family(const FeatureState *state, uint32_t feature, uint32_t *number)
{
    uint32_t first_group = FIXED_FEATURES;
    uint32_t first_signal = first_group + (uint32_t)(GROUP_FEATURES * state->groupings->n);
    uint32_t first_trait = first_signal + SIGNAL_FEATURES * state->signals.n;
    uint32_t first_recaller = first_trait + state->traits.n;
    *number = 0;
    if (feature < PAIR_FEATURES)
        return FAMILY_HISTORY;
    if (feature < PAIR_FEATURES + USER_FEATURES)
        return FAMILY_USER;
    if (feature < PAIR_FEATURES + USER_FEATURES + ITEM_FEATURES)
        return FAMILY_PRODUCT;
    if (feature < FIXED_FEATURES)
        return FAMILY_MATCH;
    if (feature < first_signal) {
        *number = (feature - first_group) / GROUP_FEATURES;
        return FAMILY_GROUP;
    }
    if (feature < first_trait) {
        *number = (feature - first_signal) / SIGNAL_FEATURES;
        return FAMILY_SIGNAL;
    }
    if (feature < first_recaller) {
        *number = feature - first_trait;
        return FAMILY_TRAIT;
    }
    *number = (feature - first_recaller) / 2;
    return FAMILY_RECALLER;
}

static void write_pair(const FeatureState *state, uint32_t user, uint32_t item, float *out)
{
    uint64_t end = state->pair_start[user + 1];
    uint64_t at = state_find(state->pair_item, state->pair_start[user], end, item);
    for (size_t f = 0; f < PAIR_FEATURES; f++)
        out[f] = NAN;
    out[PAIR_VISITS] = out[PAIR_DECAYED_30] = out[PAIR_DECAYED_120] = 0;
    if (at == end)
        return;
    const PairFacts *pair = &state->pair[at];
    out[PAIR_VISITS] = pair->visits;
    out[PAIR_LAST] = pair->last;
    out[PAIR_FIRST] = pair->first;
    out[PAIR_QUANTITY] = pair->log_quantity;
    out[PAIR_DECAYED_30] = pair->decayed_30;
    out[PAIR_DECAYED_120] = pair->decayed_120;
    if (pair->visits > 1) {
        out[PAIR_GAP] = (pair->first - pair->last) / (pair->visits - 1);
        out[PAIR_LAST_GAP] = pair->last / (out[PAIR_GAP] + 1);
    }
    out[PAIR_SHARE] = pair->visits / state->user[(size_t)user * USER_FEATURES + USER_VISITS];
}

static void write_cross(const float *user, const float *item, const Affinity *affinity, float *out)
{
    out[CROSS_PRICE] = item[ITEM_PRICE] - user[USER_PRICE];
    out[CROSS_NICHE] = fabsf(out[CROSS_PRICE]) / (user[USER_PRICE_SPREAD] + 0.1f);
    out[CROSS_NEWER] = user[USER_SINCE] - item[ITEM_AGE];
    out[CROSS_WEEKEND] = item[ITEM_WEEKEND] - user[USER_WEEKEND];
    out[CROSS_LAST_SIMILAR] = affinity->last;
    out[CROSS_LATELY_SIMILAR] = affinity->lately;
}

static void write_group(const GroupFacts *facts, uint32_t user, uint32_t group, float *out)
{
    out[GROUP_WEIGHT] = group == IDS_NONE ? NAN : 0;
    out[GROUP_LIFT] = out[GROUP_LAST] = NAN;
    if (group == IDS_NONE)
        return;
    uint64_t end = facts->start[user + 1];
    uint64_t at = state_find(facts->group, facts->start[user], end, group);
    float share = expf(facts->log_share[group]);
    if (at < end) {
        out[GROUP_WEIGHT] = facts->weight[at];
        out[GROUP_LAST] = facts->last[at];
    }
    out[GROUP_LIFT] =
        logf((out[GROUP_WEIGHT] + share) / (facts->total[user] + 1)) - facts->log_share[group];
}

void features_write(const FeatureState *state, uint32_t user, uint32_t item,
                    const Affinity *affinity, const float *recalled, uint32_t n_recallers,
                    float *out)
{
    const float *user_facts = state->user + (size_t)user * USER_FEATURES;
    const float *item_facts = state->item + (size_t)item * ITEM_FEATURES;
    write_pair(state, user, item, out);
    out += PAIR_FEATURES;
    memcpy(out, user_facts, USER_FEATURES * sizeof *out);
    out += USER_FEATURES;
    memcpy(out, item_facts, ITEM_FEATURES * sizeof *out);
    out += ITEM_FEATURES;
    write_cross(user_facts, item_facts, affinity, out);
    out += CROSS_FEATURES;
    for (size_t g = 0; g < state->groupings->n; g++, out += GROUP_FEATURES)
        write_group(&state->group[g], user, state->groupings->grouping[g].group_of[item], out);
    signal_features_write(&state->signals, user, item, out);
    out += SIGNAL_FEATURES * state->signals.n;
    for (uint32_t t = 0; t < state->traits.n; t++)
        *out++ = state->traits.value[(size_t)user * state->traits.n + t];
    for (size_t r = 0; r < 2 * (size_t)n_recallers; r++)
        out[r] = recalled[r];
}

void features_user_affinity(const FeatureState *state, uint32_t user, Affinity *affinity)
{
    uint64_t begin = state->basket_start[user], last = begin + state->basket_last[user];
    for (uint64_t b = begin; b < state->basket_start[user + 1]; b++) {
        uint32_t bought = state->basket_item[b];
        for (uint64_t e = state->to.start[bought]; e < state->to.start[bought + 1]; e++) {
            Affinity *of_item = &affinity[state->to.item[e]];
            of_item->lately += state->to.value[e];
            of_item->last += b < last ? state->to.value[e] : 0;
        }
    }
}

void features_clear_user_affinity(const FeatureState *state, uint32_t user, Affinity *affinity)
{
    for (uint64_t b = state->basket_start[user]; b < state->basket_start[user + 1]; b++) {
        uint32_t bought = state->basket_item[b];
        for (uint64_t e = state->to.start[bought]; e < state->to.start[bought + 1]; e++)
            affinity[state->to.item[e]] = (Affinity){0, 0};
    }
}

Affinity features_item_affinity(const FeatureState *state, uint32_t user, const float *similar)
{
    Affinity affinity = {0, 0};
    uint64_t begin = state->basket_start[user], last = begin + state->basket_last[user];
    for (uint64_t b = begin; b < state->basket_start[user + 1]; b++) {
        float value = similar[state->basket_item[b]];
        affinity.lately += value;
        affinity.last += b < last ? value : 0;
    }
    return affinity;
}
