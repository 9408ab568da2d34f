#include "learn/choose.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "math/stats.h"
#include "quality_report.h"

#define RESAMPLES    1000u
/* Intervals of a mean over so many are narrow enough for any decision here. */
#define USERS_JUDGED 20000u

/* One window: what was known before it, and what was bought in it. */
typedef struct Stage {
    Dataset *view;
    Scope *scope;
    Csr *targets;
} Stage;

typedef struct Chooser {
    const Dataset *raw;
    const ChooseOptions *options;
    Windows windows;
    Candidate *candidates;
    size_t n_candidates;
    ListRules rules;
    char *rules_reason;
    unsigned steps_done;
} Chooser;

static void stage_clear(Stage *stage)
{
    dataset_unref(stage->view);
    scope_free(stage->scope);
    csr_free(stage->targets);
}

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
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stage, stage_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Chooser, chooser_clear)

static bool stage_init(Stage *stage, const Dataset *raw, int64_t from, int64_t to, GError **error)
{
    return (stage->view = dataset_before(raw, from, error)) &&
           (stage->scope = scope_new(stage->view, from, error)) &&
           (stage->targets = window_targets(raw, from, to, error));
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

static Fitted *fit_candidate(const Chooser *chooser, const Candidate *candidate, const Stage *stage,
                             GError **error)
{
    const ChooseOptions *options = chooser->options;
    FitContext context = {.as_of = stage->scope->anchor,
                          .seed = options->seed,
                          .threads = options->threads,
                          .cancel = options->cancel,
                          .raw = chooser->raw};
    return candidate->learner->fit(stage->view, &context, error);
}

static Evaluation *judge(const Chooser *chooser, const Fitted *fitted, const Stage *stage,
                         ListRules rules, bool only_new, GError **error)
{
    const ChooseOptions *options = chooser->options;
    EvaluateOptions how = {.k = options->k,
                           .max_users = USERS_JUDGED,
                           .only_new = only_new,
                           .rules = rules,
                           .seed = options->seed,
                           .resamples = RESAMPLES,
                           .threads = options->threads,
                           .cancel = options->cancel};
    return evaluate(fitted, stage->view, stage->scope, stage->targets, &how, error);
}

static bool validate_candidate(Chooser *chooser, Candidate *candidate, const Stage *stage,
                               GError **error)
{
    const ListRules excluded = {PURCHASED_EXCLUDE, 0};
    report_progress(chooser, candidate->learner, "validation");
    g_autoptr(Fitted) fitted = fit_candidate(chooser, candidate, stage, error);
    if (!fitted)
        return false;
    candidate->validation = judge(chooser, fitted, stage, chooser->rules, false, error);
    if (!candidate->validation)
        return false;
    if (!chooser->options->purchased_auto)
        return true;
    candidate->other_way = judge(chooser, fitted, stage, excluded, false, error);
    return candidate->other_way != NULL;
}

static bool test_candidate(Chooser *chooser, Candidate *candidate, const Stage *stage,
                           GError **error)
{
    report_progress(chooser, candidate->learner, "test");
    g_autoptr(Fitted) fitted = fit_candidate(chooser, candidate, stage, error);
    return fitted &&
           (candidate->test_any = judge(chooser, fitted, stage, chooser->rules, false, error)) &&
           (candidate->test_new = judge(chooser, fitted, stage, chooser->rules, true, error));
}

/* Whether lists may hold what was bought already: when the best of them is better for it. */
static void decide_rules(Chooser *chooser)
{
    double with = 0, without = 0;
    for (size_t c = 0; c < chooser->n_candidates; c++) {
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

/* *judged is false when the window has nobody to judge by. */
static bool run_validation(Chooser *chooser, bool *judged, GError **error)
{
    const Windows *windows = &chooser->windows;
    g_auto(Stage) stage = {0};
    int64_t end = windows->single ? windows->end : windows->test;
    if (!stage_init(&stage, chooser->raw, windows->validation, end, error))
        return false;
    *judged = stage.view->rows.n > 0;
    for (size_t c = 0; c < chooser->n_candidates && *judged; c++) {
        if (!validate_candidate(chooser, &chooser->candidates[c], &stage, error))
            return false;
        *judged = chooser->candidates[c].validation->n_users > 0;
    }
    if (*judged && chooser->options->purchased_auto)
        decide_rules(chooser);
    return true;
}

static bool run_test(Chooser *chooser, bool *judged, GError **error)
{
    const Windows *windows = &chooser->windows;
    g_auto(Stage) stage = {0};
    if (!stage_init(&stage, chooser->raw, windows->test, windows->end, error))
        return false;
    *judged = stage.view->rows.n > 0;
    for (size_t c = 0; c < chooser->n_candidates && *judged; c++) {
        if (!test_candidate(chooser, &chooser->candidates[c], &stage, error))
            return false;
        *judged = chooser->candidates[c].test_any->n_users > 0;
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
        if (candidate->learner->is_baseline == baselines &&
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

/* NDCG of a minus that of b over the same users. */
static Interval difference(const Chooser *chooser, const Evaluation *a, const Evaluation *b)
{
    return stats_bootstrap_paired(a->ndcg, b->ndcg, a->n_users, RESAMPLES, chooser->options->seed);
}

static void pick_measured(Chooser *chooser, QualityReport *report)
{
    report->best_baseline = report->chosen = best_of(chooser, true);
    g_assert(report->best_baseline); /* the table has baselines */
    const Candidate *challenger = best_of(chooser, false);
    if (challenger &&
        difference(chooser, challenger->validation, report->best_baseline->validation).low > 0)
        report->chosen = challenger;
    for (size_t c = 0; c < chooser->n_candidates; c++) {
        Candidate *candidate = &chooser->candidates[c];
        candidate->against =
            difference(chooser, candidate->test_any, report->best_baseline->test_any);
    }
    report->over_popularity =
        difference(chooser, report->chosen->test_any, report->popularity->test_any);
}

/* Whether anybody bought a product at two different times. Rows of a user ascend in time. */
static bool has_repeats(const Dataset *view, bool *repeats, GError **error)
{
    g_autofree uint32_t *user_of = g_try_new0(uint32_t, MAX(view->n_items, 1));
    g_autofree int64_t *time_of = g_try_new(int64_t, MAX(view->n_items, 1));
    if (!user_of || !time_of) {
        error_set(error, ERR_NO_MEMORY, "no memory to look for repeats of %u products",
                  view->n_items);
        return false;
    }
    *repeats = false;
    for (uint64_t r = 0; r < view->rows.n && !*repeats; r++) {
        uint32_t item = view->rows.item[r], user = view->rows.user[r];
        *repeats = user_of[item] == user + 1 && time_of[item] != view->rows.time[r];
        user_of[item] = user + 1;
        time_of[item] = view->rows.time[r];
    }
    return true;
}

/* Without a holdout: personal frequency where people repeat themselves, else popularity. */
static bool pick_unmeasured(Chooser *chooser, QualityReport *report, GError **error)
{
    g_autoptr(Dataset) view = dataset_before(chooser->raw, INT64_MAX, error);
    bool repeats;
    if (!view || !has_repeats(view, &repeats, error))
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
    for (size_t c = 0; c < chooser->n_candidates; c++) { /* half a measurement would mislead */
        Candidate *candidate = &chooser->candidates[c];
        g_clear_pointer(&candidate->validation, evaluation_free);
        g_clear_pointer(&candidate->test_any, evaluation_free);
        g_clear_pointer(&candidate->test_new, evaluation_free);
    }
    return true;
}

static bool has_purchase(const Dataset *raw)
{
    for (uint64_t r = 0; r < raw->rows.n; r++) {
        if (raw->rows.quantity[r] > 0)
            return true;
    }
    return false;
}

static void chooser_init(Chooser *chooser, const Dataset *raw, const ChooseOptions *options)
{
    const Learner *const *learners = learners_all(&chooser->n_candidates);
    chooser->raw = raw;
    chooser->options = options;
    chooser->windows = windows_plan(raw->first, raw->last, options->horizon_days);
    chooser->candidates = g_new0(Candidate, chooser->n_candidates);
    for (size_t c = 0; c < chooser->n_candidates; c++)
        chooser->candidates[c].learner = learners[c];
    if (!options->purchased_auto) {
        chooser->rules = options->rules;
        chooser->rules_reason = g_strdup("As configured.");
    }
}

static Choice *choice_new(const Chooser *chooser, QualityReport *report, GError **error)
{
    report->rules = chooser->rules;
    report->rules_reason = chooser->rules_reason;
    g_autoptr(Choice) choice = g_new0(Choice, 1);
    choice->learner = report->chosen->learner;
    choice->rules = chooser->rules;
    choice->windows = chooser->windows;
    choice->grade = quality_grade(report, &choice->reason);
    choice->report = quality_write(report, choice->grade, choice->reason, error);
    return choice->report ? g_steal_pointer(&choice) : NULL;
}

Choice *choose_learner(const Dataset *raw, const ChooseOptions *options, GError **error)
{
    if (!has_purchase(raw)) {
        error_set(error, ERR_INVALID,
                  "there is no purchase to learn from: no row of the events has a known user, a "
                  "known product, a time in the training period and a quantity above 0");
        return NULL;
    }
    g_auto(Chooser) chooser = {0};
    chooser_init(&chooser, raw, options);
    bool measured = !chooser.windows.none;
    if (measured && !run_validation(&chooser, &measured, error))
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
    g_free(choice);
}

uint64_t choose_bytes(uint64_t rows, uint32_t n_users, uint32_t n_items, unsigned threads)
{
    uint64_t row = 4 * sizeof(uint32_t) + sizeof(int64_t) + sizeof(float); /* of a view */
    uint64_t view = rows * row + (uint64_t)n_users * (sizeof(uint64_t) + 1) + n_items;
    uint64_t targets = rows * 5 * sizeof(uint32_t) + n_users * sizeof(uint64_t);
    uint64_t judging = evaluate_bytes(n_users, n_items, threads);
    uint64_t fit = 0;
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++)
        fit = MAX(fit, learners[i]->fit_bytes(rows, n_users, n_items, threads));
    return view + targets + fit + judging;
}
