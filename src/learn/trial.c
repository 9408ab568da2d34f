#include "trial.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "math/stats.h"

#define RESAMPLES        1000u
/* Intervals of a mean over so many are narrow enough for any decision here. */
#define USERS_JUDGED     20000u
#define USERS_JUDGED_MIN 5000u
#define PAIRS_JUDGED     UINT64_C(250000000)

bool stage_init(Stage *stage, const Dataset *known, const Dataset *raw, int64_t from, int64_t to,
                GError **error)
{
    return (stage->view = dataset_before(known, from, error)) &&
           (stage->scope = scope_new(stage->view, from, error)) &&
           (stage->targets = window_targets(raw, from, to, error));
}

void stage_clear(Stage *stage)
{
    dataset_unref(stage->view);
    scope_free(stage->scope);
    csr_free(stage->targets);
}

Fitted *trial_fit(const Learner *learner, const Stage *stage, const TrialMeans *means,
                  const ChooseOptions *options, GError **error)
{
    FitContext context = {.as_of = stage->scope->anchor,
                          .seed = options->seed,
                          .threads = options->threads,
                          .cancel = options->cancel,
                          .raw = means->raw,
                          .horizon = options->horizon_days * US_PER_DAY,
                          .signals = means->signals,
                          .shared = options->shared,
                          .spare = options->spare,
                          .params = means->params};
    return learner->fit(stage->view, &context, error);
}

bool trial_try(Candidate *candidate, const Stage *stage, const TrialMeans *means,
               const ChooseOptions *options, Fitted **fitted, GError **error)
{
    g_autoptr(GError) failure = NULL;
    *fitted = trial_fit(candidate->learner, stage, means, options, &failure);
    if (*fitted)
        return true;
    if (error_code(failure) == ERR_INVALID && !candidate->learner->is_baseline) {
        candidate->absent = true;
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

uint32_t trial_users(uint32_t n_items)
{
    return (uint32_t)CLAMP(PAIRS_JUDGED / MAX(n_items, 1), USERS_JUDGED_MIN, USERS_JUDGED);
}

Evaluation *trial_judge(const Trial *trial, const ChooseOptions *options, ListRules rules,
                        bool only_new, GError **error)
{
    const Stage *stage = trial->stage;
    EvaluateOptions how = {.k = options->k,
                           .max_users = trial_users(stage->view->n_items),
                           .only_new = only_new,
                           .rules = rules,
                           .seed = options->seed,
                           .resamples = RESAMPLES,
                           .threads = options->threads,
                           .cancel = options->cancel};
    return evaluate(trial->fitted, stage->view, stage->scope, stage->targets, &how, error);
}

Interval trial_difference(const Evaluation *a, const Evaluation *b, const ChooseOptions *options)
{
    return stats_bootstrap_paired(a->ndcg, b->ndcg, a->n_users, RESAMPLES, options->seed);
}

CalibrateOptions trial_calibrating(const Dataset *raw, const ChooseOptions *options,
                                   ListRules rules)
{
    return (CalibrateOptions){.raw = raw,
                              .rules = rules,
                              .horizon = options->horizon_days * US_PER_DAY,
                              .k = options->k,
                              .seed = options->seed,
                              .threads = options->threads,
                              .cancel = options->cancel};
}

char *trial_calibration(Calibration *calibration, const CalibrateMoment *moment,
                        const Samples *samples, const CalibrateOptions *options, GError **error)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    if (!calibration_aim(calibration, moment, samples, options, error) ||
        !calibration_report(calibration, moment, samples, options, &json, error))
        return NULL;
    return g_strdup(buffer_text(&text));
}
