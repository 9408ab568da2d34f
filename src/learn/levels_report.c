#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "levels_model.h"
#include "math/stats.h"
#include "math/topk.h"
#include "ranked_arrays.h"

#define BINS    10u
#define LARGEST 10u

/* Expected and actual events of some pairs. */
typedef struct Tally {
    double pairs, expected, actual, squares; /* squares: Σ (p - event)² */
} Tally;

static void tally_add(Tally *to, const Tally *from)
{
    to->pairs += from->pairs;
    to->expected += from->expected;
    to->actual += from->actual;
    to->squares += from->squares;
}

static Tally tally_of(const Samples *samples, uint64_t s, double probability)
{
    double weight = samples->weight[s], miss = probability - samples->is_bought[s];
    return (Tally){weight, weight * probability, weight * samples->is_bought[s],
                   weight * miss * miss};
}

static void write_sums(JsonWriter *json, const Tally *tally)
{
    json_named_number(json, "expected", tally->expected);
    json_named_number(json, "actual", tally->actual);
}

static void write_levels(JsonWriter *json, const Tally *tally)
{
    write_sums(json, tally);
    json_named_number(json, "ratio", tally->actual > 0 ? tally->expected / tally->actual : NAN);
}

typedef struct Judged {
    const Values *values;
    const Samples *samples;
    float *probability; /* by sample */
    Scored *order;      /* samples by falling probability */
    Tally *of_value;    /* n_values */
    float *orders;      /* n_values: in the horizon before */
    Tally bin[BINS], all;
} Judged;

static void judged_clear(Judged *judged)
{
    g_free(judged->probability);
    g_free(judged->order);
    g_free(judged->of_value);
    g_free(judged->orders);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Judged, judged_clear)

/* Bins of as many pairs each, from the most probable on. */
static void fill_bins(Judged *judged)
{
    double seen = 0;
    for (uint64_t i = 0; i < judged->samples->n; i++) {
        uint64_t s = judged->order[i].index;
        Tally one = tally_of(judged->samples, s, judged->probability[s]);
        size_t bin = (size_t)MIN(seen / MAX(judged->all.pairs, 1) * BINS, BINS - 1);
        tally_add(&judged->bin[bin], &one);
        seen += one.pairs;
    }
}

static bool judge(Judged *judged, const Calibration *calibration, const LevelMoment *moment,
                  GError **error)
{
    const Samples *samples = judged->samples;
    uint32_t n_values = judged->values->n;
    judged->probability = kept_new0(samples->n, sizeof(float), error);
    judged->order = kept_new0(samples->n, sizeof(Scored), error);
    judged->of_value = kept_new0(n_values, sizeof(Tally), error);
    judged->orders = kept_new0(n_values, sizeof(float), error);
    if (!judged->probability || !judged->order || !judged->of_value || !judged->orders)
        return false;
    for (uint64_t s = 0; s < samples->n; s++) {
        float probability =
            calibration_probability(calibration, samples->item[s], samples->score[s]);
        judged->probability[s] = probability;
        judged->order[s] = (Scored){(uint32_t)s, probability};
        Tally one = tally_of(samples, s, probability);
        tally_add(&judged->of_value[samples->item[s]], &one);
        tally_add(&judged->all, &one);
    }
    topk_sort(judged->order, samples->n);
    for (uint32_t v = 0; v < n_values; v++)
        judged->orders[v] = moment->facts.state->item[(size_t)v * ITEM_FEATURES + ITEM_ROWS_30];
    fill_bins(judged);
    return true;
}

static void write_reliability(const Judged *judged, JsonWriter *json)
{
    double error = 0;
    json_key(json, "reliability");
    json_begin_array(json);
    for (size_t b = 0; b < BINS; b++) {
        const Tally *bin = &judged->bin[b];
        if (!(bin->pairs > 0))
            continue;
        error += fabs(bin->expected - bin->actual);
        json_begin_object(json);
        json_named_number(json, "pairs", bin->pairs);
        json_named_number(json, "mean_probability", bin->expected / bin->pairs);
        json_named_number(json, "observed_rate", bin->actual / bin->pairs);
        json_end_object(json);
    }
    json_end_array(json);
    json_named_number(json, "ece", error / MAX(judged->all.pairs, 1));
    json_named_number(json, "brier", judged->all.squares / MAX(judged->all.pairs, 1));
}

static void write_value(const Judged *judged, uint32_t value, JsonWriter *json)
{
    size_t length;
    const char *text = values_text(judged->values, value, &length);
    json_begin_object(json);
    json_key(json, "value");
    json_string_n(json, text, length);
    write_sums(json, &judged->of_value[value]);
    json_end_object(json);
}

/* Those of one column that sold best before. */
static void write_largest(const Judged *judged, uint32_t column, JsonWriter *json)
{
    const Values *values = judged->values;
    uint32_t first = values->first[column], n = values->first[column + 1] - first;
    Scored work[2 * LARGEST], best[LARGEST];
    double misses[LARGEST];
    size_t n_misses = 0, found = topk_select(judged->orders + first, n, LARGEST, work, best);
    json_key(json, "largest");
    json_begin_array(json);
    for (size_t i = 0; i < found && best[i].score > 0; i++) {
        uint32_t value = first + best[i].index;
        const Tally *tally = &judged->of_value[value];
        write_value(judged, value, json);
        if (tally->actual > 0)
            misses[n_misses++] = fabs(tally->expected / tally->actual - 1);
    }
    json_end_array(json);
    json_named_number(json, "median_error", stats_median(misses, n_misses));
}

static void write_column(const Judged *judged, uint32_t column, JsonWriter *json)
{
    const Values *values = judged->values;
    uint32_t first = values->first[column], end = values->first[column + 1];
    Tally sum = {0};
    for (uint32_t v = first; v < end; v++)
        tally_add(&sum, &judged->of_value[v]);
    size_t length;
    const char *name = values_column_name(values, first, &length);
    json_begin_object(json);
    json_key(json, "column");
    json_string_n(json, name, length);
    json_named_number(json, "values", end - first);
    write_levels(json, &sum);
    write_largest(judged, column, json);
    json_end_object(json);
}

bool level_report(const Calibration *calibration, const Values *values, const LevelMoment *moment,
                  const Samples *samples, JsonWriter *json, GError **error)
{
    g_auto(Judged) judged = {.values = values, .samples = samples};
    if (!judge(&judged, calibration, moment, error))
        return false;
    json_begin_object(json);
    json_named_number(json, "users", samples->n_users);
    json_named_number(json, "pairs", judged.all.pairs);
    json_named_number(json, "events", judged.all.actual);
    json_key(json, "overall");
    json_begin_object(json);
    write_levels(json, &judged.all);
    json_end_object(json);
    write_reliability(&judged, json);
    json_key(json, "columns");
    json_begin_array(json);
    for (uint32_t c = 0; c < values->n_columns; c++)
        write_column(&judged, c, json);
    json_end_array(json);
    json_end_object(json);
    return true;
}
