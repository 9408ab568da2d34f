/* How near a user is to groups of products, and products to one another. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "math/csr.h"
#include "math/parallel.h"
#include "math/topk.h"
#include "ranked_state.h"

#define NEIGHBOURS  100u
/* Whoever bought more than that tells little of what goes with what, and costs its square. */
#define HISTORY_MAX 2000u
/* Added to the denominator, so that pairs of rare products are not taken for the nearest. */
#define SHRINKAGE   3.0f
#define ITEM_BLOCK  32u

/* Scratch of one thread. */
typedef struct Search {
    float *sum;    /* n_items, zeros between items */
    Scored *found; /* n_items */
} Search;

typedef struct Neighbours {
    const FeatureState *state;
    const Csr *buyers; /* items × users, value: how much the user tells */
    Search *search;
    unsigned threads;
    uint32_t *n_found; /* n_items */
    Scored *found;     /* n_items × NEIGHBOURS */
    float *norm;       /* n_items */
} Neighbours;

static void neighbours_clear(Neighbours *neighbours)
{
    for (unsigned t = 0; neighbours->search && t < neighbours->threads; t++) {
        g_free(neighbours->search[t].sum);
        g_free(neighbours->search[t].found);
    }
    g_free(neighbours->search);
    g_free(neighbours->n_found);
    g_free(neighbours->found);
    g_free(neighbours->norm);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Neighbours, neighbours_clear)

static bool neighbours_alloc(Neighbours *neighbours, unsigned threads, GError **error)
{
    uint64_t n_items = neighbours->state->n_items;
    neighbours->threads = parallel_threads(threads);
    neighbours->search = g_new0(Search, neighbours->threads);
    neighbours->n_found = kept_new0(n_items, sizeof(uint32_t), error);
    neighbours->found = kept_new0(n_items * NEIGHBOURS, sizeof(Scored), error);
    neighbours->norm = kept_new0(n_items, sizeof(float), error);
    if (!neighbours->n_found || !neighbours->found || !neighbours->norm)
        return false;
    for (unsigned t = 0; t < neighbours->threads; t++) {
        Search *search = &neighbours->search[t];
        search->sum = kept_new0(n_items, sizeof(float), error);
        search->found = kept_new0(n_items, sizeof(Scored), error);
        if (!search->sum || !search->found)
            return false;
    }
    return true;
}

/* The products that a buyer of the item bought, each once. */
static size_t find_met(const Neighbours *neighbours, uint32_t item, Search *search)
{
    const FeatureState *state = neighbours->state;
    const Csr *buyers = neighbours->buyers;
    size_t n = 0;
    for (uint64_t e = buyers->start[item]; e < buyers->start[item + 1]; e++) {
        uint32_t user = buyers->column[e];
        for (uint64_t p = state->pair_start[user]; p < state->pair_start[user + 1]; p++) {
            uint32_t other = state->pair_item[p];
            if (search->sum[other] == 0)
                search->found[n++].index = other;
            search->sum[other] += buyers->value[e];
        }
    }
    return n;
}

/* Work by what was bought together, not by the size of the catalogue. */
static void find_neighbours(const Neighbours *neighbours, uint32_t item, Search *search)
{
    size_t met = find_met(neighbours, item, search), n = 0;
    for (size_t i = 0; i < met; i++) {
        uint32_t other = search->found[i].index;
        float norm = sqrtf(neighbours->norm[item] * neighbours->norm[other]) + SHRINKAGE;
        if (other != item)
            search->found[n++] = (Scored){other, search->sum[other] / norm};
        search->sum[other] = 0;
    }
    topk_first(search->found, n, MIN(n, NEIGHBOURS));
    n = MIN(n, NEIGHBOURS);
    memcpy(neighbours->found + (size_t)item * NEIGHBOURS, search->found, n * sizeof(Scored));
    neighbours->n_found[item] = (uint32_t)n;
}

static bool find_block(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Neighbours *neighbours = context;
    for (uint64_t item = begin; item < end; item++)
        find_neighbours(neighbours, (uint32_t)item, &neighbours->search[worker]);
    return true;
}

/* Items × users; a user's weight falls with the length of the history. */
static Csr *find_buyers(const FeatureState *state, GError **error)
{
    g_autofree uint32_t *user_of = kept_new0(state->n_pairs, sizeof *user_of, error);
    g_autofree uint32_t *item_of = kept_new0(state->n_pairs, sizeof *item_of, error);
    g_autofree float *value = kept_new0(state->n_pairs, sizeof *value, error);
    if (!user_of || !item_of || !value)
        return NULL;
    uint64_t n = 0;
    for (uint32_t user = 0; user < state->n_users; user++) {
        uint64_t length = state->pair_start[user + 1] - state->pair_start[user];
        float weight = 1 / log2f(2 + (float)length);
        for (uint64_t p = state->pair_start[user];
             p < state->pair_start[user + 1] && length <= HISTORY_MAX; p++) {
            user_of[n] = user;
            item_of[n] = state->pair_item[p];
            value[n++] = weight;
        }
    }
    return csr_from_triples(state->n_items, state->n_users, n, item_of, user_of, value, error);
}

static bool similar_alloc(Similar *similar, uint32_t n_items, uint64_t n, GError **error)
{
    similar->n = n;
    similar->start = kept_new0((uint64_t)n_items + 1, sizeof(uint64_t), error);
    similar->item = kept_new0(n, sizeof(uint32_t), error);
    similar->value = kept_new0(n, sizeof(float), error);
    return similar->start && similar->item && similar->value;
}

/* Takes over the rows found, columns ascending, and their transpose. */
static bool keep_neighbours(FeatureState *state, const Neighbours *neighbours, GError **error)
{
    uint64_t n = 0;
    for (uint32_t item = 0; item < state->n_items; item++)
        n += neighbours->n_found[item];
    if (!similar_alloc(&state->to, state->n_items, n, error) ||
        !similar_alloc(&state->from, state->n_items, n, error))
        return false;
    n = 0;
    for (uint32_t item = 0; item < state->n_items; item++) {
        const Scored *found = neighbours->found + (size_t)item * NEIGHBOURS;
        for (uint32_t i = 0; i < neighbours->n_found[item]; i++) {
            state->to.item[n] = found[i].index;
            state->to.value[n++] = found[i].score;
            state->from.start[found[i].index + 1]++;
        }
        state->to.start[item + 1] = n;
    }
    for (uint32_t item = 0; item < state->n_items; item++)
        state->from.start[item + 1] += state->from.start[item];
    g_autofree uint64_t *next = kept_new0(state->n_items, sizeof *next, error);
    if (!next)
        return false;
    for (uint32_t item = 0; item < state->n_items; item++) {
        for (uint64_t e = state->to.start[item]; e < state->to.start[item + 1]; e++) {
            uint32_t other = state->to.item[e];
            uint64_t at = state->from.start[other] + next[other]++;
            state->from.item[at] = item;
            state->from.value[at] = state->to.value[e];
        }
    }
    return true;
}

bool state_find_similar(FeatureState *state, const StateOptions *options, GError **error)
{
    g_autoptr(Csr) buyers = find_buyers(state, error);
    g_auto(Neighbours) neighbours = {.state = state, .buyers = buyers};
    if (!buyers || !neighbours_alloc(&neighbours, options->threads, error))
        return false;
    for (uint32_t item = 0; item < state->n_items; item++) {
        for (uint64_t e = buyers->start[item]; e < buyers->start[item + 1]; e++)
            neighbours.norm[item] += buyers->value[e];
    }
    return parallel_for(state->n_items, ITEM_BLOCK, options->threads, find_block, &neighbours,
                        options->cancel, error) &&
           keep_neighbours(state, &neighbours, error);
}

/* One product of a user in a group. */
typedef struct Member {
    uint32_t group;
    uint32_t place; /* so that equal groups keep their order */
    float weight, last;
} Member;

static int compare_members(const void *a, const void *b)
{
    const Member *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static size_t find_members(const FeatureState *state, uint32_t user, const uint32_t *group_of,
                           Member *members)
{
    size_t n = 0;
    for (uint64_t p = state->pair_start[user]; p < state->pair_start[user + 1]; p++) {
        uint32_t group = group_of[state->pair_item[p]];
        if (group == IDS_NONE)
            continue;
        members[n] = (Member){group, (uint32_t)n, state->pair[p].decayed_120, state->pair[p].last};
        n++;
    }
    qsort(members, n, sizeof *members, compare_members);
    return n;
}

/* Adds the groups of one user to `facts`, and their weight to `share`. */
static void add_members(GroupFacts *facts, const Member *members, size_t n, uint32_t user,
                        double *share)
{
    uint64_t first = facts->n;
    for (size_t m = 0; m < n; m++) {
        if (facts->n == first || facts->group[facts->n - 1] != members[m].group) {
            facts->group[facts->n] = members[m].group;
            facts->last[facts->n++] = members[m].last;
        }
        facts->weight[facts->n - 1] += members[m].weight;
        facts->last[facts->n - 1] = MIN(facts->last[facts->n - 1], members[m].last);
        facts->total[user] += members[m].weight;
        share[members[m].group] += members[m].weight;
    }
    facts->start[user + 1] = facts->n;
}

static bool group_alloc(GroupFacts *facts, const FeatureState *state, uint32_t n_groups,
                        GError **error)
{
    facts->start = kept_new0((uint64_t)state->n_users + 1, sizeof(uint64_t), error);
    facts->group = kept_new0(state->n_pairs, sizeof(uint32_t), error);
    facts->weight = kept_new0(state->n_pairs, sizeof(float), error);
    facts->last = kept_new0(state->n_pairs, sizeof(float), error);
    facts->total = kept_new0(state->n_users, sizeof(float), error);
    facts->log_share = kept_new0(n_groups, sizeof(float), error);
    return facts->start && facts->group && facts->weight && facts->last && facts->total &&
           facts->log_share;
}

static bool find_grouping(FeatureState *state, size_t g, Member *members, GError **error)
{
    const Grouping *grouping = &state->groupings->grouping[g];
    GroupFacts *facts = &state->group[g];
    g_autofree double *share = kept_new0(grouping->n_groups, sizeof *share, error);
    if (!share || !group_alloc(facts, state, grouping->n_groups, error))
        return false;
    for (uint32_t user = 0; user < state->n_users; user++) {
        size_t n = find_members(state, user, grouping->group_of, members);
        add_members(facts, members, n, user, share);
    }
    double all = 0;
    for (uint32_t group = 0; group < grouping->n_groups; group++)
        all += share[group];
    for (uint32_t group = 0; group < grouping->n_groups; group++)
        facts->log_share[group] = (float)log((share[group] + 0.1) / (all + 1));
    return true;
}

bool state_find_groups(FeatureState *state, GError **error)
{
    uint64_t most = 0;
    for (uint32_t user = 0; user < state->n_users; user++)
        most = MAX(most, state->pair_start[user + 1] - state->pair_start[user]);
    g_autofree Member *members = kept_new0(most, sizeof *members, error);
    if (!members)
        return false;
    for (size_t g = 0; g < state->groupings->n; g++) {
        if (!find_grouping(state, g, members, error))
            return false;
    }
    return true;
}
