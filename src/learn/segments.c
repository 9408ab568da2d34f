#include "segments.h"

#include "base/error.h"
#include "math/parallel.h"
#include "segment_shares.h"
#include "sparse_product.h"
#include "strengths.h"

#define HALF_LIFE_DAYS 21

const SegmentsParams segments_defaults = {
    .half_life_days = HALF_LIFE_DAYS,
    .prior = 300,
    .buyers = 20,
    .values = 200,
    .items = 5000,
};

Fitted *segments_fit_with(const Dataset *view, const SegmentsParams *params,
                          const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn segments' popularity from");
        return NULL;
    }
    Segments *segments = segments_find(view, params->buyers, params->values, error);
    if (!segments)
        return NULL;
    g_autoptr(SegmentShares) shares = segment_shares_learn(segments, view, params, context, error);
    if (!shares)
        return NULL;
    Fitted *fitted = sparse_product_new(&learner_segments, g_steal_pointer(&shares->left),
                                        g_steal_pointer(&shares->right));
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

static double segments_fit_work(const Dataset *view, const SignalWeights *signals,
                                const double *value, double effort)
{
    return 100.0 * strengths_rows(view, signals);
}

static Fitted *segments_fit(const Dataset *view, const FitContext *context, GError **error)
{
    SegmentsParams params = segments_defaults;
    params.half_life_days = params_get(context->params, &learner_segments, 0);
    return segments_fit_with(view, &params, context, error);
}

static Fitted *segments_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                             GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_items = n_items};
    return sparse_product_load(&learner_segments, sections, &shape, error);
}

static void segments_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const SegmentsParams *params = product->params ? product->params : &segments_defaults;
    json_named_number(writer, "half_life_days", params->half_life_days);
    json_named_number(writer, "prior", params->prior);
    json_named_number(writer, "buyers", params->buyers);
    json_named_number(writer, "values", params->values);
    json_named_number(writer, "items", params->items);
    json_named_number(writer, "segments", product->right.rows - 1.0);
}

/* Products in segments, at most: as many segments as fit in, and every user in as many as can be.
 */
static uint64_t bought_most(const FitSize *size)
{
    const SegmentsParams *params = &segments_defaults;
    uint64_t n_segments = SEGMENT_COLUMNS_MAX * params->values;
    uint64_t kept = MIN(size->n_items, params->items);
    return size->n_items + MIN(n_segments * kept, MEMBERSHIPS_MAX * size->rows);
}

static uint64_t segments_kept_bytes(const FitSize *size)
{
    uint64_t memberships = size->n_users * (uint64_t)(1 + MEMBERSHIPS_MAX);
    return sparse_product_bytes(size, memberships, bought_most(size));
}

static uint64_t segments_fit_bytes(const FitSize *size)
{
    uint64_t entry = sizeof(uint32_t) + sizeof(float), n_users = size->n_users,
             n_items = size->n_items, kept = MIN(n_items, segments_defaults.items);
    uint64_t numbers = SEGMENT_COLUMNS_MAX * n_users * sizeof(uint32_t);
    uint64_t counts =
        size->rows * (2 * entry + sizeof(float)) + (n_users + n_items) * sizeof(uint64_t);
    uint64_t sides =
        n_users * (2 * (1 + MEMBERSHIPS_MAX) * entry + sizeof(uint32_t) + sizeof(uint64_t));
    uint64_t sums = n_items * (sizeof(double) + sizeof(float)) + 3 * kept * sizeof(Scored);
    return numbers + counts + sides + bought_most(size) * entry +
           parallel_threads(size->threads) * sums;
}

const Learner learner_segments = {
    .name = "segments",
    .title = "Popular with users alike",
    .paper = "Zhai, Lafferty: A Study of Smoothing Methods for Language Models Applied to "
             "Information Retrieval, TOIS 2004",
    .is_personal = true,
    .param = {{"half_life_days", HALF_LIFE_DAYS, {10, 45, 90}, 3}},
    .n_params = 1,
    .fit_work = segments_fit_work,
    .fit = segments_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = segments_load,
    .describe = segments_describe,
    .fit_bytes = segments_fit_bytes,
    .kept_bytes = segments_kept_bytes,
    .free = sparse_product_free,
};
