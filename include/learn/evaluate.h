/* Ranking quality over the full catalogue: no sampled negatives (Krichene, Rendle: On Sampled
 * Metrics for Item Recommendation, KDD 2020).
 *
 * With h hits among the k listed of a user and r relevant items: recall = h / r, recall_min =
 * h / min(k, r), precision = h / k, NDCG against the ideal over min(k, r), MAP = the sum over hits
 * of the precision at their rank / min(k, r), hit = h > 0; equal scores by lower item number. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/json.h"
#include "data/split.h"
#include "learn/learner.h"
#include "math/stats.h"

/* What leaves a list before it is judged or served. */
typedef enum PurchasedPolicy {
    PURCHASED_ALLOW,
    PURCHASED_EXCLUDE,       /* ever bought */
    PURCHASED_EXCLUDE_WITHIN /* bought in the last `days` */
} PurchasedPolicy;

typedef struct ListRules {
    PurchasedPolicy purchased;
    unsigned days;
} ListRules;

/* Per evaluated user: kept so that candidates can be compared in pairs. */
typedef struct Evaluation {
    const char *learner;
    unsigned k;
    uint32_t n_candidates; /* users who could be evaluated */
    uint32_t n_users;      /* evaluated: all of those, or a sample of max_users */
    uint64_t n_pairs;      /* relevant pairs */
    uint32_t *user;        /* n_users */
    float *ndcg, *recall, *recall_min, *precision, *map, *hit; /* n_users each */
    Interval ndcg_ci, recall_ci, recall_min_ci, precision_ci, map_ci, hit_ci;
    double coverage;        /* distinct items in all lists / predictable items */
    double repeat_share;    /* of listed items, bought before by that user */
    double popularity_bias; /* mean over listed items of the item's buyers / the same for relevant
                               items */
    double fallback_share;  /* of evaluated users without any personal score in their list */
} Evaluation;

typedef struct EvaluateOptions {
    unsigned k;         /* 1 to 100; 10 by default */
    uint32_t max_users; /* a sample of so many (by `seed`, alike for each learner); 0: all */
    bool only_new;      /* relevant = not in the user's history, which leaves the list as well */
    ListRules rules;
    uint64_t seed;      /* of the bootstrap */
    unsigned resamples; /* 1,000 */
    unsigned threads;
    const Cancel *cancel;
} EvaluateOptions;

/* `view` is what was learned from (netted, before the window), `scope` as of its end, `targets`
 * from window_targets(). Evaluated are predictable users with at least one relevant predictable
 * item. For evaluation_free(); of no users when there are none. ERR_NO_MEMORY, ERR_CANCELLED. */
Evaluation *evaluate(const Fitted *fitted, const Dataset *view, const Scope *scope,
                     const Csr *targets, const EvaluateOptions *options, GError **error);
void evaluation_free(Evaluation *evaluation);

/* Bytes that evaluating needs at most. */
uint64_t evaluate_bytes(uint32_t n_users, uint32_t n_items, unsigned threads);

/* One JSON object: "users", "relevant_pairs"; "ndcg", "recall", "recall_min", "precision", "map"
 * and "hit_rate", each {"mean", "low", "high"}; "coverage", "repeat_share", "popularity_bias" (null
 * when nothing is listed) and "fallback_share". */
void evaluation_write(const Evaluation *evaluation, JsonWriter *writer);

/* {"mean", "low", "high"} */
void interval_write(const Interval *interval, JsonWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Evaluation, evaluation_free)
