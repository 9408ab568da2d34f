#include "learn/learner.h"

#include <string.h>

#include "als.h"
#include "content.h"
#include "ease.h"
#include "item_knn.h"
#include "popularity.h"
#include "ranked.h"
#include "repeat.h"
#include "segments.h"
#include "slim.h"
#include "tifu_knn.h"
#include "transitions.h"
#include "trending.h"

static const Learner *const LEARNERS[] = {
    &learner_popularity, &learner_trending,    &learner_segments, &learner_repeat,
    &learner_item_knn,   &learner_transitions, &learner_content,  &learner_ease,
    &learner_slim,       &learner_als,         &learner_tifu_knn, &learner_ranked,
};

const Learner *const *learners_all(size_t *n)
{
    *n = G_N_ELEMENTS(LEARNERS);
    return LEARNERS;
}

const Learner *learners_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(LEARNERS); i++) {
        if (strcmp(LEARNERS[i]->name, name) == 0)
            return LEARNERS[i];
    }
    return NULL;
}

void fitted_free(Fitted *fitted)
{
    if (fitted)
        fitted->learner->free(fitted);
}

struct FitShared {
    GHashTable *values; /* name to Shared */
};

typedef struct Shared {
    void *value;
    GDestroyNotify free_value;
} Shared;

static void shared_free(void *data)
{
    Shared *shared = data;
    shared->free_value(shared->value);
    g_free(shared);
}

FitShared *fit_shared_new(void)
{
    FitShared *shared = g_new(FitShared, 1);
    shared->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, shared_free);
    return shared;
}

void fit_shared_free(FitShared *shared)
{
    if (!shared)
        return;
    g_hash_table_unref(shared->values);
    g_free(shared);
}

void *fit_shared_get(FitShared *shared, const char *name)
{
    Shared *found = shared ? g_hash_table_lookup(shared->values, name) : NULL;
    return found ? found->value : NULL;
}

void fit_shared_set(FitShared *shared, const char *name, void *value, GDestroyNotify free_value)
{
    if (!value) {
        g_hash_table_remove(shared->values, name);
        return;
    }
    Shared *kept = g_new(Shared, 1);
    *kept = (Shared){value, free_value};
    g_hash_table_replace(shared->values, g_strdup(name), kept);
}

/* Of one learner. */
typedef struct ParamsOf {
    const Learner *learner;
    double value[PARAMS_MAX];
} ParamsOf;

struct Params {
    GArray *of; /* of ParamsOf */
};

Params *params_new(void)
{
    Params *params = g_new(Params, 1);
    params->of = g_array_new(FALSE, FALSE, sizeof(ParamsOf));
    return params;
}

void params_free(Params *params)
{
    if (!params)
        return;
    g_array_unref(params->of);
    g_free(params);
}

static ParamsOf *params_find(const Params *params, const Learner *learner)
{
    for (guint i = 0; params && i < params->of->len; i++) {
        ParamsOf *of = &g_array_index(params->of, ParamsOf, i);
        if (of->learner == learner)
            return of;
    }
    return NULL;
}

void params_set(Params *params, const Learner *learner, const double *value)
{
    ParamsOf *known = params_find(params, learner), of = {.learner = learner};
    memcpy(of.value, value, learner->n_params * sizeof *value);
    if (known)
        *known = of;
    else
        g_array_append_val(params->of, of);
}

double params_get(const Params *params, const Learner *learner, size_t param)
{
    const ParamsOf *of = params_find(params, learner);
    g_assert(param < learner->n_params);
    return of ? of->value[param] : learner->param[param].usual;
}
