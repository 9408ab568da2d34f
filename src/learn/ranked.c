#include "ranked.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "math/parallel.h"
#include "ranked_booster.h"
#include "ranked_groups.h"
#include "ranked_lessons.h"
#include "ranked_model.h"

#define HORIZON_DAYS 30

/* A candidate's probability is at least the first, everything else at most the second. */
#define CANDIDATE_MIN 2e-6f
#define REST_MAX      1e-6f

static float probability(float sum)
{
    return MAX(forest_probability(sum), CANDIDATE_MIN);
}

/* What a list takes anyway is kept for score_items, which asks for it of every user. */
static void keep_places(const Ranked *ranked, uint32_t user, const Desk *desk)
{
    size_t width = (size_t)ranked->recallers->n * PLACES;
    if (!ranked->placed || atomic_load_explicit(&ranked->placed[user], memory_order_acquire))
        return;
    memcpy(ranked->place + user * width, desk->place, width * sizeof(float));
    atomic_store_explicit(&ranked->placed[user], 1, memory_order_release);
}

/* Describes `n` items of the user last proposed to and adds up their leaves. */
static bool sum_leaves(const Ranked *ranked, Desk *desk, uint32_t user, uint32_t row,
                       const uint32_t *items, uint32_t n, float *sums, GError **error)
{
    uint32_t n_features = features_count(ranked->state, ranked->recallers->n);
    g_autofree float *features = kept_new0((uint64_t)n * n_features, sizeof *features, error);
    if (!features)
        return false;
    desk_describe(desk, ranked->recallers, ranked->state, user, row, items, n, features);
    forest_sum(ranked->forest, features, n, n_features, sums);
    return true;
}

/* Fills one row of a tile for the user in row `row` of the desk. */
static bool rank_user(const Ranked *ranked, Desk *desk, uint32_t user, uint32_t row, float *scores,
                      GError **error)
{
    if (!desk_propose(desk, ranked->recallers, ranked->state, user, row, error))
        return false;
    keep_places(ranked, user, desk);
    g_autofree float *sums = kept_new0(desk->n, sizeof *sums, error);
    if (!sums || !sum_leaves(ranked, desk, user, row, desk->item, desk->n, sums, error))
        return false;
    memcpy(scores, ranked->rest, ranked->fitted.n_items * sizeof *scores);
    for (uint32_t i = 0; i < desk->n; i++)
        scores[desk->item[i]] = probability(sums[i]);
    return true;
}

static bool rank_block(const Ranked *ranked, Desk *desk, const uint32_t *users, uint32_t n,
                       float *tile, GError **error)
{
    if (!desk_score(desk, ranked->recallers, users, n, error))
        return false;
    for (uint32_t u = 0; u < n; u++) {
        if (!rank_user(ranked, desk, users[u], u, tile + (size_t)u * ranked->fitted.n_items, error))
            return false;
    }
    return true;
}

static bool ranked_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                               GError **error)
{
    const Ranked *ranked = (const Ranked *)fitted;
    Desk *desk = desks_new(fitted->n_items, ranked->longest_history,
                           MIN(n, desk_users(fitted->n_items)), 1, error);
    bool good = desk != NULL;
    for (uint32_t from = 0; from < n && good; from += desk->n_users)
        good = rank_block(ranked, desk, users + from, MIN(desk->n_users, n - from),
                          tile + (size_t)from * fitted->n_items, error);
    desks_free(desk, 1);
    return good;
}

static bool ranked_score_pairs(const Fitted *fitted, uint32_t user, const uint32_t *items,
                               uint32_t n, float *scores, GError **error)
{
    const Ranked *ranked = (const Ranked *)fitted;
    Desk *desk = desks_new(fitted->n_items, ranked->longest_history, 1, 1, error);
    bool good = desk && desk_score(desk, ranked->recallers, &user, 1, error) &&
                desk_propose(desk, ranked->recallers, ranked->state, user, 0, error) &&
                sum_leaves(ranked, desk, user, 0, items, n, scores, error);
    for (uint32_t i = 0; i < n && good; i++)
        scores[i] = probability(scores[i]);
    desks_free(desk, 1);
    return good;
}

typedef struct Placing {
    const Ranked *ranked;
    Desk *desks;
} Placing;

static bool place_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Placing *placing = context;
    const Ranked *ranked = placing->ranked;
    Desk *desk = &placing->desks[worker];
    uint32_t users[DESK_USERS_MAX] = {0}, n = 0;
    for (uint64_t user = begin; user < end; user++) {
        if (!atomic_load(&ranked->placed[user]))
            users[n++] = (uint32_t)user;
    }
    if (!desk_score(desk, ranked->recallers, users, n, error))
        return false;
    for (uint32_t u = 0; u < n; u++) {
        if (!desk_propose(desk, ranked->recallers, ranked->state, users[u], u, error))
            return false;
        keep_places(ranked, users[u], desk);
    }
    return true;
}

/* Places of users whose list nobody asked for. */
static bool place_others(const Ranked *ranked, GError **error)
{
    unsigned threads = parallel_threads(ranked->threads);
    uint32_t block = desk_users(ranked->fitted.n_items);
    Placing placing = {
        ranked, desks_new(ranked->fitted.n_items, ranked->longest_history, block, threads, error)};
    bool good = placing.desks && parallel_for(ranked->fitted.n_users, block, threads, place_block,
                                              &placing, NULL, error);
    desks_free(placing.desks, threads);
    return good;
}

static bool find_places(Ranked *ranked, GError **error)
{
    pthread_mutex_lock(&ranked->placing);
    bool good = !ranked->placed || ranked->is_placed || place_others(ranked, error);
    ranked->is_placed = good;
    pthread_mutex_unlock(&ranked->placing);
    return good;
}

#define USER_BLOCK 256u

/* Scratch for one product and all users. */
typedef struct Audience {
    float *score;   /* recallers × n_users */
    float *similar; /* n_items */
    float features[USER_BLOCK * FEATURES_MAX];
    float sums[USER_BLOCK];
} Audience;

static void audience_free(Audience *audience)
{
    g_free(audience->score);
    g_free(audience->similar);
    g_free(audience);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Audience, audience_free)

static Audience *audience_new(const Ranked *ranked, GError **error)
{
    g_autoptr(Audience) audience = g_new0(Audience, 1);
    audience->similar = kept_new0(ranked->fitted.n_items, sizeof(float), error);
    audience->score =
        kept_new0((uint64_t)ranked->recallers->n * ranked->fitted.n_users, sizeof(float), error);
    if (!audience->similar || !audience->score)
        return NULL;
    return g_steal_pointer(&audience);
}

static void write_row(const Ranked *ranked, const Audience *audience, uint32_t user, uint32_t item,
                      float *out)
{
    const Recallers *recallers = ranked->recallers;
    float recalled[2 * RECALLERS_MAX];
    for (uint32_t r = 0; r < recallers->n; r++) {
        const float *place = ranked->place + ((size_t)user * recallers->n + r) * PLACES;
        size_t at = (size_t)r * ranked->fitted.n_users + user;
        float score = recallers->fitted[r] ? audience->score[at] : NAN;
        recall_features(place, score, recalled + 2 * r);
    }
    Affinity affinity = features_item_affinity(ranked->state, user, audience->similar);
    features_write(ranked->state, user, item, &affinity, recalled, recallers->n, out);
}

/* Adds to every user's score the probability of one product. */
static bool add_item(const Ranked *ranked, uint32_t item, Audience *audience, float *scores,
                     GError **error)
{
    const FeatureState *state = ranked->state;
    uint32_t n_features = features_count(state, ranked->recallers->n);
    for (uint32_t r = 0; r < ranked->recallers->n; r++) {
        const Fitted *fitted = ranked->recallers->fitted[r];
        float *score = audience->score + (size_t)r * ranked->fitted.n_users;
        if (fitted && !fitted->learner->score_items(fitted, &item, 1, score, error))
            return false;
    }
    for (uint64_t e = state->from.start[item]; e < state->from.start[item + 1]; e++)
        audience->similar[state->from.item[e]] = state->from.value[e];
    for (uint32_t from = 0; from < state->n_users; from += USER_BLOCK) {
        uint32_t n = MIN(USER_BLOCK, state->n_users - from);
        for (uint32_t u = 0; u < n; u++)
            write_row(ranked, audience, from + u, item, audience->features + u * n_features);
        forest_sum(ranked->forest, audience->features, n, n_features, audience->sums);
        for (uint32_t u = 0; u < n; u++)
            scores[from + u] += probability(audience->sums[u]);
    }
    for (uint64_t e = state->from.start[item]; e < state->from.start[item + 1]; e++)
        audience->similar[state->from.item[e]] = 0;
    return true;
}

static bool ranked_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n,
                               float *scores, GError **error)
{
    const Ranked *ranked = (const Ranked *)fitted;
    g_autoptr(Audience) audience = audience_new(ranked, error);
    if (!audience || !find_places((Ranked *)ranked, error))
        return false;
    memset(scores, 0, fitted->n_users * sizeof *scores);
    for (uint32_t i = 0; i < n; i++) {
        if (!add_item(ranked, items[i], audience, scores, error))
            return false;
    }
    return true;
}

/* Popularity, scaled below every candidate. */
static bool find_rest(Ranked *ranked, GError **error)
{
    uint32_t n_items = ranked->fitted.n_items;
    ranked->rest = kept_new0(n_items, sizeof *ranked->rest, error);
    if (!ranked->rest)
        return false;
    float most = 1;
    for (uint32_t item = 0; item < n_items; item++)
        most = MAX(most, ranked->state->item[(size_t)item * ITEM_FEATURES + ITEM_BUYERS]);
    for (uint32_t item = 0; item < n_items; item++)
        ranked->rest[item] =
            ranked->state->item[(size_t)item * ITEM_FEATURES + ITEM_BUYERS] / most * REST_MAX;
    return true;
}

/* Of nobody yet. */
static bool expect_places(Ranked *ranked, GError **error)
{
    uint64_t n = (uint64_t)ranked->fitted.n_users * ranked->recallers->n * PLACES;
    ranked->place = kept_new0(n, sizeof(float), error);
    ranked->placed = (_Atomic uint8_t *)kept_new0(ranked->fitted.n_users, 1, error);
    return ranked->place && ranked->placed;
}

/* What is served from: everything as of the moment asked for. */
static bool describe_present(Ranked *ranked, const Dataset *view, const FitContext *context,
                             GError **error)
{
    StateOptions how = {.as_of = context->as_of,
                        .raw = context->raw,
                        .groupings = ranked->groupings,
                        .signals = context->signals,
                        .has_traits = true,
                        .threads = context->threads,
                        .cancel = context->cancel};
    ranked->state = feature_state_new(view, &how, error);
    if (!ranked->state)
        return false;
    ranked->longest_history = feature_state_longest(ranked->state);
    return expect_places(ranked, error) && find_rest(ranked, error);
}

static bool learn(Ranked *ranked, const Dataset *source, const FitContext *context,
                  const LessonOptions *options, GError **error)
{
    g_autoptr(Lessons) lessons = lessons_new(source, context, options, error);
    if (!lessons)
        return false;
    g_assert(lessons->n_features <= FEATURES_MAX);
    ranked->n_windows = options->n_windows;
    ranked->n_lessons = lessons->n_rows;
    ranked->n_bought = lessons->n_bought;
    ranked->gain = kept_new0(lessons->n_features, sizeof(float), error);
    if (!ranked->gain)
        return false;
    ranked->forest = booster_learn(lessons, &booster_defaults, context, ranked->gain, error);
    return ranked->forest != NULL;
}

static Fitted *ranked_fit(const Dataset *view, const FitContext *context, GError **error)
{
    LessonOptions options = {.horizon = context->horizon > 0 ? context->horizon
                                                             : HORIZON_DAYS * US_PER_DAY};
    options.n_windows = lessons_windows(view, context->as_of, &options.horizon);
    options.by_lot = options.n_windows == 0;
    options.n_windows = MAX(options.n_windows, 1);
    Ranked *ranked = ranked_new(view->n_users, view->n_items);
    g_autoptr(Fitted) fitted = &ranked->fitted;
    ranked->threads = context->threads;
    ranked->groupings = groupings_new(view, error);
    options.groupings = ranked->groupings;
    if (!ranked->groupings ||
        !learn(ranked, context->raw ? context->raw : view, context, &options, error) ||
        !(ranked->recallers = recallers_fit(view, context, error)) ||
        !describe_present(ranked, view, context, error))
        return NULL;
    return g_steal_pointer(&fitted);
}

static void ranked_describe(const Fitted *fitted, JsonWriter *writer)
{
    const Ranked *ranked = (const Ranked *)fitted;
    json_named_number(writer, "windows", ranked->n_windows);
    json_named_number(writer, "pairs_learned_from", (double)ranked->n_lessons);
    json_named_number(writer, "purchases_learned_from", (double)ranked->n_bought);
    json_named_number(writer, "trees", ranked->forest->n_trees);
    json_key(writer, "importance");
    json_begin_object(writer);
    uint32_t n_features = features_count(ranked->state, ranked->recallers->n);
    double all = 0;
    for (uint32_t f = 0; f < n_features; f++)
        all += ranked->gain[f];
    for (uint32_t f = 0; f < n_features; f++) {
        g_autofree char *name = features_name(ranked->state, ranked->recallers->name, f);
        json_named_number(writer, name, all > 0 ? ranked->gain[f] / all : 0);
    }
    json_end_object(writer);
}

static uint64_t ranked_kept_bytes(const FitSize *size)
{
    uint64_t pair = sizeof(PairFacts) + (3 + 3 * GROUPINGS_MAX) * sizeof(uint32_t);
    uint64_t user = sizeof(float) * (USER_FEATURES + TRAITS_MAX + RECALLERS_MAX * PLACES) +
                    sizeof(uint64_t) * (2 + GROUPINGS_MAX) +
                    size->n_signals * (SIGNAL_USER_FACTS * sizeof(float) + sizeof(uint64_t));
    uint64_t item = sizeof(float) * (ITEM_FEATURES + GROUPINGS_MAX) + 600 * sizeof(uint32_t);
    return recallers_kept_bytes(size) + size->rows * pair + size->n_users * user +
           size->n_items * item;
}

static uint64_t ranked_fit_bytes(const FitSize *size)
{
    /* the rows of a window, then the lessons of all */
    uint64_t view = size->rows * 8 * sizeof(uint32_t);
    return ranked_kept_bytes(size) + recallers_fit_bytes(size) + view + lessons_bytes(size) +
           parallel_threads(size->threads) * desk_bytes(size->n_items);
}

const Learner learner_ranked = {
    .name = "ranked",
    .title = "Learned ranker over recallers",
    .paper = "Covington, Adams, Sargin: Deep Neural Networks for YouTube Recommendations, RecSys "
             "2016 (two stages); Chen, Guestrin: XGBoost: A Scalable Tree Boosting System, KDD "
             "2016",
    .is_baseline = false,
    .is_personal = true,
    .is_probability = true,
    .candidate_min = CANDIDATE_MIN,
    .fit = ranked_fit,
    .score_users = ranked_score_users,
    .score_items = ranked_score_items,
    .score_pairs = ranked_score_pairs,
    .save = ranked_save,
    .load = ranked_load,
    .describe = ranked_describe,
    .importance = ranked_importance,
    .fit_bytes = ranked_fit_bytes,
    .spare_bytes = lessons_spare_bytes,
    .kept_bytes = ranked_kept_bytes,
    .free = ranked_free,
};
