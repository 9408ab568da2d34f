#include "transitions.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "math/parallel.h"
#include "sparse_product.h"
#include "sparse_slots.h"
#include "strengths.h"
#include "visits.h"

#define BLOCK          16u
/* A visit of more products than this tells little of any two of them, and costs their square. */
#define VISIT_LARGE    300u
#define HALF_LIFE_DAYS 14

/* Chosen on the validation window of tests/golden. */
const TransitionsParams transitions_defaults = {
    .neighbours = 300,
    .steps = 3,
    .together = 1,
    .half_life_days = HALF_LIFE_DAYS,
    .shrinkage = 10,
    .lift = 0.5f,
    .reach = 20,
    .across = 0.8f,
    .length = 0.5f,
};

/* Scratch of one thread. */
typedef struct Following {
    float *sum;    /* n_items, all zero between products */
    uint32_t *met; /* n_items: those that are not zero, in the order they were met */
    float *chance; /* n_items: of those */
    Scored *best;  /* 3 · width */
} Following;

typedef struct TransitionsWork {
    const TransitionsParams *params;
    const Visits *visits;
    const Csr *seen; /* items × visits */
    float *told;     /* of each visit: 2^-(age / half-life) */
    float *of_item;  /* n_items: the sum over its visits */
    float *rarity;   /* n_items: what the chance of a product is divided by */
    unsigned threads;
    Following *following; /* threads */
    uint32_t width;
    SparseSlots *slots;
} TransitionsWork;

static void transitions_work_clear(TransitionsWork *work)
{
    for (unsigned t = 0; work->following && t < work->threads; t++) {
        g_free(work->following[t].sum);
        g_free(work->following[t].met);
        g_free(work->following[t].chance);
        g_free(work->following[t].best);
    }
    g_free(work->following);
    g_free(work->told);
    g_free(work->of_item);
    g_free(work->rarity);
    sparse_slots_free(work->slots);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TransitionsWork, transitions_work_clear)

static bool no_memory(uint32_t n_items, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for what follows %u products", n_items);
    return false;
}

static bool following_alloc(Following *following, size_t n_items, uint32_t width)
{
    following->sum = g_try_new0(float, MAX(n_items, 1));
    following->met = g_try_new(uint32_t, MAX(n_items, 1));
    following->chance = g_try_new(float, MAX(n_items, 1));
    following->best = g_try_new(Scored, 3 * (size_t)width);
    return following->sum && following->met && following->chance && following->best;
}

static bool work_alloc(TransitionsWork *work, GError **error)
{
    uint32_t n_items = work->seen->rows, n_visits = work->seen->cols;
    work->told = g_try_new(float, MAX(n_visits, 1));
    work->of_item = g_try_new0(float, MAX(n_items, 1));
    work->rarity = g_try_new(float, MAX(n_items, 1));
    work->following = g_new0(Following, work->threads);
    if (!work->told || !work->of_item || !work->rarity)
        return no_memory(n_items, error);
    for (unsigned t = 0; t < work->threads; t++) {
        if (!following_alloc(&work->following[t], n_items, work->width))
            return no_memory(n_items, error);
    }
    work->slots = sparse_slots_new(n_items, n_items, work->width, error);
    return work->slots;
}

/* Fills told, of_item and rarity. */
static void weigh(TransitionsWork *work, int64_t as_of)
{
    const TransitionsParams *params = work->params;
    const Csr *seen = work->seen;
    for (uint32_t visit = 0; visit < seen->cols; visit++) {
        double days = (double)(as_of - work->visits->time[visit]) / (double)US_PER_DAY;
        work->told[visit] =
            params->half_life_days > 0 ? (float)exp2(-days / params->half_life_days) : 1;
    }
    for (uint32_t item = 0; item < seen->rows; item++) {
        double sum = 0;
        for (uint64_t e = seen->start[item]; e < seen->start[item + 1]; e++)
            sum += work->told[seen->column[e]];
        work->of_item[item] = (float)sum;
        work->rarity[item] = (float)pow(sum + params->shrinkage, params->lift);
    }
}

/* Adds what was bought on a visit but for `left_out`; how many products were met by now. */
static uint32_t meet_visit(const Csr *bought, uint64_t visit, uint32_t left_out, float weight,
                           uint32_t n, Following *following)
{
    for (uint64_t e = bought->start[visit]; e < bought->start[visit + 1]; e++) {
        uint32_t item = bought->column[e];
        if (item == left_out)
            continue;
        if (following->sum[item] == 0)
            following->met[n++] = item;
        following->sum[item] += weight;
    }
    return n;
}

static bool is_large(const Csr *bought, uint64_t visit)
{
    return bought->start[visit + 1] - bought->start[visit] > VISIT_LARGE;
}

/* How many products came with `item` or after it. */
static uint32_t meet(const TransitionsWork *work, uint32_t item, Following *following)
{
    const Visits *visits = work->visits;
    const Csr *seen = work->seen;
    uint32_t n = 0;
    for (uint64_t e = seen->start[item]; e < seen->start[item + (size_t)1]; e++) {
        uint32_t visit = seen->column[e];
        if (is_large(visits->bought, visit))
            continue;
        uint64_t end = visits->first[visits->user[visit] + (size_t)1];
        end = MIN(end, (uint64_t)visit + work->params->steps + 1);
        for (uint64_t later = visit; later < end; later++) {
            if (is_large(visits->bought, later))
                continue;
            uint64_t step = later - visit;
            float weight = step == 0 ? work->params->together : 1 / (float)step;
            weight *= work->told[later];
            /* a product always comes with itself: that tells nothing */
            if (weight > 0)
                n = meet_visit(visits->bought, later, step == 0 ? item : IDS_NONE, weight, n,
                               following);
        }
    }
    return n;
}

static void keep_nearest(const TransitionsWork *work, uint32_t item, uint32_t n_met,
                         Following *following)
{
    float visits = work->of_item[item] + work->params->shrinkage;
    for (uint32_t m = 0; m < n_met; m++) {
        uint32_t other = following->met[m];
        following->chance[m] = following->sum[other] / visits / work->rarity[other];
        following->sum[other] = 0;
    }
    Scored *best = following->best;
    uint32_t n =
        (uint32_t)topk_select(following->chance, n_met, work->width, best + work->width, best);
    for (uint32_t i = 0; i < n; i++)
        best[i].index = following->met[best[i].index];
    sparse_slots_fill(work->slots, item, best, n);
}

static bool find_following(void *context, uint64_t begin, uint64_t end, unsigned worker,
                           GError **error)
{
    const TransitionsWork *work = context;
    Following *following = &work->following[worker];
    for (uint64_t item = begin; item < end; item++) {
        uint32_t n_met = meet(work, (uint32_t)item, following);
        keep_nearest(work, (uint32_t)item, n_met, following);
    }
    return true;
}

/* The rows of the last visits of a user, in order. */
static uint64_t add_user(const Visits *visits, uint32_t user, const TransitionsParams *params,
                         uint64_t n, Csr *last)
{
    uint64_t end = visits->first[user + (size_t)1], begin = visits->first[user];
    begin = MAX(begin, end - MIN(end, params->reach));
    for (uint64_t visit = begin; visit < end; visit++) {
        uint64_t from = visits->bought->start[visit], to = visits->bought->start[visit + 1];
        double weight = pow(params->across, (double)(end - 1 - visit)) /
                        pow((double)(to - from), params->length);
        for (uint64_t e = from; e < to; e++, n++) {
            last->column[n] = visits->bought->column[e];
            last->value[n] = (float)weight;
        }
    }
    return n;
}

/* users × items: the weights of what was bought on the last visits. */
static Csr *last_visits(const Visits *visits, uint32_t n_users, const TransitionsParams *params,
                        GError **error)
{
    uint64_t n = visits->bought->start[visits->bought->rows];
    g_autofree uint32_t *user_of = g_try_new(uint32_t, MAX(n, 1));
    g_autofree uint32_t *item = g_try_new(uint32_t, MAX(n, 1));
    g_autofree float *weight = g_try_new(float, MAX(n, 1));
    if (!user_of || !item || !weight) {
        no_memory(visits->bought->cols, error);
        return NULL;
    }
    Csr last = {.column = item, .value = weight};
    n = 0;
    for (uint32_t user = 0; user < n_users; user++) {
        uint64_t from = n;
        n = add_user(visits, user, params, n, &last);
        for (uint64_t e = from; e < n; e++)
            user_of[e] = user;
    }
    return csr_from_triples(n_users, visits->bought->cols, n, user_of, item, weight, error);
}

/* The same with events beside purchases, those of a user as one visit more. */
static Csr *lately(const Dataset *view, const Visits *visits, const TransitionsParams *params,
                   const FitContext *context, GError **error)
{
    g_autoptr(Csr) events = NULL;
    Csr *last = last_visits(visits, view->n_users, params, error);
    if (!last || !strengths_of_events(view, context, &events, error)) {
        csr_free(last);
        return NULL;
    }
    for (uint32_t user = 0; events && user < events->rows; user++) {
        uint64_t from = events->start[user], to = events->start[user + (size_t)1];
        double length = pow((double)(to - from), params->length);
        for (uint64_t e = from; e < to; e++)
            events->value[e] = (float)(events->value[e] / length);
    }
    return strengths_add(last, 1, events, error);
}

static Csr *learn(const Visits *visits, const TransitionsParams *params, const FitContext *context,
                  GError **error)
{
    g_autoptr(Csr) seen = csr_transpose(visits->bought, error);
    if (!seen)
        return NULL;
    g_auto(TransitionsWork)
        work = {.params = params,
                .visits = visits,
                .seen = seen,
                .threads = parallel_threads(context->threads),
                .width = MAX(sparse_slots_width(seen->rows, params->neighbours), 1)};
    if (!work_alloc(&work, error))
        return NULL;
    weigh(&work, context->as_of);
    if (!parallel_for(seen->rows, BLOCK, work.threads, find_following, &work, context->cancel,
                      error))
        return NULL;
    return sparse_slots_finish(work.slots, seen->rows, NULL, error);
}

Fitted *transitions_fit_with(const Dataset *view, const TransitionsParams *params,
                             const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn what follows it from");
        return NULL;
    }
    g_autoptr(Visits) visits = visits_new(view, error);
    if (!visits)
        return NULL;
    g_autoptr(Csr) following = learn(visits, params, context, error);
    if (!following)
        return NULL;
    Csr *last = lately(view, visits, params, context, error);
    if (!last)
        return NULL;
    Fitted *fitted = sparse_product_new(&learner_transitions, last, g_steal_pointer(&following));
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

static double transitions_fit_work(const Dataset *view, const SignalWeights *signals,
                                   const double *value, double effort)
{
    return 1000.0 * strengths_rows(view, signals); /* at some 25 products a visit */
}

static Fitted *transitions_fit(const Dataset *view, const FitContext *context, GError **error)
{
    TransitionsParams params = transitions_defaults;
    params.half_life_days = (float)params_get(context->params, &learner_transitions, 0);
    return transitions_fit_with(view, &params, context, error);
}

static Fitted *transitions_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                                GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_inner = n_items, .n_items = n_items};
    return sparse_product_load(&learner_transitions, sections, &shape, error);
}

static void transitions_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const TransitionsParams *params = product->params ? product->params : &transitions_defaults;
    const struct {
        const char *name;
        double value;
    } members[] = {
        {"neighbours", sparse_slots_width(fitted->n_items, params->neighbours)},
        {"steps", params->steps},
        {"together", params->together},
        {"half_life_days", params->half_life_days},
        {"shrinkage", params->shrinkage},
        {"lift", params->lift},
        {"reach", params->reach},
        {"across", params->across},
        {"length", params->length},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_named_number(writer, members[i].name, members[i].value);
}

static uint64_t transitions_fit_bytes(const FitSize *size)
{
    uint64_t width = MAX(sparse_slots_width(size->n_items, transitions_defaults.neighbours), 1);
    uint64_t pairs = size->rows * (sizeof(uint32_t) + sizeof(float));
    uint64_t scratch =
        size->n_items * (2 * sizeof(float) + sizeof(uint32_t)) + 3 * width * sizeof(Scored);
    return visits_bytes(size->rows, size->n_users, size->n_items) + 2 * pairs +
           size->rows * sizeof(float) + size->n_items * (2 * sizeof(float) + sizeof(uint64_t)) +
           parallel_threads(size->threads) * scratch +
           sparse_slots_bytes(size->n_items, (uint32_t)width);
}

static uint64_t transitions_kept_bytes(const FitSize *size)
{
    uint64_t width = sparse_slots_width(size->n_items, transitions_defaults.neighbours);
    return sparse_product_bytes(size, size->rows, size->n_items * MAX(width, 1));
}

const Learner learner_transitions = {
    .name = "transitions",
    .title = "Next purchases",
    .paper = "Ludewig, Jannach: Evaluation of Session-based Recommendation Algorithms, UMUAI 2018",
    .is_baseline = false,
    .is_personal = true,
    .param = {{"half_life_days", HALF_LIFE_DAYS, {7, 30, 90}, 3}},
    .n_params = 1,
    .fit_work = transitions_fit_work,
    .fit = transitions_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = transitions_load,
    .describe = transitions_describe,
    .fit_bytes = transitions_fit_bytes,
    .kept_bytes = transitions_kept_bytes,
    .free = sparse_product_free,
};
