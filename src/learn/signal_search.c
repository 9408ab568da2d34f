#include "signal_search.h"

#include <math.h>

#include "base/error.h"
#include "item_knn.h"
#include "learn/signal_weights.h"
#include "math/stats.h"

/* A second pass sees each signal beside the weights of the others: too dear for many. */
#define TWICE_MAX    3u
#define RESAMPLES    500u
#define USERS_JUDGED 5000u
#define WORK_USUAL   1e11
/* The smallest sample. */
#define USERS_MIN    10000.0

static const double MULTIPLES[] = {0.1, 0.25, 0.5, 1, 2};
static const double HALF_LIVES[] = {7, 30, 90};

typedef struct Searching {
    const SignalWindow *window;
    const SignalSearch *search;
    ListRules rules;
} Searching;

SignalWeights signal_weights_given(const Dataset *data)
{
    SignalWeights weights = {.n = data->n_signals};
    for (uint32_t s = 0; s < data->n_signals; s++) {
        const SignalKind *kind = &data->signal_kinds[s];
        weights.weight_learned[s] = kind->weight < 0;
        weights.half_life_learned[s] = kind->half_life_days <= 0;
        weights.weight[s] = MAX(kind->weight, 0);
        weights.half_life_days[s] =
            kind->half_life_days > 0 ? kind->half_life_days : SIGNAL_HALF_LIFE_DAYS;
    }
    return weights;
}

/* Fits of one signal. */
static size_t tries_of(const SignalWeights *weights, uint32_t signal)
{
    return (weights->weight_learned[signal] ? G_N_ELEMENTS(MULTIPLES) + 1 : 0) +
           (weights->half_life_learned[signal] ? G_N_ELEMENTS(HALF_LIVES) : 0);
}

static unsigned passes_over(const SignalWeights *weights)
{
    return weights->n > 1 && weights->n <= TWICE_MAX ? 2 : 1;
}

/* Of the users that the budget has room for. */
static double affordable_share(const SignalWindow *window, const SignalSearch *search,
                               const SignalWeights *weights)
{
    double usual[PARAMS_MAX];
    size_t tries = 2; /* both rules */
    SignalWeights all = *weights;
    for (uint32_t s = 0; s < weights->n; s++) {
        tries += passes_over(weights) * tries_of(weights, s);
        all.weight[s] = 1;
    }
    for (size_t p = 0; p < learner_item_knn.n_params; p++)
        usual[p] = learner_item_knn.param[p].usual;
    double work = learner_item_knn.fit_work(window->view, &all, usual, 1);
    double budget = search->work > 0 ? search->work : WORK_USUAL;
    return MAX(budget / ((double)tries * work), USERS_MIN / MAX(window->view->n_users, 1));
}

static Evaluation *try_weights(const Searching *of, const SignalWeights *weights, ListRules rules,
                               GError **error)
{
    const SignalWindow *window = of->window;
    const SignalSearch *search = of->search;
    FitContext context = {.as_of = window->scope->anchor,
                          .seed = search->seed,
                          .threads = search->threads,
                          .cancel = search->cancel,
                          .signals = weights};
    g_autoptr(Fitted) fitted = learner_item_knn.fit(window->view, &context, error);
    if (!fitted)
        return NULL;
    EvaluateOptions how = {.k = search->k,
                           .max_users = USERS_JUDGED,
                           .rules = rules,
                           .seed = search->seed,
                           .resamples = 1,
                           .threads = search->threads,
                           .cancel = search->cancel};
    return evaluate(fitted, window->view, window->scope, window->targets, &how, error);
}

static double mean_of(const Evaluation *evaluation)
{
    return evaluation->n_users > 0 ? evaluation->ndcg_ci.mean : 0;
}

/* With purchases or without: as the lists will be, as far as that is known. */
static bool choose_rules(Searching *of, const SignalWeights *weights, bool *judged, GError **error)
{
    const ListRules allowed = {PURCHASED_ALLOW, 0}, excluded = {PURCHASED_EXCLUDE, 0};
    of->rules = of->search->rules_auto ? allowed : of->search->rules;
    g_autoptr(Evaluation) with = try_weights(of, weights, of->rules, error);
    if (!with)
        return false;
    *judged = with->n_users > 0;
    if (!of->search->rules_auto || !*judged)
        return true;
    g_autoptr(Evaluation) without = try_weights(of, weights, excluded, error);
    if (without && mean_of(without) >= mean_of(with))
        of->rules = excluded;
    return without != NULL;
}

/* Whether a is better than b beyond what chance explains. */
static bool is_better(const Searching *of, const Evaluation *a, const Evaluation *b)
{
    return stats_bootstrap_paired(a->ndcg, b->ndcg, a->n_users, RESAMPLES, of->search->seed).low >
           0;
}

/* Tries values of one parameter in turn; *at is the best of them, *best how it did. */
static bool climb(const Searching *of, SignalWeights *weights, double *parameter,
                  const double *values, size_t n, Evaluation **best, GError **error)
{
    double chosen = *parameter;
    for (size_t i = 0; i < n; i++) {
        if (*best && values[i] == chosen)
            continue;
        *parameter = values[i];
        g_autoptr(Evaluation) tried = try_weights(of, weights, of->rules, error);
        if (!tried)
            return false;
        if (*best && mean_of(tried) <= mean_of(*best))
            continue;
        evaluation_free(*best);
        *best = g_steal_pointer(&tried);
        chosen = values[i];
    }
    *parameter = chosen;
    return true;
}

static bool learn_weight(const Searching *of, SignalWeights *weights, uint32_t signal,
                         GError **error)
{
    double *weight = &weights->weight[signal];
    *weight = 0;
    g_autoptr(Evaluation) none = try_weights(of, weights, of->rules, error);
    g_autoptr(Evaluation) best = NULL;
    if (!none || !climb(of, weights, weight, MULTIPLES, G_N_ELEMENTS(MULTIPLES), &best, error))
        return false;
    if (!is_better(of, best, none))
        *weight = 0;
    return true;
}

static bool learn_half_life(const Searching *of, SignalWeights *weights, uint32_t signal,
                            GError **error)
{
    g_autoptr(Evaluation) best = NULL;
    return climb(of, weights, &weights->half_life_days[signal], HALF_LIVES,
                 G_N_ELEMENTS(HALF_LIVES), &best, error);
}

static bool learn_signal(const Searching *of, SignalWeights *weights, uint32_t signal,
                         GError **error)
{
    const Dataset *rows = of->window->view->signal[signal];
    if (rows->rows.n == 0)
        return true;
    if (weights->weight_learned[signal] && !learn_weight(of, weights, signal, error))
        return false;
    bool has_times = rows->first < rows->last;
    return !weights->half_life_learned[signal] || weights->weight[signal] <= 0 || !has_times ||
           learn_half_life(of, weights, signal, error);
}

static bool learn(Searching *of, SignalWeights *weights, GError **error)
{
    bool judged = true;
    if (!choose_rules(of, weights, &judged, error))
        return false;
    for (unsigned pass = 0; judged && pass < passes_over(weights); pass++) {
        for (uint32_t s = 0; s < weights->n; s++)
            if (!learn_signal(of, weights, s, error))
                return false;
    }
    return true;
}

bool signal_weights_learn(const SignalWindow *window, const SignalSearch *search,
                          SignalWeights *weights, GError **error)
{
    if (weights->n == 0 || window->view->rows.n == 0)
        return true;
    double share = affordable_share(window, search, weights);
    if (share >= 1)
        return learn(&(Searching){.window = window, .search = search}, weights, error);
    g_autoptr(Dataset) view = dataset_sample(window->view, share, search->seed, error);
    g_autoptr(Scope) scope = view ? scope_new(view, window->scope->anchor, error) : NULL;
    if (!scope || view->rows.n == 0)
        return scope != NULL;
    SignalWindow part = {view, scope, window->targets};
    return learn(&(Searching){.window = &part, .search = search}, weights, error);
}
