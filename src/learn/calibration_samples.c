#include "calibration_samples.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "math/parallel.h"
#include "math/rng.h"
#include "math/topk.h"
#include "ranked_arrays.h"

#define USERS_MAX    5000u
/* Of each user, by score; of the others one in so many, and of a large catalogue so many in all. */
#define FIRST        300u
#define OTHERS       8u
#define OTHERS_MAX   640u
#define USER_BLOCK   16u
#define DRAW_STREAM  0x63616c69u
#define OTHER_STREAM 0x6f746865u

/* What one block of users adds. */
typedef struct Block {
    GArray *pair;   /* of Pair */
    uint32_t *ends; /* per user of the block */
    double pairs;
} Block;

typedef struct Pair {
    uint32_t item;
    float score, weight;
    uint8_t is_bought;
} Pair;

/* Of one thread; n_items each. */
typedef struct Scratch {
    float *tile; /* USER_BLOCK × n_items */
    float *score;
    uint32_t *item;
    float *weight;
    uint8_t *bought;
    uint32_t *banned, *taken; /* stamps */
    uint32_t stamp;
    Scored *work, *best;
} Scratch;

typedef struct Gathering {
    const CalibrateMoment *moment;
    const CalibrateOptions *options;
    uint32_t *users, n_users;
    Block *blocks;
    Scratch *scratch;
    unsigned threads;
} Gathering;

static void scratch_clear(Scratch *scratch)
{
    g_free(scratch->tile);
    g_free(scratch->score);
    g_free(scratch->item);
    g_free(scratch->weight);
    g_free(scratch->bought);
    g_free(scratch->banned);
    g_free(scratch->taken);
    g_free(scratch->work);
    g_free(scratch->best);
}

static bool scratch_init(Scratch *scratch, uint32_t n_items, GError **error)
{
    scratch->work = g_new(Scored, 2 * FIRST);
    scratch->best = g_new(Scored, FIRST);
    return (scratch->tile = kept_new0((uint64_t)USER_BLOCK * n_items, sizeof(float), error)) &&
           (scratch->score = kept_new0(n_items, sizeof(float), error)) &&
           (scratch->item = kept_new0(n_items, sizeof(uint32_t), error)) &&
           (scratch->weight = kept_new0(n_items, sizeof(float), error)) &&
           (scratch->bought = kept_new0(n_items, 1, error)) &&
           (scratch->banned = kept_new0(n_items, sizeof(uint32_t), error)) &&
           (scratch->taken = kept_new0(n_items, sizeof(uint32_t), error));
}

static void gathering_clear(Gathering *gathering)
{
    for (unsigned t = 0; gathering->scratch && t < gathering->threads; t++)
        scratch_clear(&gathering->scratch[t]);
    g_free(gathering->scratch);
    uint32_t n_blocks = (gathering->n_users + USER_BLOCK - 1) / USER_BLOCK;
    for (uint32_t b = 0; gathering->blocks && b < n_blocks; b++) {
        if (gathering->blocks[b].pair)
            g_array_unref(gathering->blocks[b].pair);
        g_free(gathering->blocks[b].ends);
    }
    g_free(gathering->blocks);
    g_free(gathering->users);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Gathering, gathering_clear)

static bool draw_users(Gathering *gathering, GError **error)
{
    const Scope *scope = gathering->moment->scope;
    uint32_t n_users = gathering->moment->view->n_users;
    double share = (double)USERS_MAX / MAX(scope->n_users, 1);
    gathering->users = kept_new0(n_users, sizeof(uint32_t), error);
    for (uint32_t user = 0; gathering->users && user < n_users; user++) {
        Rng rng;
        rng_init(&rng, gathering->options->seed ^ DRAW_STREAM, user);
        if (scope->user[user] == USER_PREDICTABLE && rng_uniform(&rng) < share)
            gathering->users[gathering->n_users++] = user;
    }
    return gathering->users != NULL;
}

/* Stamps what the rules keep out of the user's list. */
static void ban(Scratch *scratch, const Gathering *gathering, uint32_t user)
{
    const Dataset *view = gathering->moment->view;
    const ListRules *rules = &gathering->options->rules;
    int64_t since = INT64_MIN;
    scratch->stamp++;
    if (rules->purchased == PURCHASED_ALLOW)
        return;
    if (rules->purchased == PURCHASED_EXCLUDE_WITHIN)
        since = gathering->moment->scope->anchor - rules->days * US_PER_DAY;
    for (uint64_t r = view->user_start[user]; r < view->user_start[user + 1]; r++) {
        if (view->rows.time[r] >= since)
            scratch->banned[view->rows.item[r]] = scratch->stamp;
    }
}

static bool may_be_listed(const Scratch *scratch, const Scope *scope, uint32_t item)
{
    return scope->item[item] && scratch->banned[item] != scratch->stamp;
}

/* Each of the others kept stands for so many. */
static uint32_t others_each(uint32_t n_items)
{
    return MAX(OTHERS, n_items / OTHERS_MAX);
}

/* Fills item, weight and bought; how many. */
static uint32_t pick(Scratch *scratch, const Gathering *gathering, uint32_t user, float *tile,
                     Rng *rng)
{
    const CalibrateMoment *moment = gathering->moment;
    uint32_t n_items = moment->view->n_items, n = 0, others = others_each(n_items);
    for (uint32_t item = 0; item < n_items; item++) {
        if (!may_be_listed(scratch, moment->scope, item))
            tile[item] = -INFINITY;
    }
    size_t found = topk_select(tile, n_items, FIRST, scratch->work, scratch->best);
    for (size_t i = 0; i < found && scratch->best[i].score > 0; i++)
        scratch->taken[scratch->best[i].index] = scratch->stamp;
    for (uint32_t item = 0; item < n_items; item++) {
        if (!(tile[item] > 0))
            continue;
        bool is_first = scratch->taken[item] == scratch->stamp;
        bool is_bought = moment->targets && csr_get(moment->targets, user, item) > 0;
        if (!is_first && !is_bought && rng_below(rng, others) != 0)
            continue;
        scratch->item[n] = item;
        scratch->bought[n] = is_bought;
        scratch->weight[n++] = is_first || is_bought ? 1 : (float)others;
    }
    return n;
}

/* tile: the user's scores of all items. */
static bool gather_user(const Gathering *gathering, Scratch *scratch, uint32_t user, float *tile,
                        Block *block, GError **error)
{
    const Fitted *fitted = gathering->moment->fitted;
    Rng rng;
    rng_init(&rng, gathering->options->seed ^ OTHER_STREAM, user);
    ban(scratch, gathering, user);
    uint32_t n = pick(scratch, gathering, user, tile, &rng);
    for (uint32_t i = 0; i < n; i++)
        scratch->score[i] = tile[scratch->item[i]];
    if (fitted->learner->score_pairs &&
        !fitted->learner->score_pairs(fitted, user, scratch->item, n, scratch->score, error))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!(scratch->score[i] > 0))
            continue;
        Pair pair = {scratch->item[i], scratch->score[i], scratch->weight[i], scratch->bought[i]};
        g_array_append_val(block->pair, pair);
    }
    for (uint32_t item = 0; item < fitted->n_items; item++)
        block->pairs += may_be_listed(scratch, gathering->moment->scope, item);
    return true;
}

static bool gather_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    Gathering *gathering = context;
    Block *block = &gathering->blocks[begin / USER_BLOCK];
    block->pair = g_array_new(FALSE, FALSE, sizeof(Pair));
    block->ends = g_new(uint32_t, end - begin);
    const Fitted *fitted = gathering->moment->fitted;
    Scratch *scratch = &gathering->scratch[worker];
    if (!fitted->learner->score_users(fitted, gathering->users + begin, (uint32_t)(end - begin),
                                      scratch->tile, error))
        return false;
    for (uint64_t u = begin; u < end; u++) {
        if (!gather_user(gathering, scratch, gathering->users[u],
                         scratch->tile + (u - begin) * fitted->n_items, block, error))
            return false;
        block->ends[u - begin] = block->pair->len;
    }
    return true;
}

static bool samples_allocate(Samples *samples, GError **error)
{
    return (samples->start = kept_new0((uint64_t)samples->n_users + 1, sizeof(uint64_t), error)) &&
           (samples->item = kept_new0(samples->n, sizeof(uint32_t), error)) &&
           (samples->score = kept_new0(samples->n, sizeof(float), error)) &&
           (samples->weight = kept_new0(samples->n, sizeof(float), error)) &&
           (samples->is_bought = kept_new0(samples->n, 1, error));
}

static void copy_block(Samples *samples, const Block *block, uint64_t *at)
{
    for (guint p = 0; p < block->pair->len; p++, (*at)++) {
        const Pair *pair = &g_array_index(block->pair, Pair, p);
        samples->item[*at] = pair->item;
        samples->score[*at] = pair->score;
        samples->weight[*at] = pair->weight;
        samples->is_bought[*at] = pair->is_bought;
    }
    samples->pairs += block->pairs;
}

static Samples *collect(const Gathering *gathering, GError **error)
{
    g_autoptr(Samples) samples = g_new0(Samples, 1);
    uint32_t n_blocks = (gathering->n_users + USER_BLOCK - 1) / USER_BLOCK;
    samples->n_users = gathering->n_users;
    samples->user_share = (double)gathering->n_users / MAX(gathering->moment->scope->n_users, 1);
    for (uint32_t b = 0; b < n_blocks; b++)
        samples->n += gathering->blocks[b].pair->len;
    if (!samples_allocate(samples, error))
        return NULL;
    uint64_t at = 0;
    for (uint32_t u = 0; u < gathering->n_users; u++) {
        const Block *block = &gathering->blocks[u / USER_BLOCK];
        uint64_t begin = u % USER_BLOCK == 0 ? at : samples->start[u - u % USER_BLOCK];
        samples->start[u] = u % USER_BLOCK == 0 ? at : begin + block->ends[u % USER_BLOCK - 1];
        if (u % USER_BLOCK == 0)
            copy_block(samples, block, &at);
    }
    samples->start[gathering->n_users] = at;
    return g_steal_pointer(&samples);
}

Samples *samples_new(const CalibrateMoment *moment, const CalibrateOptions *options, GError **error)
{
    g_auto(Gathering) gathering = {.moment = moment, .options = options};
    if (!draw_users(&gathering, error))
        return NULL;
    gathering.threads = parallel_threads(options->threads);
    gathering.blocks = g_new0(Block, gathering.n_users / USER_BLOCK + 1);
    gathering.scratch = g_new0(Scratch, gathering.threads);
    for (unsigned t = 0; t < gathering.threads; t++) {
        if (!scratch_init(&gathering.scratch[t], moment->view->n_items, error))
            return NULL;
    }
    if (!parallel_for(gathering.n_users, USER_BLOCK, options->threads, gather_block, &gathering,
                      options->cancel, error))
        return NULL;
    return collect(&gathering, error);
}

void samples_free(Samples *samples)
{
    if (!samples)
        return;
    g_free(samples->start);
    g_free(samples->item);
    g_free(samples->score);
    g_free(samples->weight);
    g_free(samples->is_bought);
    g_free(samples);
}
