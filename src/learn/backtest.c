#include "learn/backtest.h"

#include "base/clock.h"
#include "base/error.h"
#include "trial.h"

typedef struct Backtest {
    const Dataset *past;
    Choice *choice;
    const ChooseOptions *options;
    Stage stage;
    Candidate *candidates;
    size_t n_candidates;
    char *calibration_report;
} Backtest;

static void backtest_clear(Backtest *backtest)
{
    for (size_t c = 0; c < backtest->n_candidates; c++) {
        evaluation_free(backtest->candidates[c].test_any);
        evaluation_free(backtest->candidates[c].test_new);
    }
    g_free(backtest->candidates);
    g_free(backtest->calibration_report);
    stage_clear(&backtest->stage);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Backtest, backtest_clear)

static void report_progress(const Backtest *backtest, const Candidate *candidate)
{
    const ChooseOptions *options = backtest->options;
    double done = (double)(candidate - backtest->candidates) / (double)backtest->n_candidates;
    if (options->progress)
        options->progress(options->progress_context, done, candidate->learner->title);
}

/* The choice's curves, aimed by what was known and judged by what happened. */
static bool judge_calibration(Backtest *backtest, const Fitted *fitted, GError **error)
{
    const Stage *stage = &backtest->stage;
    CalibrateMoment moment = {fitted, stage->view, stage->scope, stage->targets};
    CalibrateOptions options =
        trial_calibrating(backtest->past, backtest->options, backtest->choice->rules);
    g_autoptr(Samples) samples = samples_new(&moment, &options, error);
    if (samples)
        backtest->calibration_report =
            trial_calibration(backtest->choice->calibration, &moment, samples, &options, error);
    return backtest->calibration_report != NULL;
}

static bool judge_candidate(Backtest *backtest, Candidate *candidate, GError **error)
{
    Choice *choice = backtest->choice;
    TrialMeans means = {backtest->past, &choice->signals, choice->params};
    bool is_chosen = candidate->learner == choice->learner;
    report_progress(backtest, candidate);
    g_autoptr(Fitted) fitted = NULL;
    if (is_chosen)
        fitted = trial_fit(candidate->learner, &backtest->stage, &means, backtest->options, error);
    else if (!trial_try(candidate, &backtest->stage, &means, backtest->options, &fitted, error))
        return false;
    if (!fitted)
        return candidate->absent;
    Trial trial = {fitted, &backtest->stage};
    if (is_chosen && choice->calibration && !judge_calibration(backtest, fitted, error))
        return false;
    candidate->test_any = trial_judge(&trial, backtest->options, choice->rules, false, error);
    if (!candidate->test_any)
        return false;
    candidate->test_new = trial_judge(&trial, backtest->options, choice->rules, true, error);
    return candidate->test_new != NULL;
}

static bool judge_all(Backtest *backtest, GError **error)
{
    const Learner *const *learners = learners_all(&backtest->n_candidates);
    backtest->candidates = g_new0(Candidate, backtest->n_candidates);
    for (size_t c = 0; c < backtest->n_candidates; c++) {
        backtest->candidates[c].learner = learners[c];
        if (!judge_candidate(backtest, &backtest->candidates[c], error))
            return false;
    }
    return true;
}

/* Who is who: the chosen one, popularity, and the baseline that was best. */
static void find_roles(const Backtest *backtest, QualityReport *report)
{
    for (size_t c = 0; c < backtest->n_candidates; c++) {
        const Candidate *candidate = &backtest->candidates[c];
        if (candidate->learner == backtest->choice->learner)
            report->chosen = candidate;
        if (g_str_equal(candidate->learner->name, "popularity"))
            report->popularity = candidate;
        if (candidate->learner->is_baseline &&
            (!report->best_baseline ||
             candidate->test_any->ndcg_ci.mean > report->best_baseline->test_any->ndcg_ci.mean))
            report->best_baseline = candidate;
    }
    g_assert(report->chosen && report->popularity && report->best_baseline);
    report->measured = report->chosen->test_any->n_users > 0;
}

static void compare(const Backtest *backtest, QualityReport *report)
{
    const Evaluation *baseline = report->best_baseline->test_any;
    for (size_t c = 0; c < backtest->n_candidates; c++) {
        Candidate *candidate = &backtest->candidates[c];
        if (!candidate->absent)
            candidate->against = trial_difference(candidate->test_any, baseline, backtest->options);
    }
    report->over_popularity =
        trial_difference(report->chosen->test_any, report->popularity->test_any, backtest->options);
}

/* Means over nobody are no numbers. */
static void forget_measures(Backtest *backtest)
{
    for (size_t c = 0; c < backtest->n_candidates; c++) {
        g_clear_pointer(&backtest->candidates[c].test_any, evaluation_free);
        g_clear_pointer(&backtest->candidates[c].test_new, evaluation_free);
    }
    g_clear_pointer(&backtest->calibration_report, g_free);
}

static Hindsight *hindsight_new(Backtest *backtest, const Windows *windows, GError **error)
{
    QualityReport report = {.options = backtest->options,
                            .windows = windows,
                            .learning_from = backtest->past->first,
                            .only_test = true,
                            .candidates = backtest->candidates,
                            .n_candidates = backtest->n_candidates,
                            .rules = backtest->choice->rules,
                            .rules_reason = "As decided from what was known before."};
    find_roles(backtest, &report);
    if (report.measured)
        compare(backtest, &report);
    else
        forget_measures(backtest);
    report.calibration = backtest->calibration_report;
    g_autoptr(Hindsight) hindsight = g_new0(Hindsight, 1);
    hindsight->grade = quality_grade(&report, &hindsight->reason);
    hindsight->report = quality_write(&report, hindsight->grade, hindsight->reason, error);
    return hindsight->report ? g_steal_pointer(&hindsight) : NULL;
}

Hindsight *backtest_compare(const Dataset *raw, const Dataset *past, Choice *choice, int64_t as_of,
                            const ChooseOptions *options, GError **error)
{
    int64_t until = as_of + options->horizon_days * US_PER_DAY;
    Windows windows = {.validation = as_of, .test = as_of, .end = until};
    g_auto(Backtest) backtest = {.past = past, .choice = choice, .options = options};
    if (!stage_init(&backtest.stage, past, raw, as_of, until, error) ||
        !judge_all(&backtest, error))
        return NULL;
    return hindsight_new(&backtest, &windows, error);
}

void hindsight_free(Hindsight *hindsight)
{
    if (!hindsight)
        return;
    g_free(hindsight->reason);
    g_free(hindsight->report);
    g_free(hindsight);
}

uint64_t backtest_bytes(uint64_t rows, uint32_t n_users)
{
    uint64_t row = 2 * sizeof(uint32_t) + sizeof(int64_t) + 2 * sizeof(float) + sizeof(uint32_t);
    return rows * row + (uint64_t)n_users * sizeof(uint64_t);
}
