#include "slim.h"

#include <math.h>
#include <string.h>

#include <cblas.h>
#include <f77blas.h>

#include "base/error.h"
#include "math/parallel.h"
#include "sparse_product.h"
#include "sparse_slots.h"
#include "strengths.h"

#define BLOCK     16u
#define GRAM_KEPT 1000u /* of a row, where there are not too many */
#define STEEPER   4.0f  /* the ridge, where what was left out of G leaves no positive matrix */

/* Chosen on the sets of tests/golden. */
const SlimParams slim_defaults = {
    .neighbours = 50,
    .half_life_days = 90,
    .row_exponent = 0.25f,
    .regularization = 20,
};

/* Of one thread. */
typedef struct Scratch {
    float *sum;      /* n_items: a row of G, zeros between items */
    uint32_t *met;   /* n_items: where it is not zero */
    float *likeness; /* n_items: of those */
    Scored *best;    /* 3 · width of G */
    uint32_t *place; /* n_items: 1 + place among the neighbours in hand, or 0 */
    float *matrix;   /* neighbours² */
    float *right;    /* neighbours */
} Scratch;

typedef struct SlimWork {
    const SlimParams *params;
    const Csr *users; /* x, users × items */
    Csr *buyers;      /* its transpose */
    float *scale;     /* n_users: s_u */
    float *diagonal;  /* n_items: G(i, i) */
    float ridge;      /* λ */
    uint32_t neighbours;
    unsigned threads;
    Scratch *scratch;  /* threads */
    SparseSlots *gram; /* rows of G without the diagonal */
    SparseSlots *from; /* row i: w(·, i) */
} SlimWork;

static void slim_work_clear(SlimWork *work)
{
    csr_free(work->buyers);
    g_free(work->scale);
    g_free(work->diagonal);
    for (unsigned t = 0; work->scratch && t < work->threads; t++) {
        g_free(work->scratch[t].sum);
        g_free(work->scratch[t].met);
        g_free(work->scratch[t].likeness);
        g_free(work->scratch[t].best);
        g_free(work->scratch[t].place);
        g_free(work->scratch[t].matrix);
        g_free(work->scratch[t].right);
    }
    g_free(work->scratch);
    sparse_slots_free(work->gram);
    sparse_slots_free(work->from);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SlimWork, slim_work_clear)

static bool no_memory(uint32_t n_items, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for the weights between %u products", n_items);
    return false;
}

static uint32_t gram_width(uint32_t n_items)
{
    return MIN(sparse_slots_width(n_items, GRAM_KEPT), MAX(n_items, 2) - 1);
}

static bool scratch_alloc(Scratch *scratch, uint32_t n_items, uint32_t width, uint32_t neighbours)
{
    scratch->sum = g_try_new0(float, n_items);
    scratch->met = g_try_new(uint32_t, n_items);
    scratch->likeness = g_try_new(float, n_items);
    scratch->best = g_try_new(Scored, 3 * (size_t)width);
    scratch->place = g_try_new0(uint32_t, n_items);
    scratch->matrix = g_try_new(float, (size_t)neighbours *neighbours);
    scratch->right = g_try_new(float, neighbours);
    return scratch->sum && scratch->met && scratch->likeness && scratch->best && scratch->place &&
           scratch->matrix && scratch->right;
}

static bool work_alloc(SlimWork *work, GError **error)
{
    uint32_t n_items = work->users->cols, width = gram_width(n_items);
    work->neighbours = MIN(work->params->neighbours, width);
    work->scratch = g_new0(Scratch, work->threads);
    for (unsigned t = 0; t < work->threads; t++) {
        if (!scratch_alloc(&work->scratch[t], n_items, width, work->neighbours))
            return no_memory(n_items, error);
    }
    work->gram = sparse_slots_new(n_items, n_items, width, error);
    work->from = work->gram ? sparse_slots_new(n_items, n_items, work->neighbours, error) : NULL;
    return work->from;
}

/* λ, and the diagonal of G. */
static bool measure(SlimWork *work, GError **error)
{
    const Csr *buyers = work->buyers;
    double all = 0, bought = 0;
    work->diagonal = g_try_new0(float, buyers->rows);
    if (!work->diagonal)
        return no_memory(buyers->rows, error);
    for (uint32_t item = 0; item < buyers->rows; item++) {
        double sum = 0;
        for (uint64_t b = buyers->start[item]; b < buyers->start[item + (size_t)1]; b++)
            sum += (double)buyers->value[b] * buyers->value[b] * work->scale[buyers->column[b]];
        work->diagonal[item] = (float)sum;
        bought += sum > 0;
        all += sum;
    }
    double pairs = (double)buyers->start[buyers->rows];
    work->ridge =
        (float)(work->params->regularization / sqrt(pairs / MAX(bought, 1)) * all / MAX(bought, 1));
    return true;
}

/* ---- G ---- */

/* How many items met `item`, which is not among them. */
static uint32_t meet(const SlimWork *work, uint32_t item, Scratch *scratch)
{
    const Csr *users = work->users, *buyers = work->buyers;
    uint32_t n = 0;
    for (uint64_t b = buyers->start[item]; b < buyers->start[item + (size_t)1]; b++) {
        uint32_t user = buyers->column[b];
        float weight = buyers->value[b] * work->scale[user];
        for (uint64_t e = users->start[user]; e < users->start[user + (size_t)1]; e++) {
            uint32_t other = users->column[e];
            float more = weight * users->value[e];
            if (!(more > 0) || other == item)
                continue;
            if (scratch->sum[other] == 0)
                scratch->met[n++] = other;
            scratch->sum[other] += more;
        }
    }
    return n;
}

static float likeness_of(const SlimWork *work, uint32_t item, uint32_t other, float met)
{
    return met /
           sqrtf((work->diagonal[item] + work->ridge) * (work->diagonal[other] + work->ridge));
}

static void keep_met(const SlimWork *work, uint32_t item, uint32_t n_met, Scratch *scratch)
{
    uint32_t width = work->gram->width;
    for (uint32_t m = 0; m < n_met; m++)
        scratch->likeness[m] =
            likeness_of(work, item, scratch->met[m], scratch->sum[scratch->met[m]]);
    uint32_t n = (uint32_t)topk_select(scratch->likeness, n_met, width, scratch->best + width,
                                       scratch->best);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = scratch->met[scratch->best[i].index];
        scratch->best[i] = (Scored){other, scratch->sum[other]};
    }
    sparse_slots_fill(work->gram, item, scratch->best, n);
    for (uint32_t m = 0; m < n_met; m++)
        scratch->sum[scratch->met[m]] = 0;
}

static bool gram_rows(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const SlimWork *work = context;
    Scratch *scratch = &work->scratch[worker];
    for (uint64_t item = begin; item < end; item++)
        keep_met(work, (uint32_t)item, meet(work, (uint32_t)item, scratch), scratch);
    return true;
}

/* ---- weights ---- */

/* The neighbours of the item, as places in its row of G, to the front of scratch->best; how many.
 */
static uint32_t choose(const SlimWork *work, uint32_t item, Scratch *scratch)
{
    const SparseSlots *gram = work->gram;
    size_t at = (size_t)item * gram->width;
    uint32_t n = gram->filled[item], most = work->neighbours;
    for (uint32_t e = 0; e < n; e++)
        scratch->likeness[e] = likeness_of(work, item, gram->column[at + e], gram->value[at + e]);
    return (uint32_t)topk_select(scratch->likeness, n, most, scratch->best + most, scratch->best);
}

/* G_NN + ridge·I and g_Ni; an entry that either row keeps counts. */
static void fill(const SlimWork *work, uint32_t item, uint32_t n, float ridge, Scratch *scratch)
{
    const SparseSlots *gram = work->gram;
    size_t own = (size_t)item * gram->width;
    memset(scratch->matrix, 0, (size_t)n * n * sizeof(float));
    for (uint32_t a = 0; a < n; a++)
        scratch->place[gram->column[own + scratch->best[a].index]] = a + 1;
    for (uint32_t a = 0; a < n; a++) {
        uint32_t row = gram->column[own + scratch->best[a].index];
        size_t at = (size_t)row * gram->width;
        for (uint32_t e = 0; e < gram->filled[row]; e++) {
            uint32_t b = scratch->place[gram->column[at + e]];
            if (b > 0)
                scratch->matrix[a * n + b - 1] = scratch->matrix[(b - 1) * n + a] =
                    gram->value[at + e];
        }
        scratch->matrix[a * n + a] = work->diagonal[row] + ridge;
        scratch->right[a] = gram->value[own + scratch->best[a].index];
    }
    for (uint32_t a = 0; a < n; a++)
        scratch->place[gram->column[own + scratch->best[a].index]] = 0;
}

/* Cholesky; false when the matrix is not positive definite or the answer not finite. */
static bool solve(Scratch *scratch, uint32_t n)
{
    char upper = 'U'; /* by columns: the lower triangle of our rows */
    blasint size = (blasint)n, info = 0;
    spotrf_(&upper, &size, scratch->matrix, &size, &info);
    if (info != 0)
        return false;
    cblas_strsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, size, scratch->matrix, size,
                scratch->right, 1);
    cblas_strsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, size, scratch->matrix, size,
                scratch->right, 1);
    for (uint32_t a = 0; a < n; a++) {
        if (!isfinite(scratch->right[a]))
            return false;
    }
    return true;
}

static bool weigh(const SlimWork *work, uint32_t item, Scratch *scratch, GError **error)
{
    const SparseSlots *gram = work->gram;
    uint32_t n = choose(work, item, scratch);
    float ridge = work->ridge;
    if (n == 0)
        return true;
    fill(work, item, n, ridge, scratch);
    while (!solve(scratch, n)) {
        ridge *= STEEPER;
        if (!isfinite(ridge)) {
            error_set(error, ERR_INVALID, "the weights of the purchases are too large to solve");
            return false;
        }
        fill(work, item, n, ridge, scratch);
    }
    for (uint32_t a = 0; a < n; a++) {
        uint32_t neighbour = gram->column[(size_t)item * gram->width + scratch->best[a].index];
        scratch->best[a] = (Scored){neighbour, scratch->right[a]};
    }
    sparse_slots_fill(work->from, item, scratch->best, n);
    return true;
}

static bool weight_rows(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const SlimWork *work = context;
    for (uint64_t item = begin; item < end; item++) {
        if (!weigh(work, (uint32_t)item, &work->scratch[worker], error))
            return false;
    }
    return true;
}

/* ---- together ---- */

static bool learn(SlimWork *work, const FitContext *context, GError **error)
{
    uint32_t n_items = work->users->cols;
    if (!work_alloc(work, error) || !measure(work, error) ||
        !parallel_for(n_items, BLOCK, work->threads, gram_rows, work, context->cancel, error))
        return false;
    g_clear_pointer(&work->buyers, csr_free);
    return parallel_for(n_items, BLOCK, work->threads, weight_rows, work, context->cancel, error);
}

Fitted *slim_fit_with(const Dataset *view, const SlimParams *params, const FitContext *context,
                      GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn products' weights from");
        return NULL;
    }
    g_autoptr(Csr) users = strengths_logarithms(view, context, params->half_life_days, error);
    if (!users)
        return NULL;
    g_auto(SlimWork)
        work = {.params = params, .users = users, .threads = parallel_threads(context->threads)};
    work.buyers = csr_transpose(users, error);
    work.scale = work.buyers ? strengths_scale(users, params->row_exponent, error) : NULL;
    if (!work.scale || !learn(&work, context, error))
        return NULL;
    g_clear_pointer(&work.gram, sparse_slots_free);
    g_autoptr(Csr) from = sparse_slots_finish(work.from, users->cols, NULL, error);
    Csr *weights = from ? csr_transpose(from, error) : NULL;
    if (!weights)
        return NULL;
    Fitted *fitted = sparse_product_new(&learner_slim, g_steal_pointer(&users), weights);
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

/* The parameters that are searched, by place in the learner's list. */
enum { SLIM_REGULARIZATION, SLIM_NEIGHBOURS, SLIM_HALF_LIFE, SLIM_ROW_EXPONENT };

/* As measured, within a third, on 0.4 to 1 million lines of 4,000 to 40,000 products with 25 to 200
 * neighbours. */
#define NS_PER_PAIR 10.0  /* of G: a cell and another of the same user */
#define NS_PER_KEPT 140.0 /* cell of G: chosen and sorted */
#define NS_PER_LOOK 0.5   /* at a cell of a neighbour's row */
#define NS_PER_CUBE 0.085 /* of a solution */
#define NS_PER_ROW  100.0

static double slim_fit_work(const Dataset *view, const SignalWeights *signals, const double *value,
                            double effort)
{
    double pairs = strengths_meetings(view, signals), width = gram_width(view->n_items);
    double neighbours = MIN(value[SLIM_NEIGHBOURS], width);
    double kept = MIN(pairs, width * view->n_items);
    return NS_PER_PAIR * pairs + (NS_PER_KEPT + NS_PER_LOOK * neighbours) * kept +
           NS_PER_CUBE * neighbours * neighbours * neighbours * view->n_items +
           NS_PER_ROW * strengths_rows(view, signals);
}

static Fitted *slim_fit(const Dataset *view, const FitContext *context, GError **error)
{
    const Params *chosen = context->params;
    SlimParams params = slim_defaults;
    params.regularization = (float)params_get(chosen, &learner_slim, SLIM_REGULARIZATION);
    params.neighbours = (uint32_t)params_get(chosen, &learner_slim, SLIM_NEIGHBOURS);
    params.half_life_days = (float)params_get(chosen, &learner_slim, SLIM_HALF_LIFE);
    params.row_exponent = (float)params_get(chosen, &learner_slim, SLIM_ROW_EXPONENT);
    return slim_fit_with(view, &params, context, error);
}

static Fitted *slim_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                         GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_inner = n_items, .n_items = n_items};
    return sparse_product_load(&learner_slim, sections, &shape, error);
}

static void slim_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const SlimParams *params = product->params ? product->params : &slim_defaults;
    json_named_number(writer, "neighbours", params->neighbours);
    json_named_number(writer, "half_life_days", params->half_life_days);
    json_named_number(writer, "row_exponent", params->row_exponent);
    json_named_number(writer, "regularization", params->regularization);
}

/* The search may look further than usual. */
static uint32_t neighbours_most(uint32_t n_items)
{
    const Param *param = &learner_slim.param[SLIM_NEIGHBOURS];
    double most = param->usual;
    for (size_t v = 0; v < param->n_values; v++)
        most = MAX(most, param->value[v]);
    return MIN((uint32_t)most, gram_width(n_items));
}

static uint64_t slim_fit_bytes(const FitSize *size)
{
    uint64_t n_items = size->n_items, sides = size->n_users + n_items;
    uint32_t width = gram_width(size->n_items), most = neighbours_most(size->n_items);
    uint64_t matrices =
        2 * (size->rows * (sizeof(uint32_t) + sizeof(float)) + sides * sizeof(uint64_t));
    uint64_t scratch = n_items * (2 * sizeof(float) + 2 * sizeof(uint32_t)) +
                       3 * width * sizeof(Scored) + (uint64_t)most * most * sizeof(float);
    return matrices + sides * sizeof(float) + parallel_threads(size->threads) * scratch +
           sparse_slots_bytes(size->n_items, width) + sparse_slots_bytes(size->n_items, most) +
           2 * n_items * sizeof(uint64_t);
}

static uint64_t slim_kept_bytes(const FitSize *size)
{
    return sparse_product_bytes(size, size->rows,
                                (uint64_t)size->n_items * neighbours_most(size->n_items));
}

const Learner learner_slim = {
    .name = "slim",
    .title = "Sparse linear model",
    .paper = "Ning, Karypis: SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011",
    .is_baseline = false,
    .is_personal = true,
    .param =
        {
            [SLIM_REGULARIZATION] = {"regularization", 20, {5, 10, 40, 80}, 4},
            [SLIM_NEIGHBOURS] = {"neighbours", 50, {25, 100, 200}, 3},
            [SLIM_HALF_LIFE] = {"half_life_days", 90, {30, 240}, 2},
            [SLIM_ROW_EXPONENT] = {"row_exponent", 0.25, {0, 0.4}, 2},
        },
    .n_params = 4,
    .fit_work = slim_fit_work,
    .fit = slim_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = slim_load,
    .describe = slim_describe,
    .fit_bytes = slim_fit_bytes,
    .kept_bytes = slim_kept_bytes,
    .free = sparse_product_free,
};
