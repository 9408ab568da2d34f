#include "ease.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "dense_inverse.h"
#include "factors.h"
#include "math/parallel.h"
#include "sparse_product.h"
#include "sparse_slots.h"
#include "strengths.h"

#define NO_PLACE   UINT32_MAX
#define GRAM_BLOCK 16u
#define KEEP_BLOCK 64u

/* Chosen on the validation window of tests/golden. Without times, repeats and attributes the best
 * regularization is the same or twice as large. */
const EaseParams ease_defaults = {
    .items_max = 5000, /* the cost is cubic: seconds here, minutes at 15,000 */
    .kept = 400,
    .half_life_days = 90,
    .row_exponent = 0.25f,
    .regularization = 20,
};

typedef struct EaseWork {
    const EaseParams *params;
    const Csr *users; /* x, users × items */
    Csr *buyers;      /* its transpose */
    uint32_t n;       /* items that take part */
    uint32_t *item;   /* n, ascending */
    uint32_t *place;  /* n_items: the item's row in the matrix, or NO_PLACE */
    float *scale;     /* n_users: s_u */
    float *matrix;    /* n × n: XᵀSX + λI, then its inverse */
    unsigned threads;
    Scored *scratch; /* per thread 3·kept, */
    float *row;      /* and n */
    SparseSlots *slots;
} EaseWork;

static void ease_work_clear(EaseWork *work)
{
    csr_free(work->buyers);
    g_free(work->item);
    g_free(work->place);
    g_free(work->scale);
    free(work->matrix);
    g_free(work->scratch);
    g_free(work->row);
    sparse_slots_free(work->slots);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EaseWork, ease_work_clear)

static bool no_memory(uint32_t n, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for the weights between %u products", n);
    return false;
}

static uint64_t n_buyers(const Csr *buyers, uint32_t item)
{
    return buyers->start[item + (size_t)1] - buyers->start[item];
}

/* How many buyers an item needs to be among the `most` items, by a count of counts. */
static bool buyers_needed(const Csr *buyers, uint32_t most, uint64_t *needed, GError **error)
{
    g_autofree uint32_t *items_with = g_try_new0(uint32_t, (size_t)buyers->cols + 1);
    if (!items_with)
        return no_memory(buyers->rows, error);
    for (uint32_t item = 0; item < buyers->rows; item++)
        items_with[n_buyers(buyers, item)]++;
    uint64_t n = 0;
    *needed = buyers->cols;
    while (*needed > 0 && n + items_with[*needed] <= most)
        n += items_with[(*needed)--];
    return true;
}

/* Gives the items with the most buyers a row each; of equals the first ones. */
static bool choose_items(EaseWork *work, GError **error)
{
    const Csr *buyers = work->buyers;
    uint64_t cut; /* those with more take part, of those with just as many what there is room for */
    if (!buyers_needed(buyers, work->params->items_max, &cut, error))
        return false;
    work->item = g_try_new(uint32_t, MAX(MIN(buyers->rows, work->params->items_max), 1));
    work->place = g_try_new(uint32_t, MAX(buyers->rows, 1));
    if (!work->item || !work->place)
        return no_memory(buyers->rows, error);
    uint32_t room = work->params->items_max;
    for (uint32_t item = 0; item < buyers->rows; item++)
        room -= n_buyers(buyers, item) > cut;
    for (uint32_t item = 0; item < buyers->rows; item++) {
        uint64_t n = n_buyers(buyers, item);
        bool takes_part = n > cut || (n > 0 && n == cut && room > 0);
        room -= takes_part && n == cut;
        work->place[item] = takes_part ? work->n : NO_PLACE;
        if (takes_part)
            work->item[work->n++] = item;
    }
    return true;
}

/* Rows [begin, end) of the lower triangle of XᵀSX. */
static bool gram_rows(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const EaseWork *work = context;
    const Csr *users = work->users, *buyers = work->buyers;
    for (uint64_t p = begin; p < end; p++) {
        uint32_t item = work->item[p];
        float *row = work->matrix + p * work->n;
        for (uint64_t b = buyers->start[item]; b < buyers->start[item + (size_t)1]; b++) {
            uint32_t user = buyers->column[b];
            float weight = buyers->value[b] * work->scale[user];
            for (uint64_t e = users->start[user]; users->column[e] < item; e++) {
                uint32_t place = work->place[users->column[e]];
                if (place != NO_PLACE)
                    row[place] += weight * users->value[e];
            }
            row[p] += weight * buyers->value[b];
        }
    }
    return true;
}

static void add_ridge(EaseWork *work)
{
    double diagonal = 0, pairs = 0;
    for (uint32_t p = 0; p < work->n; p++) {
        diagonal += work->matrix[(size_t)p * work->n + p];
        pairs += (double)n_buyers(work->buyers, work->item[p]);
    }
    float ridge =
        (float)(work->params->regularization / sqrt(pairs / work->n) * diagonal / work->n);
    for (uint32_t p = 0; p < work->n; p++)
        work->matrix[(size_t)p * work->n + p] += ridge;
}

/* Fills rows of B: of item p the weights b(p, q) = -P(p, q) / P(q, q) that are largest in size. */
static bool keep_rows(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const EaseWork *work = context;
    uint32_t n = work->n, kept = work->slots->width;
    Scored *best = work->scratch + (size_t)worker * 3 * kept;
    float *size = work->row + (size_t)worker * n;
    for (uint64_t p = begin; p < end; p++) {
        const float *inverse = work->matrix + p * n;
        for (uint32_t q = 0; q < n; q++)
            size[q] = fabsf(inverse[q] / work->matrix[(size_t)q * n + q]);
        size[p] = 0;
        uint32_t found = (uint32_t)topk_select(size, n, kept, best + kept, best);
        for (uint32_t i = 0; i < found; i++) {
            uint32_t q = best[i].index;
            best[i].score = inverse[q] > 0 ? -best[i].score : best[i].score;
            best[i].index = work->item[q];
        }
        sparse_slots_fill(work->slots, (uint32_t)p, best, found);
    }
    return true;
}

/* False when a number is NaN or infinite, or a diagonal element not above 0. */
static bool is_sound(const EaseWork *work)
{
    for (uint64_t i = 0; i < (uint64_t)work->n * work->n; i++) {
        if (!isfinite(work->matrix[i]))
            return false;
    }
    for (uint32_t p = 0; p < work->n; p++) {
        if (!(work->matrix[(size_t)p * work->n + p] > 0))
            return false;
    }
    return true;
}

static bool solve(EaseWork *work, const FitContext *context, GError **error)
{
    work->matrix = factors_alloc((uint64_t)work->n * work->n, error);
    if (!work->matrix || !parallel_for(work->n, GRAM_BLOCK, context->threads, gram_rows, work,
                                       context->cancel, error))
        return false;
    add_ridge(work);
    if (!dense_inverse(work->matrix, work->n, context->threads, context->cancel, error))
        return false;
    if (is_sound(work))
        return true;
    error_set(error, ERR_INVALID, "the weights of the purchases are too large to solve");
    return false;
}

static bool keep_largest(EaseWork *work, const FitContext *context, GError **error)
{
    uint32_t kept = MIN(work->params->kept, work->n);
    unsigned threads = parallel_threads(context->threads);
    work->slots = sparse_slots_new(work->n, work->users->cols, kept, error);
    if (!work->slots)
        return false;
    work->scratch = g_try_new(Scored, (size_t)threads * 3 * kept);
    work->row = g_try_new(float, (size_t)threads * work->n);
    if (!work->scratch || !work->row)
        return no_memory(work->n, error);
    return parallel_for(work->n, KEEP_BLOCK, threads, keep_rows, work, context->cancel, error);
}

Fitted *ease_fit_with(const Dataset *view, const EaseParams *params, const FitContext *context,
                      GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn products' weights from");
        return NULL;
    }
    g_autoptr(Csr) users = strengths_logarithms(view, context, params->half_life_days, error);
    if (!users)
        return NULL;
    g_auto(EaseWork) work = {.params = params, .users = users};
    work.buyers = csr_transpose(users, error);
    work.scale = work.buyers ? strengths_scale(users, params->row_exponent, error) : NULL;
    if (!work.scale || !choose_items(&work, error) || !solve(&work, context, error) ||
        !keep_largest(&work, context, error))
        return NULL;
    Csr *weights = sparse_slots_finish(work.slots, users->cols, work.item, error);
    Fitted *fitted =
        weights ? sparse_product_new(&learner_ease, g_steal_pointer(&users), weights) : NULL;
    if (fitted)
        sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

/* The parameters that are searched, by place in the learner's list. */
enum { EASE_REGULARIZATION, EASE_HALF_LIFE, EASE_ROW_EXPONENT };

/* The cost is cubic in the products that take part. */
static uint32_t items_of(uint32_t n_items, double effort)
{
    uint32_t most = MIN(n_items, ease_defaults.items_max);
    bool is_whole = effort <= 0 || effort >= 1;
    return is_whole ? ease_defaults.items_max : MAX(1, (uint32_t)(most * cbrt(effort)));
}

#define NS_PER_CUBE 0.016 /* of the inverse */
#define NS_PER_PAIR 2.0   /* of the Gram matrix: a cell and another of the same user */
#define NS_PER_ROW  100.0

static double ease_fit_work(const Dataset *view, const SignalWeights *signals, const double *value,
                            double effort)
{
    double n = MIN(view->n_items, items_of(view->n_items, effort));
    double rows_of_user = strengths_rows(view, signals) / MAX(view->n_users, 1);
    return NS_PER_CUBE * n * n * n +
           (NS_PER_PAIR * rows_of_user + NS_PER_ROW) * strengths_rows(view, signals);
}

static Fitted *ease_fit(const Dataset *view, const FitContext *context, GError **error)
{
    const Params *chosen = context->params;
    EaseParams params = ease_defaults;
    params.items_max = items_of(view->n_items, context->effort);
    params.regularization = (float)params_get(chosen, &learner_ease, EASE_REGULARIZATION);
    params.half_life_days = (float)params_get(chosen, &learner_ease, EASE_HALF_LIFE);
    params.row_exponent = (float)params_get(chosen, &learner_ease, EASE_ROW_EXPONENT);
    return ease_fit_with(view, &params, context, error);
}

static Fitted *ease_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                         GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_inner = n_items, .n_items = n_items};
    return sparse_product_load(&learner_ease, sections, &shape, error);
}

static void ease_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const EaseParams *params = product->params ? product->params : &ease_defaults;
    const struct {
        const char *name;
        double value;
    } members[] = {
        {"items_max", params->items_max},           {"kept_weights", params->kept},
        {"half_life_days", params->half_life_days}, {"row_exponent", params->row_exponent},
        {"regularization", params->regularization},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_named_number(writer, members[i].name, members[i].value);
}

static uint64_t ease_fit_bytes(const FitSize *size)
{
    uint64_t n = MIN(size->n_items, ease_defaults.items_max), kept = MIN(n, ease_defaults.kept);
    uint64_t sides = (uint64_t)size->n_users + size->n_items;
    uint64_t matrices =
        2 * (size->rows * (sizeof(uint32_t) + sizeof(float)) + sides * sizeof(uint64_t));
    uint64_t scratch =
        parallel_threads(size->threads) * (3 * kept * sizeof(Scored) + n * sizeof(float));
    return n * n * sizeof(float) + matrices + sides * 2 * sizeof(uint32_t) + scratch +
           sparse_slots_bytes((uint32_t)n, (uint32_t)kept) + size->n_items * sizeof(uint64_t);
}

static uint64_t ease_kept_bytes(const FitSize *size)
{
    uint64_t n = MIN(size->n_items, ease_defaults.items_max);
    return sparse_product_bytes(size, size->rows, n * MIN(n, ease_defaults.kept));
}

const Learner learner_ease = {
    .name = "ease",
    .title = "EASE",
    .paper = "Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019",
    .is_baseline = false,
    .is_personal = true,
    .param =
        {
            [EASE_REGULARIZATION] = {"regularization", 20, {5, 10, 40, 80}, 4},
            [EASE_HALF_LIFE] = {"half_life_days", 90, {30, 240}, 2},
            [EASE_ROW_EXPONENT] = {"row_exponent", 0.25, {0, 0.4}, 2},
        },
    .n_params = 3,
    .fit_work = ease_fit_work,
    .fit = ease_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = ease_load,
    .describe = ease_describe,
    .fit_bytes = ease_fit_bytes,
    .kept_bytes = ease_kept_bytes,
    .free = sparse_product_free,
};
