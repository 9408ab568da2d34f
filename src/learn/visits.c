#include "visits.h"

#include "base/error.h"

/* Fills visit[r] for every row; how many visits. */
static uint32_t number_visits(const Dataset *view, uint32_t *visit, uint64_t *first)
{
    uint32_t n = 0;
    for (uint32_t user = 0; user < view->n_users; user++) {
        uint64_t begin = view->user_start[user], end = view->user_start[user + (size_t)1];
        for (uint64_t r = begin; r < end; r++) {
            n += r == begin || interactions_begin_visit(&view->rows, r);
            visit[r] = n - 1;
        }
        first[user + (size_t)1] = n;
    }
    return n;
}

static bool no_memory(const Dataset *view, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for the visits of %u users", view->n_users);
    return false;
}

/* Takes a row for each pair of visit and product; the value only says that it is there. */
static bool collect(Visits *visits, const Dataset *view, const uint32_t *visit, uint32_t n,
                    GError **error)
{
    g_autofree float *ones = g_try_new(float, MAX(view->rows.n, 1));
    visits->user = g_try_new(uint32_t, MAX(n, 1));
    visits->time = g_try_new(int64_t, MAX(n, 1));
    if (!ones || !visits->user || !visits->time)
        return no_memory(view, error);
    for (uint64_t r = view->rows.n; r-- > 0;) {
        ones[r] = 1;
        visits->user[visit[r]] = view->rows.user[r];
        visits->time[visit[r]] = view->rows.time[r]; /* the first row's remains */
    }
    visits->bought =
        csr_from_triples(n, view->n_items, view->rows.n, visit, view->rows.item, ones, error);
    if (!visits->bought)
        return false;
    for (uint64_t e = 0; e < visits->bought->start[n]; e++)
        visits->bought->value[e] = 1;
    return true;
}

Visits *visits_new(const Dataset *view, GError **error)
{
    g_autoptr(Visits) visits = g_new0(Visits, 1);
    g_autofree uint32_t *visit = g_try_new(uint32_t, MAX(view->rows.n, 1));
    visits->first = g_try_new0(uint64_t, (size_t)view->n_users + 1);
    if (!visit || !visits->first) {
        no_memory(view, error);
        return NULL;
    }
    uint32_t n = number_visits(view, visit, visits->first);
    return collect(visits, view, visit, n, error) ? g_steal_pointer(&visits) : NULL;
}

void visits_free(Visits *visits)
{
    if (!visits)
        return;
    csr_free(visits->bought);
    g_free(visits->first);
    g_free(visits->user);
    g_free(visits->time);
    g_free(visits);
}

uint64_t visits_bytes(uint64_t rows, uint32_t n_users, uint32_t n_items)
{
    uint64_t pairs = rows * (sizeof(uint32_t) + sizeof(float));
    uint64_t of_visit = sizeof(uint32_t) + sizeof(int64_t) + sizeof(uint64_t);
    return 2 * pairs + pairs + rows * of_visit + (n_users + n_items) * sizeof(uint64_t);
}
