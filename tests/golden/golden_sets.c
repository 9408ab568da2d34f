/* The engine on real data sets of several shapes, with its defaults, as a user gets it: it chooses
 * among its learners on what it may know, fits the chosen one and is judged by what came after.
 *
 *     golden_sets [FOLDER [SET …]]
 *
 * FOLDER holds the sets that may not be shipped (default: $SHORTLIST_QUALITY_DATA); a set whose
 * files are not there is said to be absent. Prints for each set every learner by itself, the chosen
 * one marked: it is what is served. Ends with status 1 when that falls below a mark or below
 * another learner by more than another seed explains. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "learn/choose.h"
#include "learn/evaluate.h"
#include "learn/learner.h"
#include "rows.h"
#include "sets.h"

#define SEED 1u

static const char *const METRIC_NAMES[METRICS] = {"NDCG", "recall", "hit"};

typedef struct Figures {
    double any[METRICS], only_new[METRICS];
} Figures;

/* A set being worked on. */
typedef struct Bench {
    const SetKind *kind;
    Set *set;
    Dataset *view;
    Scope *scope;
    FitShared *shared;
    Choice *choice;
    Figures best; /* of single learners */
} Bench;

static void take(const Evaluation *judged, double *figures)
{
    figures[METRIC_NDCG] = judged->ndcg_ci.mean;
    figures[METRIC_RECALL] = judged->recall_ci.mean;
    figures[METRIC_HIT] = judged->hit_ci.mean;
}

static Evaluation *judge(const Bench *bench, const Fitted *fitted, bool only_new)
{
    g_autoptr(GError) error = NULL;
    EvaluateOptions how = {.k = bench->kind->k,
                           .only_new = only_new,
                           .rules = bench->choice->rules,
                           .seed = SEED,
                           .resamples = 1000};
    Evaluation *judged =
        evaluate(fitted, bench->view, bench->scope, bench->set->targets, &how, &error);
    if (!judged)
        golden_fail("evaluate", error);
    return judged;
}

/* Prints a line of the table. */
static Figures report(const Bench *bench, const Fitted *fitted, double seconds)
{
    Figures figures;
    g_autoptr(Evaluation) any = judge(bench, fitted, false);
    g_autoptr(Evaluation) only_new = judge(bench, fitted, true);
    take(any, figures.any);
    take(only_new, figures.only_new);
    bool is_chosen = fitted->learner == bench->choice->learner;
    printf("%c %-12s", is_chosen ? '*' : ' ', fitted->learner->name);
    for (size_t m = 0; m < METRICS; m++)
        printf("  %.4f", figures.any[m]);
    printf("  [%.3f, %.3f]  ", any->ndcg_ci.low, any->ndcg_ci.high);
    for (size_t m = 0; m < METRICS; m++)
        printf("  %.4f", figures.only_new[m]);
    printf("  %7.1f\n", seconds);
    fflush(stdout);
    return figures;
}

static FitContext context_of(const Bench *bench)
{
    return (FitContext){.as_of = bench->set->anchor,
                        .seed = SEED,
                        .raw = bench->set->raw,
                        .horizon = bench->kind->horizon_days * US_PER_DAY,
                        .signals = &bench->choice->signals,
                        .shared = bench->shared,
                        .params = bench->choice->params};
}

/* NULL when it cannot learn from the set. */
static Fitted *fit(const Bench *bench, const Learner *learner, double *seconds)
{
    g_autoptr(GError) error = NULL;
    FitContext context = context_of(bench);
    int64_t started = clock_ticks_ns();
    Fitted *fitted = learner->fit(bench->view, &context, &error);
    *seconds = (double)(clock_ticks_ns() - started) / 1e9;
    if (!fitted && error_code(error) != ERR_INVALID)
        golden_fail(learner->name, error);
    return fitted;
}

static void keep_best(Figures *best, const Figures *figures)
{
    for (size_t m = 0; m < METRICS; m++) {
        best->any[m] = MAX(best->any[m], figures->any[m]);
        best->only_new[m] = MAX(best->only_new[m], figures->only_new[m]);
    }
}

/* One learner by itself; the chosen one, which is served, into *served too. */
static void try_learner(Bench *bench, const Learner *learner, Figures *served)
{
    double seconds;
    g_autoptr(Fitted) fitted = fit(bench, learner, &seconds);
    if (!fitted) {
        printf("  %-12s  cannot learn from these data\n", learner->name);
        return;
    }
    Figures figures = report(bench, fitted, seconds);
    keep_best(&bench->best, &figures);
    if (learner == bench->choice->learner)
        *served = figures;
}

static bool reaches(const Bench *bench, const char *what, double figure, double mark)
{
    bool good = figure >= mark - bench->kind->noise;
    if (mark > 0)
        printf("  %-22s %.4f, to reach %.4f: %s\n", what, figure, mark, good ? "met" : "MISSED");
    return good;
}

static bool check(const Bench *bench, const Figures *served)
{
    const SetKind *kind = bench->kind;
    bool good = true, has_new = kind->only_new[METRIC_NDCG] > 0;
    for (size_t m = 0; m < METRICS; m++) {
        g_autofree char *any = g_strdup_printf("%s@%u", METRIC_NAMES[m], kind->k);
        g_autofree char *only_new = g_strdup_printf("%s@%u new", METRIC_NAMES[m], kind->k);
        good &= reaches(bench, any, served->any[m], kind->any[m]);
        good &= reaches(bench, only_new, served->only_new[m], kind->only_new[m]);
    }
    good &=
        reaches(bench, "best single, NDCG", served->any[METRIC_NDCG], bench->best.any[METRIC_NDCG]);
    if (has_new)
        good &= reaches(bench, "best single, NDCG new", served->only_new[METRIC_NDCG],
                        bench->best.only_new[METRIC_NDCG]);
    return good;
}

static Choice *choose(const Bench *bench)
{
    g_autoptr(GError) error = NULL;
    ChooseOptions options = {.horizon_days = bench->kind->horizon_days,
                             .k = bench->kind->k,
                             .purchased_auto = true,
                             .seed = SEED,
                             .shared = bench->shared};
    Choice *choice = choose_learner(bench->set->raw, &options, &error);
    if (!choice)
        golden_fail("choose", error);
    return choice;
}

static void bench_init(Bench *bench, const SetKind *kind, Set *set)
{
    g_autoptr(GError) error = NULL;
    *bench = (Bench){.kind = kind, .set = set, .shared = fit_shared_new()};
    bench->view = dataset_before(set->raw, INT64_MAX, &error);
    bench->scope = bench->view ? scope_new(bench->view, set->anchor, &error) : NULL;
    if (!bench->scope)
        golden_fail("scope", error);
}

static void bench_clear(Bench *bench)
{
    dataset_unref(bench->view);
    scope_free(bench->scope);
    fit_shared_free(bench->shared);
    choice_free(bench->choice);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static bool run_set(const SetKind *kind, Set *set)
{
    g_auto(Bench) bench;
    bench_init(&bench, kind, set);
    int64_t started = clock_ticks_ns();
    bench.choice = choose(&bench);
    printf("  chosen in %.0f s: %s; purchased products %s\n  %s\n",
           (double)(clock_ticks_ns() - started) / 1e9, bench.choice->learner->name,
           bench.choice->rules.purchased == PURCHASED_ALLOW ? "allowed" : "left out",
           bench.choice->reason);
    printf("  at %-8u  %-6s  %-6s  %-6s  %-16s  new: %-6s  %-6s  %-6s  fit s\n", kind->k, "NDCG",
           "recall", "hit", "NDCG 95 %", "NDCG", "recall", "hit");
    Figures served = {0};
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++)
        try_learner(&bench, learners[i], &served);
    return check(&bench, &served);
}

static bool is_wanted(const SetKind *kind, char **names)
{
    for (char **name = names; *name; name++) {
        if (g_str_equal(*name, kind->name))
            return true;
    }
    return !*names;
}

int main(int argc, char **argv)
{
    error_init();
    const char *folder = argc > 1 ? argv[1] : g_getenv("SHORTLIST_QUALITY_DATA");
    bool good = true;
    for (size_t i = 0; i < SETS_N; i++) {
        if (!is_wanted(&SETS[i], argv + MIN(argc, 2)))
            continue;
        printf("%s: %s\n", SETS[i].name, SETS[i].what);
        g_auto(Set) set = {0};
        if (set_load(&SETS[i], folder, &set))
            good &= run_set(&SETS[i], &set);
        else
            puts("  absent");
    }
    puts(good ? "all marks of the sets at hand are met" : "a mark is missed");
    return good ? 0 : 1;
}
