#include "learn/contexts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "segment_shares.h"
#include "sparse_product.h"

G_STATIC_ASSERT(CONTEXT_VALUES_MAX == MEMBERSHIPS_MAX);
G_STATIC_ASSERT(CONTEXT_COLUMNS_MAX == SEGMENT_COLUMNS_MAX);

#define NOTHING_KNOWN 0u /* the group of users without any value that counts */

/* Users told apart by the columns so far. */
typedef struct Groups {
    uint32_t n_users, n;
    uint32_t *of_user; /* n_users: a group, or IDS_NONE for who needs no context */
    uint32_t *next;    /* n_users: the same with one more column, in the making */
} Groups;

static void groups_clear(Groups *groups)
{
    g_free(groups->of_user);
    g_free(groups->next);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Groups, groups_clear)

static bool no_memory(uint32_t n_users, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for what is known of %u users", n_users);
    return false;
}

/* ---- what a column tells ---- */

/* Σ_i share(i | v) · ln(share(i | v) / share(i)); `everybody`: c of each item. Items that the
 * segment has no entry for have everybody's share times what the prior leaves of it. */
static double told_by_segment(const SegmentShares *shares, uint32_t segment, const float *everybody)
{
    const Csr *right = shares->right;
    double all = shares->lines[0], left = shares->prior / (shares->lines[segment] + shares->prior);
    double told = left * log(left);
    for (uint64_t e = right->start[segment]; e < right->start[segment + (size_t)1]; e++) {
        double before = everybody[right->column[e]], rest = left * before;
        double smoothed = right->value[e] + rest;
        if (before > 0)
            told += (smoothed * log(smoothed / before) - rest * log(left)) / all;
    }
    return told;
}

static double told_by_column(const SegmentShares *shares, const SegmentColumn *column,
                             const float *everybody)
{
    double told = 0;
    for (uint32_t value = 0; value < ids_count(column->column->values); value++) {
        uint32_t segment = column->segment[value];
        if (segment > 0)
            told += shares->lines[segment] / shares->lines[0] *
                    told_by_segment(shares, segment, everybody);
    }
    return told;
}

/* Those that tell most first; where two tell the same, in the order of the model. */
static void sort_columns(Segments *segments, double *told)
{
    for (size_t c = 1; c < segments->n_columns; c++) {
        SegmentColumn column = segments->column[c];
        double own = told[c];
        size_t at = c;
        for (; at > 0 && told[at - 1] < own; at--) {
            segments->column[at] = segments->column[at - 1];
            told[at] = told[at - 1];
        }
        segments->column[at] = column;
        told[at] = own;
    }
}

static bool order_columns(const SegmentShares *shares, GError **error)
{
    const Csr *right = shares->right;
    g_autofree float *everybody = g_try_new0(float, MAX(right->cols, 1));
    if (!everybody)
        return no_memory(shares->left->rows, error);
    for (uint64_t e = right->start[0]; e < right->start[1]; e++)
        everybody[right->column[e]] = right->value[e];
    double told[SEGMENT_COLUMNS_MAX];
    for (size_t c = 0; c < shares->segments->n_columns; c++)
        told[c] = told_by_column(shares, &shares->segments->column[c], everybody);
    sort_columns(shares->segments, told);
    return true;
}

/* ---- users of whom the same is known ---- */

static bool groups_alloc(Groups *groups, const Scope *scope, uint32_t n_users, GError **error)
{
    groups->n_users = n_users;
    groups->n = 1;
    groups->of_user = g_try_new(uint32_t, MAX(n_users, 1));
    groups->next = g_try_new(uint32_t, MAX(n_users, 1));
    if (!groups->of_user || !groups->next)
        return no_memory(n_users, error);
    for (uint32_t user = 0; user < n_users; user++)
        groups->of_user[user] = scope->user[user] == USER_PREDICTABLE ? IDS_NONE : NOTHING_KNOWN;
    return true;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The number of the group of what was known before and of the user's cell. */
static uint32_t group_with(Ids *known, uint32_t before, const SegmentColumn *by, uint32_t user,
                           GError **error)
{
    uint32_t key[1 + MEMBERSHIPS_MAX] = {before};
    uint32_t n = segments_of_cell(by, user, MEMBERSHIPS_MAX, key + 1);
    if (n > 1)
        qsort(key + 1, n, sizeof *key, by_number);
    return ids_add(known, (const char *)key, (1 + n) * sizeof *key, error);
}

/* Tells the users apart by one more column; leaves them as they are where there would be too many
 * groups, which *fits says. */
static bool groups_split(Groups *groups, const SegmentColumn *by, bool *fits, GError **error)
{
    static const uint32_t nothing = NOTHING_KNOWN;
    g_autoptr(Ids) known = ids_new();
    if (ids_add(known, (const char *)&nothing, sizeof nothing, error) == IDS_NONE)
        return false;
    *fits = true;
    for (uint32_t user = 0; user < groups->n_users && *fits; user++) {
        uint32_t before = groups->of_user[user];
        groups->next[user] = IDS_NONE;
        if (before == IDS_NONE)
            continue;
        groups->next[user] = group_with(known, before, by, user, error);
        if (groups->next[user] == IDS_NONE)
            return false;
        *fits = ids_count(known) <= CONTEXTS_MAX + 1; /* and those of whom nothing is known */
    }
    if (!*fits)
        return true;
    uint32_t *of_user = groups->of_user;
    groups->of_user = groups->next;
    groups->next = of_user;
    groups->n = ids_count(known);
    return true;
}

/* Splits by one column after the other, and drops those by which it cannot. */
static bool split_all(Groups *groups, Segments *segments, const Cancel *cancel, GError **error)
{
    size_t kept = 0, n_columns = segments->n_columns;
    for (size_t c = 0; c < n_columns; c++) {
        SegmentColumn column = segments->column[c];
        bool fits;
        if (!cancel_check(cancel, error) || !groups_split(groups, &column, &fits, error))
            return false;
        segments->column[c] = segments->column[kept];
        segments->column[kept] = column;
        kept += fits;
    }
    for (size_t c = kept; c < n_columns; c++)
        segment_column_clear(&segments->column[c]);
    segments->n_columns = kept;
    return true;
}

/* Group g > 0 becomes context g - 1. */
static bool number_contexts(Contexts *contexts, Groups *groups, GError **error)
{
    contexts->n = groups->n - 1;
    contexts->user = g_try_new(uint32_t, MAX(contexts->n, 1));
    if (!contexts->user)
        return no_memory(groups->n_users, error);
    for (uint32_t user = groups->n_users; user-- > 0;) {
        uint32_t group = groups->of_user[user];
        groups->of_user[user] = group == IDS_NONE || group == NOTHING_KNOWN ? IDS_NONE : group - 1;
        if (groups->of_user[user] != IDS_NONE)
            contexts->user[group - 1] = user;
    }
    contexts->of_user = g_steal_pointer(&groups->of_user);
    return true;
}

/* ---- together ---- */

static bool needs_any(const Segments *segments, const Scope *scope, uint32_t n_users)
{
    Scored in[MEMBERSHIPS_MAX];
    for (uint32_t user = 0; user < n_users; user++) {
        if (scope->user[user] != USER_PREDICTABLE && segments_of(segments, user, in) > 0)
            return true;
    }
    return false;
}

/* Contexts in the place of users. */
static bool fit(Contexts *contexts, SegmentShares *shares, GError **error)
{
    Csr *left = segment_shares_of(shares, contexts->user, contexts->n, error);
    if (!left)
        return false;
    contexts->fitted = sparse_product_new(&learner_segments, left, g_steal_pointer(&shares->right));
    Segments *segments = g_steal_pointer(&shares->segments);
    contexts->segments = segments;
    for (; contexts->n_columns < segments->n_columns; contexts->n_columns++)
        contexts->column[contexts->n_columns] = segments->column[contexts->n_columns].column;
    return true;
}

static bool find(Contexts *contexts, SegmentShares *shares, const Scope *scope,
                 const Cancel *cancel, GError **error)
{
    uint32_t n_users = shares->left->rows;
    g_auto(Groups) groups = {0};
    if (!order_columns(shares, error))
        return false;
    g_clear_pointer(&shares->left, csr_free);
    return groups_alloc(&groups, scope, n_users, error) &&
           split_all(&groups, shares->segments, cancel, error) &&
           number_contexts(contexts, &groups, error) &&
           (contexts->n == 0 || fit(contexts, shares, error));
}

Contexts *contexts_find(const Dataset *view, const Scope *scope, const FitContext *context,
                        GError **error)
{
    const SegmentsParams *params = &segments_defaults;
    g_autoptr(Contexts) contexts = g_new0(Contexts, 1);
    g_autoptr(GError) failure = NULL;
    g_autoptr(Segments) segments = segments_find(view, params->buyers, params->values, &failure);
    if (failure && error_code(failure) != ERR_INVALID) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (!segments || !needs_any(segments, scope, view->n_users))
        return g_steal_pointer(&contexts);
    g_autoptr(SegmentShares) shares =
        segment_shares_learn(g_steal_pointer(&segments), view, params, context, error);
    if (!shares || !find(contexts, shares, scope, context->cancel, error))
        return NULL;
    return g_steal_pointer(&contexts);
}

void contexts_free(Contexts *contexts)
{
    if (!contexts)
        return;
    fitted_free(contexts->fitted);
    segments_free(contexts->segments);
    g_free(contexts->of_user);
    g_free(contexts->user);
    g_free(contexts);
}

uint32_t contexts_values(const Contexts *contexts, uint32_t context, size_t column,
                         uint32_t *values)
{
    const Segments *segments = contexts->segments;
    return segments_of_cell(&segments->column[column], contexts->user[context], CONTEXT_VALUES_MAX,
                            values);
}

/* A group of the dictionary: its key, and where it is found. */
#define GROUP_BYTES (2 * (1 + MEMBERSHIPS_MAX) * sizeof(uint32_t) + 4 * sizeof(uint64_t))

uint64_t contexts_bytes(const FitSize *size)
{
    uint64_t groups = 2 * sizeof(uint32_t) * size->n_users + 2 * CONTEXTS_MAX * GROUP_BYTES;
    return learner_segments.fit_bytes(size) + groups;
}
