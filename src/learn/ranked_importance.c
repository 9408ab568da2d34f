#include <stdlib.h>

#include "ranked_features.h"
#include "ranked_model.h"

#define GROUPS_MAX (FAMILY_GROUP + GROUPINGS_MAX + SIGNALS_MAX + TRAITS_MAX + RECALLERS_MAX)

/* Features that tell of the same thing. */
typedef struct Importance {
    const char *kind, *name;
    char *title;
    double gain;
} Importance;

/* Each of the families that are one group. */
static const Importance WHOLE[] = {
    [FAMILY_HISTORY] = {"history", "history",
                        "What the customer bought of this very product, how often and when", 0},
    [FAMILY_USER] = {"customer", "customer",
                     "The customer's habits: visits, basket, prices, returns", 0},
    [FAMILY_PRODUCT] = {"product", "product",
                        "The product itself: sales, trend, age, price, returns", 0},
    [FAMILY_MATCH] = {"match", "match",
                      "How product and customer go together: price and similar purchases", 0},
};

/* The group of a grouping ("variant" is not a column), an event type, a trait or a recaller. */
static Importance name_group(const Ranked *ranked, FeatureFamily family, uint32_t number)
{
    if (family == FAMILY_GROUP) {
        const char *column = ranked->groupings->grouping[number].name;
        return (Importance){"attribute", column,
                            g_strdup_printf("Earlier purchases with the same %s", column), 0};
    }
    if (family == FAMILY_SIGNAL) {
        const char *event = ranked->state->signals.facts[number].name;
        return (Importance){"event", event, g_strdup_printf("Events of type %s", event), 0};
    }
    if (family == FAMILY_TRAIT) {
        const char *column = ranked->state->traits.name[number];
        return (Importance){"customer", column, g_strdup_printf("The customer's %s", column), 0};
    }
    const Learner *learner = recallers_find(ranked->recallers->name[number]);
    return (Importance){"method", learner->name, g_strdup_printf("What %s expects", learner->title),
                        0};
}

static unsigned slot_of(const Ranked *ranked, FeatureFamily family, uint32_t number)
{
    unsigned slot = family < FAMILY_GROUP ? family : FAMILY_GROUP + number;
    if (family > FAMILY_GROUP)
        slot += (unsigned)ranked->groupings->n;
    if (family > FAMILY_SIGNAL)
        slot += ranked->state->signals.n;
    if (family > FAMILY_TRAIT)
        slot += ranked->state->traits.n;
    return slot;
}

/* Adds every feature's gain to its group; returns the number of groups. */
static unsigned gather(const Ranked *ranked, Importance *groups)
{
    uint32_t n_features = features_count(ranked->state, ranked->recallers->n);
    for (uint32_t f = 0; f < n_features; f++) {
        uint32_t number;
        FeatureFamily family = features_family(ranked->state, f, &number);
        Importance *group = &groups[slot_of(ranked, family, number)];
        if (!group->kind) {
            *group = family < FAMILY_GROUP ? WHOLE[family] : name_group(ranked, family, number);
            if (family < FAMILY_GROUP)
                group->title = g_strdup(group->title);
        }
        group->gain += ranked->gain[f];
    }
    return slot_of(ranked, FAMILY_RECALLER, ranked->recallers->n);
}

static int compare(const void *left, const void *right)
{
    const Importance *a = left, *b = right;
    if (a->gain != b->gain)
        return a->gain < b->gain ? 1 : -1;
    return g_strcmp0(a->name, b->name);
}

static void write_group(const Importance *group, double all, JsonWriter *writer)
{
    json_begin_object(writer);
    json_key(writer, "kind");
    json_string(writer, group->kind);
    json_key(writer, "name");
    json_string(writer, group->name);
    json_key(writer, "title");
    json_string(writer, group->title);
    json_key(writer, "share");
    json_number(writer, all > 0 ? group->gain / all : 0);
    json_end_object(writer);
}

void ranked_importance(const Fitted *fitted, JsonWriter *writer)
{
    Importance groups[GROUPS_MAX] = {0};
    unsigned n = gather((const Ranked *)fitted, groups);
    double all = 0;
    for (unsigned g = 0; g < n; g++)
        all += groups[g].gain;
    qsort(groups, n, sizeof *groups, compare);
    json_begin_array(writer);
    for (unsigned g = 0; g < n; g++) {
        write_group(&groups[g], all, writer);
        g_free(groups[g].title);
    }
    json_end_array(writer);
}
