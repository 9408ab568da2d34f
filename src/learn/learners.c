#include "learn/learner.h"

#include <string.h>

#include "als.h"
#include "ease.h"
#include "item_knn.h"
#include "popularity.h"
#include "repeat.h"
#include "tifu_knn.h"

static const Learner *const LEARNERS[] = {
    &learner_popularity, &learner_repeat, &learner_item_knn,
    &learner_ease,       &learner_als,    &learner_tifu_knn,
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
