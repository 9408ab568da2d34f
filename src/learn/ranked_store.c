#include "ranked_model.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ranked.h"

/* Counts by which the arrays are as long as they are. */
typedef struct Counts {
    uint64_t windows, lessons, bought;
    uint64_t recallers, fitted; /* fitted: a bit each */
    uint64_t pairs, basket, similar_to, similar_from, trees, nodes;
    uint64_t groupings, groups[GROUPINGS_MAX], user_groups[GROUPINGS_MAX];
    uint64_t traits;
} Counts;

/* An event type beside purchases. */
typedef struct Event {
    char name[SIGNAL_NAME_BYTES];
    uint64_t pairs;
} Event;

typedef struct Name {
    char text[24];
} Name;

Ranked *ranked_new(uint32_t n_users, uint32_t n_items)
{
    Ranked *ranked = g_new0(Ranked, 1);
    ranked->fitted = (Fitted){&learner_ranked, n_users, n_items};
    pthread_mutex_init(&ranked->placing, NULL);
    return ranked;
}

/* All that is stored but the recallers. */
static void list_arrays(Ranked *ranked, KeptArrays *arrays)
{
    uint64_t n_users = ranked->fitted.n_users, n_items = ranked->fitted.n_items;
    uint32_t n = ranked->recallers->n;
    feature_state_arrays(ranked->state, arrays);
    forest_arrays(ranked->forest, arrays);
    for (unsigned g = 0; g < ranked->groupings->n; g++)
        kept_add(arrays, &ranked->groupings->grouping[g].group_of, sizeof(uint32_t), n_items,
                 "learner.group%u_of", g);
    kept_add(arrays, &ranked->place, sizeof(float), n_users * n * PLACES, "learner.place");
    kept_add(arrays, &ranked->rest, sizeof(float), n_items, "learner.rest");
    kept_add(arrays, &ranked->gain, sizeof(float), features_count(ranked->state, n),
             "learner.gain");
}

/* Frees what holds borrowed arrays, not these. */
static void forget_arrays(Ranked *ranked)
{
    g_free(ranked->state);
    forest_forget(ranked->forest);
    g_free(ranked->groupings);
}

void ranked_free(Fitted *fitted)
{
    Ranked *ranked = (Ranked *)fitted;
    recallers_free(ranked->recallers);
    pthread_mutex_destroy(&ranked->placing);
    g_free((void *)ranked->placed);
    if (ranked->is_borrowed) {
        forget_arrays(ranked);
    } else {
        feature_state_free(ranked->state);
        forest_free(ranked->forest);
        groupings_free(ranked->groupings);
        g_free(ranked->place);
        g_free(ranked->rest);
        g_free(ranked->gain);
    }
    g_free(ranked);
}

static Counts count_all(const Ranked *ranked)
{
    const FeatureState *state = ranked->state;
    Counts counts = {.windows = ranked->n_windows,
                     .lessons = ranked->n_lessons,
                     .bought = ranked->n_bought,
                     .recallers = ranked->recallers->n,
                     .pairs = state->n_pairs,
                     .basket = state->n_basket,
                     .similar_to = state->to.n,
                     .similar_from = state->from.n,
                     .trees = ranked->forest->n_trees,
                     .nodes = ranked->forest->n_nodes,
                     .groupings = ranked->groupings->n,
                     .traits = state->traits.n};
    for (uint32_t r = 0; r < ranked->recallers->n; r++)
        counts.fitted |= (uint64_t)(ranked->recallers->fitted[r] != NULL) << r;
    for (size_t g = 0; g < ranked->groupings->n; g++) {
        counts.groups[g] = ranked->groupings->grouping[g].n_groups;
        counts.user_groups[g] = state->group[g].n;
    }
    return counts;
}

/* Of the recallers, of the groupings, then of the traits. */
static bool save_names(const Ranked *ranked, SectionsWriter *writer, GError **error)
{
    Name names[RECALLERS_MAX + GROUPINGS_MAX + TRAITS_MAX] = {0};
    size_t n = 0;
    for (uint32_t r = 0; r < ranked->recallers->n; r++)
        g_strlcpy(names[n++].text, ranked->recallers->name[r], sizeof names->text);
    for (size_t g = 0; g < ranked->groupings->n; g++)
        g_strlcpy(names[n++].text, ranked->groupings->grouping[g].name, sizeof names->text);
    for (uint32_t t = 0; t < ranked->state->traits.n; t++)
        g_strlcpy(names[n++].text, ranked->state->traits.name[t], sizeof names->text);
    return sections_write(writer, "learner.names", names, sizeof *names, n, error);
}

/* Only where there are event types beside purchases. */
static bool save_signals(const SignalState *signals, SectionsWriter *writer, GError **error)
{
    Event events[SIGNALS_MAX] = {0};
    for (uint32_t s = 0; s < signals->n; s++) {
        events[s].pairs = signals->facts[s].n;
        g_strlcpy(events[s].name, signals->facts[s].name, sizeof events[s].name);
    }
    return signals->n == 0 ||
           sections_write(writer, "learner.events", events, sizeof *events, signals->n, error);
}

static void prefix_of(uint32_t recaller, char prefix[16])
{
    g_snprintf(prefix, 16, "below%u.", recaller);
}

static bool save_recallers(const Recallers *recallers, SectionsWriter *writer, GError **error)
{
    bool good = true;
    for (uint32_t r = 0; r < recallers->n && good; r++) {
        const Fitted *fitted = recallers->fitted[r];
        char prefix[16];
        prefix_of(r, prefix);
        sections_writer_set_prefix(writer, prefix);
        good = !fitted || fitted->learner->save(fitted, writer, error);
    }
    sections_writer_set_prefix(writer, "");
    return good;
}

/* Users who were never scored are not served: in every product's order they come last. */
static void close_places(const Ranked *ranked)
{
    size_t width = (size_t)ranked->recallers->n * PLACES;
    for (uint32_t user = 0; ranked->placed && user < ranked->fitted.n_users; user++) {
        for (size_t p = 0; p < width && !atomic_load(&ranked->placed[user]); p++)
            ranked->place[user * width + p] = INFINITY;
    }
}

bool ranked_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    const Ranked *ranked = (const Ranked *)fitted;
    close_places(ranked);
    Counts counts = count_all(ranked);
    KeptArrays arrays = {0};
    list_arrays((Ranked *)ranked, &arrays);
    return sections_write(writer, "learner.counts", &counts, sizeof counts, 1, error) &&
           save_names(ranked, writer, error) &&
           save_signals(&ranked->state->signals, writer, error) &&
           kept_save(&arrays, writer, error) && save_recallers(ranked->recallers, writer, error);
}

static bool damaged(const char *what, GError **error)
{
    error_set(error, ERR_DAMAGED, "the ranker's %s do not fit", what);
    return false;
}

static bool counts_are_sound(const Counts *counts)
{
    bool sound = counts->recallers <= RECALLERS_MAX && counts->groupings <= GROUPINGS_MAX &&
                 counts->traits <= TRAITS_MAX && counts->trees <= UINT32_MAX &&
                 counts->nodes <= UINT32_MAX;
    for (uint64_t g = 0; sound && g < counts->groupings; g++)
        sound = counts->groups[g] < IDS_NONE;
    return sound;
}

static void take_counts(Ranked *ranked, const Counts *counts)
{
    FeatureState *state = ranked->state;
    ranked->n_windows = counts->windows;
    ranked->n_lessons = counts->lessons;
    ranked->n_bought = counts->bought;
    ranked->recallers->n = (uint32_t)counts->recallers;
    ranked->groupings->n = counts->groupings;
    ranked->forest->n_trees = (uint32_t)counts->trees;
    ranked->forest->n_nodes = counts->nodes;
    state->n_users = ranked->fitted.n_users;
    state->n_items = ranked->fitted.n_items;
    state->signals.n_users = state->n_users;
    state->signals.n_items = state->n_items;
    state->groupings = ranked->groupings;
    state->n_pairs = counts->pairs;
    state->n_basket = counts->basket;
    state->traits.n = (uint32_t)counts->traits;
    state->to.n = counts->similar_to;
    state->from.n = counts->similar_from;
    for (size_t g = 0; g < counts->groupings; g++) {
        ranked->groupings->grouping[g].n_groups = (uint32_t)counts->groups[g];
        state->group[g].n = counts->user_groups[g];
    }
}

static bool load_counts(Ranked *ranked, const Sections *sections, uint64_t *fitted, GError **error)
{
    uint64_t n;
    const Counts *counts = sections_get(sections, "learner.counts", sizeof *counts, &n, error);
    if (!counts)
        return false;
    if (n != 1 || !counts_are_sound(counts))
        return damaged("counts", error);
    ranked->is_borrowed = true;
    ranked->groupings = g_new0(Groupings, 1);
    ranked->recallers = g_new0(Recallers, 1);
    ranked->state = g_new0(FeatureState, 1);
    ranked->forest = g_new0(Forest, 1);
    take_counts(ranked, counts);
    *fitted = counts->fitted;
    return true;
}

static bool load_names(Ranked *ranked, const Sections *sections, GError **error)
{
    uint64_t n;
    const Name *names = sections_get(sections, "learner.names", sizeof *names, &n, error);
    if (!names)
        return false;
    uint32_t n_recallers = ranked->recallers->n;
    size_t n_named = n_recallers + ranked->groupings->n;
    if (n != n_named + ranked->state->traits.n)
        return damaged("names", error);
    for (uint64_t i = 0; i < n; i++) {
        if (!memchr(names[i].text, '\0', sizeof names[i].text))
            return damaged("names", error);
    }
    for (uint32_t r = 0; r < n_recallers; r++) {
        const Learner *learner = recallers_find(names[r].text);
        if (!learner)
            return damaged("recallers", error);
        ranked->recallers->name[r] = learner->name;
    }
    for (size_t g = 0; g < ranked->groupings->n; g++)
        g_strlcpy(ranked->groupings->grouping[g].name, names[n_recallers + g].text,
                  sizeof ranked->groupings->grouping[g].name);
    for (uint32_t t = 0; t < ranked->state->traits.n; t++)
        g_strlcpy(ranked->state->traits.name[t], names[n_named + t].text,
                  sizeof ranked->state->traits.name[t]);
    return true;
}

static bool load_signals(SignalState *signals, const Sections *sections, GError **error)
{
    if (!sections_has(sections, "learner.events"))
        return true;
    uint64_t n;
    const Event *events = sections_get(sections, "learner.events", sizeof *events, &n, error);
    if (!events)
        return false;
    if (n > SIGNALS_MAX)
        return damaged("event types", error);
    for (uint32_t s = 0; s < n; s++) {
        if (!memchr(events[s].name, '\0', sizeof events[s].name))
            return damaged("event types", error);
        g_strlcpy(signals->facts[s].name, events[s].name, sizeof signals->facts[s].name);
        signals->facts[s].n = events[s].pairs;
    }
    signals->n = (uint32_t)n;
    return true;
}

static bool load_recallers(Ranked *ranked, const Sections *sections, uint64_t fitted,
                           GError **error)
{
    Recallers *recallers = ranked->recallers;
    for (uint32_t r = 0; r < recallers->n; r++) {
        char prefix[16];
        prefix_of(r, prefix);
        if (!(fitted >> r & 1))
            continue;
        g_autoptr(Sections) below = sections_under(sections, prefix);
        recallers->fitted[r] =
            recallers_find(recallers->name[r])
                ->load(below, ranked->fitted.n_users, ranked->fitted.n_items, error);
        if (!recallers->fitted[r])
            return false;
    }
    return true;
}

static bool similar_is_sound(const Similar *similar, uint32_t n_items)
{
    return kept_starts_fit(similar->start, n_items, similar->n) &&
           kept_all_below(similar->item, similar->n, n_items);
}

static bool baskets_are_sound(const FeatureState *state)
{
    bool sound = kept_starts_fit(state->basket_start, state->n_users, state->n_basket) &&
                 kept_all_below(state->basket_item, state->n_basket, state->n_items);
    for (uint32_t user = 0; sound && user < state->n_users; user++)
        sound =
            state->basket_last[user] <= state->basket_start[user + 1] - state->basket_start[user];
    return sound;
}

/* A history names no product twice: it fits the room that candidates have. */
static bool histories_are_sound(Ranked *ranked)
{
    const FeatureState *state = ranked->state;
    if (!kept_starts_fit(state->pair_start, state->n_users, state->n_pairs) ||
        !kept_all_below(state->pair_item, state->n_pairs, state->n_items))
        return false;
    if (!signal_state_is_sound(&state->signals))
        return false;
    ranked->longest_history = feature_state_longest(state);
    return true;
}

static bool groups_are_sound(const FeatureState *state)
{
    for (size_t g = 0; g < state->groupings->n; g++) {
        const Grouping *grouping = &state->groupings->grouping[g];
        const GroupFacts *facts = &state->group[g];
        if (!kept_starts_fit(facts->start, state->n_users, facts->n))
            return false;
        for (uint32_t item = 0; item < state->n_items; item++) {
            if (grouping->group_of[item] != IDS_NONE &&
                grouping->group_of[item] >= grouping->n_groups)
                return false;
        }
    }
    return true;
}

/* What is not a candidate scores below every candidate, whatever the file says. */
static bool rest_is_sound(const Ranked *ranked)
{
    bool sound = true;
    for (uint32_t item = 0; item < ranked->fitted.n_items; item++)
        sound &= ranked->rest[item] >= 0 && ranked->rest[item] <= 1e-5f;
    return sound;
}

static bool is_sound(Ranked *ranked, GError **error)
{
    const FeatureState *state = ranked->state;
    if (!histories_are_sound(ranked))
        return damaged("histories", error);
    if (!baskets_are_sound(state))
        return damaged("last visits", error);
    if (!similar_is_sound(&state->to, state->n_items) ||
        !similar_is_sound(&state->from, state->n_items))
        return damaged("neighbours", error);
    if (!groups_are_sound(state))
        return damaged("groups", error);
    if (!forest_is_sound(ranked->forest, features_count(state, ranked->recallers->n)))
        return damaged("trees", error);
    forest_prepare(ranked->forest);
    return rest_is_sound(ranked) || damaged("scores", error);
}

Fitted *ranked_load(const Sections *sections, uint32_t n_users, uint32_t n_items, GError **error)
{
    Ranked *ranked = ranked_new(n_users, n_items);
    g_autoptr(Fitted) fitted = &ranked->fitted;
    uint64_t is_fitted = 0;
    KeptArrays arrays = {0};
    if (!load_counts(ranked, sections, &is_fitted, error) || !load_names(ranked, sections, error) ||
        !load_signals(&ranked->state->signals, sections, error))
        return NULL;
    list_arrays(ranked, &arrays);
    if (!kept_load(&arrays, sections, error) || !is_sound(ranked, error) ||
        !load_recallers(ranked, sections, is_fitted, error))
        return NULL;
    return g_steal_pointer(&fitted);
}
