#include "ranked_booster.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <xgboost/c_api.h>

#include "base/error.h"
#include "math/parallel.h"

/* Rounds between looks at the held-out loss. */
#define ROUNDS_EACH  5u
/* Boosters that one thread learns, one after the other, from the same quantised lessons. */
#define MEMBERS_EACH 2u

const BoosterParams booster_defaults = {
    .depth = 6,
    .rounds = 600,
    .patience = 20,
    .rate = 0.1,
    .min_child_weight = 10,
    .subsample = 0.4,
    .columns = 0.5,
    .lambda = 5,
    .bins = 64,
    .boosters = 4,
};

/* Hands the lessons to the library block by block. */
typedef struct Feed {
    const GArray *lessons;
    uint32_t n_features;
    guint next;
    DMatrixHandle proxy;
} Feed;

typedef struct Booster {
    DMatrixHandle taught; /* somebody else's */
    BoosterHandle handle;
    float *held_sum; /* per row of the held lessons, in their order: leaves so far */
} Booster;

static void booster_clear(Booster *booster)
{
    if (booster->handle)
        XGBoosterFree(booster->handle);
    g_free(booster->held_sum);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Booster, booster_clear)

static bool worked(int status, GError **error)
{
    if (status == 0)
        return true;
    const char *reason = XGBGetLastError();
    bool is_memory = strstr(reason, "bad_alloc") != NULL;
    error_set(error, is_memory ? ERR_NO_MEMORY : ERR_INTERNAL, "learning the ranker failed: %.200s",
              reason);
    return false;
}

static void rewind_feed(DataIterHandle handle)
{
    ((Feed *)handle)->next = 0;
}

/* The library's way of naming rows in our memory. */
static void name_rows(const Lesson *lesson, uint32_t n_features, char text[160])
{
    snprintf(text, 160,
             "{\"data\": [%zu, true], \"shape\": [%u, %u], \"typestr\": \"<f4\", \"version\": 3}",
             (size_t)(void *)lesson->features, lesson->n, n_features);
}

static int feed_next(DataIterHandle handle)
{
    Feed *feed = handle;
    if (feed->next >= feed->lessons->len)
        return 0;
    const Lesson *lesson = &g_array_index(feed->lessons, Lesson, feed->next++);
    char rows[160];
    name_rows(lesson, feed->n_features, rows);
    bool fed = XGProxyDMatrixSetDataDense(feed->proxy, rows) == 0 &&
               XGDMatrixSetDenseInfo(feed->proxy, "label", lesson->label, lesson->n, 1) == 0 &&
               XGDMatrixSetDenseInfo(feed->proxy, "weight", lesson->weight, lesson->n, 1) == 0;
    return fed ? 1 : -1;
}

/* Quantised on the way in: a byte per feature stays of a row. For XGDMatrixFree(). */
static DMatrixHandle quantise(const Lessons *lessons, const BoosterParams *params, GError **error)
{
    DMatrixHandle taught = NULL;
    Feed feed = {.lessons = lessons->taught, .n_features = lessons->n_features};
    char config[96];
    if (!worked(XGProxyDMatrixCreate(&feed.proxy), error))
        return NULL;
    snprintf(config, sizeof config, "{\"missing\": NaN, \"nthread\": 1, \"max_bin\": %u}",
             params->bins);
    bool good = worked(XGQuantileDMatrixCreateFromCallback(&feed, feed.proxy, NULL, rewind_feed,
                                                           feed_next, config, &taught),
                       error);
    XGDMatrixFree(feed.proxy);
    return good ? taught : NULL;
}

static bool set_number(Booster *booster, const char *name, double value, GError **error)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(text, sizeof text, "%.9g", value);
    return worked(XGBoosterSetParam(booster->handle, name, text), error);
}

static bool configure(Booster *booster, const BoosterParams *params, uint64_t seed, GError **error)
{
    static const struct {
        const char *name, *value;
    } texts[] = {
        {"tree_method", "hist"},    {"objective", "binary:logistic"},
        {"eval_metric", "logloss"}, {"base_score", "0.5"},
        {"verbosity", "0"},
    };
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"max_depth", params->depth},
        {"eta", params->rate},
        {"min_child_weight", params->min_child_weight},
        {"subsample", params->subsample},
        {"colsample_bytree", params->columns},
        {"lambda", params->lambda},
        {"max_bin", params->bins},
        {"nthread", 1},
        {"seed", (double)(seed & INT32_MAX)},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!worked(XGBoosterSetParam(booster->handle, texts[i].name, texts[i].value), error))
            return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!set_number(booster, numbers[i].name, numbers[i].value, error))
            return false;
    }
    return true;
}

static bool booster_init(Booster *booster, const Lessons *lessons, GError **error)
{
    uint64_t n_held = 0;
    for (guint i = 0; i < lessons->held->len; i++)
        n_held += g_array_index(lessons->held, Lesson, i).n;
    booster->held_sum = kept_new0(n_held, sizeof(float), error);
    return booster->held_sum &&
           worked(XGBoosterCreate(&booster->taught, 1, &booster->handle), error);
}

/* Adds the leaves of the trees from `round` on for the rows of one lesson. */
static bool add_leaves(Booster *booster, uint32_t round, const Lesson *lesson, uint32_t n_features,
                       float *sums, GError **error)
{
    char rows[160], config[192];
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *leaves;
    name_rows(lesson, n_features, rows);
    /* type 1: the sum of leaves itself */
    snprintf(config, sizeof config,
             "{\"type\": 1, \"training\": false, \"iteration_begin\": %u, \"iteration_end\": %u, "
             "\"strict_shape\": false, \"missing\": NaN, \"cache_id\": 0}",
             round, round + ROUNDS_EACH);
    if (!worked(XGBoosterPredictFromDense(booster->handle, rows, config, NULL, &shape, &dimensions,
                                          &leaves),
                error))
        return false;
    for (uint32_t r = 0; r < lesson->n; r++)
        sums[r] += leaves[r];
    return true;
}

static double log_loss(const Lesson *lesson, const float *sums)
{
    double loss = 0;
    for (uint32_t r = 0; r < lesson->n; r++) {
        float wrong_way = lesson->label[r] > 0 ? -sums[r] : sums[r];
        loss += lesson->weight[r] * (MAX(wrong_way, 0) + log1pf(expf(-fabsf(wrong_way))));
    }
    return loss;
}

/* The loss of the held-out users, given that of before `round`. The library could tell it too, from
 * a copy of its own of their rows. */
static bool held_loss(Booster *booster, const Lessons *lessons, uint32_t round, double *loss,
                      GError **error)
{
    float *sums = booster->held_sum;
    *loss = 0;
    for (guint i = 0; i < lessons->held->len; i++) {
        const Lesson *lesson = &g_array_index(lessons->held, Lesson, i);
        if (!add_leaves(booster, round, lesson, lessons->n_features, sums, error))
            return false;
        *loss += log_loss(lesson, sums);
        sums += lesson->n;
    }
    return true;
}

static bool learn_rounds(Booster *booster, uint32_t round, const Cancel *cancel, GError **error)
{
    for (uint32_t end = round + ROUNDS_EACH; round < end; round++) {
        if (!cancel_check(cancel, error) ||
            !worked(XGBoosterUpdateOneIter(booster->handle, (int)round, booster->taught), error))
            return false;
    }
    return true;
}

/* *best: the rounds after which the held-out loss was least. */
static bool boost(Booster *booster, const Lessons *lessons, const BoosterParams *params,
                  const Cancel *cancel, uint32_t *best, GError **error)
{
    double loss, least = INFINITY;
    *best = 1;
    for (uint32_t round = 0; round < params->rounds && round < *best + params->patience;
         round += ROUNDS_EACH) {
        if (!learn_rounds(booster, round, cancel, error) ||
            !held_loss(booster, lessons, round, &loss, error))
            return false;
        if (loss < least) {
            least = loss;
            *best = round + ROUNDS_EACH;
        }
    }
    return true;
}

static bool read_gain(Booster *booster, float *gain, GError **error)
{
    bst_ulong n, dimension;
    const bst_ulong *shape;
    const char **names;
    const float *scores;
    if (!worked(XGBoosterFeatureScore(booster->handle, "{\"importance_type\": \"total_gain\"}", &n,
                                      &names, &dimension, &shape, &scores),
                error))
        return false;
    for (bst_ulong i = 0; i < n; i++)
        gain[g_ascii_strtoull(names[i] + 1, NULL, 10)] += scores[i]; /* "f12" */
    return true;
}

static Forest *read_forest(Booster *booster, uint32_t n_trees, GError **error)
{
    bst_ulong n;
    const char **trees;
    if (!worked(XGBoosterDumpModelEx(booster->handle, "", 0, "text", &n, &trees), error))
        return NULL;
    Forest *forest = forest_parse(trees, (uint32_t)MIN(n, n_trees), error);
    if (forest)
        forest_send_missing_left(forest); /* as LESSON_MISSING went */
    return forest;
}

/* One of the boosters. */
typedef struct Member {
    Forest *forest;
    float gain[FEATURES_MAX];
} Member;

typedef struct Committee {
    const Lessons *lessons;
    const BoosterParams *params;
    uint64_t seed;
    const Cancel *cancel;
    Member *member;
} Committee;

static void committee_clear(Committee *committee)
{
    for (unsigned b = 0; b < committee->params->boosters; b++)
        forest_free(committee->member[b].forest);
    g_free(committee->member);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Committee, committee_clear)

static bool learn_member(Committee *committee, unsigned number, DMatrixHandle taught,
                         GError **error)
{
    g_auto(Booster) booster = {.taught = taught};
    Member *member = &committee->member[number];
    uint32_t best;
    if (!booster_init(&booster, committee->lessons, error) ||
        !configure(&booster, committee->params, committee->seed + number, error) ||
        !boost(&booster, committee->lessons, committee->params, committee->cancel, &best, error) ||
        !read_gain(&booster, member->gain, error))
        return false;
    member->forest = read_forest(&booster, best, error);
    return member->forest != NULL;
}

static bool learn_members(void *context, uint64_t begin, uint64_t end, unsigned worker,
                          GError **error)
{
    Committee *committee = context;
    DMatrixHandle taught = quantise(committee->lessons, committee->params, error);
    bool good = taught != NULL;
    for (uint64_t number = begin; number < end && good; number++)
        good = learn_member(committee, (unsigned)number, taught, error);
    if (taught)
        XGDMatrixFree(taught);
    return good;
}

Forest *booster_learn(const Lessons *lessons, const BoosterParams *params,
                      const FitContext *context, float *gain, GError **error)
{
    g_auto(Committee) committee = {.lessons = lessons,
                                   .params = params,
                                   .seed = context->seed,
                                   .cancel = context->cancel,
                                   .member = g_new0(Member, params->boosters)};
    if (!parallel_for(params->boosters, MEMBERS_EACH, context->threads, learn_members, &committee,
                      context->cancel, error))
        return NULL;
    g_autoptr(Forest) forest = g_new0(Forest, 1);
    for (unsigned b = 0; b < params->boosters; b++) {
        forest_join(forest, committee.member[b].forest, 1 / (float)params->boosters);
        for (uint32_t f = 0; f < lessons->n_features; f++)
            gain[f] += committee.member[b].gain[f];
    }
    forest_prepare(forest);
    return g_steal_pointer(&forest);
}
