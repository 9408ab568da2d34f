#include "learn/learner.h"

#include <string.h>

#include "als.h"
#include "ease.h"
#include "item_knn.h"
#include "popularity.h"
#include "ranked.h"
#include "repeat.h"
#include "tifu_knn.h"

static const Learner *const LEARNERS[] = {
    &learner_popularity, &learner_repeat,   &learner_item_knn, &learner_ease,
    &learner_als,        &learner_tifu_knn, &learner_ranked,
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
