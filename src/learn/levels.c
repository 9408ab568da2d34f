#include "learn/levels.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "levels_model.h"
#include "math/parallel.h"
#include "ranked_arrays.h"
#include "ranked_booster.h"

/* A fit learns from so many windows, the last of which ended when it speaks. */
#define WINDOWS    3u
/* Fits as of now, and one and two horizons before: to serve, for its calibration, and for the
 * calibration that the report judges. */
#define FITS       3u
#define EVENTS_MIN 100u
#define USER_BLOCK 256u

static const BoosterParams booster_params = {
    .depth = 5,
    .rounds = 120,
    .patience = 10,
    .rate = 0.15,
    .min_child_weight = 10,
    .subsample = 0.8,
    .columns = 0.5,
    .lambda = 5,
    .bins = 64,
    .boosters = 1,
};

/* Only what the calibration asks of a learner. */
static const Learner learner_levels = {.name = "levels", .is_probability = true};

/* One fit of values from start to end. */
typedef struct Fitting {
    const LevelsOptions *options;
    Values *values;
    Dataset *mapped;
    unsigned n_windows; /* window w is [as_of - w·horizon, as_of - (w - 1)·horizon), w from 1 */
    unsigned n_fits;
    Lessons *window[WINDOWS + FITS]; /* by w, 0 is none */
    Forest *forest[FITS];            /* as of as_of - f·horizon */
} Fitting;

static void fitting_clear(Fitting *fitting)
{
    for (unsigned w = 1; w <= fitting->n_windows; w++) {
        if (fitting->window[w])
            lessons_free(fitting->window[w]);
    }
    for (unsigned f = 0; f < FITS; f++)
        forest_free(fitting->forest[f]);
    values_free(fitting->values);
    dataset_unref(fitting->mapped);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fitting, fitting_clear)

static bool open_moment(const Fitting *fitting, unsigned w, LevelMoment *moment, GError **error)
{
    int64_t as_of = fitting->options->as_of - w * fitting->options->horizon;
    return level_moment_init(moment, fitting->values, fitting->mapped, as_of, w > 0,
                             fitting->options, error);
}

static bool teach(Fitting *fitting, GError **error)
{
    for (unsigned w = 1; w <= fitting->n_windows; w++) {
        g_auto(LevelMoment) moment = {0};
        if (!open_moment(fitting, w, &moment, error))
            return false;
        fitting->window[w] = level_lessons_new(&moment, fitting->options, error);
        if (!fitting->window[w])
            return false;
    }
    return true;
}

static bool is_enough(const Lessons *lessons)
{
    return lessons->n_bought >= EVENTS_MIN && lessons->taught->len > 0 && lessons->held->len > 0;
}

/* Stays NULL where too little was bought. */
static bool learn_forest(Fitting *fitting, unsigned f, GError **error)
{
    Lessons *windows[WINDOWS + 1] = {NULL};
    for (unsigned w = 0; w < WINDOWS && f + 1 + w <= fitting->n_windows; w++)
        windows[w] = fitting->window[f + 1 + w];
    g_autoptr(Lessons) lessons = level_lessons_join(windows);
    float gain[FEATURES_MAX] = {0};
    FitContext context = {
        .seed = fitting->options->seed, .threads = 1, .cancel = fitting->options->cancel};
    if (!is_enough(lessons))
        return true;
    fitting->forest[f] = booster_learn(lessons, &booster_params, &context, gain, error);
    return fitting->forest[f] != NULL;
}

static bool learn_forests(void *context, uint64_t begin, uint64_t end, unsigned worker,
                          GError **error)
{
    for (uint64_t f = begin; f < end; f++) {
        if (!learn_forest(context, (unsigned)f, error))
            return false;
    }
    return true;
}

static CalibrateMoment moment_of(const LevelMoment *moment, const Fitted *fitted)
{
    return (CalibrateMoment){fitted, moment->view, moment->scope, moment->targets};
}

static CalibrateOptions calibrating(const Fitting *fitting)
{
    const LevelsOptions *options = fitting->options;
    return (CalibrateOptions){.raw = fitting->mapped,
                              .horizon = options->horizon,
                              .seed = options->seed,
                              .threads = options->threads,
                              .cancel = options->cancel};
}

static bool aim(const Fitting *fitting, Calibration *calibration, const LevelMoment *moment,
                const Samples *samples, GError **error)
{
    Fitted fitted = {&learner_levels, moment->view->n_users, moment->view->n_items};
    CalibrateMoment when = moment_of(moment, &fitted);
    CalibrateOptions how = calibrating(fitting);
    return calibration_aim(calibration, &when, samples, &how, error);
}

static bool report_on(const Fitting *fitting, Calibration *calibration, const LevelMoment *moment,
                      const Samples *samples, char **report, GError **error)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    if (!aim(fitting, calibration, moment, samples, error) ||
        !level_report(calibration, fitting->values, moment, samples, &json, error))
        return false;
    *report = g_strdup(buffer_text(&text));
    return true;
}

/* The curves of fit f, as what was bought in the horizon after it shows. Where there are curves of
 * an earlier fit, these are judged by the same. */
static bool calibrate(const Fitting *fitting, unsigned f, Calibration *earlier,
                      Calibration **calibration, char **report, GError **error)
{
    g_auto(LevelMoment) moment = {0};
    *calibration = NULL;
    if (!fitting->forest[f])
        return true;
    if (!open_moment(fitting, f, &moment, error))
        return false;
    g_autoptr(Samples) samples =
        level_samples_new(&moment, fitting->forest[f], fitting->options, error);
    if (!samples)
        return false;
    if (earlier && !report_on(fitting, earlier, &moment, samples, report, error))
        return false;
    Fitted fitted = {&learner_levels, moment.view->n_users, moment.view->n_items};
    CalibrateMoment when = moment_of(&moment, &fitted);
    CalibrateOptions how = calibrating(fitting);
    return calibration_fit(&when, samples, &how, calibration, error);
}

/* The level model as of now. */
static bool finish(Fitting *fitting, Calibration **calibration, Levels **result, GError **error)
{
    g_auto(LevelMoment) moment = {0};
    if (!open_moment(fitting, 0, &moment, error))
        return false;
    g_autoptr(Samples) samples =
        level_samples_new(&moment, fitting->forest[0], fitting->options, error);
    if (!samples || !aim(fitting, *calibration, &moment, samples, error))
        return false;
    Levels *levels = g_new0(Levels, 1);
    levels->n_users = moment.view->n_users;
    levels->values = g_steal_pointer(&fitting->values);
    levels->facts = moment.facts;
    moment.facts = (LevelFacts){0};
    levels->forest = g_steal_pointer(&fitting->forest[0]);
    levels->calibration = g_steal_pointer(calibration);
    *result = levels;
    return true;
}

static bool fit_all(Fitting *fitting, Levels **levels, char **report, GError **error)
{
    g_autoptr(Calibration) earlier = NULL;
    g_autoptr(Calibration) latest = NULL;
    if (!teach(fitting, error) ||
        !parallel_for(fitting->n_fits, 1, fitting->options->threads, learn_forests, fitting,
                      fitting->options->cancel, error))
        return false;
    if (fitting->n_fits > 2 && !calibrate(fitting, 2, NULL, &earlier, report, error))
        return false;
    if (!calibrate(fitting, 1, earlier, &latest, report, error))
        return false;
    return !latest || !fitting->forest[0] || finish(fitting, &latest, levels, error);
}

/* Each window has at least a horizon of data before it. */
static unsigned count_windows(const Dataset *view, const LevelsOptions *options)
{
    if (view->rows.n == 0 || options->as_of <= view->first || options->horizon <= 0)
        return 0;
    int64_t horizons = (options->as_of - view->first) / options->horizon;
    return (unsigned)CLAMP(horizons - 1, 0, WINDOWS + FITS - 1);
}

bool levels_fit(const Dataset *raw, const LevelsOptions *options, Levels **levels, char **report,
                GError **error)
{
    g_auto(Fitting) fitting = {.options = options};
    *levels = NULL;
    *report = NULL;
    fitting.n_windows = count_windows(raw, options);
    fitting.n_fits = MIN(fitting.n_windows, FITS);
    if (fitting.n_fits < 2)
        return true;
    g_autoptr(Dataset) view = dataset_before(raw, options->as_of, error);
    if (!view || !values_new(view, options->as_of, &fitting.values, error))
        return false;
    if (!fitting.values)
        return true;
    fitting.mapped = values_dataset(fitting.values, raw, error);
    return fitting.mapped && fit_all(&fitting, levels, report, error);
}

uint32_t levels_find(const Levels *levels, const char *column, const char *value, size_t length,
                     const uint32_t *items, uint32_t n_items)
{
    uint32_t number = values_find(levels->values, column, value, length);
    if (number == IDS_NONE ||
        levels->values->fingerprint[number] != values_fingerprint(items, n_items))
        return LEVELS_NONE;
    return number;
}

uint32_t levels_users(const Levels *levels)
{
    return levels->n_users;
}

/* One value and all users. */
typedef struct Scoring {
    const Levels *levels;
    uint32_t value;
    float *similar; /* n_values + 1 */
    float *liked;   /* n_users */
    float *probability;
    float *features; /* per worker, USER_BLOCK rows */
} Scoring;

static void scoring_clear(Scoring *scoring)
{
    g_free(scoring->similar);
    g_free(scoring->liked);
    g_free(scoring->features);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scoring, scoring_clear)

static bool score_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Scoring *scoring = context;
    const Levels *levels = scoring->levels;
    const FeatureState *state = levels->facts.state;
    uint32_t n_features = level_features_count(), n = 0, users[USER_BLOCK];
    float *features = scoring->features + (size_t)worker * USER_BLOCK * n_features;
    float sums[USER_BLOCK];
    for (uint32_t user = (uint32_t)begin; user < end; user++) {
        scoring->probability[user] = 0;
        if (state->pair_start[user] == state->pair_start[user + (size_t)1])
            continue;
        Affinity affinity = features_item_affinity(state, user, scoring->similar);
        level_features_write(&levels->facts, user, scoring->value, &affinity, scoring->liked[user],
                             features + (size_t)n * n_features);
        users[n++] = user;
    }
    forest_sum(levels->forest, features, n, n_features, sums);
    for (uint32_t i = 0; i < n; i++)
        scoring->probability[users[i]] = calibration_probability(
            levels->calibration, scoring->value, MAX(forest_probability(sums[i]), G_MINFLOAT));
    return true;
}

bool levels_score(const Levels *levels, uint32_t value, unsigned threads, float *probability,
                  GError **error)
{
    const Similar *from = &levels->facts.state->from;
    threads = parallel_threads(threads);
    g_auto(Scoring) scoring = {.levels = levels, .value = value, .probability = probability};
    scoring.similar = kept_new0((uint64_t)levels->values->n + 1, sizeof(float), error);
    scoring.features =
        kept_new0((uint64_t)threads * USER_BLOCK * level_features_count(), sizeof(float), error);
    scoring.liked = kept_new0(levels->n_users, sizeof(float), error);
    if (!scoring.similar || !scoring.features || !scoring.liked)
        return false;
    const Fitted *als = levels->facts.als;
    if (als && !als->learner->score_items(als, &value, 1, scoring.liked, error))
        return false;
    for (uint64_t e = from->start[value]; e < from->start[value + (size_t)1]; e++)
        scoring.similar[from->item[e]] = from->value[e];
    return parallel_for(levels->n_users, USER_BLOCK, threads, score_block, &scoring, NULL, error);
}

uint64_t levels_bytes(const FitSize *size)
{
    /* a line in two columns on average: once as it is, once as of a moment, and its pair */
    uint64_t line = 2 * (sizeof(uint32_t) * 3 + sizeof(int64_t) + sizeof(float) * 2);
    uint64_t of_rows = 2 * size->rows * (line + sizeof(PairFacts) + 3 * sizeof(uint32_t));
    uint64_t of_users =
        (uint64_t)size->n_users * (USER_FEATURES * sizeof(float) + 5 * sizeof(uint64_t));
    uint64_t of_lessons = (WINDOWS + FITS) * level_lessons_bytes(size);
    uint64_t of_items = (uint64_t)size->n_items * 100 * 4 * sizeof(uint64_t);
    return of_rows + of_users + of_lessons + of_items +
           (uint64_t)parallel_threads(size->threads) * (16u << 20);
}

void levels_free(Levels *levels)
{
    if (!levels)
        return;
    if (levels->is_borrowed) {
        g_free(levels->facts.state);
        if (levels->forest)
            forest_forget(levels->forest);
    } else {
        feature_state_free(levels->facts.state);
        forest_free(levels->forest);
        g_free(levels->facts.value);
    }
    fitted_free(levels->facts.als);
    calibration_free(levels->calibration);
    values_free(levels->values);
    g_free(levels);
}
