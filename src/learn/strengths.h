/* How strong the tie between a user and a product is, from events of all types. */
#pragma once

#include "learn/learner.h"
#include "math/csr.h"

/* An event type beside purchases that counts. */
typedef struct EventRows {
    const Dataset *rows;
    double weight; /* > 0, a purchase being 1 */
    double half_life_days;
} EventRows;

/* Those of `view` with a weight above 0 (none where `weights` is NULL); how many. */
uint32_t strengths_events(const Dataset *view, const SignalWeights *weights,
                          EventRows events[SIGNALS_MAX]);

/* Rows of purchases and of those events, for formulae of the work. */
double strengths_rows(const Dataset *view, const SignalWeights *weights);

/* *counted: users × items, the sum of their decayed counts times their weights; NULL where none
 * counts. For csr_free(). ERR_NO_MEMORY. */
bool strengths_of_events(const Dataset *view, const FitContext *context, Csr **counted,
                         GError **error);

/* What is taken plus scale · events, or as it is where `events` is NULL. For csr_free(); NULL with
 * ERR_NO_MEMORY. */
Csr *strengths_add(Csr *takes_strengths, double scale, const Csr *events, GError **error);

/* users × items: decayed_counts() of the purchases, plus those of each signal with a weight above 0
 * in context->signals times that weight, by the signal's own half-life. Without such signals the
 * same bytes as decayed_counts(). For csr_free(). ERR_NO_MEMORY. */
Csr *strengths_of(const Dataset *view, const FitContext *context, double half_life_days,
                  GError **error);

/* The same as ln(1 + x). For csr_free(). ERR_NO_MEMORY. */
Csr *strengths_logarithms(const Dataset *view, const FitContext *context, double half_life_days,
                          GError **error);

/* Pairs of such rows of one user, over all users: how often products meet at somebody's. */
double strengths_meetings(const Dataset *view, const SignalWeights *weights);

/* How much each user counts: |x_u|^(-4·exponent), so that who buys everything does not decide.
 * For g_free(); NULL with ERR_NO_MEMORY. */
float *strengths_scale(const Csr *users, double exponent, GError **error);
