#include "tifu_knn.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "math/parallel.h"
#include "sparse_product.h"
#include "sparse_slots.h"
#include "strengths.h"

#define BLOCK          32u
#define CHECK_USERS    1024u
/* Weights of orders longer ago stop falling, so that what was bought once stays above nothing. */
#define PERSONAL_MIN   1e-30
#define HALF_LIFE_DAYS 30

/* Chosen on the validation window of tests/golden; the paper has 300 neighbours, groups of 3 to 9,
 * 0.9 and 0.7, and α from 0.1 to 0.9. */
const TifuParams tifu_defaults = {
    .neighbours = 100,
    .group = 3,
    .within = 0.9f,
    .across = 0.7f,
    .own = 0.6f,
    .half_life_days = HALF_LIFE_DAYS,
    .candidates_max = 20000,
};

/* Numbers the orders of each user by first row. */
typedef struct Orders {
    const Dataset *view;
    uint32_t *owner;  /* n_orders: the user + 1 who was last seen with the order */
    uint32_t *number; /* n_orders: its number among that user's orders */
    uint64_t *pair;   /* of one user: item, then order number, sorted and distinct */
} Orders;

static void orders_clear(Orders *orders)
{
    g_free(orders->owner);
    g_free(orders->number);
    g_free(orders->pair);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Orders, orders_clear)

static bool no_memory(const Dataset *view, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for the orders of %u users", view->n_users);
    return false;
}

static bool orders_alloc(Orders *orders, const Dataset *view, GError **error)
{
    uint64_t most = 1;
    for (uint32_t user = 0; user < view->n_users; user++)
        most = MAX(most, view->user_start[user + (size_t)1] - view->user_start[user]);
    orders->view = view;
    orders->owner = g_try_new0(uint32_t, MAX(view->n_orders, 1));
    orders->number = g_try_new(uint32_t, MAX(view->n_orders, 1));
    orders->pair = g_try_new(uint64_t, most);
    return (orders->owner && orders->number && orders->pair) || no_memory(view, error);
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t sort_distinct(uint64_t *list, uint64_t n)
{
    uint64_t kept = 0;
    qsort(list, n, sizeof *list, by_value);
    for (uint64_t i = 0; i < n; i++) {
        if (kept == 0 || list[kept - 1] != list[i])
            list[kept++] = list[i];
    }
    return kept;
}

/* Fills `pair`; how many there are, and of how many orders. */
static uint64_t user_orders(Orders *orders, uint32_t user, uint32_t *n_orders)
{
    const Dataset *view = orders->view;
    const Interactions *rows = &view->rows;
    uint64_t from = view->user_start[user], to = view->user_start[user + (size_t)1];
    uint32_t today = 0; /* the order of the latest day without order number */
    int64_t day = INT64_MIN;
    *n_orders = 0;
    for (uint64_t r = from; r < to; r++) {
        uint32_t order = rows->order ? rows->order[r] : IDS_NONE, number;
        if (order != IDS_NONE && orders->owner[order] != user + 1) {
            orders->owner[order] = user + 1;
            orders->number[order] = (*n_orders)++;
        } else if (order == IDS_NONE && rows->time[r] / US_PER_DAY != day) {
            day = rows->time[r] / US_PER_DAY;
            today = (*n_orders)++;
        }
        number = order != IDS_NONE ? orders->number[order] : today;
        orders->pair[r - from] = (uint64_t)rows->item[r] << 32 | number;
    }
    return sort_distinct(orders->pair, to - from);
}

/* What the number-th of n orders adds to a product. */
static double order_weight(const TifuParams *params, uint32_t number, uint32_t n)
{
    uint32_t back = n - 1 - number, group = back / params->group;
    uint32_t orders = MIN(params->group, n - group * params->group);
    uint32_t groups = (n - 1) / params->group + 1;
    double weight = pow(params->within, back % params->group) * pow(params->across, group);
    return MAX(weight / orders / groups, PERSONAL_MIN);
}

/* What users keep buying and what they bought lately, p and r, with the same entries. */
typedef struct Habits {
    Csr *personal, *recent;
    double scale; /* Σp / Σr */
} Habits;

static void habits_clear(Habits *habits)
{
    csr_free(habits->personal);
    csr_free(habits->recent);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Habits, habits_clear)

/* Turns a count of every pair bought into its p. */
static bool weigh_orders(const Dataset *view, const TifuParams *params, const Cancel *cancel,
                         Csr *pairs, GError **error)
{
    g_auto(Orders) orders = {0};
    if (!orders_alloc(&orders, view, error))
        return false;
    for (uint32_t user = 0; user < view->n_users; user++) {
        if (user % CHECK_USERS == 0 && !cancel_check(cancel, error))
            return false;
        uint32_t n_orders;
        uint64_t n = user_orders(&orders, user, &n_orders), i = 0;
        for (uint64_t e = pairs->start[user]; e < pairs->start[user + (size_t)1]; e++) {
            double sum = 0;
            for (; i < n && orders.pair[i] >> 32 == pairs->column[e]; i++)
                sum += order_weight(params, (uint32_t)orders.pair[i], n_orders);
            pairs->value[e] = (float)sum;
        }
    }
    return true;
}

static double sum_of(const Csr *csr)
{
    double sum = 0;
    for (uint64_t e = 0; e < csr->start[csr->rows]; e++)
        sum += csr->value[e];
    return sum;
}

/* Of purchases alone. */
static bool habits_init(Habits *habits, const Dataset *view, const TifuParams *params,
                        const FitContext *context, GError **error)
{
    Csr **personal = &habits->personal, **recent = &habits->recent;
    if (!(*recent = decayed_counts(view, context->as_of, params->half_life_days, error)) ||
        !(*personal = decayed_counts(view, context->as_of, params->half_life_days, error)) ||
        !weigh_orders(view, params, context->cancel, *personal, error))
        return false;
    habits->scale = sum_of(*personal) / sum_of(*recent);
    return true;
}

/* Events beside purchases stand in p as much above purchases as in r. */
static bool habits_add_events(Habits *habits, const Dataset *view, const FitContext *context,
                              GError **error)
{
    g_autoptr(Csr) events = NULL;
    Csr **personal = &habits->personal, **recent = &habits->recent;
    return strengths_of_events(view, context, &events, error) &&
           (*recent = strengths_add(*recent, 1, events, error)) &&
           (*personal = strengths_add(*personal, habits->scale, events, error));
}

/* Users who can be neighbours, as the columns of a matrix. */
typedef struct Candidates {
    uint32_t n;
    uint32_t *user; /* n, ascending */
    Csr *by_item;   /* items × n: p / |p| */
} Candidates;

static void candidates_clear(Candidates *candidates)
{
    g_free(candidates->user);
    csr_free(candidates->by_item);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Candidates, candidates_clear)

static uint64_t n_pairs(const Csr *csr, uint32_t row)
{
    return csr->start[row + (size_t)1] - csr->start[row];
}

static bool choose_candidates(Candidates *candidates, const Csr *personal, uint32_t most,
                              GError **error)
{
    uint64_t active = 0, seen = 0;
    for (uint32_t user = 0; user < personal->rows; user++)
        active += n_pairs(personal, user) > 0;
    uint64_t n = MIN(active, most);
    candidates->user = g_try_new(uint32_t, MAX(n, 1));
    if (!candidates->user) {
        error_set(error, ERR_NO_MEMORY, "no memory for the neighbours of %u users", personal->rows);
        return false;
    }
    for (uint32_t user = 0; user < personal->rows && candidates->n < n; user++) {
        if (n_pairs(personal, user) > 0 && seen++ == candidates->n * active / n)
            candidates->user[candidates->n++] = user;
    }
    return true;
}

static double length(const Csr *csr, uint32_t row)
{
    double squares = 0;
    for (uint64_t e = csr->start[row]; e < csr->start[row + (size_t)1]; e++)
        squares += (double)csr->value[e] * csr->value[e];
    return sqrt(squares);
}

/* The candidates' vectors of length 1, by item. */
static bool turn_candidates(Candidates *candidates, const Csr *personal, GError **error)
{
    uint64_t n = 0;
    for (uint32_t c = 0; c < candidates->n; c++)
        n += n_pairs(personal, candidates->user[c]);
    g_autoptr(Csr) rows = g_new0(Csr, 1);
    rows->rows = candidates->n;
    rows->cols = personal->cols;
    rows->start = g_try_new0(uint64_t, (size_t)candidates->n + 1);
    rows->column = g_try_new(uint32_t, MAX(n, 1));
    rows->value = g_try_new0(float, MAX(n, 1));
    if (!rows->start || !rows->column || !rows->value) {
        error_set(error, ERR_NO_MEMORY, "no memory for the neighbours of %u users", personal->rows);
        return false;
    }
    for (uint32_t c = 0; c < candidates->n; c++) {
        uint32_t user = candidates->user[c];
        double norm = MAX(length(personal, user), DBL_MIN); /* of events too old to count: 0 */
        uint64_t at = rows->start[c];
        for (uint64_t e = personal->start[user]; e < personal->start[user + (size_t)1]; e++) {
            rows->column[at] = personal->column[e];
            rows->value[at++] = (float)(personal->value[e] / norm);
        }
        rows->start[c + (size_t)1] = at;
    }
    candidates->by_item = csr_transpose(rows, error);
    return candidates->by_item;
}

typedef struct TifuWork {
    const TifuParams *params;
    const Csr *personal;
    Candidates candidates;
    double scale;    /* Σp / Σr */
    uint32_t width;  /* neighbours and the user */
    float *likeness; /* per thread: candidates */
    Scored *best;    /* per thread: 3 · width */
    SparseSlots *slots;
} TifuWork;

static void tifu_work_clear(TifuWork *work)
{
    candidates_clear(&work->candidates);
    g_free(work->likeness);
    g_free(work->best);
    sparse_slots_free(work->slots);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TifuWork, tifu_work_clear)

static bool work_alloc(TifuWork *work, unsigned threads, GError **error)
{
    uint32_t users = work->personal->rows;
    work->likeness = g_try_new0(float, (size_t)threads *MAX(work->candidates.n, 1));
    work->best = g_try_new(Scored, (size_t)threads * 3 * work->width);
    if (!work->likeness || !work->best) {
        error_set(error, ERR_NO_MEMORY, "no memory for the neighbours of %u users", users);
        return false;
    }
    work->slots = sparse_slots_new(users, 2 * users, work->width, error);
    return work->slots;
}

/* Cosines of a user and all candidates, but for |p_u|, which all share. */
static void compare(const TifuWork *work, uint32_t user, float *likeness)
{
    const Csr *personal = work->personal, *by_item = work->candidates.by_item;
    memset(likeness, 0, work->candidates.n * sizeof *likeness);
    for (uint64_t e = personal->start[user]; e < personal->start[user + (size_t)1]; e++) {
        uint32_t item = personal->column[e];
        float value = personal->value[e];
        for (uint64_t b = by_item->start[item]; b < by_item->start[item + (size_t)1]; b++)
            likeness[by_item->column[b]] += value * by_item->value[b];
    }
}

/* Turns the n nearest candidates into entries of the left matrix; how many they are. */
static uint32_t weigh_neighbours(const TifuWork *work, uint32_t user, Scored *best, uint32_t n)
{
    uint32_t kept = 0;
    double squares = 0;
    double nearest = n > 0 ? best[0].score : 0; /* keeps squares of tiny vectors above 0 */
    for (uint32_t i = 0; i < n && best[i].score > 0; i++) {
        double square = best[i].score / nearest * (best[i].score / nearest);
        best[kept].index = work->personal->rows + work->candidates.user[best[i].index];
        best[kept++].score = (float)square;
        squares += square;
    }
    for (uint32_t i = 0; i < kept; i++)
        best[i].score = (float)(best[i].score / squares * (1 - work->params->own) * work->scale);
    best[kept++] = (Scored){user, work->params->own};
    return kept;
}

static bool find_neighbours(void *context, uint64_t begin, uint64_t end, unsigned worker,
                            GError **error)
{
    const TifuWork *work = context;
    const Candidates *candidates = &work->candidates;
    float *likeness = work->likeness + (size_t)worker * candidates->n;
    Scored *best = work->best + (size_t)worker * 3 * work->width;
    for (uint32_t user = (uint32_t)begin; user < end; user++) {
        if (n_pairs(work->personal, user) == 0)
            continue;
        compare(work, user, likeness);
        uint32_t n =
            (uint32_t)topk_select(likeness, candidates->n, work->width, best + work->width, best);
        uint32_t others = 0;
        for (uint32_t i = 0; i < n; i++) {
            if (candidates->user[best[i].index] != user)
                best[others++] = best[i];
        }
        n = weigh_neighbours(work, user, best, MIN(others, work->width - 1));
        sparse_slots_fill(work->slots, user, best, n);
    }
    return true;
}

/* p over r: (2 · users) × items. */
static Csr *stack(const Habits *habits, GError **error)
{
    const Csr *personal = habits->personal, *recent = habits->recent;
    uint64_t n = recent->start[recent->rows];
    g_autoptr(Csr) both = g_new0(Csr, 1);
    both->rows = 2 * recent->rows;
    both->cols = recent->cols;
    both->start = g_try_new(uint64_t, (size_t)both->rows + 1);
    both->column = g_try_new(uint32_t, MAX(2 * n, 1));
    both->value = g_try_new0(float, MAX(2 * n, 1));
    if (!both->start || !both->column || !both->value) {
        error_set(error, ERR_NO_MEMORY, "no memory for a matrix of %" G_GUINT64_FORMAT " entries",
                  2 * n);
        return NULL;
    }
    for (uint32_t user = 0; user <= recent->rows; user++) {
        both->start[user] = recent->start[user];
        both->start[recent->rows + user] = n + recent->start[user];
    }
    memcpy(both->column, recent->column, n * sizeof *both->column);
    memcpy(both->column + n, recent->column, n * sizeof *both->column);
    memcpy(both->value, personal->value, n * sizeof *both->value);
    memcpy(both->value + n, recent->value, n * sizeof *both->value);
    return g_steal_pointer(&both);
}

static Csr *neighbour_weights(const Habits *habits, const TifuParams *params,
                              const FitContext *context, GError **error)
{
    const Csr *personal = habits->personal;
    unsigned threads = parallel_threads(context->threads);
    g_auto(TifuWork) work = {.params = params,
                             .personal = personal,
                             .scale = habits->scale,
                             .width = sparse_slots_width(personal->rows, params->neighbours) + 1};
    if (!choose_candidates(&work.candidates, personal, params->candidates_max, error) ||
        !turn_candidates(&work.candidates, personal, error) || !work_alloc(&work, threads, error) ||
        !parallel_for(personal->rows, BLOCK, threads, find_neighbours, &work, context->cancel,
                      error))
        return NULL;
    return sparse_slots_finish(work.slots, personal->rows, NULL, error);
}

Fitted *tifu_knn_fit_with(const Dataset *view, const TifuParams *params, const FitContext *context,
                          GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn users' neighbours from");
        return NULL;
    }
    g_auto(Habits) habits = {0};
    if (!habits_init(&habits, view, params, context, error) ||
        !habits_add_events(&habits, view, context, error))
        return NULL;
    g_autoptr(Csr) weights = neighbour_weights(&habits, params, context, error);
    Csr *vectors = weights ? stack(&habits, error) : NULL;
    if (!vectors)
        return NULL;
    Fitted *fitted = sparse_product_new(&learner_tifu_knn, g_steal_pointer(&weights), vectors);
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

static double tifu_knn_fit_work(const Dataset *view, const SignalWeights *signals,
                                const double *value, double effort)
{
    /* Each row meets the candidates who bought its product. */
    double rows = strengths_rows(view, signals);
    double candidates = MIN(view->n_users, tifu_defaults.candidates_max);
    double met = rows * candidates / MAX(view->n_users, 1) / MAX(view->n_items, 1);
    return (500.0 + 2.0 * met) * rows;
}

static Fitted *tifu_knn_fit(const Dataset *view, const FitContext *context, GError **error)
{
    TifuParams params = tifu_defaults;
    params.half_life_days = (float)params_get(context->params, &learner_tifu_knn, 0);
    return tifu_knn_fit_with(view, &params, context, error);
}

static Fitted *tifu_knn_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                             GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_inner = 2 * n_users, .n_items = n_items};
    return sparse_product_load(&learner_tifu_knn, sections, &shape, error);
}

static void tifu_knn_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const TifuParams *params = product->params ? product->params : &tifu_defaults;
    const struct {
        const char *name;
        double value;
    } members[] = {
        {"neighbours", sparse_slots_width(fitted->n_users, params->neighbours)},
        {"candidates_max", params->candidates_max},
        {"group", params->group},
        {"within", params->within},
        {"across", params->across},
        {"own", params->own},
        {"half_life_days", params->half_life_days},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_named_number(writer, members[i].name, members[i].value);
}

static uint64_t tifu_knn_fit_bytes(const FitSize *size)
{
    uint64_t entry = sizeof(uint32_t) + sizeof(float);
    uint64_t candidates = MIN(size->n_users, tifu_defaults.candidates_max);
    uint32_t width = sparse_slots_width(size->n_users, tifu_defaults.neighbours) + 1;
    /* recent, personal and both stacked; candidates by user and by item are at most as many */
    uint64_t pairs = size->rows * 4 * entry;
    uint64_t orders = size->rows * 2 * sizeof(uint32_t);
    uint64_t starts =
        (4 * (uint64_t)size->n_users + 2 * (uint64_t)size->n_items) * sizeof(uint64_t);
    uint64_t scratch = candidates * sizeof(float) + 3 * (uint64_t)width * sizeof(Scored);
    return pairs + orders + starts + parallel_threads(size->threads) * scratch +
           sparse_slots_bytes(size->n_users, width);
}

const Learner learner_tifu_knn = {
    .name = "tifu_knn",
    .title = "Baskets of the user and of users like them",
    .paper = "Hu, He, Gao, Zhang: Modeling Personalized Item Frequency Information for Next-basket "
             "Recommendation, SIGIR 2020",
    .is_baseline = false,
    .is_personal = true,
    .param = {{"half_life_days", HALF_LIFE_DAYS, {10, 90, 300}, 3}},
    .n_params = 1,
    .fit_work = tifu_knn_fit_work,
    .fit = tifu_knn_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = tifu_knn_load,
    .describe = tifu_knn_describe,
    .fit_bytes = tifu_knn_fit_bytes,
    .free = sparse_product_free,
};
