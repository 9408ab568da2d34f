/* Learning the weights of event types that are not given. */
#pragma once

#include "data/split.h"
#include "learn/evaluate.h"
#include "learn/learner.h"

/* What is known before a window, and what was bought in it. */
typedef struct SignalWindow {
    const Dataset *view;
    const Scope *scope;
    const Csr *targets;
} SignalWindow;

typedef struct SignalSearch {
    unsigned k;
    bool rules_auto; /* else `rules` is given: the better of allowing and excluding purchases */
    ListRules rules;
    uint64_t seed;
    unsigned threads;
    const Cancel *cancel;
    double work; /* nanoseconds of a core of all fits, by the learner's formula; 0: the usual */
} SignalSearch;

/* Searches what is not given, one signal after the other, by NDCG of one cheap learner ("item_knn")
 * in the window: first the weight, then the half-life of one that counts. A weight above 0 must
 * beat 0 outside the paired bootstrap interval, else the signal is noise to the strengths. Where
 * there are so many events that the fits would be more than the budget, a sample of the users
 * decides. Same data and seed, same weights. Without anybody to judge by they stay as given.
 * ERR_NO_MEMORY, ERR_CANCELLED. */
bool signal_weights_learn(const SignalWindow *window, const SignalSearch *search,
                          SignalWeights *weights, GError **error);
