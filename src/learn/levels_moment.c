#include "levels_moment.h"

#include <math.h>

#include "als.h"
#include "base/error.h"
#include "ranked_arrays.h"

/* Values are fewer than products, and fitted eight times in one training. */
#define RANK   32
#define SWEEPS 8

const Groupings levels_no_groupings = {0};

uint32_t level_features_count(void)
{
    static const FeatureState empty = {.groupings = &levels_no_groupings};
    return features_count(&empty, 0) + VALUE_FEATURES + 1;
}

void level_features_write(const LevelFacts *facts, uint32_t user, uint32_t value,
                          const Affinity *affinity, float liked, float *out)
{
    features_write(facts->state, user, value, affinity, NULL, 0, out);
    out += features_count(facts->state, 0);
    for (size_t f = 0; f < VALUE_FEATURES; f++)
        out[f] = facts->value[(size_t)value * VALUE_FEATURES + f];
    out[VALUE_FEATURES] = facts->als ? liked : NAN;
}

static bool describe_values(LevelMoment *moment, const Values *values, GError **error)
{
    LevelFacts *facts = &moment->facts;
    facts->n_values = values->n;
    facts->value = kept_new0((uint64_t)values->n * VALUE_FEATURES, sizeof(float), error);
    for (uint32_t v = 0; facts->value && v < values->n; v++) {
        float *out = facts->value + (size_t)v * VALUE_FEATURES;
        uint32_t column = values_column(values, v);
        const float *known = facts->state->item + (size_t)v * ITEM_FEATURES;
        out[VALUE_COLUMN] = (float)column;
        out[VALUE_COLUMN_VALUES] = (float)(values->first[column + 1] - values->first[column]);
        out[VALUE_PRODUCTS] = values->products[v];
        out[VALUE_SHARE] = known[ITEM_ROWS_30] / (float)MAX(moment->scope->n_users, 1);
    }
    return facts->value != NULL;
}

static bool factorise(LevelMoment *moment, int64_t as_of, const LevelsOptions *options,
                      GError **error)
{
    FitContext context = {.as_of = as_of,
                          .seed = options->seed,
                          .threads = options->threads,
                          .cancel = options->cancel,
                          .horizon = options->horizon};
    AlsParams params = als_defaults;
    params.rank = RANK;
    params.sweeps = SWEEPS;
    g_autoptr(GError) refused = NULL;
    moment->facts.als = als_fit_with(moment->view, &params, &context, &refused);
    if (moment->facts.als || g_error_matches(refused, ERROR_DOMAIN, ERR_INVALID))
        return true;
    g_propagate_error(error, g_steal_pointer(&refused));
    return false;
}

bool level_moment_init(LevelMoment *moment, const Values *values, const Dataset *mapped,
                       int64_t as_of, bool is_past, const LevelsOptions *options, GError **error)
{
    StateOptions how = {.as_of = as_of,
                        .raw = mapped,
                        .groupings = &levels_no_groupings,
                        .threads = options->threads,
                        .cancel = options->cancel};
    moment->view = dataset_before(mapped, as_of, error);
    moment->scope = moment->view ? scope_new(moment->view, as_of, error) : NULL;
    if (!moment->scope)
        return false;
    moment->scope->item[values->n] = 0; /* what has no value */
    if (is_past) {
        moment->targets = window_targets(mapped, as_of, as_of + options->horizon, error);
        if (!moment->targets)
            return false;
    }
    moment->facts.state = feature_state_new(moment->view, &how, error);
    return moment->facts.state && describe_values(moment, values, error) &&
           factorise(moment, as_of, options, error);
}

void level_moment_clear(LevelMoment *moment)
{
    dataset_unref(moment->view);
    scope_free(moment->scope);
    csr_free(moment->targets);
    feature_state_free(moment->facts.state);
    g_free(moment->facts.value);
    fitted_free(moment->facts.als);
    *moment = (LevelMoment){0};
}
