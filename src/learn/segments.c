#include "segments.h"

#include <string.h>

#include "base/error.h"
#include "data/split.h"
#include "math/parallel.h"
#include "segment_members.h"
#include "sparse_product.h"
#include "sparse_slots.h"

const SegmentsParams segments_defaults = {
    .half_life_days = 21,
    .prior = 300,
    .buyers = 20,
    .values = 200,
    .items = 5000,
};

/* What is bought in one segment. */
typedef struct Total {
    double lines;   /* Σ c_v */
    uint64_t pairs; /* of a user and a product */
} Total;

/* Scratch of one thread. */
typedef struct Sums {
    double *lines; /* n_items: c_v */
    float *score;  /* n_items */
    Scored *best;  /* 3 · params->items, at most n_items of them */
} Sums;

typedef struct SegmentWork {
    const SegmentsParams *params;
    const Csr *counts;  /* users × items */
    const Csr *members; /* segments × users */
    const Total *total; /* of each segment */
    Csr *right;         /* segments × items, with more room than its rows fill */
    uint64_t *filled;   /* of each segment */
    unsigned threads;
    Sums *sums; /* threads */
} SegmentWork;

static void segment_work_clear(SegmentWork *work)
{
    for (unsigned t = 0; work->sums && t < work->threads; t++) {
        g_free(work->sums[t].lines);
        g_free(work->sums[t].score);
        g_free(work->sums[t].best);
    }
    g_free(work->sums);
    g_free(work->filled);
    csr_free(work->right);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SegmentWork, segment_work_clear)

static bool no_memory(uint32_t n_segments, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for %u segments of users", n_segments);
    return false;
}

static void add_user(Total *total, const Csr *counts, uint32_t user)
{
    uint64_t from = counts->start[user], to = counts->start[user + (size_t)1];
    for (uint64_t e = from; e < to; e++)
        total->lines += counts->value[e];
    total->pairs += to - from;
}

/* For g_free(); *most: segments that a user is in, everybody among them. */
static Total *add_up(const Segments *segments, const Csr *counts, uint32_t *most, GError **error)
{
    Total *total = g_try_new0(Total, segments->n);
    if (!total) {
        no_memory(segments->n, error);
        return NULL;
    }
    *most = 1;
    for (uint32_t user = 0; user < counts->rows; user++) {
        Scored in[MEMBERSHIPS_MAX];
        uint32_t n = segments_of(segments, user, in);
        *most = MAX(*most, n + 1);
        add_user(&total[0], counts, user);
        for (uint32_t e = 0; e < n; e++)
            add_user(&total[in[e].index], counts, user);
    }
    return total;
}

/* users × segments. What the prior adds to every share is everybody's: it stands in column 0. */
static Csr *memberships(const Segments *segments, const Total *total, uint32_t n_users,
                        uint32_t width, double prior, GError **error)
{
    g_autoptr(SparseSlots) slots = sparse_slots_new(n_users, segments->n, width, error);
    if (!slots)
        return NULL;
    for (uint32_t user = 0; user < n_users; user++) {
        Scored in[1 + MEMBERSHIPS_MAX];
        uint32_t n = segments_of(segments, user, in + 1);
        double everybody = n == 0;
        for (uint32_t e = 1; e <= n; e++)
            everybody += in[e].score * prior / (total[in[e].index].lines + prior);
        in[0] = (Scored){0, (float)everybody};
        sparse_slots_fill(slots, user, in, n + 1);
    }
    return sparse_slots_finish(slots, n_users, NULL, error);
}

/* Items that a segment has room for. */
static uint64_t room(const SegmentWork *work, uint32_t segment)
{
    uint32_t n_items = work->counts->cols;
    uint64_t kept = segment == 0 ? n_items : MIN(n_items, work->params->items);
    return MIN(kept, work->total[segment].pairs);
}

static bool right_alloc(SegmentWork *work, GError **error)
{
    uint32_t n_segments = work->members->rows;
    Csr *right = work->right = g_new0(Csr, 1);
    right->rows = n_segments;
    right->cols = work->counts->cols;
    right->start = g_try_new0(uint64_t, n_segments + (size_t)1);
    work->filled = g_try_new0(uint64_t, n_segments);
    if (!right->start || !work->filled)
        return no_memory(n_segments, error);
    for (uint32_t segment = 0; segment < n_segments; segment++)
        right->start[segment + 1] = right->start[segment] + room(work, segment);
    uint64_t n = MAX(right->start[n_segments], 1);
    right->column = g_try_new(uint32_t, n);
    right->value = g_try_new(float, n);
    return (right->column && right->value) || no_memory(n_segments, error);
}

static bool work_alloc(SegmentWork *work, GError **error)
{
    uint32_t n_items = work->counts->cols;
    work->sums = g_new0(Sums, work->threads);
    for (unsigned t = 0; t < work->threads; t++) {
        Sums *sums = &work->sums[t];
        sums->lines = g_try_new(double, n_items);
        sums->score = g_try_new(float, n_items);
        sums->best = g_try_new(Scored, 3 * (size_t)MIN(n_items, work->params->items));
        if (!sums->lines || !sums->score || !sums->best)
            return no_memory(work->members->rows, error);
    }
    return right_alloc(work, error);
}

static void sum_segment(const SegmentWork *work, uint32_t segment, double *lines)
{
    const Csr *members = work->members, *counts = work->counts;
    memset(lines, 0, counts->cols * sizeof *lines);
    for (uint64_t m = members->start[segment]; m < members->start[segment + (size_t)1]; m++) {
        uint32_t user = members->column[m];
        for (uint64_t e = counts->start[user]; e < counts->start[user + (size_t)1]; e++)
            lines[counts->column[e]] += counts->value[e];
    }
}

/* The entries of a segment; a share is brought to the lines of the whole shop, so that what was
 * bought long ago stays above 0. How many of them are above 0. */
static uint64_t score_segment(const SegmentWork *work, uint32_t segment, Sums *sums)
{
    double all = work->total[0].lines, own = work->total[segment].lines + work->params->prior;
    double factor = segment == 0 ? 1 : all / own;
    uint64_t n = 0;
    for (uint32_t item = 0; item < work->counts->cols; item++) {
        sums->score[item] = (float)(sums->lines[item] * factor);
        n += sums->score[item] > 0;
    }
    return n;
}

/* Fills a row with those items that come no later than `last` in the order of topk.h. */
static void keep_entries(const SegmentWork *work, uint32_t segment, const float *score, Scored last)
{
    Csr *right = work->right;
    uint64_t at = right->start[segment];
    for (uint32_t item = 0; item < right->cols; item++) {
        if (score[item] <= 0 || score[item] < last.score ||
            (score[item] == last.score && item > last.index))
            continue;
        right->column[at] = item;
        right->value[at++] = score[item];
    }
    work->filled[segment] = at - right->start[segment];
}

static bool learn_segments(void *context, uint64_t begin, uint64_t end, unsigned worker,
                           GError **error)
{
    const SegmentWork *work = context;
    Sums *sums = &work->sums[worker];
    uint32_t n_items = work->counts->cols;
    for (uint32_t segment = (uint32_t)begin; segment < end; segment++) {
        Scored last = {0, 0};
        uint64_t kept = work->right->start[segment + (size_t)1] - work->right->start[segment];
        sum_segment(work, segment, sums->lines);
        if (score_segment(work, segment, sums) > kept)
            last =
                sums->best[topk_select(sums->score, n_items, kept, sums->best + kept, sums->best) -
                           1];
        keep_entries(work, segment, sums->score, last);
    }
    return true;
}

/* Moves every row down to where the one before it ends; a failure to shrink costs nothing. */
static Csr *close_up(SegmentWork *work)
{
    Csr *right = g_steal_pointer(&work->right);
    uint64_t end = 0;
    for (uint32_t segment = 0; segment < right->rows; segment++) {
        uint64_t from = right->start[segment], n = work->filled[segment];
        memmove(right->column + end, right->column + from, n * sizeof *right->column);
        memmove(right->value + end, right->value + from, n * sizeof *right->value);
        right->start[segment] = end;
        end += n;
    }
    right->start[right->rows] = end;
    uint32_t *column = g_try_renew(uint32_t, right->column, MAX(end, 1));
    right->column = column ? column : right->column;
    float *value = g_try_renew(float, right->value, MAX(end, 1));
    right->value = value ? value : right->value;
    return right;
}

static Csr *learn(const Csr *counts, const Csr *left, const Total *total,
                  const SegmentsParams *params, const FitContext *context, GError **error)
{
    g_autoptr(Csr) members = csr_transpose(left, error);
    if (!members)
        return NULL;
    g_auto(SegmentWork) work = {.params = params,
                                .counts = counts,
                                .members = members,
                                .total = total,
                                .threads = parallel_threads(context->threads)};
    if (!work_alloc(&work, error) || !parallel_for(members->rows, 1, work.threads, learn_segments,
                                                   &work, context->cancel, error))
        return NULL;
    return close_up(&work);
}

Fitted *segments_fit_with(const Dataset *view, const SegmentsParams *params,
                          const FitContext *context, GError **error)
{
    if (view->rows.n == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn segments' popularity from");
        return NULL;
    }
    g_autoptr(Segments) segments = segments_find(view, params->buyers, params->values, error);
    if (!segments)
        return NULL;
    g_autoptr(Csr) counts = decayed_counts(view, context->as_of, params->half_life_days, error);
    if (!counts)
        return NULL;
    uint32_t most;
    g_autofree Total *total = add_up(segments, counts, &most, error);
    if (!total)
        return NULL;
    g_autoptr(Csr) left = memberships(segments, total, view->n_users, most, params->prior, error);
    if (!left)
        return NULL;
    Csr *right = learn(counts, left, total, params, context, error);
    if (!right)
        return NULL;
    Fitted *fitted = sparse_product_new(&learner_segments, g_steal_pointer(&left), right);
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

static Fitted *segments_fit(const Dataset *view, const FitContext *context, GError **error)
{
    return segments_fit_with(view, &segments_defaults, context, error);
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
