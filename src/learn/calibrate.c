#include "learn/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "calibration.h"
#include "calibration_samples.h"
#include "demand.h"
#include "math/topk.h"
#include "ranked_arrays.h"

#define EVENTS_MIN   100.0
/* A knot stands for at least so many events, so that no step of the curve is noise. */
#define KNOT_EVENTS  30.0
/* Log-odds per logarithm of the score: never level, so that ties stay apart, nor steeper beyond the
 * ends than a probability would be. */
#define SLOPE_MIN    0.02f
#define SLOPE_MAX    1.0f
/* What the model of pairs expects of a product and what the forecast says of it err for different
 * reasons. How much the second counts is learned; where that cannot be, both count the same. */
#define OWN_WEIGHT   0.5
#define OWN_STEPS    20
/* Events of a forecast at which it has half of its weight. */
#define PRIOR_EVENTS 10.0
#define FACTOR_MAX   8.0
#define SHIFT_ROUNDS 20

static double log_odds(double p)
{
    return log(p) - log1p(-p);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
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

/* ---- fitting and aiming ---- */

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

/* What the calibration expects of each item before it is aimed, with the pairs by item. */
typedef struct Levels {
    uint64_t *start; /* n_items + 1 */
    float *odds;     /* log-odds of the pairs of an item */
    float *weight;
    double *expected; /* n_items */
    double *demand;   /* n_items: of the users drawn */
} Levels;

static void levels_clear(Levels *levels)
{
    g_free(levels->start);
    g_free(levels->odds);
    g_free(levels->weight);
    g_free(levels->expected);
    g_free(levels->demand);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Levels, levels_clear)

static bool levels_init(Levels *levels, const Calibration *calibration, const Samples *samples,
                        GError **error)
{
    uint32_t n_items = calibration->n_items;
    levels->start = kept_new0((uint64_t)n_items + 2, sizeof(uint64_t), error);
    levels->odds = kept_new0(samples->n, sizeof(float), error);
    levels->weight = kept_new0(samples->n, sizeof(float), error);
    levels->expected = kept_new0(n_items, sizeof(double), error);
    levels->demand = kept_new0(n_items, sizeof(double), error);
    if (!levels->start || !levels->odds || !levels->weight || !levels->expected || !levels->demand)
        return false;
    for (uint64_t s = 0; s < samples->n; s++)
        levels->start[samples->item[s] + 2]++;
    for (uint32_t item = 0; item < n_items; item++)
        levels->start[item + 2] += levels->start[item + 1];
    for (uint64_t s = 0; s < samples->n; s++) {
        uint32_t item = samples->item[s];
        uint64_t at = levels->start[item + 1]++;
        const Curve *curve = &calibration->curve[calibration->band[item]];
        levels->odds[at] = curve_at(curve, logf(samples->score[s]));
        levels->weight[at] = samples->weight[s];
        levels->expected[item] += samples->weight[s] * sigmoid(levels->odds[at]);
    }
    return true;
}

/* Forecasts as of the moment, of users drawn: of items that have any chance. *level: of all of them
 * against what is expected; 0 when nothing can be said. */
static bool levels_forecast(Levels *levels, const CalibrateMoment *moment, const Samples *samples,
                            const CalibrateOptions *options, double *level, GError **error)
{
    DemandOptions when = {
        .as_of = moment->scope->anchor, .horizon = options->horizon, .cancel = options->cancel};
    unsigned windows = 0;
    *level = 0;
    if (!demand_forecast(options->raw, &when, levels->demand, &windows, error))
        return false;
    double expected = 0, demand = 0;
    for (uint32_t item = 0; item < moment->view->n_items; item++) {
        bool counts = moment->scope->item[item] && levels->expected[item] > 0;
        levels->demand[item] *= counts ? samples->user_share : 0;
        expected += levels->expected[item];
        demand += levels->demand[item];
    }
    if (windows > 0 && expected > 0 && demand > 0)
        *level = CLAMP(demand / expected, 1 / FACTOR_MAX, FACTOR_MAX);
    return true;
}

/* What to multiply the expectation by: a product's own forecast counts by the events that it rests
 * on, the shop's level for the rest. */
static double item_factor(const Levels *levels, uint32_t item, double own_weight, double level)
{
    double expected = levels->expected[item], demand = levels->demand[item];
    if (!(expected > 0) || !(demand > 0))
        return level;
    double own = own_weight * demand / (demand + PRIOR_EVENTS);
    return CLAMP(exp(own * log(demand / expected) + (1 - own) * log(level)), 1 / FACTOR_MAX,
                 FACTOR_MAX);
}

/* Log likelihood of what was bought, as shares of all, up to what the weight does not change. */
static double likelihood(const Levels *levels, const double *bought, uint32_t n_items,
                         double own_weight, double level)
{
    double all = 0, events = 0, sum = 0;
    for (uint32_t item = 0; item < n_items; item++) {
        if (!(levels->expected[item] > 0))
            continue;
        double rate = levels->expected[item] * item_factor(levels, item, own_weight, level);
        all += rate;
        events += bought[item];
        sum += bought[item] > 0 ? bought[item] * log(rate) : 0;
    }
    return sum - events * log(all);
}

/* The weight by which forecasts as of the moment would have told best what was bought after it. */
static bool learn_own_weight(Calibration *calibration, const CalibrateMoment *moment,
                             const Samples *samples, const CalibrateOptions *options,
                             GError **error)
{
    g_auto(Levels) levels = {0};
    double level, best = -INFINITY;
    g_autofree double *bought = kept_new0(calibration->n_items, sizeof(double), error);
    if (!bought || !levels_init(&levels, calibration, samples, error) ||
        !levels_forecast(&levels, moment, samples, options, &level, error))
        return false;
    for (uint64_t s = 0; s < samples->n; s++)
        bought[samples->item[s]] += samples->is_bought[s];
    for (int step = 0; step <= OWN_STEPS && level > 0; step++) {
        double own_weight = (double)step / OWN_STEPS;
        double told = likelihood(&levels, bought, calibration->n_items, own_weight, level);
        if (told > best) {
            best = told;
            calibration->own_weight = (float)own_weight;
        }
    }
    return true;
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
    calibration->candidate_min = learner->candidate_min;
    calibration->own_weight = OWN_WEIGHT;
    if (!calibration_band(calibration, moment->view, error))
        return false;
    for (uint32_t b = 0; b < calibration->n_bands; b++) {
        if (!fit_curve(calibration, samples, b, error))
            return false;
    }
    if (!fill_gaps(calibration))
        return true;
    if (calibration->by_item && !learn_own_weight(calibration, moment, samples, options, error))
        return false;
    *result = g_steal_pointer(&calibration);
    return true;
}

/* Of the pairs [begin, end), with `shift` added: how many events, and how fast that rises. */
static double expect(const Levels *levels, uint64_t begin, uint64_t end, double shift, double *rise)
{
    double sum = 0;
    *rise = 0;
    for (uint64_t p = begin; p < end; p++) {
        double probability = sigmoid(levels->odds[p] + shift);
        sum += levels->weight[p] * probability;
        *rise += levels->weight[p] * probability * (1 - probability);
    }
    return sum;
}

/* The shift at which the pairs add up to `wanted`, by Newton's method from the left end. */
static float find_shift(const Levels *levels, uint64_t begin, uint64_t end, double wanted)
{
    double shift = 0;
    for (int round = 0; round < SHIFT_ROUNDS; round++) {
        double rise, sum = expect(levels, begin, end, shift, &rise);
        if (!(rise > 0) || fabs(sum - wanted) < 1e-4 * wanted)
            break;
        shift = CLAMP(shift + CLAMP((wanted - sum) / rise, -1.0, 1.0), -log(FACTOR_MAX) * 1.5,
                      log(FACTOR_MAX) * 1.5);
    }
    return (float)shift;
}

static void aim_items(Calibration *calibration, const Levels *levels, double level)
{
    for (uint32_t item = 0; item < calibration->n_items; item++) {
        double wanted =
            levels->expected[item] * item_factor(levels, item, calibration->own_weight, level);
        calibration->shift[item] =
            wanted > 0 ? find_shift(levels, levels->start[item], levels->start[item + 1], wanted)
                       : (float)log(level);
    }
}

static void aim_all(Calibration *calibration, const Levels *levels, double level)
{
    double expected = 0;
    for (uint32_t item = 0; item < calibration->n_items; item++)
        expected += levels->expected[item];
    float shift = find_shift(levels, 0, levels->start[calibration->n_items], expected * level);
    for (uint32_t item = 0; item < calibration->n_items; item++)
        calibration->shift[item] = shift;
}

bool calibration_aim(Calibration *calibration, const CalibrateMoment *moment,
                     const Samples *samples, const CalibrateOptions *options, GError **error)
{
    g_auto(Levels) levels = {0};
    double level;
    if (!calibration_band(calibration, moment->view, error) ||
        !levels_init(&levels, calibration, samples, error) ||
        !levels_forecast(&levels, moment, samples, options, &level, error))
        return false;
    if (level > 0 && calibration->by_item)
        aim_items(calibration, &levels, level);
    else if (level > 0)
        aim_all(calibration, &levels, level);
    return true;
}

/* ---- using ---- */

float calibration_probability(const Calibration *calibration, uint32_t item, float score)
{
    if (!(score > 0))
        return 0;
    const Curve *curve = &calibration->curve[calibration->band[item]];
    return 1 / (1 + expf(-curve_at(curve, logf(score)) - calibration->shift[item]));
}

bool calibration_reorders(const Calibration *calibration)
{
    return calibration->by_item;
}

void calibration_map_items(const Calibration *calibration, float *scores)
{
    float least = calibration->candidate_min;
    for (uint32_t item = 0; item < calibration->n_items; item++) {
        if (scores[item] >= least)
            scores[item] = MAX(calibration_probability(calibration, item, scores[item]), least);
    }
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
