/* The search for learners' parameters on the validation window, before they compete there.
 *
 * Successive halving (Jamieson, Talwalkar: Non-stochastic Best Arm Identification and
 * Hyperparameter Optimization, AISTATS 2016): the usual parameters and others by lot are fitted
 * with a quarter of the effort and judged by a sample of users; the better half goes on with half
 * of it (ALS from where it stood) and more users, and so on. The usual ones always stay to the end,
 * and give way only to others whose NDCG@k is measurably higher on all users judged (by more than a
 * hundredth, and outside the paired interval) for all products or for those new to the user, and
 * not lower for the other: of the ranker's recallers the new ones are wanted above all.
 *
 * The budget is counted by the learners' own formulae, never by a clock: same data and seed, same
 * parameters, on any machine. What would take too long is not searched, and the
 * report says so. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "learn/evaluate.h"
#include "learn/learner.h"

typedef struct SearchOptions {
    const Dataset *view;          /* before the window */
    const Scope *scope;           /* as of its beginning */
    const Csr *targets;           /* what was bought in it */
    const Dataset *raw;           /* for fits; or NULL */
    int64_t horizon;              /* µs */
    const SignalWeights *signals; /* for fits; or NULL */
    unsigned k;
    bool purchased_auto; /* else `rules` is given */
    ListRules rules;
    uint32_t max_users; /* judged at the end */
    uint64_t seed;
    unsigned threads;
    const Cancel *cancel;
} SearchOptions;

/* What became of one learner that has parameters. */
typedef struct Found {
    const Learner *learner;
    unsigned tried;     /* settings, the usual one among them; 0: not searched, */
    const char *reason; /* and why; else in plain words what came of it */
    bool is_usual;
    double value[PARAMS_MAX];
    /* NDCG of the best other setting minus that of the usual one, of any products and of new ones;
     * with tried > 0 */
    Interval any, only_new;
} Found;

typedef struct Search {
    Params *params; /* to fit by from now on */
    GArray *found;  /* of Found, in the order of learners_all() */
} Search;

/* Searches the parameters of found->learner and fills the rest; ERR_NO_MEMORY, ERR_CANCELLED. */
bool search_learner(const SearchOptions *options, Found *found, GError **error);

/* Searches all learners. For search_free(); ERR_NO_MEMORY, ERR_CANCELLED. */
Search *search_run(const SearchOptions *options, GError **error);
void search_free(Search *search);

/* A JSON array, one object for each learner: "learner", "tried", "parameters": {name: value},
 * "usual": bool, "gain": null or {"any", "new": <interval>}, "reason". */
void search_write(const Search *search, JsonWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Search, search_free)
