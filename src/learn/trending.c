#include "trending.h"

#include <float.h>
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "item_scores.h"
#include "popularity.h"
#include "strengths.h"

#define HALF_LIFE_DAYS 5

/* Chosen on five windows of Online Retail before the one that is reported on. */
const TrendingParams trending_defaults = {
    .half_life_days = HALF_LIFE_DAYS,
    .recent_days = 14,
    .before_days = 56,
    .prior = 20,
    .weight = 0.5,
};

/* Lines of one item, or of all, a purchase being 1. */
typedef struct Lines {
    double recent, before;
} Lines;

static void add_line(Lines *lines, double days, double weight, const TrendingParams *params)
{
    bool is_recent = days <= params->recent_days;
    bool is_before = !is_recent && days <= params->recent_days + params->before_days;
    lines->recent += is_recent ? weight : 0;
    lines->before += is_before ? weight : 0;
}

/* lines: n_items; all: of the whole shop. */
static void add_lines(const Interactions *rows, int64_t as_of, double weight,
                      const TrendingParams *params, Lines *lines, Lines *all)
{
    for (uint64_t r = 0; r < rows->n; r++) {
        double days = (double)(as_of - rows->time[r]) / US_PER_DAY;
        add_line(&lines[rows->item[r]], days, weight, params);
        add_line(all, days, weight, params);
    }
}

/* lines: n_items, all zero. Those of the whole shop are returned. */
static Lines count_lines(const Dataset *view, const FitContext *context,
                         const TrendingParams *params, Lines *lines)
{
    EventRows events[SIGNALS_MAX];
    uint32_t n_events = strengths_events(view, context->signals, events);
    Lines all = {0};
    add_lines(&view->rows, context->as_of, 1, params, lines, &all);
    for (uint32_t e = 0; e < n_events; e++)
        add_lines(&events[e].rows->rows, context->as_of, events[e].weight, params, lines, &all);
    return all;
}

static double lift(const Lines *lines, double growth, double prior)
{
    return (lines->recent + prior) / (lines->before * growth + prior);
}

Fitted *trending_fit_with(const Dataset *view, const TrendingParams *params,
                          const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn a trend from");
        return NULL;
    }
    g_autofree Lines *lines = g_try_new0(Lines, view->n_items);
    if (!lines) {
        error_set(error, ERR_NO_MEMORY, "no memory for the trend of %u products", view->n_items);
        return NULL;
    }
    float *score = popularity_decayed(view, context, params->half_life_days, error);
    if (!score)
        return NULL;
    Lines all = count_lines(view, context, params, lines);
    double growth = all.recent / MAX(all.before, 1);
    for (uint32_t item = 0; item < view->n_items && all.before > 0; item++) {
        double by = pow(lift(&lines[item], growth, params->prior), params->weight);
        if (score[item] > 0)
            score[item] = (float)CLAMP(score[item] * by, FLT_MIN, FLT_MAX);
    }
    return item_scores_new(&learner_trending, view, score, params, sizeof *params);
}

static double trending_fit_work(const Dataset *view, const SignalWeights *signals,
                                const double *value, double effort)
{
    return 20.0 * strengths_rows(view, signals);
}

static Fitted *trending_fit(const Dataset *view, const FitContext *context, GError **error)
{
    TrendingParams params = trending_defaults;
    params.half_life_days = params_get(context->params, &learner_trending, 0);
    return trending_fit_with(view, &params, context, error);
}

static Fitted *trending_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                             GError **error)
{
    return item_scores_load(&learner_trending, sections, n_users, n_items, error);
}

static void trending_describe(const Fitted *fitted, JsonWriter *writer)
{
    const ItemScores *scores = (const ItemScores *)fitted;
    const TrendingParams *params = scores->params ? scores->params : &trending_defaults;
    json_named_number(writer, "half_life_days", params->half_life_days);
    json_named_number(writer, "recent_days", params->recent_days);
    json_named_number(writer, "before_days", params->before_days);
    json_named_number(writer, "prior", params->prior);
    json_named_number(writer, "weight", params->weight);
}

static uint64_t trending_fit_bytes(const FitSize *size)
{
    return (uint64_t)size->n_items * (sizeof(Lines) + sizeof(double) + sizeof(float));
}

const Learner learner_trending = {
    .name = "trending",
    .title = "What sells more lately",
    .paper = "Ji, Sun, Zhang, Li: A Re-visit of the Popularity Baseline in Recommender Systems, "
             "SIGIR 2020",
    .param = {{"half_life_days", HALF_LIFE_DAYS, {2, 10, 20}, 3}},
    .n_params = 1,
    .fit_work = trending_fit_work,
    .fit = trending_fit,
    .score_users = item_scores_score_users,
    .score_items = item_scores_score_items,
    .save = item_scores_save,
    .load = trending_load,
    .describe = trending_describe,
    .fit_bytes = trending_fit_bytes,
    .free = item_scores_free,
};
