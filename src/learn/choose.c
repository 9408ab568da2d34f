#include "learn/choose.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "quality_report.h"
#include "signal_search.h"
#include "trial.h"

#define LOT_SHARE 0.1

typedef struct Chooser {
    const Dataset *raw;
    const ChooseOptions *options;
    Windows windows;
    SignalWeights signals;
    Candidate *candidates;
    size_t n_candidates;
    ListRules rules;
    char *rules_reason;
    unsigned steps_done;
    const Candidate *best; /* so far on the validation window, */
    Fitted *best_fitted;   /* and as it was fitted there */
    const Candidate *chosen, *best_baseline;
    Search *search;           /* NULL before it ran */
    Calibration *calibration; /* from the latest window it was fitted on */
    char *calibration_report;
} Chooser;

static void chooser_clear(Chooser *chooser)
{
    for (size_t c = 0; c < chooser->n_candidates; c++) {
        evaluation_free(chooser->candidates[c].validation);
        evaluation_free(chooser->candidates[c].other_way);
        evaluation_free(chooser->candidates[c].test_any);
        evaluation_free(chooser->candidates[c].test_new);
    }
    g_free(chooser->candidates);
    g_free(chooser->rules_reason);
    fitted_free(chooser->best_fitted);
    search_free(chooser->search);
    calibration_free(chooser->calibration);
    g_free(chooser->calibration_report);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Chooser, chooser_clear)

/* Without a span of time: a share of every user's products by lot, and for the validation a share
 * of those left. */
static bool stage_init_by_lot(Stage *stage, const Chooser *chooser, bool is_test, GError **error)
{
    uint64_t seed = chooser->options->seed;
    g_autoptr(Dataset) whole = dataset_before(chooser->raw, INT64_MAX, error);
    if (!whole || !hold_out(whole, LOT_SHARE, seed, &stage->view, &stage->targets, error))
        return false;
    if (!is_test) {
        g_autoptr(Dataset) known = g_steal_pointer(&stage->view);
        g_clear_pointer(&stage->targets, csr_free);
        if (!hold_out(known, LOT_SHARE, seed + 1, &stage->view, &stage->targets, error))
            return false;
    }
    stage->scope = scope_new(stage->view, chooser->windows.end, error);
    return stage->scope != NULL;
}

static bool validation_init(Stage *stage, const Chooser *chooser, GError **error)
{
    const Windows *windows = &chooser->windows;
    int64_t end = windows->single ? windows->end : windows->test;
    return windows->none
               ? stage_init_by_lot(stage, chooser, false, error)
               : stage_init(stage, chooser->raw, chooser->raw, windows->validation, end, error);
}

static bool test_init(Stage *stage, const Chooser *chooser, GError **error)
{
    const Windows *windows = &chooser->windows;
    return windows->none
               ? stage_init_by_lot(stage, chooser, true, error)
               : stage_init(stage, chooser->raw, chooser->raw, windows->test, windows->end, error);
}

/* Every learner takes one step on each of the two windows. */
static void report_progress(Chooser *chooser, const Learner *learner, const char *window)
{
    const ChooseOptions *options = chooser->options;
    if (options->progress) {
        g_autofree char *what = g_strdup_printf("%s, %s window", learner->title, window);
        options->progress(options->progress_context,
                          (double)chooser->steps_done / (2.0 * (double)chooser->n_candidates),
                          what);
    }
    chooser->steps_done++;
}

static TrialMeans means_of(const Chooser *chooser)
{
    return (TrialMeans){.raw = chooser->windows.none ? NULL : chooser->raw,
                        .signals = &chooser->signals,
                        .params = chooser->search ? chooser->search->params : NULL};
}

static Fitted *fit_candidate(const Chooser *chooser, const Candidate *candidate, const Stage *stage,
                             GError **error)
{
    TrialMeans means = means_of(chooser);
    return trial_fit(candidate->learner, stage, &means, chooser->options, error);
}

static bool try_candidate(const Chooser *chooser, Candidate *candidate, const Stage *stage,
                          Fitted **fitted, GError **error)
{
    TrialMeans means = means_of(chooser);
    return trial_try(candidate, stage, &means, chooser->options, fitted, error);
}

static Evaluation *judge(const Chooser *chooser, const Trial *trial, ListRules rules, bool only_new,
                         GError **error)
{
    return trial_judge(trial, chooser->options, rules, only_new, error);
}

static bool validate_candidate(Chooser *chooser, Candidate *candidate, const Stage *stage,
                               GError **error)
{
    const ListRules excluded = {PURCHASED_EXCLUDE, 0};
    report_progress(chooser, candidate->learner, "validation");
    g_autoptr(Fitted) fitted = NULL;
    if (!try_candidate(chooser, candidate, stage, &fitted, error))
        return false;
    if (candidate->absent)
        return true;
    Trial trial = {fitted, stage};
    candidate->validation = judge(chooser, &trial, chooser->rules, false, error);
    if (!candidate->validation)
        return false;
    if (chooser->options->purchased_auto) {
        candidate->other_way = judge(chooser, &trial, excluded, false, error);
        if (!candidate->other_way)
            return false;
    }
    if (!chooser->best ||
        candidate->validation->ndcg_ci.mean > chooser->best->validation->ndcg_ci.mean) {
        fitted_free(chooser->best_fitted);
        chooser->best_fitted = g_steal_pointer(&fitted);
        chooser->best = candidate;
    }
    return true;
}

/* The best by mean NDCG on the validation window among the baselines, or among the others. NULL
 * when there is none. */
static const Candidate *best_of(const Chooser *chooser, bool baselines)
{
    const Candidate *best = NULL;
    for (size_t c = 0; c < chooser->n_candidates; c++) {
        const Candidate *candidate = &chooser->candidates[c];
        if (candidate->learner->is_baseline == baselines && !candidate->absent &&
            (!best || candidate->validation->ndcg_ci.mean > best->validation->ndcg_ci.mean))
            best = candidate;
    }
    return best;
}

static const Candidate *find_candidate(const Chooser *chooser, const char *name)
{
    for (size_t c = 0; c < chooser->n_candidates; c++) {
        if (g_str_equal(chooser->candidates[c].learner->name, name))
            return &chooser->candidates[c];
    }
    g_assert_not_reached();
}

static Interval difference(const Chooser *chooser, const Evaluation *a, const Evaluation *b)
{
    return trial_difference(a, b, chooser->options);
}

/* The best learner when it beats the best baseline outside the interval, else that. */
static void pick(Chooser *chooser)
{
    chooser->best_baseline = chooser->chosen = best_of(chooser, true);
    g_assert(chooser->best_baseline); /* the table has baselines */
    const Candidate *challenger = best_of(chooser, false);
    if (challenger &&
        difference(chooser, challenger->validation, chooser->best_baseline->validation).low > 0)
        chooser->chosen = challenger;
}

static CalibrateOptions calibrating(const Chooser *chooser)
{
    return trial_calibrating(chooser->raw, chooser->options, chooser->rules);
}

/* The curves that the test window judges. */
static bool calibrate_on_validation(Chooser *chooser, const Stage *stage, GError **error)
{
    g_autoptr(Fitted) again = NULL;
    if (chooser->best != chooser->chosen) {
        again = fit_candidate(chooser, chooser->chosen, stage, error);
        if (!again)
            return false;
    }
    CalibrateMoment moment = {again ? again : chooser->best_fitted, stage->view, stage->scope,
                              stage->targets};
    CalibrateOptions options = calibrating(chooser);
    g_autoptr(Samples) samples = samples_new(&moment, &options, error);
    bool good =
        samples && calibration_fit(&moment, samples, &options, &chooser->calibration, error);
    g_clear_pointer(&chooser->best_fitted, fitted_free);
    return good;
}

/* Reports the curves at hand, and makes those of later. */
static bool calibrate_on_test(Chooser *chooser, const Trial *trial, GError **error)
{
    const Stage *stage = trial->stage;
    CalibrateMoment moment = {trial->fitted, stage->view, stage->scope, stage->targets};
    CalibrateOptions options = calibrating(chooser);
    g_autoptr(Samples) samples = samples_new(&moment, &options, error);
    if (!samples)
        return false;
    if (chooser->calibration && !(chooser->calibration_report = trial_calibration(
                                      chooser->calibration, &moment, samples, &options, error)))
        return false;
    g_clear_pointer(&chooser->calibration, calibration_free);
    return calibration_fit(&moment, samples, &options, &chooser->calibration, error);
}

static bool test_candidate(Chooser *chooser, Candidate *candidate, const Stage *stage,
                           GError **error)
{
    report_progress(chooser, candidate->learner, "test");
    g_autoptr(Fitted) fitted = NULL;
    if (!try_candidate(chooser, candidate, stage, &fitted, error))
        return false;
    if (candidate->absent)
        return true;
    Trial trial = {fitted, stage};
    bool calibrates = candidate == chooser->chosen && !chooser->windows.none;
    return (!calibrates || calibrate_on_test(chooser, &trial, error)) &&
           (candidate->test_any = judge(chooser, &trial, chooser->rules, false, error)) &&
           (candidate->test_new = judge(chooser, &trial, chooser->rules, true, error));
}

/* Whether lists may hold what was bought already: when the best of them is better for it. */
static void decide_rules(Chooser *chooser)
{
    double with = 0, without = 0;
    for (size_t c = 0; c < chooser->n_candidates; c++) {
        if (chooser->candidates[c].absent)
            continue;
        with = MAX(with, chooser->candidates[c].validation->ndcg_ci.mean);
        without = MAX(without, chooser->candidates[c].other_way->ndcg_ci.mean);
    }
    bool allow = with > without;
    chooser->rules = (ListRules){allow ? PURCHASED_ALLOW : PURCHASED_EXCLUDE, 0};
    chooser->rules_reason = g_strdup_printf(
        "On the validation window lists find what people bought %s already purchased products: "
        "best NDCG@%u %.3f with them, %.3f without.",
        allow ? "better with" : "at least as well without", chooser->options->k, with, without);
    for (size_t c = 0; c < chooser->n_candidates && !allow; c++) {
        Candidate *candidate = &chooser->candidates[c];
        evaluation_free(candidate->validation);
        candidate->validation = g_steal_pointer(&candidate->other_way);
    }
}

static bool weigh_signals(Chooser *chooser, const Stage *stage, GError **error)
{
    const ChooseOptions *options = chooser->options;
    SignalWindow window = {stage->view, stage->scope, stage->targets};
    if (chooser->raw->n_signals > 0 && options->progress)
        options->progress(options->progress_context, 0, "weights of event types");
    SignalSearch search = {.k = options->k,
                           .rules_auto = options->purchased_auto,
                           .rules = options->rules,
                           .seed = options->seed,
                           .threads = options->threads,
                           .cancel = options->cancel};
    return signal_weights_learn(&window, &search, &chooser->signals, error);
}

static bool search_params(Chooser *chooser, const Stage *stage, GError **error)
{
    const ChooseOptions *options = chooser->options;
    SearchOptions how = {.view = stage->view,
                         .scope = stage->scope,
                         .targets = stage->targets,
                         .raw = chooser->windows.none ? NULL : chooser->raw,
                         .horizon = options->horizon_days * US_PER_DAY,
                         .signals = &chooser->signals,
                         .k = options->k,
                         .purchased_auto = options->purchased_auto,
                         .rules = chooser->rules,
                         .max_users = trial_users(stage->view->n_items),
                         .seed = options->seed,
                         .threads = options->threads,
                         .cancel = options->cancel};
    chooser->search = search_run(&how, error);
    return chooser->search != NULL;
}

/* *judged is false when the window has nobody to judge by. */
static bool run_validation(Chooser *chooser, bool *judged, GError **error)
{
    const Windows *windows = &chooser->windows;
    g_auto(Stage) stage = {0};
    if (!validation_init(&stage, chooser, error))
        return false;
    *judged = stage.view->rows.n > 0;
    if (!weigh_signals(chooser, &stage, error) ||
        (*judged && !search_params(chooser, &stage, error)))
        return false;
    for (size_t c = 0; c < chooser->n_candidates && *judged; c++) {
        Candidate *candidate = &chooser->candidates[c];
        if (!validate_candidate(chooser, candidate, &stage, error))
            return false;
        *judged = candidate->absent || candidate->validation->n_users > 0;
    }
    if (!*judged)
        return true;
    if (chooser->options->purchased_auto)
        decide_rules(chooser);
    pick(chooser);
    return windows->single || windows->none || calibrate_on_validation(chooser, &stage, error);
}

/* Measurably better, or as good on average and measurably better at products new to the user. */
static bool stands(const Chooser *chooser)
{
    const Candidate *chosen = chooser->chosen, *baseline = chooser->best_baseline;
    if (chosen == baseline || chosen->absent)
        return chosen == baseline;
    Interval any = difference(chooser, chosen->test_any, baseline->test_any);
    return any.low > 0 ||
           (any.mean > 0 && difference(chooser, chosen->test_new, baseline->test_new).low > 0);
}

/* The best of several on one window is partly the luckiest: what does not beat the baseline on the
 * next one as well, or cannot learn any more, gives way to it. */
static bool confirm(Chooser *chooser, const Stage *stage, GError **error)
{
    if (stands(chooser))
        return true;
    chooser->chosen = chooser->best_baseline;
    g_clear_pointer(&chooser->calibration, calibration_free);
    g_clear_pointer(&chooser->calibration_report, g_free);
    if (chooser->windows.none)
        return true;
    g_autoptr(Fitted) fitted = fit_candidate(chooser, chooser->chosen, stage, error);
    Trial trial = {fitted, stage};
    return fitted && calibrate_on_test(chooser, &trial, error);
}

static bool run_test(Chooser *chooser, bool *judged, GError **error)
{
    g_auto(Stage) stage = {0};
    if (!test_init(&stage, chooser, error))
        return false;
    *judged = stage.view->rows.n > 0;
    for (size_t c = 0; c < chooser->n_candidates && *judged; c++) {
        Candidate *candidate = &chooser->candidates[c];
        if (!test_candidate(chooser, candidate, &stage, error))
            return false;
        *judged = candidate->absent || candidate->test_any->n_users > 0;
    }
    return !*judged || confirm(chooser, &stage, error);
}

static void pick_measured(Chooser *chooser, QualityReport *report)
{
    report->best_baseline = chooser->best_baseline;
    report->chosen = chooser->chosen;
    for (size_t c = 0; c < chooser->n_candidates; c++) {
        Candidate *candidate = &chooser->candidates[c];
        if (candidate->absent)
            continue;
        candidate->against =
            difference(chooser, candidate->test_any, report->best_baseline->test_any);
    }
    report->over_popularity =
        difference(chooser, report->chosen->test_any, report->popularity->test_any);
}

/* Without a holdout: personal frequency where people repeat themselves, else popularity. */
static bool pick_unmeasured(Chooser *chooser, QualityReport *report, GError **error)
{
    g_autoptr(Dataset) view = dataset_before(chooser->raw, INT64_MAX, error);
    bool repeats;
    if (!view || !dataset_has_repeats(view, &repeats, error))
        return false;
    report->chosen = repeats ? find_candidate(chooser, "repeat") : report->popularity;
    report->best_baseline = report->chosen;
    if (chooser->options->purchased_auto) {
        g_free(chooser->rules_reason);
        chooser->rules = (ListRules){repeats ? PURCHASED_ALLOW : PURCHASED_EXCLUDE, 0};
        chooser->rules_reason =
            g_strdup(repeats ? "Nothing could be measured; some people bought a product again."
                             : "Nothing could be measured; nobody bought a product again.");
    }
    g_clear_pointer(&chooser->best_fitted, fitted_free);
    g_clear_pointer(&chooser->calibration, calibration_free);
    g_clear_pointer(&chooser->calibration_report, g_free);
    for (size_t c = 0; c < chooser->n_candidates; c++) { /* half a measurement would mislead */
        Candidate *candidate = &chooser->candidates[c];
        candidate->absent = false;
        g_clear_pointer(&candidate->validation, evaluation_free);
        g_clear_pointer(&candidate->test_any, evaluation_free);
        g_clear_pointer(&candidate->test_new, evaluation_free);
    }
    return true;
}

static void chooser_init(Chooser *chooser, const Dataset *raw, const ChooseOptions *options)
{
    const Learner *const *learners = learners_all(&chooser->n_candidates);
    chooser->raw = raw;
    chooser->options = options;
    chooser->signals = signal_weights_given(raw);
    chooser->windows = windows_plan(raw->first, raw->last, options->horizon_days);
    chooser->candidates = g_new0(Candidate, chooser->n_candidates);
    for (size_t c = 0; c < chooser->n_candidates; c++)
        chooser->candidates[c].learner = learners[c];
    if (!options->purchased_auto) {
        chooser->rules = options->rules;
        chooser->rules_reason = g_strdup("As configured.");
    }
}

static Choice *choice_new(Chooser *chooser, QualityReport *report, GError **error)
{
    report->rules = chooser->rules;
    report->rules_reason = chooser->rules_reason;
    report->calibration = chooser->calibration_report;
    report->search = chooser->search;
    g_autoptr(Choice) choice = g_new0(Choice, 1);
    choice->learner = report->chosen->learner;
    choice->rules = chooser->rules;
    choice->windows = chooser->windows;
    choice->signals = chooser->signals;
    choice->grade = quality_grade(report, &choice->reason);
    choice->report = quality_write(report, choice->grade, choice->reason, error);
    choice->calibration = g_steal_pointer(&chooser->calibration);
    choice->params = chooser->search ? g_steal_pointer(&chooser->search->params) : params_new();
    return choice->report ? g_steal_pointer(&choice) : NULL;
}

Choice *choose_learner(const Dataset *raw, const ChooseOptions *options, GError **error)
{
    if (!dataset_has_purchase(raw)) {
        error_set(error, ERR_INVALID,
                  "there is no purchase to learn from: no row of the events has a known user, a "
                  "known product, a time in the training period and a quantity above 0");
        return NULL;
    }
    g_auto(Chooser) chooser = {0};
    chooser_init(&chooser, raw, options);
    bool measured = true;
    if (!run_validation(&chooser, &measured, error))
        return NULL;
    if (measured && !run_test(&chooser, &measured, error))
        return NULL;
    QualityReport report = {.options = options,
                            .windows = &chooser.windows,
                            .learning_from = raw->first,
                            .candidates = chooser.candidates,
                            .n_candidates = chooser.n_candidates,
                            .popularity = find_candidate(&chooser, "popularity"),
                            .measured = measured};
    if (measured)
        pick_measured(&chooser, &report);
    else if (!pick_unmeasured(&chooser, &report, error))
        return NULL;
    return choice_new(&chooser, &report, error);
}

void choice_free(Choice *choice)
{
    if (!choice)
        return;
    g_free(choice->reason);
    g_free(choice->report);
    calibration_free(choice->calibration);
    params_free(choice->params);
    g_free(choice);
}
