/* The fitted ranker, and how it is stored. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "learn/learner.h"
#include "ranked_forest.h"
#include "ranked_groups.h"
#include "ranked_recall.h"
#include "ranked_state.h"

typedef struct Ranked {
    Fitted fitted;
    Groupings *groupings;
    Recallers *recallers;
    FeatureState *state;
    Forest *forest;
    float *place;            /* n_users × recallers × PLACES; of users never scored, infinite */
    _Atomic uint8_t *placed; /* n_users: whose places are known so far; NULL: all that will be */
    unsigned threads;        /* to find places by; 0: all cores */
    pthread_mutex_t placing;
    bool is_placed; /* score_items asked, so that all are known; under `placing` */
    float *rest;    /* n_items: what a product scores where it is no candidate */
    uint64_t longest_history;
    uint64_t n_windows, n_lessons, n_bought; /* what it was learned from */
    float *gain;      /* n_features: how much of the loss the splits on each took away */
    bool is_borrowed; /* the arrays are a mapped file's */
} Ranked;

/* Everything that is empty yet, for a shop of that size. */
Ranked *ranked_new(uint32_t n_users, uint32_t n_items);
void ranked_free(Fitted *fitted);

bool ranked_save(const Fitted *fitted, SectionsWriter *writer, GError **error);
Fitted *ranked_load(const Sections *sections, uint32_t n_users, uint32_t n_items, GError **error);

void ranked_importance(const Fitted *fitted, JsonWriter *writer);
