#include "item_knn.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/parallel.h"
#include "sparse_product.h"
#include "sparse_slots.h"
#include "strengths.h"

#define BLOCK 16u

/* Chosen on the validation window of tests/golden, and on pairs without times. */
const ItemKnnParams item_knn_defaults = {
    .neighbours = 200,
    .half_life_days = 90,
    .saturation = 2,
    .length = 1,
    .shrinkage = 5,
    .own = 2,
};

/* What is known of a pair of items, while one item's buyers pass by. */
typedef struct Meeting {
    float dot;
    uint32_t both; /* who bought both */
} Meeting;

typedef struct Sums {
    Meeting *with;   /* n_items, all zero between items */
    uint32_t *met;   /* n_items: those that are not zero, in the order they were met */
    float *likeness; /* n_items: of those */
    Scored *best;    /* 3 · width */
} Sums;

typedef struct KnnWork {
    const ItemKnnParams *params;
    const Csr *users; /* w / |w_i|, users × items */
    const Csr *buyers;
    unsigned threads;
    Sums *sums; /* threads */
    uint32_t width;
    SparseSlots *slots;
} KnnWork;

static void knn_work_clear(KnnWork *work)
{
    for (unsigned t = 0; work->sums && t < work->threads; t++) {
        g_free(work->sums[t].with);
        g_free(work->sums[t].met);
        g_free(work->sums[t].likeness);
        g_free(work->sums[t].best);
    }
    g_free(work->sums);
    sparse_slots_free(work->slots);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KnnWork, knn_work_clear)

/* Neighbours and the item itself, at least 2. */
static uint32_t slots_width(const ItemKnnParams *params, uint32_t n_items)
{
    return MIN(sparse_slots_width(n_items, params->neighbours) + 1, MAX(n_items, 2));
}

static bool work_alloc(KnnWork *work, GError **error)
{
    size_t n = work->users->cols;
    work->sums = g_new0(Sums, work->threads);
    for (unsigned t = 0; t < work->threads; t++) {
        Sums *sums = &work->sums[t];
        sums->with = g_try_new0(Meeting, MAX(n, 1));
        sums->met = g_try_new(uint32_t, MAX(n, 1));
        sums->likeness = g_try_new(float, MAX(n, 1));
        sums->best = g_try_new(Scored, 3 * (size_t)work->width);
        if (!sums->with || !sums->met || !sums->likeness || !sums->best) {
            error_set(error, ERR_NO_MEMORY, "no memory for the neighbours of %u products",
                      work->users->cols);
            return false;
        }
    }
    work->slots = sparse_slots_new(work->users->cols, work->users->cols, work->width, error);
    return work->slots;
}

static double row_sum(const Csr *csr, uint32_t row)
{
    double sum = 0;
    for (uint64_t e = csr->start[row]; e < csr->start[row + (size_t)1]; e++)
        sum += csr->value[e];
    return sum;
}

static double mean_row_sum(const Csr *users)
{
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t user = 0; user < users->rows; user++) {
        sum += row_sum(users, user);
        n += users->start[user + 1] > users->start[user];
    }
    return sum / MAX(n, 1);
}

/* w without idf, which the cosine cancels, into `weights` (of the shape of `users`). */
static void weigh(const Csr *users, const ItemKnnParams *params, float *weights)
{
    double mean = mean_row_sum(users);
    for (uint32_t user = 0; user < users->rows; user++) {
        double relative = 1 - params->length + params->length * row_sum(users, user) / mean;
        for (uint64_t e = users->start[user]; e < users->start[user + 1]; e++) {
            double count = users->value[e];
            weights[e] =
                (float)(count * (params->saturation + 1) / (count + params->saturation * relative));
        }
    }
}

/* Divides by the length of each item's column. */
static bool normalise(Csr *weights, GError **error)
{
    g_autofree double *squares = g_try_new0(double, MAX(weights->cols, 1));
    if (!squares) {
        error_set(error, ERR_NO_MEMORY, "no memory for the neighbours of %u products",
                  weights->cols);
        return false;
    }
    uint64_t n = weights->start[weights->rows];
    for (uint64_t e = 0; e < n; e++)
        squares[weights->column[e]] += (double)weights->value[e] * weights->value[e];
    for (uint64_t e = 0; e < n; e++) {
        double length = sqrt(squares[weights->column[e]]);
        weights->value[e] = length > 0 ? (float)(weights->value[e] / length) : 0;
    }
    return true;
}

/* How many items met `item`. */
static uint32_t meet(const KnnWork *work, uint32_t item, Sums *sums)
{
    const Csr *users = work->users, *buyers = work->buyers;
    uint32_t n = 0;
    for (uint64_t b = buyers->start[item]; b < buyers->start[item + (size_t)1]; b++) {
        uint32_t user = buyers->column[b];
        for (uint64_t e = users->start[user]; e < users->start[user + (size_t)1]; e++) {
            uint32_t other = users->column[e];
            if (sums->with[other].both++ == 0)
                sums->met[n++] = other;
            sums->with[other].dot += buyers->value[b] * users->value[e];
        }
    }
    return n;
}

static void keep_neighbours(const KnnWork *work, uint32_t item, uint32_t n_met, Sums *sums)
{
    const ItemKnnParams *params = work->params;
    for (uint32_t m = 0; m < n_met; m++) {
        Meeting *with = &sums->with[sums->met[m]];
        float both = (float)with->both;
        sums->likeness[m] =
            sums->met[m] == item ? 0 : with->dot * both / (both + params->shrinkage);
        *with = (Meeting){0};
    }
    uint32_t width = work->width - 1;
    Scored *best = sums->best;
    uint32_t n = (uint32_t)topk_select(sums->likeness, n_met, width, best + work->width, best);
    for (uint32_t i = 0; i < n; i++)
        best[i].index = sums->met[best[i].index];
    while (n > 0 && best[n - 1].score <= 0)
        n--;
    if (n_met > 0)
        best[n++] = (Scored){item, params->own};
    sparse_slots_fill(work->slots, item, best, n);
}

static bool find_neighbours(void *context, uint64_t begin, uint64_t end, unsigned worker,
                            GError **error)
{
    const KnnWork *work = context;
    Sums *sums = &work->sums[worker];
    for (uint64_t item = begin; item < end; item++) {
        uint32_t n_met = meet(work, (uint32_t)item, sums);
        keep_neighbours(work, (uint32_t)item, n_met, sums);
    }
    return true;
}

/* Takes `users`: purchases, which the scores start from. */
static Fitted *fit_counts(Csr *users, const Csr *weights, const ItemKnnParams *params,
                          const FitContext *context, GError **error)
{
    g_autoptr(Csr) buyers = csr_transpose(weights, error);
    if (!buyers)
        return NULL;
    g_auto(KnnWork) work = {.params = params,
                            .users = weights,
                            .buyers = buyers,
                            .threads = parallel_threads(context->threads),
                            .width = slots_width(params, weights->cols)};
    if (!work_alloc(&work, error) || !parallel_for(weights->cols, BLOCK, work.threads,
                                                   find_neighbours, &work, context->cancel, error))
        return NULL;
    Csr *likeness = sparse_slots_finish(work.slots, weights->cols, NULL, error);
    return likeness ? sparse_product_new(&learner_item_knn, users, likeness) : NULL;
}

Fitted *item_knn_fit_with(const Dataset *view, const ItemKnnParams *params,
                          const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn products' neighbours from");
        return NULL;
    }
    g_autoptr(Csr) users = strengths_of(view, context, params->half_life_days, error);
    if (!users)
        return NULL;
    g_autofree float *value = g_try_new0(float, users->start[users->rows]);
    if (!value) {
        error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " weights",
                  users->start[users->rows]);
        return NULL;
    }
    Csr weights = *users; /* the same pairs */
    weights.value = value;
    weigh(users, params, value);
    if (!normalise(&weights, error))
        return NULL;
    Fitted *fitted = fit_counts(users, &weights, params, context, error);
    if (!fitted)
        return NULL;
    g_steal_pointer(&users);
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

/* The parameters that are searched, by place in the learner's list. */
enum { KNN_SHRINKAGE, KNN_HALF_LIFE, KNN_SATURATION, KNN_LENGTH };

#define NS_PER_PAIR 8.0
#define NS_PER_ITEM 20000.0
#define NS_PER_ROW  100.0

static double item_knn_fit_work(const Dataset *view, const SignalWeights *signals,
                                const double *value, double effort)
{
    return NS_PER_PAIR * strengths_meetings(view, signals) + NS_PER_ITEM * view->n_items +
           NS_PER_ROW * strengths_rows(view, signals);
}

static Fitted *item_knn_fit(const Dataset *view, const FitContext *context, GError **error)
{
    const Params *chosen = context->params;
    ItemKnnParams params = item_knn_defaults;
    params.shrinkage = (float)params_get(chosen, &learner_item_knn, KNN_SHRINKAGE);
    params.half_life_days = (float)params_get(chosen, &learner_item_knn, KNN_HALF_LIFE);
    params.saturation = (float)params_get(chosen, &learner_item_knn, KNN_SATURATION);
    params.length = (float)params_get(chosen, &learner_item_knn, KNN_LENGTH);
    return item_knn_fit_with(view, &params, context, error);
}

static Fitted *item_knn_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                             GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_inner = n_items, .n_items = n_items};
    return sparse_product_load(&learner_item_knn, sections, &shape, error);
}

static void item_knn_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const ItemKnnParams *params = product->params ? product->params : &item_knn_defaults;
    const struct {
        const char *name;
        double value;
    } members[] = {
        {"neighbours", slots_width(params, fitted->n_items) - 1},
        {"half_life_days", params->half_life_days},
        {"saturation", params->saturation},
        {"length", params->length},
        {"shrinkage", params->shrinkage},
        {"own", params->own},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        json_named_number(writer, members[i].name, members[i].value);
}

static uint64_t item_knn_fit_bytes(const FitSize *size)
{
    uint64_t sides = (uint64_t)size->n_users + size->n_items,
             width = slots_width(&item_knn_defaults, size->n_items);
    uint64_t pairs = size->rows * (2 * sizeof(uint32_t) + 3 * sizeof(float));
    uint64_t sums = size->n_items * (sizeof(Meeting) + sizeof(uint32_t) + sizeof(float)) +
                    3 * width * sizeof(Scored);
    return pairs + 2 * sides * sizeof(uint64_t) + size->n_items * sizeof(double) +
           parallel_threads(size->threads) * sums +
           sparse_slots_bytes(size->n_items, (uint32_t)width);
}

static uint64_t item_knn_kept_bytes(const FitSize *size)
{
    uint64_t width = slots_width(&item_knn_defaults, size->n_items);
    return sparse_product_bytes(size, size->rows, size->n_items * width);
}

const Learner learner_item_knn = {
    .name = "item_knn",
    .title = "Similar products",
    .paper = "Deshpande, Karypis: Item-based Top-N Recommendation Algorithms, TOIS 2004",
    .is_baseline = false,
    .is_personal = true,
    .param =
        {
            [KNN_SHRINKAGE] = {"shrinkage", 5, {1, 20, 60}, 3},
            [KNN_HALF_LIFE] = {"half_life_days", 90, {30, 240}, 2},
            [KNN_SATURATION] = {"saturation", 2, {0.5, 8}, 2},
            [KNN_LENGTH] = {"length", 1, {0.3, 0.7}, 2},
        },
    .n_params = 4,
    .fit_work = item_knn_fit_work,
    .fit = item_knn_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = item_knn_load,
    .describe = item_knn_describe,
    .fit_bytes = item_knn_fit_bytes,
    .kept_bytes = item_knn_kept_bytes,
    .free = sparse_product_free,
};
