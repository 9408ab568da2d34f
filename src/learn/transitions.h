/* What is bought with, and in the visits after, what the user bought lately.
 *
 *     score(u, i) = Σ_v across^back(v) / |v|^length · Σ_{j in v} s(j, i)
 *     s(j, i) = Σ_{visits v of j} Σ_d step(d)·t(v + d)·[i in v + d]
 *               / (t(j) + shrinkage) / (t(i) + shrinkage)^lift
 *
 * over the last `reach` visits v of u, back(v) visits before the last one; v + d: the d-th visit of
 * the same user after v, v itself for d = 0, where step(0) = together and i ≠ j; else step(d) = 1 /
 * d up to `steps`. t(v) = 2^-(age / half-life), so that what follows is in season; t(i): the sum
 * over all visits with i. `neighbours` products i of each j are kept. Events of u beside purchases
 * that count (strengths.h) are one visit more, of their weights. A visit is an order, or a day
 * where orders are unknown; one of more than 300 products teaches nothing. Rules of sequences with
 * weights 1 / d: Ludewig, Jannach: Evaluation of Session-based Recommendation Algorithms, UMUAI
 * 2018; the mean over a basket's products, counted where the paper factorises: Rendle,
 * Freudenthaler, Schmidt-Thieme: Factorizing Personalized Markov Chains for Next-Basket
 * Recommendation, WWW 2010.
 */
#pragma once

#include "learn/learner.h"

typedef struct TransitionsParams {
    uint32_t neighbours;  /* of a product, at least 1 */
    uint32_t steps;       /* visits ahead; 0: only what is bought together */
    float together;       /* ≥ 0, weight of what is in the same visit */
    float half_life_days; /* 0: plain counts */
    float shrinkage;      /* > 0, purchases */
    float lift;           /* 0: a probability … 1: how much likelier than without j */
    uint32_t reach;       /* visits of a user, at least 1 */
    float across;         /* 0 < r ≤ 1 */
    float length;         /* 0: the sum over a visit's products … 1: their mean */
} TransitionsParams;

extern const TransitionsParams transitions_defaults;
extern const Learner learner_transitions;

/* learner_transitions's fit with other parameters. */
Fitted *transitions_fit_with(const Dataset *view, const TransitionsParams *params,
                             const FitContext *context, GError **error);
