#include "repeat.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "cycles.h"
#include "math/csr.h"
#include "math/topk.h"
#include "popularity.h"
#include "strengths.h"

#define HALF_LIFE_DAYS 90.0
#define CYCLE          0.5
/* Counts of purchases longer ago than thirty half-lives stop falling, so that popularity stays
 * below them all. */
#define PERSONAL_MIN   0x1p-30f
#define POPULAR_MAX    0x1p-32f
#define TIE_STEP       0x1p-10f
/* Items looked for at once when users are scored for several of them: a bit each, on the stack. */
#define WANTED_ITEMS   (UINT32_C(1) << 18)

enum { REPEAT_HALF_LIFE, REPEAT_CYCLE }; /* in the order of .param */

typedef struct Repeat {
    Fitted fitted;
    double half_life_days, cycle; /* as fitted */
    const float *popular;         /* n_items */
    const uint64_t *start;        /* n_users + 1 */
    const uint32_t *column;       /* n_pairs */
    const float *value;           /* n_pairs */
    uint64_t n_pairs;
    float *owned_popular; /* the first, or NULL when borrowed from a file */
    Csr *owned_personal;  /* the others, or NULL */
} Repeat;

/* rank[i] from popularity: 0 for what was never bought, 1 for the first. */
static bool rank_items(const float *popularity, uint32_t n, float *rank, GError **error)
{
    g_autofree Scored *order = g_try_new(Scored, MAX(n, 1));
    if (!order) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u products", n);
        return false;
    }
    for (uint32_t item = 0; item < n; item++)
        order[item] = (Scored){item, popularity[item]};
    topk_sort(order, n);
    for (uint32_t place = 0; place < n; place++)
        rank[order[place].index] = order[place].score > 0 ? (float)(n - place) / (float)n : 0;
    return true;
}

static bool break_ties(Csr *personal, const float *popularity, GError **error)
{
    g_autofree float *rank = g_try_new(float, MAX(personal->cols, 1));
    if (!rank) {
        error_set(error, ERR_NO_MEMORY, "no memory to rank %u products", personal->cols);
        return false;
    }
    if (!rank_items(popularity, personal->cols, rank, error))
        return false;
    for (uint64_t e = 0; e < personal->start[personal->rows]; e++)
        personal->value[e] =
            MAX(personal->value[e], PERSONAL_MIN) * (1 + TIE_STEP * rank[personal->column[e]]);
    return true;
}

static void scale_below_personal(float *popularity, uint32_t n)
{
    float most = 0;
    for (uint32_t item = 0; item < n; item++)
        most = MAX(most, popularity[item]);
    for (uint32_t item = 0; item < n; item++) {
        if (popularity[item] > 0)
            popularity[item] = MAX(popularity[item] / most * POPULAR_MAX, 0x1p-126f);
    }
}

static Fitted *repeat_fit(const Dataset *view, const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn personal frequency from");
        return NULL;
    }
    double half_life_days = params_get(context->params, &learner_repeat, REPEAT_HALF_LIFE);
    double cycle = params_get(context->params, &learner_repeat, REPEAT_CYCLE);
    g_autoptr(Csr) personal = strengths_of(view, context, half_life_days, error);
    if (!personal || !cycles_weigh(view, context, cycle, personal, error))
        return NULL;
    g_autofree float *popular = popularity_scores(view, context, error);
    if (!popular || !break_ties(personal, popular, error))
        return NULL;
    scale_below_personal(popular, view->n_items);

    Repeat *repeat = g_new(Repeat, 1);
    *repeat = (Repeat){.fitted = {&learner_repeat, view->n_users, view->n_items},
                       .half_life_days = half_life_days,
                       .cycle = cycle,
                       .popular = popular,
                       .start = personal->start,
                       .column = personal->column,
                       .value = personal->value,
                       .n_pairs = personal->start[personal->rows]};
    repeat->owned_popular = g_steal_pointer(&popular);
    repeat->owned_personal = g_steal_pointer(&personal);
    return &repeat->fitted;
}

/* The user's pairs, [*from, *to), within the arrays whatever a mapped file holds. */
static void user_pairs(const Repeat *repeat, uint32_t user, uint64_t *from, uint64_t *to)
{
    *to = MIN(repeat->start[user + 1], repeat->n_pairs);
    *from = MIN(repeat->start[user], *to);
}

static bool repeat_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                               GError **error)
{
    const Repeat *repeat = (const Repeat *)fitted;
    for (uint32_t u = 0; u < n; u++) {
        float *scores = tile + (size_t)u * fitted->n_items;
        uint64_t from, to;
        memcpy(scores, repeat->popular, fitted->n_items * sizeof(float));
        user_pairs(repeat, users[u], &from, &to);
        for (uint64_t e = from; e < to; e++) {
            if (repeat->column[e] < fitted->n_items)
                scores[repeat->column[e]] += repeat->value[e];
        }
    }
    return true;
}

/* Adds to every user's score the personal counts of those items that are in [first, first +
 * WANTED_ITEMS). */
static void add_personal(const Repeat *repeat, const uint32_t *items, uint32_t n, uint32_t first,
                         float *scores)
{
    uint8_t wanted[WANTED_ITEMS / 8] = {0};
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = items[i] - first;
        if (items[i] < first || at >= WANTED_ITEMS)
            continue;
        wanted[at / 8] |= (uint8_t)(1u << at % 8);
        any = true;
    }
    for (uint32_t user = 0; any && user < repeat->fitted.n_users; user++) {
        uint64_t from, to;
        user_pairs(repeat, user, &from, &to);
        for (uint64_t e = from; e < to; e++) {
            uint32_t at = repeat->column[e] - first;
            if (at < WANTED_ITEMS && wanted[at / 8] >> at % 8 & 1)
                scores[user] += repeat->value[e];
        }
    }
}

static bool repeat_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n,
                               float *scores, GError **error)
{
    const Repeat *repeat = (const Repeat *)fitted;
    float popular = 0;
    for (uint32_t i = 0; i < n; i++)
        popular += repeat->popular[items[i]];
    for (uint32_t user = 0; user < fitted->n_users; user++)
        scores[user] = popular;
    for (uint64_t first = 0; first < fitted->n_items; first += WANTED_ITEMS)
        add_personal(repeat, items, n, (uint32_t)first, scores);
    return true;
}

static bool repeat_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    const Repeat *repeat = (const Repeat *)fitted;
    return sections_write(writer, "learner.popular", repeat->popular, sizeof(float),
                          fitted->n_items, error) &&
           sections_write(writer, "learner.start", repeat->start, sizeof(uint64_t),
                          (uint64_t)fitted->n_users + 1, error) &&
           sections_write(writer, "learner.column", repeat->column, sizeof(uint32_t),
                          repeat->n_pairs, error) &&
           sections_write(writer, "learner.value", repeat->value, sizeof(float), repeat->n_pairs,
                          error);
}

/* Shapes are checked here; indices where they are used, so that opening a large file stays quick.
 */
static Fitted *repeat_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                           GError **error)
{
    uint64_t n_popular, n_starts, n_columns, n_values;
    const float *popular =
        sections_get(sections, "learner.popular", sizeof(float), &n_popular, error);
    if (!popular)
        return NULL;
    const uint64_t *start =
        sections_get(sections, "learner.start", sizeof(uint64_t), &n_starts, error);
    if (!start)
        return NULL;
    const uint32_t *column =
        sections_get(sections, "learner.column", sizeof(uint32_t), &n_columns, error);
    if (!column)
        return NULL;
    const float *value = sections_get(sections, "learner.value", sizeof(float), &n_values, error);
    if (!value)
        return NULL;
    if (n_popular != n_items || n_starts != (uint64_t)n_users + 1 || n_columns != n_values ||
        start[n_users] != n_values) {
        error_set(error, ERR_DAMAGED, "the arrays of personal frequency do not fit each other");
        return NULL;
    }
    Repeat *repeat = g_new(Repeat, 1);
    *repeat = (Repeat){.fitted = {&learner_repeat, n_users, n_items},
                       .half_life_days = HALF_LIFE_DAYS,
                       .cycle = CYCLE,
                       .popular = popular,
                       .start = start,
                       .column = column,
                       .value = value,
                       .n_pairs = n_values};
    return &repeat->fitted;
}

static void repeat_describe(const Fitted *fitted, JsonWriter *writer)
{
    const Repeat *repeat = (const Repeat *)fitted;
    json_named_number(writer, "half_life_days", repeat->half_life_days);
    json_named_number(writer, "cycle", repeat->cycle);
}

static double repeat_fit_work(const Dataset *view, const SignalWeights *signals,
                              const double *value, double effort)
{
    return 150.0 * strengths_rows(view, signals);
}

static uint64_t repeat_fit_bytes(const FitSize *size)
{
    uint64_t pair = 3 * sizeof(uint32_t) + 2 * sizeof(float); /* triples, then the matrix */
    return size->rows * pair + size->n_users * (2 * sizeof(uint64_t)) +
           size->n_items * (sizeof(double) + sizeof(Scored) + 2 * sizeof(float)) +
           cycles_bytes(size->n_items);
}

static void repeat_free(Fitted *fitted)
{
    Repeat *repeat = (Repeat *)fitted;
    g_free(repeat->owned_popular);
    csr_free(repeat->owned_personal);
    g_free(repeat);
}

const Learner learner_repeat = {
    .name = "repeat",
    .title = "Personal frequency with recency",
    .paper = "Hu, He, Gao, Zhang: Modeling Personalized Item Frequency Information for Next-basket "
             "Recommendation, SIGIR 2020; Bhagat et al.: Buy It Again, KDD 2018",
    .is_baseline = true,
    .is_personal = true,
    .param = {{"half_life_days", HALF_LIFE_DAYS, {14, 30, 200, 500}, 4},
              {"cycle", CYCLE, {0, 1, 2}, 3}},
    .n_params = 2,
    .fit_work = repeat_fit_work,
    .fit = repeat_fit,
    .score_users = repeat_score_users,
    .score_items = repeat_score_items,
    .save = repeat_save,
    .load = repeat_load,
    .describe = repeat_describe,
    .fit_bytes = repeat_fit_bytes,
    .free = repeat_free,
};
