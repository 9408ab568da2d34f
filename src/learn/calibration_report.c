#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "calibration.h"
#include "calibration_samples.h"
#include "data/split.h"
#include "math/stats.h"
#include "math/topk.h"
#include "ranked_arrays.h"

#define BINS         10u
#define BEST_SELLERS 20u
#define QUARTER      (90 * US_PER_DAY)

/* Expected and actual events of some pairs. */
typedef struct Tally {
    double pairs, expected, actual, squares; /* squares: Σ (p - event)² */
} Tally;

static void tally_add(Tally *tally, double weight, double probability, bool is_bought)
{
    double miss = probability - is_bought;
    tally->pairs += weight;
    tally->expected += weight * probability;
    tally->actual += weight * is_bought;
    tally->squares += weight * miss * miss;
}

/* ratio: NaN, so null, where nothing happened. */
static void write_levels(JsonWriter *json, const Tally *tally)
{
    json_named_number(json, "expected", tally->expected);
    json_named_number(json, "actual", tally->actual);
    json_named_number(json, "ratio", tally->actual > 0 ? tally->expected / tally->actual : NAN);
}

static void write_tally(JsonWriter *json, const char *name, const Tally *tally)
{
    json_key(json, name);
    json_begin_object(json);
    write_levels(json, tally);
    json_end_object(json);
}

/* Samples by falling probability. */
typedef struct Judged {
    const Calibration *calibration;
    const Samples *samples;
    float *probability; /* samples->n */
    Scored *order;      /* samples->n */
} Judged;

static void judged_clear(Judged *judged)
{
    g_free(judged->probability);
    g_free(judged->order);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Judged, judged_clear)

static bool judged_init(Judged *judged, GError **error)
{
    const Samples *samples = judged->samples;
    judged->probability = kept_new0(samples->n, sizeof(float), error);
    judged->order = kept_new0(samples->n, sizeof(Scored), error);
    if (!judged->probability || !judged->order)
        return false;
    for (uint64_t s = 0; s < samples->n; s++) {
        judged->probability[s] =
            calibration_probability(judged->calibration, samples->item[s], samples->score[s]);
        judged->order[s] = (Scored){(uint32_t)s, judged->probability[s]};
    }
    topk_sort(judged->order, samples->n);
    return true;
}

/* The pairs that come first by probability, `share` of all. */
static Tally tally_first(const Judged *judged, double share)
{
    Tally tally = {0};
    const Samples *samples = judged->samples;
    for (uint64_t i = 0; i < samples->n && tally.pairs < share * samples->pairs; i++) {
        uint32_t s = judged->order[i].index;
        tally_add(&tally, samples->weight[s], judged->probability[s], samples->is_bought[s]);
    }
    return tally;
}

/* Expected calibration error over bins of as many pairs each, in the order given. */
static double calibration_error(const Tally *bins, size_t n)
{
    double pairs = 0, error = 0;
    for (size_t b = 0; b < n; b++) {
        pairs += bins[b].pairs;
        error += fabs(bins[b].expected - bins[b].actual);
    }
    return pairs > 0 ? error / pairs : NAN;
}

static void fill_bins(const Judged *judged, const Scored *order, uint64_t n, double pairs,
                      Tally bins[BINS])
{
    const Samples *samples = judged->samples;
    memset(bins, 0, BINS * sizeof *bins);
    double seen = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t s = order[i].index;
        size_t bin = (size_t)MIN(seen / pairs * BINS, BINS - 1);
        tally_add(&bins[bin], samples->weight[s], judged->probability[s], samples->is_bought[s]);
        seen += samples->weight[s];
    }
}

/* The first k of every user by score, then all by falling probability; for g_free(). */
static Scored *find_lists(const Judged *judged, unsigned k, uint64_t *n, GError **error)
{
    const Samples *samples = judged->samples;
    Scored *lists = kept_new0((uint64_t)samples->n_users * k, sizeof *lists, error);
    g_autofree Scored *work = g_new(Scored, 2 * (size_t)k);
    *n = 0;
    for (uint32_t user = 0; lists && user < samples->n_users; user++) {
        uint64_t begin = samples->start[user];
        size_t found = topk_select(samples->score + begin, samples->start[user + 1] - begin, k,
                                   work, lists + *n);
        for (size_t i = 0; i < found; i++) {
            uint32_t s = lists[*n + i].index + (uint32_t)begin;
            lists[*n + i] = (Scored){s, judged->probability[s]};
        }
        *n += found;
    }
    if (lists)
        topk_sort(lists, *n);
    return lists;
}

static void write_reliability(JsonWriter *json, const Tally bins[BINS])
{
    json_key(json, "reliability");
    json_begin_array(json);
    for (size_t b = 0; b < BINS; b++) {
        if (!(bins[b].pairs > 0))
            continue;
        json_begin_object(json);
        json_named_number(json, "pairs", bins[b].pairs);
        json_named_number(json, "mean_probability", bins[b].expected / bins[b].pairs);
        json_named_number(json, "observed_rate", bins[b].actual / bins[b].pairs);
        json_end_object(json);
    }
    json_end_array(json);
}

static bool write_lists(const Judged *judged, unsigned k, JsonWriter *json, GError **error)
{
    uint64_t n;
    g_autofree Scored *lists = find_lists(judged, k, &n, error);
    if (!lists)
        return false;
    Tally bins[BINS], all = {0};
    fill_bins(judged, lists, n, (double)n, bins);
    for (size_t b = 0; b < BINS; b++) {
        all.pairs += bins[b].pairs;
        all.expected += bins[b].expected;
        all.actual += bins[b].actual;
        all.squares += bins[b].squares;
    }
    json_key(json, "lists");
    json_begin_object(json);
    json_named_number(json, "k", k);
    json_named_number(json, "pairs", all.pairs);
    write_levels(json, &all);
    json_named_number(json, "ece", calibration_error(bins, BINS));
    json_named_number(json, "brier", all.pairs > 0 ? all.squares / all.pairs : NAN);
    write_reliability(json, bins);
    json_end_object(json);
    return true;
}

/* Those with most buyers in the last quarter before the moment. */
static uint32_t best_sellers(const CalibrateMoment *moment, Scored *best, GError **error)
{
    const Dataset *view = moment->view;
    int64_t to = moment->scope->anchor;
    g_autofree float *buyers = kept_new0(view->n_items, sizeof(float), error);
    g_autoptr(Csr) bought = buyers ? window_targets(view, to - QUARTER, to, error) : NULL;
    Scored work[2 * BEST_SELLERS];
    if (!bought)
        return 0;
    for (uint64_t e = 0; e < bought->start[bought->rows]; e++)
        buyers[bought->column[e]]++;
    return (uint32_t)topk_select(buyers, view->n_items, BEST_SELLERS, work, best);
}

static void write_best_seller(JsonWriter *json, const CalibrateMoment *moment, uint32_t item,
                              const Tally *tally)
{
    size_t length;
    const char *id = ids_get(moment->view->items, item, &length);
    json_begin_object(json);
    json_key(json, "product");
    json_string_n(json, id, length);
    json_named_number(json, "expected", tally->expected);
    json_named_number(json, "actual", tally->actual);
    json_end_object(json);
}

static bool write_best_sellers(const Judged *judged, const CalibrateMoment *moment,
                               JsonWriter *json, GError **error)
{
    const Samples *samples = judged->samples;
    Scored best[BEST_SELLERS];
    g_autofree Tally *of_item = kept_new0(moment->view->n_items, sizeof *of_item, error);
    uint32_t n = of_item ? best_sellers(moment, best, error) : 0;
    if (!of_item || (error && *error))
        return false;
    for (uint64_t s = 0; s < samples->n; s++)
        tally_add(&of_item[samples->item[s]], samples->weight[s], judged->probability[s],
                  samples->is_bought[s]);
    double misses[BEST_SELLERS];
    size_t n_misses = 0;
    json_key(json, "best_sellers");
    json_begin_object(json);
    json_key(json, "products");
    json_begin_array(json);
    for (uint32_t i = 0; i < n && best[i].score > 0; i++) {
        const Tally *tally = &of_item[best[i].index];
        write_best_seller(json, moment, best[i].index, tally);
        if (tally->actual > 0)
            misses[n_misses++] = fabs(tally->expected / tally->actual - 1);
    }
    json_end_array(json);
    json_named_number(json, "median_error", stats_median(misses, n_misses));
    json_end_object(json);
    return true;
}

static bool write_report(const Judged *judged, const CalibrateMoment *moment,
                         const CalibrateOptions *options, JsonWriter *json, GError **error)
{
    const Samples *samples = judged->samples;
    Tally all = tally_first(judged, 2), bins[BINS];
    Tally first_1 = tally_first(judged, 0.01), first_5 = tally_first(judged, 0.05);
    fill_bins(judged, judged->order, samples->n, all.pairs, bins);
    json_begin_object(json);
    json_named_number(json, "users", samples->n_users);
    json_named_number(json, "pairs", samples->pairs);
    json_named_number(json, "events", all.actual);
    write_tally(json, "overall", &all);
    write_tally(json, "top_1_percent", &first_1);
    write_tally(json, "top_5_percent", &first_5);
    bool good = write_lists(judged, options->k, json, error) &&
                write_best_sellers(judged, moment, json, error);
    json_named_number(json, "ece_all_pairs", calibration_error(bins, BINS));
    json_named_number(json, "brier_all_pairs", all.squares / MAX(all.pairs, 1));
    json_end_object(json);
    return good;
}

bool calibration_report(const Calibration *calibration, const CalibrateMoment *moment,
                        const Samples *samples, const CalibrateOptions *options, JsonWriter *json,
                        GError **error)
{
    g_auto(Judged) judged = {.calibration = calibration, .samples = samples};
    return judged_init(&judged, error) && write_report(&judged, moment, options, json, error);
}
