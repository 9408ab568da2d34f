/* Where the probabilities are: what they say of a product against what its past says. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "calibration.h"
#include "calibration_samples.h"
#include "demand.h"
#include "ranked_arrays.h"

/* What the model of pairs expects of a product and what the forecast says of it err for different
 * reasons. How much the second counts is learned; where that cannot be, both count the same. */
#define OWN_WEIGHT   0.5
#define OWN_STEPS    20
/* Events of a forecast at which it has half of its weight. */
#define PRIOR_EVENTS 10.0
#define FACTOR_MAX   8.0
#define SHIFT_ROUNDS 20
/* Of a product's shift: by no more does a likelier pair stay likelier, calibration_give() giving
 * less to it. */
#define SHIFT_MAX    2.7

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* How much of its product's shift a pair takes. Who comes and goes with the fashion are those who
 * might buy: who buys a product all the time goes on. On rolling windows of real orders forecasts
 * of products told most of what pairs of less than 1 % do, and hardly anything of those above 10 %.
 */
float calibration_give(float odds)
{
    float p = 1 / (1 + expf(-odds)), q = (1 - p) * (1 - p);
    return q * q * q;
}

/* What the calibration expects of each item before it is aimed, with the pairs by item. */
typedef struct Levels {
    uint64_t *start; /* n_items + 1 */
    float *odds;     /* log-odds of the pairs of an item */
    float *give;     /* how much of the item's shift they take */
    float *weight;
    double *expected; /* n_items */
    double *demand;   /* n_items: of the users drawn */
} Levels;

static void levels_clear(Levels *levels)
{
    g_free(levels->start);
    g_free(levels->odds);
    g_free(levels->give);
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
    levels->give = kept_new0(samples->n, sizeof(float), error);
    levels->weight = kept_new0(samples->n, sizeof(float), error);
    levels->expected = kept_new0(n_items, sizeof(double), error);
    levels->demand = kept_new0(n_items, sizeof(double), error);
    if (!levels->start || !levels->odds || !levels->give || !levels->weight || !levels->expected ||
        !levels->demand)
        return false;
    for (uint64_t s = 0; s < samples->n; s++)
        levels->start[samples->item[s] + 2]++;
    for (uint32_t item = 0; item < n_items; item++)
        levels->start[item + 2] += levels->start[item + 1];
    for (uint64_t s = 0; s < samples->n; s++) {
        uint32_t item = samples->item[s];
        uint64_t at = levels->start[item + 1]++;
        levels->odds[at] = calibration_odds(calibration, item, samples->score[s]);
        levels->give[at] = calibration_give(levels->odds[at]);
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

bool calibration_learn_own_weight(Calibration *calibration, const CalibrateMoment *moment,
                                  const Samples *samples, const CalibrateOptions *options,
                                  GError **error)
{
    g_auto(Levels) levels = {0};
    double level, best = -INFINITY;
    calibration->own_weight = OWN_WEIGHT;
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

/* Pairs [begin, end) to be shifted: by as much as each gives, or all alike. */
typedef struct Part {
    uint64_t begin, end;
    const float *give; /* NULL: all alike */
    double shift_max;
} Part;

/* With `shift` added: how many events, and how fast that rises. */
static double expect(const Levels *levels, const Part *part, double shift, double *rise)
{
    double sum = 0;
    *rise = 0;
    for (uint64_t p = part->begin; p < part->end; p++) {
        double give = part->give ? part->give[p] : 1;
        double probability = sigmoid(levels->odds[p] + give * shift);
        sum += levels->weight[p] * probability;
        *rise += levels->weight[p] * probability * (1 - probability) * give;
    }
    return sum;
}

/* The shift at which the pairs add up to `wanted`, by Newton's method from the left end. */
static float find_shift(const Levels *levels, const Part *part, double wanted)
{
    double shift = 0;
    for (int round = 0; round < SHIFT_ROUNDS; round++) {
        double rise, sum = expect(levels, part, shift, &rise);
        if (!(rise > 0) || fabs(sum - wanted) < 1e-4 * wanted)
            break;
        shift = CLAMP(shift + CLAMP((wanted - sum) / rise, -1.0, 1.0), -part->shift_max,
                      part->shift_max);
    }
    return (float)shift;
}

/* Everything to the level of the shop. */
static void aim_all(Calibration *calibration, Levels *levels, double level)
{
    Part all = {0, levels->start[calibration->n_items], NULL, log(FACTOR_MAX) * 1.5};
    double expected = 0;
    for (uint32_t item = 0; item < calibration->n_items; item++)
        expected += levels->expected[item];
    calibration->level = find_shift(levels, &all, expected * level);
    for (uint64_t p = 0; p < all.end; p++)
        levels->odds[p] += calibration->level;
}

/* Each product to what is wanted of it. */
static void aim_items(Calibration *calibration, const Levels *levels, double level)
{
    for (uint32_t item = 0; item < calibration->n_items; item++) {
        Part own = {levels->start[item], levels->start[item + 1], levels->give, SHIFT_MAX};
        double wanted =
            levels->expected[item] * item_factor(levels, item, calibration->own_weight, level);
        calibration->shift[item] = wanted > 0 ? find_shift(levels, &own, wanted) : 0;
    }
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
    calibration->level = 0;
    memset(calibration->shift, 0, calibration->n_items * sizeof(float));
    if (level > 0)
        aim_all(calibration, &levels, level);
    if (level > 0 && calibration->by_item)
        aim_items(calibration, &levels, level);
    return true;
}
