#include "popularity.h"

#include <float.h>
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "item_scores.h"
#include "strengths.h"

/* Short: what is in season counts, and so does a campaign that just ended. */
#define HALF_LIFE_DAYS 7.0

static void add_rows(const Interactions *rows, int64_t as_of, double weight, double half_life_days,
                     double *sum)
{
    for (uint64_t r = 0; r < rows->n; r++) {
        double days = MAX((double)(as_of - rows->time[r]) / US_PER_DAY, 0);
        sum[rows->item[r]] += MAX(weight * exp2(-days / half_life_days), FLT_MIN);
    }
}

float *popularity_decayed(const Dataset *view, const FitContext *context, double half_life_days,
                          GError **error)
{
    EventRows events[SIGNALS_MAX];
    uint32_t n_events = strengths_events(view, context->signals, events);
    g_autofree double *sum = g_try_new0(double, MAX(view->n_items, 1));
    g_autofree float *score = g_try_new(float, MAX(view->n_items, 1));
    if (!sum || !score) {
        error_set(error, ERR_NO_MEMORY, "no memory for the popularity of %u products",
                  view->n_items);
        return NULL;
    }
    add_rows(&view->rows, context->as_of, 1, half_life_days, sum);
    for (uint32_t e = 0; e < n_events; e++)
        add_rows(&events[e].rows->rows, context->as_of, events[e].weight,
                 MIN(half_life_days, events[e].half_life_days), sum);
    for (uint32_t item = 0; item < view->n_items; item++)
        score[item] = (float)MIN(sum[item], FLT_MAX);
    return g_steal_pointer(&score);
}

float *popularity_scores(const Dataset *view, const FitContext *context, GError **error)
{
    return popularity_decayed(view, context, HALF_LIFE_DAYS, error);
}

static Fitted *popularity_fit(const Dataset *view, const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn popularity from");
        return NULL;
    }
    double half_life_days = params_get(context->params, &learner_popularity, 0);
    float *score = popularity_decayed(view, context, half_life_days, error);
    if (!score)
        return NULL;
    return item_scores_new(&learner_popularity, view, score, &half_life_days,
                           sizeof half_life_days);
}

static Fitted *popularity_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                               GError **error)
{
    return item_scores_load(&learner_popularity, sections, n_users, n_items, error);
}

static void popularity_describe(const Fitted *fitted, JsonWriter *writer)
{
    const double *half_life_days = ((const ItemScores *)fitted)->params;
    json_named_number(writer, "half_life_days", half_life_days ? *half_life_days : HALF_LIFE_DAYS);
}

static double popularity_fit_work(const Dataset *view, const SignalWeights *signals,
                                  const double *value, double effort)
{
    return 20.0 * strengths_rows(view, signals);
}

static uint64_t popularity_fit_bytes(const FitSize *size)
{
    return (uint64_t)size->n_items * (sizeof(double) + sizeof(float));
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
    .score_users = item_scores_score_users,
    .score_items = item_scores_score_items,
    .save = item_scores_save,
    .load = popularity_load,
    .describe = popularity_describe,
    .fit_bytes = popularity_fit_bytes,
    .free = item_scores_free,
};
