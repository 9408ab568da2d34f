#include "demand.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "ranked_arrays.h"

#define WINDOWS_MAX 3u
#define SPANS       5u
#define FEATURES    (SPANS + 2)
#define ROUNDS      50
#define RIDGE       1.0
#define CLOSE       1e-6
#define EXPONENT    20.0
#define HALVINGS    20

/* How far back buyers are counted, in horizons. */
static const double SPAN[SPANS] = {0.25, 0.5, 1, 2, 3};

/* What is known of the products as of one moment. */
typedef struct Moment {
    uint32_t n_items;
    double *feature; /* n_items × FEATURES */
    double *bought;  /* n_items: buyers in the horizon after it; NULL as of the present */
} Moment;

static void moment_clear(Moment *moment)
{
    g_free(moment->feature);
    g_free(moment->bought);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Moment, moment_clear)

/* Counts each of a user's products once per span that reaches back to its latest purchase. */
static void count_user(const Dataset *view, uint32_t user, const DemandOptions *at, uint32_t *seen,
                       Moment *moment)
{
    const Interactions *rows = &view->rows;
    for (uint64_t r = view->user_start[user + 1]; r-- > view->user_start[user];) {
        uint32_t item = rows->item[r];
        if (seen[item] == user + 1)
            continue;
        seen[item] = user + 1;
        double ago = (double)(at->as_of - rows->time[r]) / (double)at->horizon;
        for (size_t s = 0; s < SPANS; s++)
            moment->feature[(size_t)item * FEATURES + 1 + s] += ago <= SPAN[s];
    }
}

/* From counts to what the regression reads: a constant, logarithms of counts and of the age. */
static void finish_features(const Dataset *view, const DemandOptions *at, Moment *moment,
                            int64_t *first)
{
    for (uint32_t item = 0; item < view->n_items; item++)
        first[item] = INT64_MAX;
    for (uint64_t r = 0; r < view->rows.n; r++) {
        int64_t *of_item = &first[view->rows.item[r]];
        *of_item = MIN(*of_item, view->rows.time[r]);
    }
    for (uint32_t item = 0; item < view->n_items; item++) {
        double *feature = moment->feature + (size_t)item * FEATURES;
        feature[0] = 1;
        for (size_t s = 0; s < SPANS; s++)
            feature[1 + s] = log1p(feature[1 + s]);
        double age =
            first[item] == INT64_MAX ? 0 : (double)(at->as_of - first[item]) / (double)US_PER_DAY;
        feature[FEATURES - 1] = log1p(MIN(age, 400));
    }
}

static bool describe_moment(Moment *moment, const Dataset *view, const Scope *scope,
                            const DemandOptions *at, GError **error)
{
    moment->n_items = view->n_items;
    moment->feature = kept_new0((uint64_t)view->n_items * FEATURES, sizeof(double), error);
    g_autofree uint32_t *seen = kept_new0(view->n_items, sizeof *seen, error);
    g_autofree int64_t *first = kept_new0(view->n_items, sizeof *first, error);
    if (!moment->feature || !seen || !first)
        return false;
    for (uint32_t user = 0; user < view->n_users; user++) {
        if (scope->user[user] == USER_PREDICTABLE)
            count_user(view, user, at, seen, moment);
    }
    finish_features(view, at, moment, first);
    return true;
}

static bool count_bought(Moment *moment, const Dataset *raw, const Scope *scope,
                         const DemandOptions *at, GError **error)
{
    g_autoptr(Csr) targets = window_targets(raw, at->as_of, at->as_of + at->horizon, error);
    moment->bought = kept_new0(raw->n_items, sizeof(double), error);
    if (!targets || !moment->bought)
        return false;
    for (uint32_t user = 0; user < targets->rows; user++) {
        if (scope->user[user] != USER_PREDICTABLE)
            continue;
        for (uint64_t e = targets->start[user]; e < targets->start[user + 1]; e++)
            moment->bought[targets->column[e]]++;
    }
    return true;
}

static bool moment_init(Moment *moment, const Dataset *raw, const DemandOptions *at, bool is_past,
                        GError **error)
{
    g_autoptr(Dataset) view = dataset_before(raw, at->as_of, error);
    g_autoptr(Scope) scope = view ? scope_new(view, at->as_of, error) : NULL;
    return scope && describe_moment(moment, view, scope, at, error) &&
           (!is_past || count_bought(moment, raw, scope, at, error)) &&
           cancel_check(at->cancel, error);
}

/* Bought by somebody in the longest span. The regression is of these. */
static bool is_alive(const double *feature)
{
    return feature[SPANS] > 0;
}

/* Bought before that. Of many products that sell seldom these can be most of what is bought, and
 * nothing tells them apart: each has the mean of all of them. */
static bool is_dormant(const double *feature)
{
    return !is_alive(feature) && feature[FEATURES - 1] > 0;
}

static double predict(const double *feature, const double *weight)
{
    double sum = 0;
    for (size_t f = 0; f < FEATURES; f++)
        sum += feature[f] * weight[f];
    return exp(CLAMP(sum, -EXPONENT, EXPONENT));
}

/* Gradient and Hessian of the penalised negative log likelihood. */
typedef struct Slope {
    double gradient[FEATURES], hessian[FEATURES][FEATURES];
} Slope;

static void add_moment(Slope *slope, const Moment *moment, const double *weight)
{
    for (uint32_t item = 0; item < moment->n_items; item++) {
        const double *feature = moment->feature + (size_t)item * FEATURES;
        if (!is_alive(feature))
            continue;
        double mean = predict(feature, weight);
        for (size_t f = 0; f < FEATURES; f++) {
            slope->gradient[f] += feature[f] * (mean - moment->bought[item]);
            for (size_t g = 0; g < FEATURES; g++)
                slope->hessian[f][g] += mean * feature[f] * feature[g];
        }
    }
}

/* Gauss-Jordan elimination of a positive definite system; the answer stays in the gradient. */
static void solve(Slope *slope)
{
    for (size_t p = 0; p < FEATURES; p++) {
        double pivot = slope->hessian[p][p];
        for (size_t r = 0; r < FEATURES; r++) {
            if (r == p)
                continue;
            double factor = slope->hessian[r][p] / pivot;
            for (size_t c = p; c < FEATURES; c++)
                slope->hessian[r][c] -= factor * slope->hessian[p][c];
            slope->gradient[r] -= factor * slope->gradient[p];
        }
    }
    for (size_t p = 0; p < FEATURES; p++)
        slope->gradient[p] /= slope->hessian[p][p];
}

/* The penalised negative log likelihood, up to what does not depend on the weights. */
static double loss(const Moment *moments, unsigned n, const double *weight)
{
    double sum = 0;
    for (size_t f = 1; f < FEATURES; f++)
        sum += RIDGE / 2 * weight[f] * weight[f];
    for (unsigned m = 0; m < n; m++) {
        for (uint32_t item = 0; item < moments[m].n_items; item++) {
            const double *feature = moments[m].feature + (size_t)item * FEATURES;
            if (!is_alive(feature))
                continue;
            double mean = predict(feature, weight);
            sum += mean - moments[m].bought[item] * log(mean);
        }
    }
    return sum;
}

/* Purchases of the items that count, per item; `more` is added to both. */
static double mean_of(const Moment *moments, unsigned n, bool (*counts)(const double *feature),
                      double more)
{
    double items = more, bought = more;
    for (unsigned m = 0; m < n; m++) {
        for (uint32_t item = 0; item < moments[m].n_items; item++) {
            if (!counts(moments[m].feature + (size_t)item * FEATURES))
                continue;
            items++;
            bought += moments[m].bought[item];
        }
    }
    return items > 0 ? bought / items : 0;
}

/* Goes along the step as far as the loss falls; how far the weights moved. */
static double descend(const Moment *moments, unsigned n, const double *step, double *weight)
{
    double before = loss(moments, n, weight), old[FEATURES];
    memcpy(old, weight, sizeof old);
    double part = 1;
    for (int halving = 0; halving < HALVINGS; halving++, part /= 2) {
        double moved = 0;
        for (size_t f = 0; f < FEATURES; f++) {
            weight[f] = old[f] - part * step[f];
            moved = MAX(moved, fabs(part * step[f]));
        }
        if (loss(moments, n, weight) <= before)
            return moved;
    }
    memcpy(weight, old, sizeof old);
    return 0;
}

/* Newton's method; the ridge holds every weight but the constant. */
static void regress(const Moment *moments, unsigned n, double *weight)
{
    memset(weight, 0, FEATURES * sizeof *weight);
    weight[0] = log(mean_of(moments, n, is_alive, 0.5)); /* where everything starts from */
    double moved = INFINITY;
    for (int round = 0; round < ROUNDS && moved > CLOSE; round++) {
        Slope slope = {0};
        for (unsigned m = 0; m < n; m++)
            add_moment(&slope, &moments[m], weight);
        for (size_t f = 0; f < FEATURES; f++) {
            slope.gradient[f] += f > 0 ? RIDGE * weight[f] : 0;
            slope.hessian[f][f] += RIDGE;
        }
        solve(&slope);
        moved = descend(moments, n, slope.gradient, weight);
    }
}

/* Windows of one horizon, each half a horizon before the next, the last ending at as_of; each needs
 * a horizon of data before it. */
static unsigned count_windows(const Dataset *raw, const DemandOptions *options)
{
    unsigned n = 0;
    while (n < WINDOWS_MAX && raw->rows.n > 0 &&
           options->as_of - options->horizon - n * (options->horizon / 2) - options->horizon >=
               raw->first)
        n++;
    return n;
}

/* What is learned from earlier windows. */
typedef struct Model {
    double weight[FEATURES];
    double dormant;
} Model;

static bool learn(const Dataset *raw, const DemandOptions *options, unsigned n, Model *model,
                  GError **error)
{
    Moment moments[WINDOWS_MAX] = {0};
    bool good = true;
    for (unsigned m = 0; m < n && good; m++) {
        DemandOptions at = *options;
        at.as_of -= options->horizon + m * (options->horizon / 2);
        good = moment_init(&moments[m], raw, &at, true, error);
    }
    if (good) {
        regress(moments, n, model->weight);
        model->dormant = mean_of(moments, n, is_dormant, 0);
    }
    for (unsigned m = 0; m < n; m++)
        moment_clear(&moments[m]);
    return good;
}

bool demand_forecast(const Dataset *raw, const DemandOptions *options, double *demand,
                     unsigned *windows, GError **error)
{
    Model model;
    *windows = count_windows(raw, options);
    if (*windows == 0)
        return true;
    g_auto(Moment) now = {0};
    if (!learn(raw, options, *windows, &model, error) ||
        !moment_init(&now, raw, options, false, error))
        return false;
    for (uint32_t item = 0; item < raw->n_items; item++) {
        const double *feature = now.feature + (size_t)item * FEATURES;
        demand[item] = is_alive(feature)     ? predict(feature, model.weight)
                       : is_dormant(feature) ? model.dormant
                                             : 0;
    }
    return true;
}
