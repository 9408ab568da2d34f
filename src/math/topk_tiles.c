#include "math/topk_tiles.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "math/parallel.h"
#include "panels.h"

#define CACHE_LINE 64u
#define TILE_PANELS                                                                                \
    16u /* 512 items, which stay in the L2 cache while all users of a batch pass                   \
         */
#define BATCH_USERS 504u
#define GROUPS      (BATCH_USERS / PANEL_USERS)

/* An item by its length. */
typedef struct Measured {
    double length;
    uint32_t item;
} Measured;

/* What has been found for one user of a batch: `list` is a heap once it holds k. */
typedef struct Search {
    uint32_t user;
    uint32_t place; /* in the query */
    double length;
    Scored *list;
    uint32_t n;
    uint32_t last; /* the index of the k-th; of equals, only lower ones are wanted */
    float least;   /* a product below this is not wanted */
} Search;

typedef struct Scratch {
    Search *search;   /* BATCH_USERS */
    Scored *lists;    /* BATCH_USERS × k */
    float *users;     /* GROUPS × rank × PANEL_USERS */
    uint32_t *active; /* of search: those not done, in the order they are packed in */
    uint64_t panels;
} Scratch;

typedef struct Job {
    const TopkFactors *factors;
    const TopkQuery *query;
    uint32_t n_items, n_panels; /* those allowed */
    uint32_t *item;             /* n_panels × PANEL_ITEMS: by falling length */
    double *length;             /* n_panels: of its longest */
    float *panels;              /* n_panels × rank × PANEL_ITEMS */
    double slack, least_slack;  /* how far a computed product may be above the bound */
    Scratch *scratch;
    unsigned threads;
    Scored *best;
    uint32_t *found;
} Job;

static void *aligned_floats(uint64_t n)
{
    uint64_t bytes = n * sizeof(float);
    return aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE) / CACHE_LINE * CACHE_LINE);
}

/* Infinite when it is not a number: then it is never the reason to end. */
static double length_of(const float *vector, uint32_t rank)
{
    double sum = 0;
    for (uint32_t f = 0; f < rank; f++)
        sum += (double)vector[f] * vector[f];
    return isnan(sum) ? INFINITY : sqrt(sum);
}

static int by_falling_length(const void *left, const void *right)
{
    const Measured *a = left, *b = right;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static bool pack_panels(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    Job *job = context;
    uint32_t rank = job->factors->rank;
    for (uint64_t p = begin; p < end; p++) {
        const float *rows[PANEL_ITEMS];
        uint32_t first = (uint32_t)p * PANEL_ITEMS, n = MIN(PANEL_ITEMS, job->n_items - first);
        for (uint32_t i = 0; i < n; i++)
            rows[i] = job->factors->items + (size_t)job->item[first + i] * rank;
        panel_pack(rows, n, rank, PANEL_ITEMS, job->panels + p * rank * PANEL_ITEMS);
    }
    return true;
}

/* The allowed items by falling length, packed. */
static bool pack_items(Job *job, GError **error)
{
    const TopkFactors *factors = job->factors;
    g_autofree Measured *order = g_try_new(Measured, (size_t)factors->n_items + 1);
    for (uint32_t item = 0; order && item < factors->n_items; item++) {
        if (job->query->allowed && !job->query->allowed[item])
            continue;
        const float *vector = factors->items + (size_t)item * factors->rank;
        order[job->n_items++] = (Measured){length_of(vector, factors->rank), item};
    }
    job->n_panels = (job->n_items + PANEL_ITEMS - 1) / PANEL_ITEMS;
    job->item = g_try_new0(uint32_t, (size_t)job->n_panels * PANEL_ITEMS + 1);
    job->length = g_try_new0(double, (size_t)job->n_panels + 1);
    job->panels = aligned_floats((uint64_t)job->n_panels * PANEL_ITEMS * factors->rank);
    if (!order || !job->item || !job->length || !job->panels) {
        error_set(error, ERR_NO_MEMORY, "no memory for the factors of %u products",
                  factors->n_items);
        return false;
    }
    qsort(order, job->n_items, sizeof *order, by_falling_length);
    for (uint32_t i = 0; i < job->n_items; i++) {
        job->item[i] = order[i].item;
        if (i % PANEL_ITEMS == 0)
            job->length[i / PANEL_ITEMS] = order[i].length;
    }
    return parallel_for(job->n_panels, TILE_PANELS, job->query->threads, pack_panels, job,
                        job->query->cancel, error);
}

static bool scratch_fill(Job *job, GError **error)
{
    size_t lists = (size_t)BATCH_USERS * job->query->k;
    job->scratch = g_new0(Scratch, job->threads);
    for (unsigned t = 0; t < job->threads; t++) {
        Scratch *scratch = &job->scratch[t];
        scratch->search = g_try_new(Search, BATCH_USERS);
        scratch->active = g_try_new(uint32_t, BATCH_USERS);
        scratch->lists = g_try_new(Scored, lists);
        scratch->users = aligned_floats((uint64_t)BATCH_USERS * job->factors->rank);
        if (!scratch->search || !scratch->active || !scratch->lists || !scratch->users) {
            error_set(error, ERR_NO_MEMORY, "no memory for the lists of %u users", BATCH_USERS);
            return false;
        }
    }
    return true;
}

static void job_clear(Job *job)
{
    for (unsigned t = 0; job->scratch && t < job->threads; t++) {
        g_free(job->scratch[t].search);
        g_free(job->scratch[t].active);
        g_free(job->scratch[t].lists);
        free(job->scratch[t].users);
    }
    g_free(job->scratch);
    g_free(job->item);
    g_free(job->length);
    free(job->panels);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static bool is_barred(const TopkQuery *query, uint32_t user, uint32_t item)
{
    if (!query->barred_item)
        return false;
    const uint32_t *list = query->barred_item + query->barred_start[user];
    uint32_t begin = 0, n = query->barred_count[user];
    while (n > 1) { /* without a branch on what is found: it is a coin toss */
        begin += list[begin + n / 2] <= item ? n / 2 : 0;
        n -= n / 2;
    }
    return n == 1 && list[begin] == item;
}

/* Takes an item that is better than the last of k. */
static void take(Search *search, uint32_t k, Scored entry)
{
    if (search->n == k) {
        topk_heap_replace(search->list, k, entry);
    } else {
        search->list[search->n++] = entry;
        if (search->n < k)
            return;
        topk_heap(search->list, k);
    }
    search->least = search->list[0].score;
    search->last = search->list[0].index;
}

/* One bit for each product that is at least search->least. */
static void offer(const Job *job, Search *search, uint32_t panel, uint32_t hits,
                  const float *products)
{
    for (; hits; hits &= hits - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(hits), place = panel * PANEL_ITEMS + i;
        if (place >= job->n_items)
            return;
        uint32_t item = job->item[place];
        bool is_wanted =
            products[i] > search->least || (products[i] == search->least && item < search->last);
        if (is_wanted && !is_barred(job->query, search->user, item))
            take(search, job->query->k, (Scored){item, products[i]});
    }
}

/* The largest product that a user could still have, rounding included. Lengths whose product is
 * zero leave nothing to round. */
static bool is_done(const Job *job, const Search *search, double length)
{
    double bound = search->length * length;
    if (bound > 0)
        bound = bound * job->slack + job->least_slack;
    return bound < search->least && bound < FLT_MAX;
}

static void begin_batch(const Job *job, uint64_t begin, uint32_t n, Scratch *scratch)
{
    const TopkFactors *factors = job->factors;
    for (uint32_t s = 0; s < n; s++) {
        uint32_t user = job->query->users[begin + s];
        scratch->search[s] = (Search){
            .user = user,
            .length = length_of(factors->users + (size_t)user * factors->rank, factors->rank),
            .list = scratch->lists + (size_t)s * job->query->k,
            .last = UINT32_MAX,
            .least = nextafterf(job->query->above, INFINITY)};
        scratch->active[s] = s;
    }
}

/* Leaves out who is done before the items of this length; returns how many are left. */
static uint32_t leave_out(const Job *job, Scratch *scratch, uint32_t n, double length)
{
    uint32_t left = 0;
    for (uint32_t a = 0; a < n; a++) {
        if (!is_done(job, &scratch->search[scratch->active[a]], length))
            scratch->active[left++] = scratch->active[a];
    }
    return left;
}

static void pack_users(const Job *job, Scratch *scratch, uint32_t n)
{
    uint32_t rank = job->factors->rank;
    for (uint32_t from = 0; from < n; from += PANEL_USERS) {
        const float *rows[PANEL_USERS];
        uint32_t count = MIN(PANEL_USERS, n - from);
        for (uint32_t u = 0; u < count; u++)
            rows[u] = job->factors->users +
                      (size_t)scratch->search[scratch->active[from + u]].user * rank;
        panel_pack(rows, count, rank, PANEL_USERS, scratch->users + (size_t)from * rank);
    }
}

/* Twelve users through the panels of a tile. */
static void scan(const Job *job, Scratch *scratch, uint32_t from, uint32_t n, uint32_t panel,
                 uint32_t end)
{
    float products[PANEL_USERS * PANEL_ITEMS] __attribute__((aligned(64)));
    float least[PANEL_USERS];
    uint32_t hits[PANEL_USERS], rank = job->factors->rank, count = MIN(PANEL_USERS, n - from);
    const float *users = scratch->users + (size_t)from * rank;
    for (uint32_t u = 0; u < PANEL_USERS; u++)
        least[u] = u < count ? scratch->search[scratch->active[from + u]].least : INFINITY;
    for (; panel < end; panel++) {
        uint32_t found = panel_multiply(users, job->panels + (size_t)panel * rank * PANEL_ITEMS,
                                        rank, least, hits, products) &
                         ((1u << count) - 1);
        for (; found; found &= found - 1) {
            uint32_t u = (uint32_t)__builtin_ctz(found);
            Search *search = &scratch->search[scratch->active[from + u]];
            offer(job, search, panel, hits[u], products + (size_t)u * PANEL_ITEMS);
            least[u] = search->least;
        }
    }
}

static void end_batch(const Job *job, uint64_t begin, uint32_t n, Scratch *scratch)
{
    uint32_t k = job->query->k;
    for (uint32_t s = 0; s < n; s++) {
        Search *search = &scratch->search[s];
        topk_sort(search->list, search->n);
        memcpy(job->best + (begin + s) * k, search->list, search->n * sizeof *search->list);
        job->found[begin + s] = search->n;
    }
}

static bool search_batch(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    const Job *job = context;
    Scratch *scratch = &job->scratch[worker];
    uint32_t n = (uint32_t)(end - begin), packed = 0, active = n;
    begin_batch(job, begin, n, scratch);
    for (uint32_t panel = 0; panel < job->n_panels; panel += TILE_PANELS) {
        uint32_t last = MIN(panel + TILE_PANELS, job->n_panels);
        active = leave_out(job, scratch, active, job->length[panel]);
        if (active != packed)
            pack_users(job, scratch, active);
        packed = active;
        for (uint32_t from = 0; from < active; from += PANEL_USERS)
            scan(job, scratch, from, active, panel, last);
        scratch->panels += (uint64_t)(last - panel) * ((active + PANEL_USERS - 1) / PANEL_USERS);
    }
    end_batch(job, begin, n, scratch);
    return true;
}

bool topk_tiles(const TopkFactors *factors, const TopkQuery *query, Scored *best, uint32_t *found,
                TopkEffort *effort, GError **error)
{
    /* every step of a product rounds once, or twice without FMA */
    g_auto(Job) job = {.factors = factors,
                       .query = query,
                       .slack = 1 + 2.0 * (factors->rank + 2) * FLT_EPSILON,
                       .least_slack = 2.0 * (factors->rank + 2) * FLT_TRUE_MIN,
                       .threads = parallel_threads(query->threads),
                       .best = best,
                       .found = found};
    memset(found, 0, query->n * sizeof *found);
    if (query->k == 0 || query->n == 0)
        return true;
    if (!pack_items(&job, error) || !scratch_fill(&job, error) ||
        !parallel_for(query->n, BATCH_USERS, job.threads, search_batch, &job, query->cancel, error))
        return false;
    for (unsigned t = 0; effort && t < job.threads; t++)
        effort->products += job.scratch[t].panels * PANEL_USERS * PANEL_ITEMS;
    return true;
}

/* Packed, the last group filled up with zeros. */
static float *pack_all(const TopkFactors *factors, const uint32_t *users, uint32_t n)
{
    uint32_t rank = factors->rank;
    float *packed = aligned_floats(((uint64_t)n + PANEL_USERS) * rank);
    for (uint32_t from = 0; packed && from < n; from += PANEL_USERS) {
        const float *rows[PANEL_USERS];
        uint32_t count = MIN(PANEL_USERS, n - from);
        for (uint32_t u = 0; u < count; u++)
            rows[u] = factors->users + (size_t)users[from + u] * rank;
        panel_pack(rows, count, rank, PANEL_USERS, packed + (size_t)from * rank);
    }
    return packed;
}

/* Of all users with the items of one panel. */
static void fill_panel(const TopkFactors *factors, const float *users, uint32_t n,
                       const float *panel, uint32_t width, size_t stride, float *products)
{
    float block[PANEL_USERS * PANEL_ITEMS] __attribute__((aligned(64)));
    for (uint32_t from = 0; from < n; from += PANEL_USERS) {
        panel_multiply(users + (size_t)from * factors->rank, panel, factors->rank, NULL, NULL,
                       block);
        for (uint32_t u = 0; u < MIN(PANEL_USERS, n - from); u++)
            memcpy(products + (from + u) * stride, block + (size_t)u * PANEL_ITEMS,
                   width * sizeof(float));
    }
}

/* While one panel is multiplied the next comes from memory. */
static void prefetch_items(const TopkFactors *factors, uint32_t first)
{
    if (first >= factors->n_items)
        return;
    const float *at = factors->items + (size_t)first * factors->rank;
    uint32_t n = MIN(PANEL_ITEMS, factors->n_items - first) * factors->rank;
    for (uint32_t f = 0; f < n; f += CACHE_LINE / sizeof(float))
        __builtin_prefetch(at + f);
}

void topk_tile(const TopkFactors *factors, const uint32_t *users, uint32_t n, size_t stride,
               float *products)
{
    float *packed = pack_all(factors, users, n);
    float *panel = aligned_floats((uint64_t)PANEL_ITEMS * factors->rank);
    if (!packed || !panel)
        g_error("no memory for the products of %u users", n);
    for (uint32_t first = 0; first < factors->n_items; first += PANEL_ITEMS) {
        const float *rows[PANEL_ITEMS];
        uint32_t width = MIN(PANEL_ITEMS, factors->n_items - first);
        for (uint32_t i = 0; i < width; i++)
            rows[i] = factors->items + (size_t)(first + i) * factors->rank;
        panel_pack(rows, width, factors->rank, PANEL_ITEMS, panel);
        prefetch_items(factors, first + PANEL_ITEMS);
        fill_panel(factors, packed, n, panel, width, stride, products + first);
    }
    free(packed);
    free(panel);
}
