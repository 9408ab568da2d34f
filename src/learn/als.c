#include "als.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "lanes.h"
#include "math/parallel.h"
#include "math/rng.h"
#include "math/topk_tiles.h"
#include "strengths.h"

/* Users × items of one product that stays in the L2 cache until it is clipped. */
#define TILE_USERS 128u
#define TILE_ITEMS 1024u

typedef struct Als {
    Fitted fitted;
    uint32_t rank;
    AlsParams params;                   /* as fitted */
    const float *users;                 /* n_users × rank */
    const float *items;                 /* n_items × rank */
    Factors *owned_users, *owned_items; /* the same, or NULL when borrowed from a file */
} Als;

/* Chosen on the validation window of tests/golden (before 2011-10-11, not the window it reports);
 * regularization 1 is as good there, 1.5 loses 0.002 and suits sparser data better, which wants 3.
 */
const AlsParams als_defaults = {
    .rank = 128,
    .sweeps = 12,
    .start = 0.1f,
    .half_life_days = 75,
    .solve = {.confidence = 8, .regularization = 1.5f, .exponent = 0.5f, .steps = 3},
};

/* Items without a cell stay at zero, so nobody wants them; a stream per item, so that an item's
 * start depends on nothing else. */
static void start_items(const Csr *by_item, const AlsParams *params, uint64_t seed, Factors *items)
{
    float spread = params->start / sqrtf((float)params->rank);
    for (uint32_t item = 0; item < items->rows; item++) {
        if (by_item->start[item] == by_item->start[item + 1])
            continue;
        Rng rng;
        rng_init(&rng, seed, item);
        for (uint32_t f = 0; f < items->rank; f++)
            items->data[(size_t)item * items->rank + f] = spread * rng_normal(&rng);
    }
}

/* Goes on where a rougher fit stopped; false when there is none. */
static bool start_warm(const FitContext *context, const AlsParams *params, Factors *users,
                       Factors *items)
{
    const Als *warm = (const Als *)context->warm;
    if (!warm || warm->fitted.n_users != users->rows || warm->fitted.n_items != items->rows ||
        warm->rank != params->rank)
        return false;
    memcpy(users->data, warm->users, (size_t)users->rows * users->rank * sizeof(float));
    memcpy(items->data, warm->items, (size_t)items->rows * items->rank * sizeof(float));
    return true;
}

static bool sweep_all(const Csr *weights, const Csr *by_item, const AlsParams *params,
                      const FitContext *context, Factors *users, Factors *items, GError **error)
{
    g_autoptr(SweepPlan) user_plan = sweep_plan_new(weights, params->rank, error);
    if (!user_plan)
        return false;
    g_autoptr(SweepPlan) item_plan = sweep_plan_new(by_item, params->rank, error);
    if (!item_plan)
        return false;
    for (unsigned sweep = 0; sweep < params->sweeps; sweep++) {
        if (!half_sweep(user_plan, &params->solve, items, users, context->threads, context->cancel,
                        error) ||
            !half_sweep(item_plan, &params->solve, users, items, context->threads, context->cancel,
                        error))
            return false;
    }
    /* Users last: what is served is their best answer to the items as they are. */
    return half_sweep(user_plan, &params->solve, items, users, context->threads, context->cancel,
                      error);
}

bool als_factorise(const Csr *weights, const AlsParams *params, const FitContext *context,
                   Factors **users, Factors **items, GError **error)
{
    if (weights->start[weights->rows] == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn factors from");
        return false;
    }
    g_autoptr(Csr) by_item = csr_transpose(weights, error);
    if (!by_item)
        return false;
    g_autoptr(Factors) x = factors_new(weights->rows, params->rank, error);
    if (!x)
        return false;
    g_autoptr(Factors) y = factors_new(weights->cols, params->rank, error);
    if (!y)
        return false;
    if (!start_warm(context, params, x, y))
        start_items(by_item, params, context->seed, y);
    if (!sweep_all(weights, by_item, params, context, x, y, error))
        return false;
    if (!factors_are_finite(x) || !factors_are_finite(y)) {
        error_set(error, ERR_INVALID, "the weights of the purchases are too large to solve");
        return false;
    }
    *users = g_steal_pointer(&x);
    *items = g_steal_pointer(&y);
    return true;
}

Fitted *als_fit_with(const Dataset *view, const AlsParams *params, const FitContext *context,
                     GError **error)
{
    g_autoptr(Csr) weights = strengths_of(view, context, params->half_life_days, error);
    Factors *users, *items;
    if (!weights || !als_factorise(weights, params, context, &users, &items, error))
        return NULL;
    Als *als = g_new(Als, 1);
    *als = (Als){.fitted = {&learner_als, view->n_users, view->n_items},
                 .rank = params->rank,
                 .params = *params,
                 .users = users->data,
                 .items = items->data,
                 .owned_users = users,
                 .owned_items = items};
    return &als->fitted;
}

/* The parameters that are searched, by place in the learner's list. */
enum { ALS_REGULARIZATION, ALS_HALF_LIFE, ALS_CONFIDENCE, ALS_RANK };

static unsigned sweeps_of(double effort)
{
    bool is_whole = effort <= 0 || effort >= 1;
    return is_whole ? als_defaults.sweeps : MAX(1, (unsigned)(effort * als_defaults.sweeps + 0.5));
}

#define NS_PER_PRODUCT 0.05

static double als_fit_work(const Dataset *view, const SignalWeights *signals, const double *value,
                           double effort)
{
    double rank = value[ALS_RANK], steps = als_defaults.solve.steps + 1;
    double cells = 2.0 * strengths_rows(view, signals) * 2 * rank * steps;
    double sides = ((double)view->n_users + view->n_items) * rank * rank * steps;
    return NS_PER_PRODUCT * sweeps_of(effort) * (cells + sides);
}

static Fitted *als_fit(const Dataset *view, const FitContext *context, GError **error)
{
    AlsParams params = als_defaults;
    params.rank = (uint32_t)params_get(context->params, &learner_als, ALS_RANK);
    params.half_life_days = params_get(context->params, &learner_als, ALS_HALF_LIFE);
    params.solve.confidence = (float)params_get(context->params, &learner_als, ALS_CONFIDENCE);
    params.solve.regularization =
        (float)params_get(context->params, &learner_als, ALS_REGULARIZATION);
    unsigned all = sweeps_of(context->effort);
    params.sweeps = all - (context->warm ? ((const Als *)context->warm)->params.sweeps : 0);
    Fitted *fitted = als_fit_with(view, &params, context, error);
    if (fitted)
        ((Als *)fitted)->params.sweeps = all;
    return fitted;
}

/* What leaves the learner is finite and not negative, whatever a mapped file holds: NaN fails the
 * comparison. */
static inline __attribute__((always_inline)) float clipped(float score)
{
    return score > 0 ? MIN(score, FLT_MAX) : 0;
}

CLONES static void clip_row(float *scores, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        scores[i] = clipped(scores[i]);
}

static bool als_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                            GError **error)
{
    const Als *als = (const Als *)fitted;
    for (uint32_t from = 0; from < n; from += TILE_USERS) {
        uint32_t count = MIN(TILE_USERS, n - from);
        for (uint32_t first = 0; first < fitted->n_items; first += TILE_ITEMS) {
            TopkFactors factors = {.users = als->users,
                                   .items = als->items + (size_t)first * als->rank,
                                   .n_items = MIN(TILE_ITEMS, fitted->n_items - first),
                                   .rank = als->rank};
            float *part = tile + (size_t)from * fitted->n_items + first;
            topk_tile(&factors, users + from, count, fitted->n_items, part);
            for (uint32_t u = 0; u < count; u++)
                clip_row(part + (size_t)u * fitted->n_items, factors.n_items);
        }
    }
    return true;
}

static bool als_top_users(const Fitted *fitted, const TopkQuery *query, Scored *best,
                          uint32_t *found, GError **error)
{
    const Als *als = (const Als *)fitted;
    TopkFactors factors = {als->users, als->items, fitted->n_items, als->rank};
    if (!topk_tiles(&factors, query, best, found, NULL, error))
        return false;
    for (uint64_t u = 0; u < query->n; u++) {
        for (uint32_t i = 0; i < found[u]; i++)
            best[u * query->k + i].score = clipped(best[u * query->k + i].score);
    }
    return true;
}

CLONES static void score_against(const float *restrict rows, uint32_t n, uint32_t rank,
                                 const float *restrict vector, float *restrict scores)
{
    for (uint32_t row = 0; row < n; row++, rows += rank) {
        Lanes sum = {0};
        for (uint32_t f = 0; f < rank; f += LANES)
            sum += *(const Lanes *)(rows + f) * *(const Lanes *)(vector + f);
        scores[row] = clipped(lanes_sum(&sum));
    }
}

static bool als_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n, float *scores,
                            GError **error)
{
    const Als *als = (const Als *)fitted;
    float wanted[ALS_RANK_MAX] = {0};
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t f = 0; f < als->rank; f++)
            wanted[f] += als->items[(size_t)items[i] * als->rank + f];
    }
    score_against(als->users, fitted->n_users, als->rank, wanted, scores);
    return true;
}

static bool als_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    const Als *als = (const Als *)fitted;
    return sections_write(writer, "learner.rank", &als->rank, sizeof als->rank, 1, error) &&
           sections_write(writer, "learner.users", als->users, sizeof(float),
                          (uint64_t)fitted->n_users * als->rank, error) &&
           sections_write(writer, "learner.items", als->items, sizeof(float),
                          (uint64_t)fitted->n_items * als->rank, error);
}

static Fitted *als_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                        GError **error)
{
    uint64_t n_ranks, n_x, n_y;
    const uint32_t *rank = sections_get(sections, "learner.rank", sizeof *rank, &n_ranks, error);
    if (!rank)
        return NULL;
    const float *x = sections_get(sections, "learner.users", sizeof(float), &n_x, error);
    if (!x)
        return NULL;
    const float *y = sections_get(sections, "learner.items", sizeof(float), &n_y, error);
    if (!y)
        return NULL;
    if (n_ranks != 1 || *rank == 0 || *rank > ALS_RANK_MAX || *rank % LANES != 0 ||
        n_x != (uint64_t)n_users * *rank || n_y != (uint64_t)n_items * *rank) {
        error_set(error, ERR_DAMAGED, "the factors do not fit the users and products");
        return NULL;
    }
    Als *als = g_new(Als, 1);
    *als = (Als){.fitted = {&learner_als, n_users, n_items},
                 .rank = *rank,
                 .params = als_defaults,
                 .users = x,
                 .items = y};
    return &als->fitted;
}

static void als_describe(const Fitted *fitted, JsonWriter *writer)
{
    const AlsParams *params = &((const Als *)fitted)->params;
    const struct {
        const char *name;
        double value;
    } members[] = {
        {"rank", params->rank},
        {"sweeps", params->sweeps},
        {"half_life_days", params->half_life_days},
        {"confidence", params->solve.confidence},
        {"regularization", params->solve.regularization},
        {"regularization_exponent", params->solve.exponent},
        {"conjugate_gradient_steps", params->solve.steps},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_named_number(writer, members[i].name, members[i].value);
}

static uint64_t als_fit_bytes(const FitSize *size)
{
    uint64_t sides = (uint64_t)size->n_users + size->n_items;
    uint64_t factors = sides * als_defaults.rank * sizeof(float);
    uint64_t matrices =
        2 * (size->rows * (sizeof(uint32_t) + sizeof(float)) + sides * sizeof(uint64_t));
    uint64_t plans = sides * 3 * sizeof(uint32_t);
    return factors + matrices + plans +
           2 * parallel_threads(size->threads) * half_sweep_bytes(als_defaults.rank);
}

static uint64_t als_kept_bytes(const FitSize *size)
{
    return ((uint64_t)size->n_users + size->n_items) * als_defaults.rank * sizeof(float);
}

static void als_free(Fitted *fitted)
{
    Als *als = (Als *)fitted;
    factors_free(als->owned_users);
    factors_free(als->owned_items);
    g_free(als);
}

const Learner learner_als = {
    .name = "als",
    .title = "Implicit ALS",
    .paper = "Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM "
             "2008; Rendle, Krichene, Zhang, Koren: Revisiting the Performance of iALS on Item "
             "Recommendation Benchmarks, RecSys 2022",
    .is_baseline = false,
    .is_personal = true,
    .param =
        {
            [ALS_REGULARIZATION] = {"regularization", 1.5, {0.5, 3, 6, 12}, 4},
            [ALS_HALF_LIFE] = {"half_life_days", 75, {30, 150, 400}, 3},
            [ALS_CONFIDENCE] = {"confidence", 8, {2, 20}, 2},
            [ALS_RANK] = {"rank", 128, {32, 64}, 2},
        },
    .n_params = 4,
    .fit_work = als_fit_work,
    .goes_on = true,
    .fit = als_fit,
    .score_users = als_score_users,
    .top_users = als_top_users,
    .score_items = als_score_items,
    .save = als_save,
    .load = als_load,
    .describe = als_describe,
    .fit_bytes = als_fit_bytes,
    .kept_bytes = als_kept_bytes,
    .free = als_free,
};
