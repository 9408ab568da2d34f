#include "segment_shares.h"

#include <string.h>

#include "base/error.h"
#include "math/parallel.h"
#include "sparse_slots.h"
#include "strengths.h"

/* Scratch of one thread. */
typedef struct Sums {
    double *lines; /* n_items: c_v */
    float *score;  /* n_items */
    Scored *best;  /* 3 · params->items, at most n_items of them */
} Sums;

typedef struct SegmentWork {
    const SegmentsParams *params;
    const Csr *counts;     /* users × items */
    const Csr *members;    /* segments × users */
    const double *lines;   /* of each segment: Σ c_v */
    const uint64_t *pairs; /* of each segment: of a user and a product */
    Csr *right;            /* segments × items, with more room than its rows fill */
    uint64_t *filled;      /* of each segment */
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

static void add_user(const Csr *counts, uint32_t user, double *lines, uint64_t *pairs)
{
    uint64_t from = counts->start[user], to = counts->start[user + (size_t)1];
    for (uint64_t e = from; e < to; e++)
        *lines += counts->value[e];
    *pairs += to - from;
}

/* What is bought in each segment. */
static void add_up(const SegmentShares *shares, const Csr *counts, uint64_t *pairs)
{
    for (uint32_t user = 0; user < counts->rows; user++) {
        Scored in[MEMBERSHIPS_MAX];
        uint32_t n = segments_of(shares->segments, user, in);
        add_user(counts, user, &shares->lines[0], &pairs[0]);
        for (uint32_t e = 0; e < n; e++)
            add_user(counts, user, &shares->lines[in[e].index], &pairs[in[e].index]);
    }
}

/* Entries of the longest row, everybody's among them. */
static uint32_t widest(const SegmentShares *shares, const uint32_t *users, uint32_t n)
{
    uint32_t most = 0;
    for (uint32_t row = 0; row < n; row++) {
        Scored in[MEMBERSHIPS_MAX];
        most = MAX(most, segments_of(shares->segments, users ? users[row] : row, in));
    }
    return 1 + most;
}

/* What the prior adds to every share is everybody's: it stands in column 0. */
Csr *segment_shares_of(const SegmentShares *shares, const uint32_t *users, uint32_t n,
                       GError **error)
{
    g_autoptr(SparseSlots) slots =
        sparse_slots_new(n, shares->segments->n, widest(shares, users, n), error);
    if (!slots)
        return NULL;
    for (uint32_t row = 0; row < n; row++) {
        Scored in[1 + MEMBERSHIPS_MAX];
        uint32_t n_in = segments_of(shares->segments, users ? users[row] : row, in + 1);
        double everybody = n_in == 0;
        for (uint32_t e = 1; e <= n_in; e++)
            everybody += in[e].score * shares->prior / (shares->lines[in[e].index] + shares->prior);
        in[0] = (Scored){0, (float)everybody};
        sparse_slots_fill(slots, row, in, n_in + 1);
    }
    return sparse_slots_finish(slots, n, NULL, error);
}

/* Items that a segment has room for. */
static uint64_t room(const SegmentWork *work, uint32_t segment)
{
    uint32_t n_items = work->counts->cols;
    uint64_t kept = segment == 0 ? n_items : MIN(n_items, work->params->items);
    return MIN(kept, work->pairs[segment]);
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
    double all = work->lines[0], own = work->lines[segment] + work->params->prior;
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

static Csr *learn(const SegmentShares *shares, const Csr *counts, const uint64_t *pairs,
                  const SegmentsParams *params, const FitContext *context, GError **error)
{
    g_autoptr(Csr) members = csr_transpose(shares->left, error);
    if (!members)
        return NULL;
    g_auto(SegmentWork) work = {.params = params,
                                .counts = counts,
                                .members = members,
                                .lines = shares->lines,
                                .pairs = pairs,
                                .threads = parallel_threads(context->threads)};
    if (!work_alloc(&work, error) || !parallel_for(members->rows, 1, work.threads, learn_segments,
                                                   &work, context->cancel, error))
        return NULL;
    return close_up(&work);
}

SegmentShares *segment_shares_learn(Segments *takes_segments, const Dataset *view,
                                    const SegmentsParams *params, const FitContext *context,
                                    GError **error)
{
    g_autoptr(SegmentShares) shares = g_new0(SegmentShares, 1);
    uint32_t n_segments = takes_segments->n;
    shares->segments = takes_segments;
    shares->prior = params->prior;
    g_autoptr(Csr) counts = strengths_of(view, context, params->half_life_days, error);
    if (!counts)
        return NULL;
    shares->lines = g_try_new0(double, n_segments);
    g_autofree uint64_t *pairs = g_try_new0(uint64_t, n_segments);
    if (!shares->lines || !pairs) {
        no_memory(n_segments, error);
        return NULL;
    }
    add_up(shares, counts, pairs);
    shares->left = segment_shares_of(shares, NULL, view->n_users, error);
    if (!shares->left)
        return NULL;
    shares->right = learn(shares, counts, pairs, params, context, error);
    return shares->right ? g_steal_pointer(&shares) : NULL;
}

void segment_shares_free(SegmentShares *shares)
{
    if (!shares)
        return;
    segments_free(shares->segments);
    g_free(shares->lines);
    csr_free(shares->left);
    csr_free(shares->right);
    g_free(shares);
}
