#include "popularity.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* Short: what is in season counts, and so does a campaign that just ended. */
#define HALF_LIFE_DAYS 7.0

typedef struct Popularity {
    Fitted fitted;
    double half_life_days; /* as fitted */
    const float *score;    /* n_items */
    float *owned;          /* the same, or NULL when borrowed from a file */
} Popularity;

static float *decayed(const Dataset *view, int64_t as_of, double half_life_days, GError **error)
{
    g_autofree double *sum = g_try_new0(double, MAX(view->n_items, 1));
    g_autofree float *score = g_try_new(float, MAX(view->n_items, 1));
    if (!sum || !score) {
        error_set(error, ERR_NO_MEMORY, "no memory for the popularity of %u products",
                  view->n_items);
        return NULL;
    }
    for (uint64_t r = 0; r < view->rows.n; r++) {
        double days = (double)(as_of - view->rows.time[r]) / US_PER_DAY;
        sum[view->rows.item[r]] += MAX(exp2(-days / half_life_days), FLT_MIN);
    }
    for (uint32_t item = 0; item < view->n_items; item++)
        score[item] = (float)MIN(sum[item], FLT_MAX);
    return g_steal_pointer(&score);
}

float *popularity_scores(const Dataset *view, int64_t as_of, GError **error)
{
    return decayed(view, as_of, HALF_LIFE_DAYS, error);
}

static Popularity *popularity_new(uint32_t n_users, uint32_t n_items)
{
    Popularity *popularity = g_new0(Popularity, 1);
    popularity->fitted = (Fitted){&learner_popularity, n_users, n_items};
    popularity->half_life_days = HALF_LIFE_DAYS;
    return popularity;
}

static Fitted *popularity_fit(const Dataset *view, const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn popularity from");
        return NULL;
    }
    double half_life_days = params_get(context->params, &learner_popularity, 0);
    float *score = decayed(view, context->as_of, half_life_days, error);
    if (!score)
        return NULL;
    Popularity *popularity = popularity_new(view->n_users, view->n_items);
    popularity->half_life_days = half_life_days;
    popularity->score = popularity->owned = score;
    return &popularity->fitted;
}

static bool popularity_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n,
                                   float *tile, GError **error)
{
    const Popularity *popularity = (const Popularity *)fitted;
    for (uint32_t u = 0; u < n; u++)
        memcpy(tile + (size_t)u * fitted->n_items, popularity->score,
               fitted->n_items * sizeof(float));
    return true;
}

static bool popularity_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n,
                                   float *scores, GError **error)
{
    const Popularity *popularity = (const Popularity *)fitted;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += popularity->score[items[i]];
    for (uint32_t user = 0; user < fitted->n_users; user++)
        scores[user] = (float)MIN(sum, FLT_MAX);
    return true;
}

static bool popularity_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    const Popularity *popularity = (const Popularity *)fitted;
    return sections_write(writer, "learner.popularity", popularity->score, sizeof(float),
                          fitted->n_items, error);
}

static Fitted *popularity_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                               GError **error)
{
    uint64_t count;
    const float *score = sections_get(sections, "learner.popularity", sizeof(float), &count, error);
    if (!score)
        return NULL;
    if (count != n_items) {
        error_set(error, ERR_DAMAGED, "popularity of %" G_GUINT64_FORMAT " products, expected %u",
                  count, n_items);
        return NULL;
    }
    for (uint32_t item = 0; item < n_items; item++) {
        if (!isfinite(score[item]) || score[item] < 0) {
            error_set(error, ERR_DAMAGED, "popularity of product %u is no count", item);
            return NULL;
        }
    }
    Popularity *popularity = popularity_new(n_users, n_items);
    popularity->score = score;
    return &popularity->fitted;
}

static void popularity_describe(const Fitted *fitted, JsonWriter *writer)
{
    json_key(writer, "half_life_days");
    json_number(writer, ((const Popularity *)fitted)->half_life_days);
}

static double popularity_fit_work(const Dataset *view, const double *value, double effort)
{
    return 20.0 * (double)view->rows.n;
}

static uint64_t popularity_fit_bytes(const FitSize *size)
{
    return (uint64_t)size->n_items * (sizeof(double) + sizeof(float));
}

static void popularity_free(Fitted *fitted)
{
    g_free(((Popularity *)fitted)->owned);
    g_free(fitted);
}

const Learner learner_popularity = {
    .name = "popularity",
    .title = "Popularity with decay",
    .paper = "Ji, Sun, Zhang, Li: A Re-visit of the Popularity Baseline in Recommender Systems, "
             "SIGIR 2020",
    .is_baseline = true,
    .param = {{"half_life_days", HALF_LIFE_DAYS, {2, 14, 30, 90, 365}, 5}},
    .n_params = 1,
    .fit_work = popularity_fit_work,
    .fit = popularity_fit,
    .score_users = popularity_score_users,
    .score_items = popularity_score_items,
    .save = popularity_save,
    .load = popularity_load,
    .describe = popularity_describe,
    .fit_bytes = popularity_fit_bytes,
    .free = popularity_free,
};
