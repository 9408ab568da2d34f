/* What is not personal serves from: one score for each item, the same for every user. A learner
 * built on it is its fit and a row of functions from here. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "learn/learner.h"

typedef struct ItemScores {
    Fitted fitted;
    const float *score; /* n_items, finite, ≥ 0 */
    float *owned;       /* the same, or NULL when borrowed from a file */
    void *params;       /* as fitted, for `describe`; NULL: the learner's usual ones */
} ItemScores;

/* Takes the scores: of as many items as `view` has. Keeps a copy of `params`, of `size` bytes. */
Fitted *item_scores_new(const Learner *learner, const Dataset *view, float *takes_score,
                        const void *params, size_t size);

/* The members of Learner; the section is "learner.<name>". */
bool item_scores_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                             GError **error);
bool item_scores_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n, float *scores,
                             GError **error);
bool item_scores_save(const Fitted *fitted, SectionsWriter *writer, GError **error);
void item_scores_free(Fitted *fitted);

/* ERR_DAMAGED when the file's scores are of another number of items, or one is none. */
Fitted *item_scores_load(const Learner *learner, const Sections *sections, uint32_t n_users,
                         uint32_t n_items, GError **error);
