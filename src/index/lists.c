#include "lists.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/parallel.h"
#include "math/topk.h"

#define TILE_BYTES  (UINT64_C(64) << 20) /* scores of one block of users, per thread */
#define TILE_USERS  256
#define STEPS       64 /* how often progress is told */
#define FOUND_STEPS 16 /* the same, where the learner begins anew each time */
#define STORE_BLOCK 1024

typedef struct Scratch {
    float *tile;
    Scored *work, *best;
} Scratch;

typedef struct Job {
    const Fitted *fitted;
    const Histories *histories;
    Lists *lists;
    const uint32_t *hidden; /* items that are not predictable */
    uint32_t n_hidden;
    const Calibration *calibration; /* or NULL */
    const uint8_t *allowed;         /* n_items: the others than the hidden ones */
    uint64_t offset;                /* first row of this step */
    Scored *best;                   /* of the rows of a step, when the learner finds them itself */
    uint32_t *found;
    Scratch *scratch;
    unsigned n_scratch;
} Job;

static void scratch_clear(Job *job)
{
    for (unsigned i = 0; job->scratch && i < job->n_scratch; i++) {
        g_free(job->scratch[i].tile);
        g_free(job->scratch[i].work);
        g_free(job->scratch[i].best);
    }
    g_free(job->scratch);
}

static bool scratch_fill(Job *job, uint64_t block, unsigned threads)
{
    job->scratch = g_try_new0(Scratch, threads);
    job->n_scratch = threads;
    for (unsigned i = 0; job->scratch && i < threads; i++) {
        Scratch *scratch = &job->scratch[i];
        scratch->tile = g_try_new(float, block * job->fitted->n_items + 1);
        scratch->work = g_try_new(Scored, 2 * (size_t)job->lists->stride);
        scratch->best = g_try_new(Scored, job->lists->stride);
        if (!scratch->tile || !scratch->work || !scratch->best)
            return false;
    }
    return job->scratch != NULL;
}

static void mask(float *scores, const uint32_t *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        scores[items[i]] = -INFINITY;
}

/* Of `best`, by falling score. A score that is no probability becomes one, which keeps the order,
 * so that near 0 means unlikely. Pairs that were not looked at closely are not known. */
static void find_probabilities(const Job *job, Scored *best, size_t n, float *probability)
{
    const Calibration *calibration = job->calibration;
    memset(probability, 0, n * sizeof *probability);
    for (size_t i = 0; calibration && i < n; i++) {
        if (best[i].score > job->fitted->learner->candidate_min)
            probability[i] = calibration_probability(calibration, best[i].index, best[i].score);
        if (!calibration_by_item(calibration))
            best[i].score = probability[i];
    }
}

/* Keeps what scores above 0: of the rest the learner knows nothing. */
static void store(const Job *job, uint64_t row, Scored *best, size_t n)
{
    Lists *lists = job->lists;
    size_t count = 0;
    while (count < n && best[count].score > 0 && isfinite(best[count].score))
        count++;
    uint64_t place = row * lists->stride;
    find_probabilities(job, best, count, lists->probability + place);
    for (size_t i = 0; i < count; i++) {
        lists->item[place + i] = best[i].index;
        lists->score[place + i] = best[i].score / best[0].score;
    }
    lists->count[row] = (uint8_t)count;
}

static bool rank_block(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Job *job = context;
    Scratch *scratch = &job->scratch[worker];
    const Lists *lists = job->lists;
    uint32_t n_items = job->fitted->n_items;
    const uint32_t *users = lists->user + job->offset + begin;
    uint32_t n = (uint32_t)(end - begin);
    if (!job->fitted->learner->score_users(job->fitted, users, n, scratch->tile, error))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        float *scores = scratch->tile + (size_t)i * n_items;
        uint32_t n_banned;
        const uint32_t *banned = histories_banned(job->histories, users[i], &n_banned);
        mask(scores, job->hidden, job->n_hidden);
        mask(scores, banned, n_banned);
        size_t found = topk_select(scores, n_items, lists->stride, scratch->work, scratch->best);
        store(job, job->offset + begin + i, scratch->best, found);
    }
    return true;
}

static bool rank_all(Job *job, const BuildOptions *options, GError **error)
{
    unsigned threads = parallel_threads(options->threads);
    uint64_t row_bytes = sizeof(float) * (uint64_t)job->fitted->n_items;
    uint64_t block = CLAMP(TILE_BYTES / MAX(row_bytes, 1), 1, TILE_USERS);
    uint64_t n = job->lists->n_rows, step = MAX(n / STEPS + 1, block * threads);
    if (!scratch_fill(job, block, threads)) {
        error_set(error, ERR_NO_MEMORY, "no memory for the scores of %" PRIu64 " users", block);
        return false;
    }
    for (job->offset = 0; job->offset < n; job->offset += step) {
        uint64_t rows = MIN(step, n - job->offset);
        if (!parallel_for(rows, block, threads, rank_block, job, options->cancel, error))
            return false;
        if (options->progress)
            options->progress(options->progress_context, (double)(job->offset + rows) / (double)n);
    }
    return true;
}

static bool store_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Job *job = context;
    for (uint64_t row = begin; row < end; row++)
        store(job, job->offset + row, job->best + row * job->lists->stride, job->found[row]);
    return true;
}

static bool find_step(Job *job, uint64_t rows, const BuildOptions *options, GError **error)
{
    TopkQuery query = {.users = job->lists->user + job->offset,
                       .n = rows,
                       .k = job->lists->stride,
                       .allowed = job->allowed,
                       .barred_start = job->histories->start,
                       .barred_count = job->histories->banned,
                       .barred_item = job->histories->banned_item,
                       .above = 0,
                       .threads = options->threads,
                       .cancel = options->cancel};
    return job->fitted->learner->top_users(job->fitted, &query, job->best, job->found, error) &&
           parallel_for(rows, STORE_BLOCK, options->threads, store_block, job, options->cancel,
                        error);
}

/* The learner finds the lists without telling all scores. */
static bool find_all(Job *job, const BuildOptions *options, GError **error)
{
    uint64_t n = job->lists->n_rows, step = n / FOUND_STEPS + 1;
    g_autofree Scored *best = g_try_new(Scored, step * job->lists->stride);
    g_autofree uint32_t *found = g_try_new(uint32_t, step);
    if (!best || !found) {
        error_set(error, ERR_NO_MEMORY, "no memory for the lists of %" PRIu64 " users", step);
        return false;
    }
    job->best = best;
    job->found = found;
    for (job->offset = 0; job->offset < n; job->offset += step) {
        uint64_t rows = MIN(step, n - job->offset);
        if (!find_step(job, rows, options, error))
            return false;
        if (options->progress)
            options->progress(options->progress_context, (double)(job->offset + rows) / (double)n);
    }
    return true;
}

static Lists *lists_allocate(const Scope *scope, uint32_t n_users, uint32_t stride)
{
    g_autoptr(Lists) lists = g_new0(Lists, 1);
    lists->stride = stride;
    uint64_t places = (uint64_t)scope->n_users * stride;
    lists->user = g_try_new(uint32_t, (size_t)scope->n_users + 1);
    lists->row = g_try_new(uint32_t, (size_t)n_users + 1);
    lists->count = g_try_new0(uint8_t, (size_t)scope->n_users + 1);
    lists->item = g_try_new0(uint32_t, places + 1);
    lists->score = g_try_new0(float, places + 1);
    lists->probability = g_try_new0(float, places + 1);
    if (!lists->user || !lists->row || !lists->count || !lists->item || !lists->score ||
        !lists->probability)
        return NULL;
    return g_steal_pointer(&lists);
}

static void number_rows(Lists *lists, const Scope *scope, uint32_t n_users)
{
    for (uint32_t user = 0; user < n_users; user++) {
        bool predictable = scope->user[user] == USER_PREDICTABLE && lists->n_rows < scope->n_users;
        lists->row[user] = predictable ? lists->n_rows : IDS_NONE;
        if (predictable)
            lists->user[lists->n_rows++] = user;
    }
}

static uint32_t *hidden_items(const Scope *scope, uint32_t n_items, uint32_t *n)
{
    uint32_t *hidden = g_try_new(uint32_t, (size_t)n_items + 1);
    *n = 0;
    for (uint32_t item = 0; hidden && item < n_items; item++) {
        if (!scope->item[item])
            hidden[(*n)++] = item;
    }
    return hidden;
}

Lists *lists_new(const Fitted *fitted, const Scope *scope, const Histories *histories,
                 const BuildOptions *options, GError **error)
{
    uint32_t stride = CLAMP(options->list_length, INDEX_LIST_MIN, INDEX_LIST_MAX);
    stride = MAX(1, MIN(stride, scope->n_items));
    g_autoptr(Lists) lists = lists_allocate(scope, fitted->n_users, stride);
    uint32_t n_hidden;
    g_autofree uint32_t *hidden = hidden_items(scope, fitted->n_items, &n_hidden);
    if (!lists || !hidden) {
        error_set(error, ERR_NO_MEMORY, "no memory for the lists of %u users", scope->n_users);
        return NULL;
    }
    number_rows(lists, scope, fitted->n_users);
    Job job = {.fitted = fitted,
               .histories = histories,
               .lists = lists,
               .hidden = hidden,
               .n_hidden = n_hidden,
               .allowed = scope->item,
               .calibration = options->calibration};
    bool ranked = (job.fitted->learner->top_users ? find_all : rank_all)(&job, options, error);
    scratch_clear(&job);
    return ranked ? g_steal_pointer(&lists) : NULL;
}

void lists_free(Lists *lists)
{
    if (!lists)
        return;
    g_free(lists->user);
    g_free(lists->row);
    g_free(lists->count);
    g_free(lists->item);
    g_free(lists->score);
    g_free(lists->probability);
    g_free(lists);
}
