/* One learner on one window: fitted on what was known before it, judged by what was bought in it.
 * Shared by the choice and by a backtest, so that both measure alike. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "learn/calibrate.h"
#include "learn/choose.h"
#include "learn/evaluate.h"
#include "quality_report.h"

/* A window: what was known before it, and what was bought in it. */
typedef struct Stage {
    Dataset *view;
    Scope *scope;
    Csr *targets;
} Stage;

/* What `known` has before `from`, and what happened in [from, to) of `raw`, which may be the same
 * data set. ERR_NO_MEMORY. */
bool stage_init(Stage *stage, const Dataset *known, const Dataset *raw, int64_t from, int64_t to,
                GError **error);
void stage_clear(Stage *stage);

/* What is fitted, the data before the window and what happened in it, to judge by. */
typedef struct Trial {
    const Fitted *fitted;
    const Stage *stage;
} Trial;

/* What fits go by that was found before them: as in FitContext. */
typedef struct TrialMeans {
    const Dataset *raw;           /* or NULL */
    const SignalWeights *signals; /* or NULL */
    const Params *params;         /* or NULL */
} TrialMeans;

/* Errors of the learner. */
Fitted *trial_fit(const Learner *learner, const Stage *stage, const TrialMeans *means,
                  const ChooseOptions *options, GError **error);

/* *fitted is NULL when this data cannot teach the learner, which then is absent. */
bool trial_try(Candidate *candidate, const Stage *stage, const TrialMeans *means,
               const ChooseOptions *options, Fitted **fitted, GError **error);

/* How many users are judged at most: of a large catalogue, whose lists take long, fewer. */
uint32_t trial_users(uint32_t n_items);

Evaluation *trial_judge(const Trial *trial, const ChooseOptions *options, ListRules rules,
                        bool only_new, GError **error);

/* NDCG of a minus that of b over the same users. */
Interval trial_difference(const Evaluation *a, const Evaluation *b, const ChooseOptions *options);

CalibrateOptions trial_calibrating(const Dataset *raw, const ChooseOptions *options,
                                   ListRules rules);

/* Aims the calibration at the moment; its calibration_report() there, for g_free(). */
char *trial_calibration(Calibration *calibration, const CalibrateMoment *moment,
                        const Samples *samples, const CalibrateOptions *options, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stage, stage_clear)
