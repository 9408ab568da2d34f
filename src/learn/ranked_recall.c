#include "ranked_recall.h"

#include <math.h>
#include <string.h>

#include "als.h"
#include "base/error.h"
#include "content.h"
#include "item_knn.h"
#include "popularity.h"
#include "repeat.h"
#include "segments.h"
#include "slim.h"
#include "tifu_knn.h"
#include "transitions.h"
#include "trending.h"

/* Of one thread's scores. */
#define TILE_BYTES (UINT64_C(24) << 20)

static const Learner *const RECALLERS[] = {
    &learner_als,      &learner_slim,       &learner_item_knn, &learner_tifu_knn,
    &learner_repeat,   &learner_popularity, &learner_content,  &learner_transitions,
    &learner_segments, &learner_trending,
};
G_STATIC_ASSERT(G_N_ELEMENTS(RECALLERS) <= RECALLERS_MAX);

#define FIRST_PLACES 16u
#define QUANTUM      0x1p-13f
static const uint16_t PLACE[FIRST_PLACES] = {1,  2,  3,  4,  6,  8,   12,  16,
                                             24, 32, 48, 64, 96, 128, 192, PLACE_LAST};

const Learner *recallers_find(const char *name)
{
    for (size_t r = 0; r < G_N_ELEMENTS(RECALLERS); r++) {
        if (g_str_equal(RECALLERS[r]->name, name))
            return RECALLERS[r];
    }
    return NULL;
}

Recallers *recallers_fit(const Dataset *view, const FitContext *context, GError **error)
{
    g_autoptr(Recallers) recallers = g_new0(Recallers, 1);
    for (size_t r = 0; r < G_N_ELEMENTS(RECALLERS); r++) {
        g_autoptr(GError) failure = NULL;
        Fitted *fitted = RECALLERS[r]->fit(view, context, &failure);
        if (!fitted && error_code(failure) != ERR_INVALID) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
        recallers->name[r] = RECALLERS[r]->name;
        recallers->fitted[r] = fitted;
        recallers->n++;
    }
    return g_steal_pointer(&recallers);
}

static uint64_t kept_bytes(const Learner *learner, const FitSize *size)
{
    return learner->kept_bytes ? learner->kept_bytes(size) : learner->fit_bytes(size);
}

uint64_t recallers_kept_bytes(const FitSize *size)
{
    uint64_t bytes = 0;
    for (size_t r = 0; r < G_N_ELEMENTS(RECALLERS); r++)
        bytes += kept_bytes(RECALLERS[r], size);
    return bytes;
}

uint64_t recallers_fit_bytes(const FitSize *size)
{
    uint64_t most = 0;
    for (size_t r = 0; r < G_N_ELEMENTS(RECALLERS); r++) {
        uint64_t whole = RECALLERS[r]->fit_bytes(size), kept = kept_bytes(RECALLERS[r], size);
        most = MAX(most, whole - MIN(whole, kept));
    }
    return most;
}

void recallers_free(Recallers *recallers)
{
    if (!recallers)
        return;
    for (uint32_t r = 0; r < recallers->n; r++)
        fitted_free(recallers->fitted[r]);
    g_free(recallers);
}

uint32_t desk_users(uint32_t n_items)
{
    uint64_t row = MAX(n_items, 1) * sizeof(float) * RECALLERS_MAX;
    return (uint32_t)CLAMP(TILE_BYTES / row, 1, DESK_USERS_MAX);
}

uint64_t desk_bytes(uint32_t n_items)
{
    uint64_t items = MAX(n_items, 1);
    return items * (RECALLERS_MAX * desk_users(n_items) * sizeof(float) + 2 * sizeof(uint32_t) +
                    sizeof(Affinity));
}

static bool desk_init(Desk *desk, uint32_t n_items, uint64_t longest_history, uint32_t n_users,
                      GError **error)
{
    desk->n_users = n_users;
    for (uint32_t r = 0; r < RECALLERS_MAX; r++) {
        desk->tile[r] = kept_new0((uint64_t)desk->n_users * n_items, sizeof(float), error);
        if (!desk->tile[r])
            return false;
    }
    desk->bought = kept_new0(n_items, sizeof(uint32_t), error);
    desk->proposed = kept_new0(n_items, sizeof(uint32_t), error);
    desk->work = g_new(Scored, 2 * PLACE_LAST);
    desk->best = g_new(Scored, PLACE_LAST);
    desk->affinity = kept_new0(n_items, sizeof(Affinity), error);
    desk->item = kept_new0(2 * RECALLED * RECALLERS_MAX + longest_history, sizeof(uint32_t), error);
    return desk->bought && desk->proposed && desk->affinity && desk->item;
}

Desk *desks_new(uint32_t n_items, uint64_t longest_history, uint32_t n_users, unsigned threads,
                GError **error)
{
    Desk *desks = g_new0(Desk, threads);
    for (unsigned t = 0; t < threads; t++) {
        if (!desk_init(&desks[t], n_items, longest_history, n_users, error)) {
            desks_free(desks, threads);
            return NULL;
        }
    }
    return desks;
}

void desks_free(Desk *desks, unsigned threads)
{
    for (unsigned t = 0; desks && t < threads; t++) {
        for (uint32_t r = 0; r < RECALLERS_MAX; r++)
            g_free(desks[t].tile[r]);
        g_free(desks[t].bought);
        g_free(desks[t].proposed);
        g_free(desks[t].work);
        g_free(desks[t].best);
        g_free(desks[t].affinity);
        g_free(desks[t].item);
    }
    g_free(desks);
}

bool desk_score(Desk *desk, const Recallers *recallers, const uint32_t *users, uint32_t n,
                GError **error)
{
    for (uint32_t r = 0; r < recallers->n; r++) {
        const Fitted *fitted = recallers->fitted[r];
        if (fitted && !fitted->learner->score_users(fitted, users, n, desk->tile[r], error))
            return false;
    }
    return true;
}

static void propose(Desk *desk, uint32_t item)
{
    if (desk->proposed[item] == desk->stamp)
        return;
    desk->proposed[item] = desk->stamp;
    desk->item[desk->n++] = item;
}

/* Proposes the first RECALLED of the list that the user never bought; how many. */
static size_t propose_new(Desk *desk, const Scored *list, size_t n)
{
    size_t proposed = 0;
    for (size_t i = 0; i < n && proposed < RECALLED && list[i].score > 0; i++) {
        if (desk->bought[list[i].index] == desk->stamp)
            continue;
        propose(desk, list[i].index);
        proposed++;
    }
    return proposed;
}

/* When the history fills the list: once more with it left out. The row keeps its scores. */
static bool propose_below_history(Desk *desk, const FeatureState *state, uint32_t user, float *row,
                                  GError **error)
{
    uint64_t begin = state->pair_start[user], n = state->pair_start[user + 1] - begin;
    g_autofree float *held = kept_new0(n, sizeof *held, error);
    if (!held)
        return false;
    for (uint64_t p = 0; p < n; p++) {
        held[p] = row[state->pair_item[begin + p]];
        row[state->pair_item[begin + p]] = -INFINITY;
    }
    size_t found = topk_select(row, state->n_items, RECALLED, desk->work, desk->best);
    propose_new(desk, desk->best, found);
    for (uint64_t p = 0; p < n; p++)
        row[state->pair_item[begin + p]] = held[p];
    return true;
}

/* What a score may be off by where the user's best one is `best`: far more than the rounding of a
 * sum of products of a few hundred terms. 0 where that is not above 0. */
static float quantum_of(float best)
{
    uint32_t bits;
    memcpy(&bits, &best, sizeof bits);
    bits &= UINT32_C(0x7f800000); /* the power of two at or below it */
    float power;
    memcpy(&power, &bits, sizeof power);
    return best > 0 ? power * QUANTUM : 0;
}

/* A little below the scores themselves, so that those in doubt count as reached. */
static void find_places(const Scored *list, size_t n, float *place)
{
    float quantum = quantum_of(n > 0 ? list[0].score : 0);
    for (size_t p = 0; p < FIRST_PLACES; p++)
        place[p] = PLACE[p] <= n ? list[PLACE[p] - 1].score - quantum : 0;
}

/* The places far down, by every so many-th score: nothing there hangs on the exact place. */
static void find_far_places(Desk *desk, const float *row, uint32_t n_items, float *place)
{
    static const double shares[] = {1.0 / 8, 1.0 / 4, 1.0 / 2, 3.0 / 4};
    uint32_t step = n_items / PLACE_LAST + 1, n = 0;
    float quantum = quantum_of(place[0]);
    for (uint32_t item = 0; item < n_items; item += step, n++)
        desk->best[n] = (Scored){item, row[item]};
    topk_sort(desk->best, n);
    for (size_t s = 0; s < G_N_ELEMENTS(shares); s++) {
        float score = desk->best[(uint32_t)(shares[s] * n)].score - quantum;
        place[FIRST_PLACES + s] = MIN(score, place[FIRST_PLACES + s - 1]);
    }
}

static bool propose_of(Desk *desk, const FeatureState *state, uint32_t user, float *row,
                       float *place, GError **error)
{
    size_t n = topk_select(row, state->n_items, PLACE_LAST, desk->work, desk->best);
    find_places(desk->best, n, place);
    for (size_t i = 0; i < MIN(n, RECALLED) && desk->best[i].score > 0; i++)
        propose(desk, desk->best[i].index);
    bool is_whole = n < PLACE_LAST || desk->best[n - 1].score <= 0;
    if (propose_new(desk, desk->best, n) < RECALLED && !is_whole &&
        !propose_below_history(desk, state, user, row, error))
        return false;
    find_far_places(desk, row, state->n_items, place);
    return true;
}

/* What the user put into a cart or looked at, also when no recaller would bring it. */
static void propose_signals(Desk *desk, const SignalState *signals, uint32_t user)
{
    for (uint32_t s = 0; s < signals->n; s++) {
        const SignalFacts *facts = &signals->facts[s];
        for (uint64_t p = facts->start[user]; p < facts->start[user + (size_t)1]; p++)
            propose(desk, facts->item[p]);
    }
}

bool desk_propose(Desk *desk, const Recallers *recallers, const FeatureState *state, uint32_t user,
                  uint32_t row, GError **error)
{
    desk->n = 0;
    desk->stamp++;
    for (uint64_t p = state->pair_start[user]; p < state->pair_start[user + 1]; p++) {
        desk->bought[state->pair_item[p]] = desk->stamp;
        propose(desk, state->pair_item[p]);
    }
    propose_signals(desk, &state->signals, user);
    memset(desk->place, 0, sizeof desk->place);
    for (uint32_t r = 0; r < recallers->n; r++) {
        float *scores = desk->tile[r] + (size_t)row * state->n_items;
        if (recallers->fitted[r] && !propose_of(desk, state, user, scores, desk->place[r], error))
            return false;
    }
    return true;
}

static float place_of(const float *place, float score)
{
    uint32_t p = 0;
    if (!(score > 0))
        return PLACES;
    while (p < PLACES && score < place[p])
        p++;
    return (float)p;
}

void recall_features(const float *place, float score, float features[2])
{
    float quantum = quantum_of(place[0]);
    features[0] = quantum > 0 ? rintf(score / quantum) * quantum : score;
    features[1] = isnan(score) ? NAN : place_of(place, features[0]);
}

void desk_describe(Desk *desk, const Recallers *recallers, const FeatureState *state, uint32_t user,
                   uint32_t row, const uint32_t *items, uint32_t n, float *out)
{
    float recalled[2 * RECALLERS_MAX];
    uint32_t n_features = features_count(state, recallers->n);
    features_user_affinity(state, user, desk->affinity);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t r = 0; r < recallers->n; r++) {
            float score =
                recallers->fitted[r] ? desk->tile[r][(size_t)row * state->n_items + items[i]] : NAN;
            recall_features(desk->place[r], score, recalled + 2 * r);
        }
        features_write(state, user, items[i], &desk->affinity[items[i]], recalled, recallers->n,
                       out + (size_t)i * n_features);
    }
    features_clear_user_affinity(state, user, desk->affinity);
}
