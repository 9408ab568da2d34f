#include "context_lists.h"

#include <math.h>

#include "base/error.h"
#include "layout.h"
#include "math/parallel.h"
#include "math/topk.h"

G_STATIC_ASSERT(CONTEXT_LIST_MAX <= UINT8_MAX);

/* Of one thread. */
typedef struct Scratch {
    float *scores;       /* n_items */
    Scored *work, *best; /* 2 · stride, stride */
} Scratch;

typedef struct Ranking {
    const Scope *scope;
    ContextLists *lists;
    unsigned threads;
    Scratch *scratch; /* threads */
} Ranking;

static void ranking_clear(Ranking *ranking)
{
    for (unsigned t = 0; ranking->scratch && t < ranking->threads; t++) {
        g_free(ranking->scratch[t].scores);
        g_free(ranking->scratch[t].work);
        g_free(ranking->scratch[t].best);
    }
    g_free(ranking->scratch);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ranking, ranking_clear)

static bool no_memory(const ContextLists *lists, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for what is popular in %u contexts",
              lists->contexts->n);
    return false;
}

static bool scratch_alloc(Ranking *ranking, GError **error)
{
    const ContextLists *lists = ranking->lists;
    size_t n_items = lists->contexts->fitted->n_items, stride = lists->stride;
    ranking->scratch = g_new0(Scratch, ranking->threads);
    for (unsigned t = 0; t < ranking->threads; t++) {
        Scratch *scratch = &ranking->scratch[t];
        scratch->scores = g_try_new(float, n_items + 1);
        scratch->work = g_try_new(Scored, 2 * stride + 1);
        scratch->best = g_try_new(Scored, stride + 1);
        if (!scratch->scores || !scratch->work || !scratch->best)
            return no_memory(lists, error);
    }
    return true;
}

static bool lists_alloc(ContextLists *lists, GError **error)
{
    size_t n = lists->contexts->n, places = n * lists->stride;
    lists->count = g_try_new0(uint8_t, n + 1);
    lists->item = g_try_new0(uint32_t, places + 1);
    lists->score = g_try_new0(float, places + 1);
    return (lists->count && lists->item && lists->score) || no_memory(lists, error);
}

static bool rank_contexts(void *context, uint64_t begin, uint64_t end, unsigned worker,
                          GError **error)
{
    const Ranking *ranking = context;
    ContextLists *lists = ranking->lists;
    const Fitted *fitted = lists->contexts->fitted;
    const Scratch *scratch = &ranking->scratch[worker];
    for (uint32_t row = (uint32_t)begin; row < end; row++) {
        if (!fitted->learner->score_users(fitted, &row, 1, scratch->scores, error))
            return false;
        for (uint32_t item = 0; item < fitted->n_items; item++)
            if (!ranking->scope->item[item] || scratch->scores[item] <= 0)
                scratch->scores[item] = -INFINITY;
        size_t n = topk_select(scratch->scores, fitted->n_items, lists->stride, scratch->work,
                               scratch->best);
        for (size_t i = 0; i < n; i++) {
            lists->item[(size_t)row * lists->stride + i] = scratch->best[i].index;
            lists->score[(size_t)row * lists->stride + i] = scratch->best[i].score;
        }
        lists->count[row] = (uint8_t)n;
    }
    return true;
}

static bool rank(ContextLists *lists, const Scope *scope, const BuildOptions *options,
                 GError **error)
{
    g_auto(Ranking)
        ranking = {.scope = scope, .lists = lists, .threads = parallel_threads(options->threads)};
    return lists_alloc(lists, error) && scratch_alloc(&ranking, error) &&
           parallel_for(lists->contexts->n, 1, ranking.threads, rank_contexts, &ranking,
                        options->cancel, error);
}

ContextLists *context_lists_new(const Dataset *view, const Scope *scope,
                                const BuildOptions *options, GError **error)
{
    g_autoptr(ContextLists) lists = g_new0(ContextLists, 1);
    FitContext context = {
        .as_of = scope->anchor, .threads = options->threads, .cancel = options->cancel};
    lists->n_users = view->n_users;
    lists->stride = MIN(scope->n_items, CONTEXT_LIST_MAX);
    lists->contexts = contexts_find(view, scope, &context, error);
    if (!lists->contexts || (lists->contexts->n > 0 && !rank(lists, scope, options, error)))
        return NULL;
    g_clear_pointer(&lists->contexts->fitted, fitted_free);
    return g_steal_pointer(&lists);
}

void context_lists_free(ContextLists *lists)
{
    if (!lists)
        return;
    contexts_free(lists->contexts);
    g_free(lists->count);
    g_free(lists->item);
    g_free(lists->score);
    g_free(lists);
}

void context_lists_place(const ContextLists *lists, uint32_t *row, uint32_t n_rows)
{
    const Contexts *contexts = lists->contexts;
    for (uint32_t user = 0; contexts->n > 0 && user < lists->n_users; user++)
        if (contexts->of_user[user] != IDS_NONE)
            row[user] = n_rows + contexts->of_user[user];
}

/* ---- what is known in them, as columns of which each context is a row ---- */

/* Owned but for the names. */
static void known_free(Attributes *known)
{
    if (!known)
        return;
    for (size_t c = 0; c < known->n_columns; c++) {
        ids_free(known->columns[c].values);
        g_free(known->columns[c].start);
        g_free(known->columns[c].value);
    }
    g_free(known->columns);
    g_free(known);
}

typedef Attributes Known;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Known, known_free)

/* Only the values that occur are kept. */
static bool add_cell(const Contexts *contexts, uint32_t context, size_t c, Column *to,
                     GError **error)
{
    uint32_t values[CONTEXT_VALUES_MAX];
    uint32_t n = contexts_values(contexts, context, c, values);
    uint64_t at = to->start[context];
    for (uint32_t v = 0; v < n; v++, at++) {
        size_t length;
        const char *bytes = ids_get(contexts->column[c]->values, values[v], &length);
        to->value[at] = ids_add(to->values, bytes, length, error);
        if (to->value[at] == IDS_NONE)
            return false;
    }
    to->start[context + (size_t)1] = at;
    return true;
}

static bool add_column(const ContextLists *lists, size_t c, Column *to, GError **error)
{
    const Contexts *contexts = lists->contexts;
    *to = (Column){.name = contexts->column[c]->name,
                   .kind = contexts->column[c]->kind,
                   .values = ids_new(),
                   .n_rows = contexts->n,
                   .start = g_try_new0(uint64_t, contexts->n + (size_t)1),
                   .value = g_try_new(uint32_t, contexts->n * (size_t)CONTEXT_VALUES_MAX)};
    if (!to->start || !to->value)
        return no_memory(lists, error);
    for (uint32_t context = 0; context < contexts->n; context++)
        if (!add_cell(contexts, context, c, to, error))
            return false;
    return true;
}

static bool save_known(const ContextLists *lists, SectionsWriter *writer, GError **error)
{
    const Contexts *contexts = lists->contexts;
    g_autoptr(Known) known = g_new0(Known, 1);
    known->columns = g_new0(Column, contexts->n_columns + 1);
    known->n_rows = contexts->n;
    while (known->n_columns < contexts->n_columns) {
        size_t c = known->n_columns++;
        if (!add_column(lists, c, &known->columns[c], error))
            return false;
    }
    return attributes_save(known, writer, LAYOUT_CONTEXTS, error);
}

bool context_lists_save(const ContextLists *lists, SectionsWriter *writer, GError **error)
{
    uint32_t n = lists->contexts->n;
    uint64_t places = (uint64_t)n * lists->stride;
    if (n == 0)
        return true;
    return save_known(lists, writer, error) &&
           sections_write(writer, LAYOUT_CONTEXTS ".count", lists->count, 1, n, error) &&
           sections_write(writer, LAYOUT_CONTEXTS ".item", lists->item, sizeof *lists->item, places,
                          error) &&
           sections_write(writer, LAYOUT_CONTEXTS ".score", lists->score, sizeof *lists->score,
                          places, error);
}
