#include "learn/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "calibration.h"
#include "calibration_samples.h"
#include "math/topk.h"
#include "ranked_arrays.h"

#define EVENTS_MIN  100.0
/* A knot stands for at least so many events, so that no step of the curve is noise. */
#define KNOT_EVENTS 30.0
/* Log-odds per logarithm of the score: never level, so that ties stay apart, nor steeper beyond the
 * ends than a probability would be. */
#define SLOPE_MIN   0.02f
#define SLOPE_MAX   1.0f

static double log_odds(double p)
{
    return log(p) - log1p(-p);
}

/* ---- curves ---- */

/* Neighbouring pairs of like score, pooled until the rate rises with the score. */
typedef struct Pool {
    double weight, events, x; /* x: Σ weight · log score */
} Pool;

static void merge(Pool *into, const Pool *from)
{
    into->weight += from->weight;
    into->events += from->events;
    into->x += from->x;
}

/* The last pools violate the order: pool adjacent violators. */
static size_t pool_violators(Pool *pools, size_t n)
{
    while (n > 1 &&
           pools[n - 2].events * pools[n - 1].weight >= pools[n - 1].events * pools[n - 2].weight) {
        merge(&pools[n - 2], &pools[n - 1]);
        n--;
    }
    return n;
}

/* The pairs of one band by ascending score. */
static Scored *sort_band(const Calibration *calibration, const Samples *samples, uint32_t band,
                         size_t *n, double *events, GError **error)
{
    Scored *order = kept_new0(samples->n, sizeof *order, error);
    *n = 0;
    *events = 0;
    for (uint64_t s = 0; order && s < samples->n; s++) {
        if (calibration->band[samples->item[s]] != band)
            continue;
        order[(*n)++] = (Scored){(uint32_t)s, -samples->score[s]};
        *events += samples->is_bought[s];
    }
    if (order)
        topk_sort(order, *n);
    return order;
}

static size_t find_pools(const Samples *samples, const Scored *order, size_t n, double events,
                         Pool *pools)
{
    double per_pool = MAX(KNOT_EVENTS, events / KNOTS_MAX);
    size_t n_pools = 0;
    Pool open = {0};
    for (size_t i = 0; i < n; i++) {
        uint32_t s = order[i].index;
        Pool one = {samples->weight[s], samples->is_bought[s],
                    samples->weight[s] * logf(samples->score[s])};
        merge(&open, &one);
        bool is_tied = i + 1 < n && order[i + 1].score == order[i].score;
        if (open.events < per_pool || is_tied)
            continue;
        pools[n_pools++] = open;
        open = (Pool){0};
        n_pools = pool_violators(pools, n_pools);
    }
    if (n_pools > 0) /* what is left has too few events for a knot of its own */
        merge(&pools[n_pools - 1], &open);
    else if (open.weight > 0)
        pools[n_pools++] = open;
    return pool_violators(pools, n_pools);
}

static void draw_curve(Curve *curve, const Pool *pools, size_t n)
{
    curve->n = 0;
    for (size_t p = 0; p < n; p++) {
        float x = (float)(pools[p].x / pools[p].weight);
        float y = (float)log_odds((pools[p].events + 0.5) / (pools[p].weight + 1));
        if (curve->n > 0) {
            float dx = x - curve->x[curve->n - 1];
            if (!(dx > 0))
                continue;
            y = MAX(y, curve->y[curve->n - 1] + SLOPE_MIN * dx);
        }
        curve->x[curve->n] = x;
        curve->y[curve->n++] = y;
    }
}

static bool fit_curve(Calibration *calibration, const Samples *samples, uint32_t band,
                      GError **error)
{
    size_t n;
    double events;
    g_autofree Scored *order = sort_band(calibration, samples, band, &n, &events, error);
    if (!order)
        return false;
    Pool pools[KNOTS_MAX + 2];
    draw_curve(&calibration->curve[band], pools, find_pools(samples, order, n, events, pools));
    return true;
}

/* How steeply the curve goes on beyond its end. */
static float end_slope(const Curve *curve, uint32_t a, uint32_t b)
{
    if (curve->n < 2)
        return SLOPE_MAX;
    return CLAMP((curve->y[b] - curve->y[a]) / (curve->x[b] - curve->x[a]), SLOPE_MIN, SLOPE_MAX);
}

static float curve_at(const Curve *curve, float x)
{
    uint32_t last = curve->n - 1;
    if (x <= curve->x[0])
        return curve->y[0] + (x - curve->x[0]) * SLOPE_MAX;
    if (x >= curve->x[last])
        return curve->y[last] +
               (x - curve->x[last]) * end_slope(curve, last > 0 ? last - 1 : 0, last);
    uint32_t low = 0, high = last;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (curve->x[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    float part = (x - curve->x[low]) / (curve->x[high] - curve->x[low]);
    return curve->y[low] + part * (curve->y[high] - curve->y[low]);
}

/* ---- bands ---- */

bool calibration_band(Calibration *calibration, const Dataset *view, GError **error)
{
    uint32_t n_items = view->n_items;
    g_autofree Scored *order = kept_new0(n_items, sizeof *order, error);
    if (!order)
        return false;
    for (uint32_t item = 0; item < n_items; item++)
        order[item].index = item;
    for (uint64_t r = 0; r < view->rows.n; r++)
        order[view->rows.item[r]].score++;
    topk_sort(order, n_items);
    double seen = 0;
    for (uint32_t place = 0; place < n_items; place++) {
        double share = seen / (double)MAX(view->rows.n, 1);
        calibration->band[order[place].index] =
            (uint8_t)MIN(share * calibration->n_bands, calibration->n_bands - 1);
        seen += order[place].score;
    }
    return true;
}

/* ---- fitting ---- */

static Calibration *calibration_new(uint32_t n_items, GError **error)
{
    g_autoptr(Calibration) calibration = g_new0(Calibration, 1);
    calibration->n_items = n_items;
    calibration->band = kept_new0(n_items, 1, error);
    calibration->shift = kept_new0(n_items, sizeof(float), error);
    if (!calibration->band || !calibration->shift)
        return NULL;
    return g_steal_pointer(&calibration);
}

/* A band without a pair borrows the curve of the one before it. */
static bool fill_gaps(Calibration *calibration)
{
    const Curve *drawn = NULL;
    for (uint32_t b = 0; b < calibration->n_bands && !drawn; b++)
        drawn = calibration->curve[b].n > 0 ? &calibration->curve[b] : NULL;
    for (uint32_t b = 0; b < calibration->n_bands && drawn; b++) {
        if (calibration->curve[b].n == 0)
            calibration->curve[b] = *drawn;
        drawn = &calibration->curve[b];
    }
    return drawn != NULL;
}

static double count_events(const Samples *samples)
{
    double events = 0;
    for (uint64_t s = 0; s < samples->n; s++)
        events += samples->is_bought[s];
    return events;
}

bool calibration_fit(const CalibrateMoment *moment, const Samples *samples,
                     const CalibrateOptions *options, Calibration **result, GError **error)
{
    const Learner *learner = moment->fitted->learner;
    *result = NULL;
    if (count_events(samples) < EVENTS_MIN)
        return true;
    g_autoptr(Calibration) calibration = calibration_new(moment->view->n_items, error);
    if (!calibration)
        return false;
    calibration->by_item = learner->is_probability;
    calibration->n_bands = learner->is_probability ? BANDS_MAX : 1;
    if (!calibration_band(calibration, moment->view, error))
        return false;
    for (uint32_t b = 0; b < calibration->n_bands; b++) {
        if (!fit_curve(calibration, samples, b, error))
            return false;
    }
    if (!fill_gaps(calibration))
        return true;
    if (calibration->by_item &&
        !calibration_learn_own_weight(calibration, moment, samples, options, error))
        return false;
    *result = g_steal_pointer(&calibration);
    return true;
}

/* ---- using ---- */

float calibration_odds(const Calibration *calibration, uint32_t item, float score)
{
    return curve_at(&calibration->curve[calibration->band[item]], logf(score));
}

float calibration_probability(const Calibration *calibration, uint32_t item, float score)
{
    if (!(score > 0))
        return 0;
    float odds = calibration_odds(calibration, item, score);
    float shift = calibration->level;
    if (calibration->shift[item] != 0)
        shift += calibration->shift[item] * calibration_give(odds);
    return 1 / (1 + expf(-odds - shift));
}

bool calibration_by_item(const Calibration *calibration)
{
    return calibration->by_item;
}

void calibration_map_users(const Calibration *calibration, uint32_t item, float *scores,
                           uint32_t n_users)
{
    for (uint32_t user = 0; user < n_users; user++)
        scores[user] = calibration_probability(calibration, item, scores[user]);
}

void calibration_free(Calibration *calibration)
{
    if (!calibration)
        return;
    g_free(calibration->band);
    g_free(calibration->shift);
    g_free(calibration);
}
