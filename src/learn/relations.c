#include "learn/relations.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "math/csr.h"
#include "math/parallel.h"

#define BASKETS_MIN   5
#define BASKETS_SHARE 2000 /* one in so many */
#define BLOCK_ITEMS   16

typedef struct Best {
    size_t n;
    Relation list[RELATIONS_MAX];
} Best;

/* What one thread works with. */
typedef struct Counting {
    uint32_t
        *together;     /* n_items: baskets of the product in question that hold it too; 0 between */
    uint32_t *touched; /* n_items */
    Best best;
} Counting;

typedef struct Search {
    const Csr *baskets; /* baskets × items */
    const Csr *holders; /* items × baskets */
    Relations *found;
    Counting *counting;
    unsigned threads;
} Search;

static void search_clear(Search *search)
{
    for (unsigned t = 0; t < search->threads && search->counting; t++) {
        g_free(search->counting[t].together);
        g_free(search->counting[t].touched);
    }
    g_free(search->counting);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

static bool no_memory(uint64_t rows, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory to relate products over %" G_GUINT64_FORMAT " rows",
              rows);
    return false;
}

double relation_lift(const Relations *relations, const Relation *relation)
{
    return (double)relation->together * (double)relations->n_baskets /
           ((double)relation->with_given * (double)relation->with_other);
}

/* The higher lift first; between equals more baskets, then the products: a total order, whatever
 * thread found them. */
static bool comes_before(const Relations *relations, const Relation *a, const Relation *b)
{
    double lift_a = relation_lift(relations, a), lift_b = relation_lift(relations, b);
    if (lift_a != lift_b)
        return lift_a > lift_b;
    if (a->together != b->together)
        return a->together > b->together;
    return a->given != b->given ? a->given < b->given : a->other < b->other;
}

static void best_add(Best *best, const Relations *relations, const Relation *relation)
{
    size_t at = best->n;
    while (at > 0 && comes_before(relations, relation, &best->list[at - 1]))
        at--;
    if (at == RELATIONS_MAX)
        return;
    size_t moved = MIN(best->n, RELATIONS_MAX - 1) - at;
    memmove(&best->list[at + 1], &best->list[at], moved * sizeof *relation);
    best->list[at] = *relation;
    best->n = MIN(best->n + 1, RELATIONS_MAX);
}

/* ---- baskets ---- */

/* Numbers the basket of each row into basket[]; returns how many there are. Rows of a user ascend
 * in time. */
static uint64_t number_baskets(const Dataset *view, uint32_t *basket)
{
    const Interactions *rows = &view->rows;
    uint64_t n = view->n_orders;
    for (uint32_t user = 0; user < view->n_users; user++) {
        int64_t last_day = INT64_MIN;
        for (uint64_t r = view->user_start[user]; r < view->user_start[user + (size_t)1]; r++) {
            if (rows->order && rows->order[r] != IDS_NONE) {
                basket[r] = rows->order[r];
                continue;
            }
            int64_t day = rows->time[r] / US_PER_DAY - (rows->time[r] % US_PER_DAY < 0);
            n += day != last_day;
            last_day = day;
            basket[r] = (uint32_t)(n - 1);
        }
    }
    return n;
}

static Csr *fill_baskets(const Dataset *view, GError **error)
{
    uint64_t n_rows = view->rows.n;
    g_autofree uint32_t *basket = g_try_new(uint32_t, MAX(n_rows, 1));
    g_autofree float *ones = g_try_new(float, MAX(n_rows, 1));
    if (!basket || !ones || n_rows + view->n_orders > UINT32_MAX) {
        no_memory(n_rows, error);
        return NULL;
    }
    for (uint64_t r = 0; r < n_rows; r++)
        ones[r] = 1;
    uint64_t n = number_baskets(view, basket);
    return csr_from_triples((uint32_t)n, view->n_items, n_rows, basket, view->rows.item, ones,
                            error);
}

/* Empties the large ones in place; returns how many baskets are left, the empty ones not counted.
 */
static uint64_t drop_large(Csr *baskets, uint64_t *n_large)
{
    uint64_t to = 0, kept = 0, begin = 0;
    for (uint32_t b = 0; b < baskets->rows; b++) {
        uint64_t end = baskets->start[b + (size_t)1], n = end - begin;
        bool is_large = n > RELATIONS_LARGE;
        if (n > 0 && !is_large) {
            memmove(baskets->column + to, baskets->column + begin, n * sizeof *baskets->column);
            to += n;
            kept++;
        }
        *n_large += is_large;
        baskets->start[b + (size_t)1] = to;
        begin = end;
    }
    return kept;
}

/* ---- pairs ---- */

static uint32_t holders_of(const Search *search, uint32_t item)
{
    return (uint32_t)(search->holders->start[item + (size_t)1] - search->holders->start[item]);
}

/* Counts in how many baskets of `item` each later product is; returns how many were touched. */
static uint32_t count_together(const Search *search, Counting *counting, uint32_t item)
{
    const Csr *holders = search->holders, *baskets = search->baskets;
    uint32_t n = 0;
    for (uint64_t h = holders->start[item]; h < holders->start[item + (size_t)1]; h++) {
        uint32_t basket = holders->column[h];
        for (uint64_t e = baskets->start[basket + (size_t)1]; e > baskets->start[basket]; e--) {
            uint32_t other = baskets->column[e - 1];
            if (other <= item)
                break; /* columns ascend */
            if (counting->together[other]++ == 0)
                counting->touched[n++] = other;
        }
    }
    return n;
}

static void relate(const Search *search, Counting *counting, uint32_t item)
{
    const Relations *found = search->found;
    if (holders_of(search, item) < found->min_baskets)
        return;
    uint32_t n = count_together(search, counting, item);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = counting->touched[i], together = counting->together[other];
        counting->together[other] = 0;
        if (together < found->min_baskets)
            continue;
        Relation relation = {item, other, together, holders_of(search, item),
                             holders_of(search, other)};
        if (relation.with_given > relation.with_other)
            relation = (Relation){other, item, together, relation.with_other, relation.with_given};
        if (relation_lift(found, &relation) > 1)
            best_add(&counting->best, found, &relation);
    }
}

static bool relate_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    const Search *search = context;
    for (uint64_t item = begin; item < end; item++)
        relate(search, &search->counting[worker], (uint32_t)item);
    return true;
}

static bool search_init(Search *search, const Csr *baskets, unsigned threads, GError **error)
{
    search->baskets = baskets;
    search->threads = parallel_threads(threads);
    search->counting = g_new0(Counting, search->threads);
    bool good = true;
    for (unsigned t = 0; t < search->threads && good; t++) {
        Counting *counting = &search->counting[t];
        counting->together = g_try_new0(uint32_t, MAX(baskets->cols, 1));
        counting->touched = g_try_new(uint32_t, MAX(baskets->cols, 1));
        good = counting->together && counting->touched;
    }
    return good || no_memory(baskets->start[baskets->rows], error);
}

static bool find_pairs(Relations *found, const Csr *baskets, unsigned threads, const Cancel *cancel,
                       GError **error)
{
    g_autoptr(Csr) holders = csr_transpose(baskets, error);
    g_auto(Search) search = {.holders = holders, .found = found};
    if (!holders || !search_init(&search, baskets, threads, error) ||
        !parallel_for(baskets->cols, BLOCK_ITEMS, search.threads, relate_block, &search, cancel,
                      error))
        return false;
    Best best = {0};
    for (unsigned t = 0; t < search.threads; t++)
        for (size_t i = 0; i < search.counting[t].best.n; i++)
            best_add(&best, found, &search.counting[t].best.list[i]);
    found->n = best.n;
    memcpy(found->list, best.list, best.n * sizeof *best.list);
    return true;
}

Relations *relations_find(const Dataset *view, unsigned threads, const Cancel *cancel,
                          GError **error)
{
    g_autoptr(Csr) baskets = fill_baskets(view, error);
    if (!baskets)
        return NULL;
    g_autofree Relations *found = g_new0(Relations, 1);
    found->n_baskets = drop_large(baskets, &found->n_large);
    uint64_t share = (found->n_baskets + BASKETS_SHARE - 1) / BASKETS_SHARE;
    found->min_baskets = (uint32_t)MAX(share, BASKETS_MIN);
    if (!find_pairs(found, baskets, threads, cancel, error))
        return NULL;
    return g_steal_pointer(&found);
}

/* ---- answers ---- */

static void write_item(JsonWriter *json, const char *name, const Ids *items, uint32_t item)
{
    size_t length;
    const char *id = ids_get(items, item, &length);
    json_key(json, name);
    json_string_n(json, id, length);
}

static void write_relation(const Relations *relations, const Relation *relation, const Ids *items,
                           JsonWriter *json)
{
    double together = relation->together;
    json_begin_object(json);
    write_item(json, "product", items, relation->given);
    write_item(json, "with", items, relation->other);
    json_key(json, "baskets");
    json_uint(json, relation->together);
    json_named_number(json, "support", together / (double)relations->n_baskets);
    json_named_number(json, "confidence", together / relation->with_given);
    json_named_number(json, "reverse_confidence", together / relation->with_other);
    json_named_number(json, "lift", relation_lift(relations, relation));
    json_end_object(json);
}

void relations_write(const Relations *relations, const Ids *items, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "baskets");
    json_uint(json, relations->n_baskets);
    json_key(json, "large_baskets_left_out");
    json_uint(json, relations->n_large);
    json_key(json, "minimum_baskets");
    json_uint(json, relations->min_baskets);
    json_key(json, "pairs");
    json_begin_array(json);
    for (size_t i = 0; i < relations->n; i++)
        write_relation(relations, &relations->list[i], items, json);
    json_end_array(json);
    json_end_object(json);
}

uint64_t relations_bytes(uint64_t rows, uint32_t n_items, unsigned threads)
{
    /* rows' baskets and ones; their matrix with its working copy and row starts, and the other way
     * round */
    uint64_t row = 2 * sizeof(uint32_t) + 3 * (2 * sizeof(uint32_t) + sizeof(uint64_t));
    return rows * row + (uint64_t)n_items *
                            (sizeof(uint64_t) + parallel_threads(threads) * 2 * sizeof(uint32_t));
}
