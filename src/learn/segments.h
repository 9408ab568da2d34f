/* What users of the same country, age group or whatever else is known of them buy: popularity
 * within the user's segments. A segment is a value of a column of the users; of numbers and times,
 * one of up to eight bands of about as many buyers each.
 *
 *     score(u, i) = mean of share(i | v) over the columns in which u has a segment v, times Σ c
 *
 *     share(i | v) = (c_v(i) + prior · c(i) / Σ c) / (Σ c_v + prior)
 *
 * c: purchases of all users, counted 2^-(age / half-life), and other events as strengths.h weighs
 * them; c_v: of those in segment v. So a segment of few lines falls back to what everybody buys
 * (Zhai, Lafferty: A Study of Smoothing Methods for Language Models Applied to Information
 * Retrieval, TOIS 2004), which is all there is of a user without a segment. Of several segments in
 * one column (a cell of several values) each counts its part of that column. The columns' ratios to
 * everybody's shares are averaged and not multiplied, as if each told something of its own: that
 * was worse than popularity on Complete Journey, whose columns tell much the same. Segments give a
 * place to users without a purchase: what is known of them is enough.
 *
 * Texts are not looked at; of the other columns the first 16 that have 2 to `values`
 * values with at least `buyers` buyers each; other values count as none. A user is in 16 segments
 * at most, the first ones. */
#pragma once

#include "learn/learner.h"

typedef struct SegmentsParams {
    double half_life_days; /* ≤ 0: plain counts */
    double prior;          /* > 0, lines */
    uint32_t buyers;       /* ≥ 1: fewer make no segment */
    uint32_t values;       /* ≥ 2: more make no column of segments */
    uint32_t items; /* ≥ 1: kept of a segment, those bought most; the others as everybody's */
} SegmentsParams;

extern const SegmentsParams segments_defaults;
extern const Learner learner_segments;

/* learner_segments's fit with other parameters. ERR_INVALID also where no column has segments. */
Fitted *segments_fit_with(const Dataset *view, const SegmentsParams *params,
                          const FitContext *context, GError **error);
