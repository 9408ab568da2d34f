#include "als.h"
#include "base/error.h"
#include "levels_model.h"
#include "ranked_arrays.h"

#define PREFIX     "levels."
#define ALS_PREFIX PREFIX "als."

/* By which the arrays are as long as they are. */
typedef struct Counts {
    uint32_t n_users, n_values;
    uint64_t pairs, basket, similar_to, similar_from, nodes;
    uint32_t trees, n_features;
    uint32_t has_als;
    uint32_t zero;
} Counts;

static Counts count_all(const Levels *levels)
{
    const FeatureState *state = levels->facts.state;
    return (Counts){.has_als = levels->facts.als != NULL,
                    .n_users = levels->n_users,
                    .n_values = levels->values->n,
                    .pairs = state->n_pairs,
                    .basket = state->n_basket,
                    .similar_to = state->to.n,
                    .similar_from = state->from.n,
                    .nodes = levels->forest->n_nodes,
                    .trees = levels->forest->n_trees,
                    .n_features = level_features_count()};
}

/* All that is stored but values and calibration. */
static void list_arrays(Levels *levels, KeptArrays *arrays)
{
    feature_state_arrays(levels->facts.state, arrays);
    forest_arrays(levels->forest, arrays);
    kept_add(arrays, &levels->facts.value, sizeof(float),
             (uint64_t)levels->facts.n_values * VALUE_FEATURES, "facts.value");
}

static bool save_all(const Levels *levels, SectionsWriter *writer, GError **error)
{
    Counts counts = count_all(levels);
    KeptArrays arrays = {0};
    list_arrays((Levels *)levels, &arrays);
    return sections_write(writer, "counts", &counts, sizeof counts, 1, error) &&
           kept_save(&arrays, writer, error) && values_save(levels->values, writer, error) &&
           calibration_save(levels->calibration, writer, error);
}

bool levels_save(const Levels *levels, SectionsWriter *writer, GError **error)
{
    sections_writer_set_prefix(writer, PREFIX);
    bool good = save_all(levels, writer, error);
    const Fitted *als = levels->facts.als;
    sections_writer_set_prefix(writer, ALS_PREFIX);
    good = good && (!als || als->learner->save(als, writer, error));
    sections_writer_set_prefix(writer, "");
    return good;
}

static bool damaged(const char *what, GError **error)
{
    error_set(error, ERR_DAMAGED, "the level model's %s do not fit", what);
    return false;
}

static bool take_counts(Levels *levels, const Sections *sections, uint32_t n_users, bool *has_als,
                        GError **error)
{
    uint64_t n;
    const Counts *counts = sections_get(sections, "counts", sizeof *counts, &n, error);
    if (!counts)
        return false;
    if (n != 1 || counts->n_users != n_users || counts->n_values != levels->values->n ||
        counts->n_features != level_features_count() || counts->nodes > UINT32_MAX)
        return damaged("counts", error);
    FeatureState *state = levels->facts.state = g_new0(FeatureState, 1);
    state->n_users = n_users;
    state->n_items = counts->n_values + 1;
    state->groupings = &levels_no_groupings;
    state->n_pairs = counts->pairs;
    state->n_basket = counts->basket;
    state->to.n = counts->similar_to;
    state->from.n = counts->similar_from;
    levels->facts.n_values = counts->n_values;
    levels->forest = g_new0(Forest, 1);
    levels->forest->n_trees = counts->trees;
    levels->forest->n_nodes = counts->nodes;
    *has_als = counts->has_als == 1;
    return true;
}

/* What scoring uses as an index; histories are only searched in. */
static bool is_sound(const Levels *levels, GError **error)
{
    const FeatureState *state = levels->facts.state;
    if (!kept_starts_fit(state->pair_start, state->n_users, state->n_pairs))
        return damaged("histories", error);
    if (!kept_starts_fit(state->basket_start, state->n_users, state->n_basket) ||
        !kept_all_below(state->basket_item, state->n_basket, state->n_items))
        return damaged("last visits", error);
    if (!kept_starts_fit(state->from.start, state->n_items, state->from.n) ||
        !kept_all_below(state->from.item, state->from.n, state->n_items))
        return damaged("neighbours", error);
    if (!forest_is_sound(levels->forest, level_features_count()))
        return damaged("trees", error);
    return true;
}

static bool load_als(Levels *levels, const Sections *all, GError **error)
{
    g_autoptr(Sections) below = sections_under(all, ALS_PREFIX);
    levels->facts.als = learner_als.load(below, levels->n_users, levels->values->n + 1, error);
    return levels->facts.als != NULL;
}

static bool load_all(Levels *levels, const Sections *sections, uint32_t n_users, bool *has_als,
                     GError **error)
{
    KeptArrays arrays = {0};
    if (!(levels->values = values_load(sections, error)) ||
        !take_counts(levels, sections, n_users, has_als, error))
        return false;
    list_arrays(levels, &arrays);
    if (!kept_load(&arrays, sections, error) || !is_sound(levels, error) ||
        !calibration_load(sections, levels->values->n + 1, &levels->calibration, error))
        return false;
    if (!levels->calibration)
        return damaged("probabilities", error);
    forest_prepare(levels->forest);
    return true;
}

bool levels_load(const Sections *sections, uint32_t n_users, Levels **result, GError **error)
{
    *result = NULL;
    if (!sections_has(sections, PREFIX "counts"))
        return true;
    g_autoptr(Sections) below = sections_under(sections, PREFIX);
    g_autoptr(Levels) levels = g_new0(Levels, 1);
    levels->n_users = n_users;
    levels->is_borrowed = true;
    bool has_als;
    if (!load_all(levels, below, n_users, &has_als, error) ||
        (has_als && !load_als(levels, sections, error)))
        return false;
    *result = g_steal_pointer(&levels);
    return true;
}
