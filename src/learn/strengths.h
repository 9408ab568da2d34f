/* How strong the tie between a user and a product is, from events of all types. */
#pragma once

#include "learn/learner.h"
#include "math/csr.h"

/* users × items: decayed_counts() of the purchases, plus those of each signal with a weight above 0
 * in context->signals times that weight, by the signal's own half-life. Without such signals the
 * same bytes as decayed_counts(). For csr_free(). ERR_NO_MEMORY. */
Csr *strengths_of(const Dataset *view, const FitContext *context, double half_life_days,
                  GError **error);

/* The same as ln(1 + x). For csr_free(). ERR_NO_MEMORY. */
Csr *strengths_logarithms(const Dataset *view, const FitContext *context, double half_life_days,
                          GError **error);

/* Pairs of rows of one user, over all users: how often products meet in what somebody bought. */
double strengths_meetings(const Dataset *view);

/* How much each user counts: |x_u|^(-4·exponent), so that who buys everything does not decide.
 * For g_free(); NULL with ERR_NO_MEMORY. */
float *strengths_scale(const Csr *users, double exponent, GError **error);
