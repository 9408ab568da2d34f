/* The learner contract. A learner is one file and one row of the table in learners.c; everything
 * downstream (evaluation, index, audiences) sees tiles of scores, never an algorithm.
 *
 * Scores are finite and comparable within one user's row (higher is wanted more). Where a learner
 * knows nothing of a pair it scores 0; it never scores below 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/sections.h"
#include "learn/signal_weights.h"
#include "math/topk_tiles.h"

typedef struct Learner Learner;

/* What one fit worked out and a later one over the same raw data set can use again, by name. */
typedef struct FitShared FitShared;

FitShared *fit_shared_new(void);
void fit_shared_free(FitShared *shared);
/* Borrowed; NULL when there is none (or no `shared`). */
void *fit_shared_get(FitShared *shared, const char *name);
/* Takes `value`, in place of an older one of that name; NULL removes. */
void fit_shared_set(FitShared *shared, const char *name, void *value, GDestroyNotify free_value);

/* A parameter of a learner that a search over the validation window chooses (learn/search.h). */
#define PARAMS_MAX 4u
#define VALUES_MAX 6u
typedef struct Param {
    const char *name;         /* as `describe` writes it */
    double usual;             /* without a search, and where none is measurably better */
    double value[VALUES_MAX]; /* what competes with it */
    size_t n_values;
} Param;

/* What a search chose; immutable while anything fits by it. */
typedef struct Params Params;

Params *params_new(void);
void params_free(Params *params);
/* value: as many as the learner has parameters. */
void params_set(Params *params, const Learner *learner, const double *value);
/* Of the learner's param-th parameter; the usual one where nothing was set, or `params` is NULL. */
double params_get(const Params *params, const Learner *learner, size_t param);

/* What every fitted learner begins with. */
typedef struct Fitted {
    const Learner *learner;
    uint32_t n_users, n_items;
} Fitted;

typedef struct FitContext {
    int64_t as_of;    /* µs: the moment the model speaks from; all rows are before it */
    uint64_t seed;    /* same data and seed, same bytes, on any number of threads */
    unsigned threads; /* 0: all cores */
    const Cancel *cancel;
    const Dataset *raw; /* what the view was made from, returns and later rows still in it, for
                           learners that look at several earlier moments through
                           dataset_before(); NULL: only the view is known */
    int64_t horizon;    /* µs that the prediction speaks of; 0: 30 days */
    const SignalWeights *signals; /* what events beside purchases count; NULL: nothing */
    FitShared *shared;            /* what fits of one choice may use again; NULL: nothing is kept */
    uint64_t spare;               /* bytes of `fit_bytes` to do without, at most `spare_bytes` */
    const Params *params;         /* NULL: the usual ones */
    double effort;                /* 0 or 1: a whole fit. Between: a share of the work, to compare
                                     parameters by */
    const Fitted *warm;           /* of less effort, by the same parameters and data, to go on from;
                                     or NULL */
} FitContext;

/* How large a data set is, for the bytes that learning from it takes. */
typedef struct FitSize {
    uint64_t rows;
    uint32_t n_users, n_items;
    unsigned n_signals; /* event types beside purchases */
    unsigned threads;   /* 0: all cores */
} FitSize;

struct Learner {
    const char *name;  /* "als": in reports, model cards and the snapshot */
    const char *title; /* "Implicit ALS" */
    const char *paper;
    bool is_baseline;
    bool is_personal;    /* its scores differ between users */
    bool is_probability; /* its scores are probabilities, though not yet at the right level */
    float candidate_min; /* scores of score_users below this are of pairs not looked at closely */

    /* What may be searched, n_params of them; changed values are told apart by `describe`. */
    Param param[PARAMS_MAX];
    size_t n_params;

    /* What a fit by these values takes, by a formula of the sizes: nanoseconds of a core as of
     * 2023, about. Counted so and not by a clock, a budget gives the same result on any machine.
     * Of events beside purchases those count that `signals` (or NULL) gives a weight. NULL where
     * there is nothing to search. */
    double (*fit_work)(const Dataset *view, const SignalWeights *signals, const double *value,
                       double effort);
    bool goes_on; /* fit starts from context->warm, and does the rest of the effort */

    /* `view` is netted (dataset_before) and outlives the fitted learner only until fit returns.
     * NULL with ERR_INVALID, ERR_NO_MEMORY, ERR_CANCELLED. */
    Fitted *(*fit)(const Dataset *view, const FitContext *context, GError **error);

    /* tile[u * n_items + i] = score of users[u] for item i. Thread-safe. Uses BLAS with one thread:
     * never on an HTTP thread. False with ERR_NO_MEMORY, as the two below. */
    bool (*score_users)(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                        GError **error);

    /* The best items of many users, in lists: what a selection from the tiles of score_users finds,
     * to the byte, of pairs that score above 0 (query->above is 0). NULL: the tiles tell it.
     * ERR_NO_MEMORY, ERR_CANCELLED. */
    bool (*top_users)(const Fitted *fitted, const TopkQuery *query, Scored *best, uint32_t *found,
                      GError **error);

    /* scores[u] for every user u: how much u wants the n given items together. One item gives its
     * own score; several give the sum of their scores, where a learner of factors sums before it
     * clips at 0 (an item that u would not want then counts against the others). Thread-safe. */
    bool (*score_items)(const Fitted *fitted, const uint32_t *items, uint32_t n, float *scores,
                        GError **error);

    /* scores[i] = how much the user wants items[i], each looked at closely: as score_items tells
     * it, also where score_users leaves a pair to the rest. NULL: score_users tells it.
     * Thread-safe. */
    bool (*score_pairs)(const Fitted *fitted, uint32_t user, const uint32_t *items, uint32_t n,
                        float *scores, GError **error);

    /* The arrays as sections "learner.…"; load borrows from the mapped file, checks shapes and
     * values against n_users and n_items so that scoring stays within the arrays, else ERR_DAMAGED.
     */
    bool (*save)(const Fitted *fitted, SectionsWriter *writer, GError **error);
    Fitted *(*load)(const Sections *sections, uint32_t n_users, uint32_t n_items, GError **error);

    /* Parameters as members of an open JSON object, for the model card. */
    void (*describe)(const Fitted *fitted, JsonWriter *writer);

    /* How much each kind of knowledge decides, largest share first, as a JSON array of
     * {"kind": "history|customer|product|match|attribute|method", "name", "title": plain words,
     * "share"}; the shares add up to 1. NULL: this learner does not tell. */
    void (*importance)(const Fitted *fitted, JsonWriter *writer);

    /* Bytes that fit needs beyond the data set, for `estimate`. */
    uint64_t (*fit_bytes)(const FitSize *size);

    /* How many of those fit can do without, when memory is short, for a somewhat worse result.
     * NULL: none. */
    uint64_t (*spare_bytes)(const FitSize *size);

    /* How many of those what was fitted holds. NULL: all. */
    uint64_t (*kept_bytes)(const FitSize *size);

    void (*free)(Fitted *fitted);
};

/* All of them, in the order of reports; *n is how many. */
const Learner *const *learners_all(size_t *n);

/* NULL when there is none. */
const Learner *learners_find(const char *name);

/* fitted->learner->free; NULL is allowed. */
void fitted_free(Fitted *fitted);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FitShared, fit_shared_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Params, params_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fitted, fitted_free)
