#include "learn/evaluate.h"

#include <math.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/error.h"
#include "learn/calibrate.h"
#include "math/parallel.h"
#include "math/rng.h"
#include "math/topk.h"

/* One thread's scores at a time: what a few of them together may take of memory. */
#define TILE_BYTES (UINT64_C(64) << 20)
#define TILE_USERS 256u

/* Marks of one user on the items. */
#define MARK_BOUGHT   1u
#define MARK_RELEVANT 2u

/* Scratch of one thread. */
typedef struct Scratch {
    uint8_t *mark; /* n_items */
    float *tile;   /* users of a block × n_items */
    Scored *work, *best;
} Scratch;

typedef struct Judge {
    const Fitted *fitted;
    const Dataset *view;
    const Scope *scope;
    const Csr *targets;
    const EvaluateOptions *options;
    Evaluation *evaluation;
    int64_t excluded_from; /* a purchase from then on takes the item out of the list */
    uint64_t tile_users;
    unsigned threads;
    Scratch *scratch;
    uint32_t *buyers;        /* n_items */
    _Atomic uint8_t *listed; /* n_items: in anybody's list */
    /* sums of whole numbers, so that their order does not matter */
    _Atomic uint64_t n_listed, n_repeats, listed_buyers, relevant_buyers, n_pairs, n_fallback;
} Judge;

static bool no_memory(GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory to evaluate");
    return false;
}

static bool is_candidate(const Judge *judge, uint32_t user)
{
    return judge->scope->user[user] == USER_PREDICTABLE &&
           judge->targets->start[user] < judge->targets->start[user + 1];
}

static void mark_bought(const Judge *judge, uint32_t user, uint8_t *mark, uint8_t value)
{
    const Dataset *view = judge->view;
    for (uint64_t r = view->user_start[user]; r < view->user_start[user + 1]; r++)
        mark[view->rows.item[r]] = value;
}

/* Counts the user's relevant items and marks them. mark_bought() came before. */
static uint32_t mark_relevant(const Judge *judge, uint32_t user, uint8_t *mark)
{
    const Csr *targets = judge->targets;
    uint32_t n = 0;
    for (uint64_t e = targets->start[user]; e < targets->start[user + 1]; e++) {
        uint32_t item = targets->column[e];
        if (!judge->scope->item[item] || (judge->options->only_new && mark[item] & MARK_BOUGHT))
            continue;
        mark[item] |= MARK_RELEVANT;
        n++;
    }
    return n;
}

static void unmark(const Judge *judge, uint32_t user, uint8_t *mark)
{
    const Csr *targets = judge->targets;
    mark_bought(judge, user, mark, 0);
    for (uint64_t e = targets->start[user]; e < targets->start[user + 1]; e++)
        mark[targets->column[e]] = 0;
}

/* Keeps max_users of the n users in place, each set of them equally likely, in their order (Knuth,
 * Seminumerical Algorithms, 3.4.2, algorithm S). */
static uint32_t sample_users(uint32_t *user, uint32_t n, uint32_t max_users, uint64_t seed)
{
    if (max_users == 0 || n <= max_users)
        return n;
    Rng rng;
    rng_init(&rng, seed, 0);
    uint32_t kept = 0;
    for (uint32_t seen = 0; kept < max_users; seen++) {
        if (rng_below(&rng, n - seen) < max_users - kept)
            user[kept++] = user[seen];
    }
    return kept;
}

static bool find_users(const Judge *judge, GError **error)
{
    Evaluation *evaluation = judge->evaluation;
    uint32_t n_users = judge->view->n_users;
    evaluation->user = g_try_new(uint32_t, MAX(n_users, 1));
    g_autofree uint8_t *mark = g_try_new0(uint8_t, MAX(judge->view->n_items, 1));
    if (!evaluation->user || !mark)
        return no_memory(error);
    for (uint32_t user = 0; user < n_users; user++) {
        if (!is_candidate(judge, user))
            continue;
        mark_bought(judge, user, mark, MARK_BOUGHT);
        if (mark_relevant(judge, user, mark) > 0)
            evaluation->user[evaluation->n_candidates++] = user;
        unmark(judge, user, mark);
    }
    evaluation->n_users = sample_users(evaluation->user, evaluation->n_candidates,
                                       judge->options->max_users, judge->options->seed);
    return cancel_check(judge->options->cancel, error);
}

static bool allocate_results(Evaluation *evaluation, GError **error)
{
    float **metrics[] = {&evaluation->ndcg,      &evaluation->recall, &evaluation->recall_min,
                         &evaluation->precision, &evaluation->map,    &evaluation->hit};
    for (size_t m = 0; m < G_N_ELEMENTS(metrics); m++) {
        *metrics[m] = g_try_new0(float, MAX(evaluation->n_users, 1));
        if (!*metrics[m])
            return no_memory(error);
    }
    return true;
}

/* Distinct users who bought each item. */
static bool count_buyers(Judge *judge, GError **error)
{
    const Dataset *view = judge->view;
    judge->buyers = g_try_new0(uint32_t, MAX(view->n_items, 1));
    judge->listed = g_try_new0(_Atomic uint8_t, MAX(view->n_items, 1));
    g_autofree uint32_t *last = g_try_new0(uint32_t, MAX(view->n_items, 1));
    if (!judge->buyers || !judge->listed || !last)
        return no_memory(error);
    for (uint32_t user = 0; user < view->n_users; user++) {
        for (uint64_t r = view->user_start[user]; r < view->user_start[user + 1]; r++) {
            uint32_t item = view->rows.item[r];
            judge->buyers[item] += last[item] != user + 1;
            last[item] = user + 1;
        }
    }
    return true;
}

static uint64_t tile_users(uint64_t n_items)
{
    return CLAMP(TILE_BYTES / (n_items * sizeof(float)), 1, TILE_USERS);
}

uint64_t evaluate_bytes(uint32_t n_users, uint32_t n_items, unsigned threads)
{
    uint64_t items = MAX(n_items, 1);
    uint64_t scratch = items * (tile_users(items) * sizeof(float) + 1);
    return (uint64_t)n_users * 7 * sizeof(float) + items * (2 * sizeof(uint32_t) + 2) +
           parallel_threads(threads) * scratch;
}

static bool allocate_scratch(Judge *judge, GError **error)
{
    uint64_t n_items = MAX(judge->view->n_items, 1);
    judge->tile_users = tile_users(n_items);
    judge->threads = parallel_threads(judge->options->threads);
    judge->scratch = g_new0(Scratch, judge->threads);
    for (unsigned t = 0; t < judge->threads; t++) {
        Scratch *scratch = &judge->scratch[t];
        scratch->mark = g_try_new0(uint8_t, n_items);
        scratch->tile = g_try_new(float, judge->tile_users *n_items);
        scratch->work = g_try_new(Scored, 2 * (size_t)judge->options->k);
        scratch->best = g_try_new(Scored, judge->options->k);
        if (!scratch->mark || !scratch->tile || !scratch->work || !scratch->best)
            return no_memory(error);
    }
    return true;
}

static void judge_clear(Judge *judge)
{
    for (unsigned t = 0; judge->scratch && t < judge->threads; t++) {
        g_free(judge->scratch[t].mark);
        g_free(judge->scratch[t].tile);
        g_free(judge->scratch[t].work);
        g_free(judge->scratch[t].best);
    }
    g_free(judge->scratch);
    g_free(judge->buyers);
    g_free((void *)judge->listed);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Judge, judge_clear)

/* Takes out of a row of scores what may not be listed. */
static void mask_scores(const Judge *judge, uint32_t user, float *scores)
{
    const Dataset *view = judge->view;
    for (uint32_t item = 0; item < view->n_items; item++)
        scores[item] = judge->scope->item[item] ? scores[item] : -INFINITY;
    /* rows of a user ascend in time */
    for (uint64_t r = view->user_start[user + 1]; r-- > view->user_start[user];) {
        if (view->rows.time[r] < judge->excluded_from)
            return;
        scores[view->rows.item[r]] = -INFINITY;
    }
}

static void write_metrics(Evaluation *evaluation, uint32_t at, const uint8_t *mark,
                          const Scored *list, size_t n, uint32_t n_relevant)
{
    uint32_t reachable = MIN(evaluation->k, n_relevant), hits = 0;
    double gain = 0, ideal = 0, precisions = 0;
    for (size_t rank = 0; rank < n; rank++) {
        if (!(mark[list[rank].index] & MARK_RELEVANT))
            continue;
        hits++;
        gain += 1 / log2((double)rank + 2);
        precisions += hits / ((double)rank + 1);
    }
    for (uint32_t rank = 0; rank < reachable; rank++)
        ideal += 1 / log2((double)rank + 2);
    evaluation->ndcg[at] = (float)(gain / ideal);
    evaluation->recall[at] = (float)hits / (float)n_relevant;
    evaluation->recall_min[at] = (float)hits / (float)reachable;
    evaluation->precision[at] = (float)hits / (float)evaluation->k;
    evaluation->map[at] = (float)(precisions / reachable);
    evaluation->hit[at] = hits > 0;
}

/* Adds what one user's list tells about all lists. */
static void count_list(Judge *judge, uint32_t user, const uint8_t *mark, const Scored *list,
                       size_t n)
{
    uint64_t repeats = 0, listed_buyers = 0, relevant_buyers = 0, pairs = 0;
    for (size_t rank = 0; rank < n; rank++) {
        uint32_t item = list[rank].index;
        repeats += mark[item] & MARK_BOUGHT;
        listed_buyers += judge->buyers[item];
        atomic_store_explicit(&judge->listed[item], 1, memory_order_relaxed);
    }
    for (uint64_t e = judge->targets->start[user]; e < judge->targets->start[user + 1]; e++) {
        uint32_t item = judge->targets->column[e];
        if (mark[item] & MARK_RELEVANT) {
            relevant_buyers += judge->buyers[item];
            pairs++;
        }
    }
    bool personal = judge->fitted->learner->is_personal && n > 0 && list[0].score > 0;
    judge->n_listed += n;
    judge->n_repeats += repeats;
    judge->listed_buyers += listed_buyers;
    judge->relevant_buyers += relevant_buyers;
    judge->n_pairs += pairs;
    judge->n_fallback += !personal;
}

static void judge_user(Judge *judge, uint32_t at, float *scores, Scratch *scratch)
{
    uint32_t user = judge->evaluation->user[at];
    mark_bought(judge, user, scratch->mark, MARK_BOUGHT);
    uint32_t n_relevant = mark_relevant(judge, user, scratch->mark);
    mask_scores(judge, user, scores);
    size_t n =
        topk_select(scores, judge->view->n_items, judge->options->k, scratch->work, scratch->best);
    write_metrics(judge->evaluation, at, scratch->mark, scratch->best, n, n_relevant);
    count_list(judge, user, scratch->mark, scratch->best, n);
    unmark(judge, user, scratch->mark);
}

static bool judge_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    Judge *judge = context;
    Scratch *scratch = &judge->scratch[worker];
    if (!judge->fitted->learner->score_users(judge->fitted, judge->evaluation->user + begin,
                                             (uint32_t)(end - begin), scratch->tile, error))
        return false;
    for (uint64_t at = begin; at < end; at++) {
        float *scores = scratch->tile + (at - begin) * judge->view->n_items;
        judge_user(judge, (uint32_t)at, scores, scratch);
    }
    return true;
}

typedef struct Bootstrap {
    const Evaluation *evaluation;
    const EvaluateOptions *options;
    const float *values[6];
    Interval *intervals[6];
} Bootstrap;

static bool bootstrap_metrics(void *context, uint64_t begin, uint64_t end, unsigned worker,
                              GError **error)
{
    const Bootstrap *bootstrap = context;
    for (uint64_t m = begin; m < end; m++)
        *bootstrap->intervals[m] =
            stats_bootstrap(bootstrap->values[m], bootstrap->evaluation->n_users,
                            bootstrap->options->resamples, bootstrap->options->seed);
    return true;
}

static bool find_intervals(Evaluation *evaluation, const EvaluateOptions *options, GError **error)
{
    Bootstrap bootstrap = {
        evaluation,
        options,
        {evaluation->ndcg, evaluation->recall, evaluation->recall_min, evaluation->precision,
         evaluation->map, evaluation->hit},
        {&evaluation->ndcg_ci, &evaluation->recall_ci, &evaluation->recall_min_ci,
         &evaluation->precision_ci, &evaluation->map_ci, &evaluation->hit_ci},
    };
    return parallel_for(G_N_ELEMENTS(bootstrap.values), 1, options->threads, bootstrap_metrics,
                        &bootstrap, options->cancel, error);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void summarise(const Judge *judge)
{
    Evaluation *evaluation = judge->evaluation;
    uint64_t distinct = 0;
    for (uint32_t item = 0; item < judge->view->n_items; item++)
        distinct += judge->listed[item];
    evaluation->n_pairs = judge->n_pairs;
    evaluation->coverage = share(distinct, judge->scope->n_items);
    evaluation->repeat_share = share(judge->n_repeats, judge->n_listed);
    evaluation->fallback_share = share(judge->n_fallback, evaluation->n_users);
    evaluation->popularity_bias = share(judge->listed_buyers, judge->n_listed) /
                                  share(judge->relevant_buyers, judge->n_pairs);
}

static int64_t first_excluded(const Scope *scope, const EvaluateOptions *options)
{
    if (options->only_new || options->rules.purchased == PURCHASED_EXCLUDE)
        return INT64_MIN;
    if (options->rules.purchased == PURCHASED_ALLOW)
        return INT64_MAX;
    return scope->anchor - options->rules.days * US_PER_DAY;
}

Evaluation *evaluate(const Fitted *fitted, const Dataset *view, const Scope *scope,
                     const Csr *targets, const EvaluateOptions *options, GError **error)
{
    g_autoptr(Evaluation) evaluation = g_new0(Evaluation, 1);
    evaluation->learner = fitted->learner->name;
    evaluation->k = options->k;
    g_auto(Judge) judge = {.fitted = fitted,
                           .view = view,
                           .scope = scope,
                           .targets = targets,
                           .options = options,
                           .evaluation = evaluation,
                           .excluded_from = first_excluded(scope, options)};
    if (!find_users(&judge, error) || !allocate_results(evaluation, error) ||
        !count_buyers(&judge, error) || !allocate_scratch(&judge, error))
        return NULL;
    if (!parallel_for(evaluation->n_users, judge.tile_users, judge.threads, judge_block, &judge,
                      options->cancel, error))
        return NULL;
    summarise(&judge);
    if (!find_intervals(evaluation, options, error))
        return NULL;
    return g_steal_pointer(&evaluation);
}

void evaluation_free(Evaluation *evaluation)
{
    if (!evaluation)
        return;
    g_free(evaluation->user);
    g_free(evaluation->ndcg);
    g_free(evaluation->recall);
    g_free(evaluation->recall_min);
    g_free(evaluation->precision);
    g_free(evaluation->map);
    g_free(evaluation->hit);
    g_free(evaluation);
}

void interval_write(const Interval *interval, JsonWriter *writer)
{
    json_begin_object(writer);
    json_key(writer, "mean");
    json_number(writer, interval->mean);
    json_key(writer, "low");
    json_number(writer, interval->low);
    json_key(writer, "high");
    json_number(writer, interval->high);
    json_end_object(writer);
}

static void write_interval(JsonWriter *writer, const char *name, const Interval *interval)
{
    json_key(writer, name);
    interval_write(interval, writer);
}

void evaluation_write(const Evaluation *evaluation, JsonWriter *writer)
{
    json_begin_object(writer);
    json_key(writer, "users");
    json_uint(writer, evaluation->n_users);
    json_key(writer, "relevant_pairs");
    json_uint(writer, evaluation->n_pairs);
    write_interval(writer, "ndcg", &evaluation->ndcg_ci);
    write_interval(writer, "recall", &evaluation->recall_ci);
    write_interval(writer, "recall_min", &evaluation->recall_min_ci);
    write_interval(writer, "precision", &evaluation->precision_ci);
    write_interval(writer, "map", &evaluation->map_ci);
    write_interval(writer, "hit_rate", &evaluation->hit_ci);
    json_named_number(writer, "coverage", evaluation->coverage);
    json_named_number(writer, "repeat_share", evaluation->repeat_share);
    json_named_number(writer, "popularity_bias", evaluation->popularity_bias);
    json_named_number(writer, "fallback_share", evaluation->fallback_share);
    json_end_object(writer);
}
