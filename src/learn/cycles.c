#include "cycles.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"

#define SAME_VISIT (US_PER_DAY / 2)

/* Visits on which the user who was seen with a product last bought it. */
typedef struct Cycle {
    uint32_t user; /* + 1 */
    uint32_t n;
    int64_t first, last;
} Cycle;

/* cycle: n_items */
static void note_visits(const Dataset *view, uint32_t user, Cycle *cycle)
{
    for (uint64_t r = view->user_start[user]; r < view->user_start[user + (size_t)1]; r++) {
        Cycle *of = &cycle[view->rows.item[r]];
        int64_t time = view->rows.time[r];
        if (of->user != user + 1)
            *of = (Cycle){user + 1, 1, time, time};
        if (time - of->last <= SAME_VISIT)
            continue;
        of->last = time;
        of->n++;
    }
}

static double days(int64_t from, int64_t to)
{
    return ((double)to - (double)from) / (double)US_PER_DAY;
}

static double due(const Cycle *cycle, int64_t as_of, double horizon)
{
    double gap = days(cycle->first, cycle->last) / (cycle->n - 1);
    double since = days(cycle->last, as_of);
    double off = MAX(MAX(gap - since - horizon, since - gap), 0);
    return exp(-off / (gap + horizon / 4));
}

bool cycles_weigh(const Dataset *view, const FitContext *context, double strength, Csr *pairs,
                  GError **error)
{
    if (strength <= 0)
        return true;
    g_autofree Cycle *cycle = g_try_new0(Cycle, MAX(view->n_items, 1));
    if (!cycle) {
        error_set(error, ERR_NO_MEMORY, "no memory for the cycles of %u products", view->n_items);
        return false;
    }
    double horizon = context->horizon > 0 ? days(0, context->horizon) : (double)CYCLE_HORIZON_DAYS;
    for (uint32_t user = 0; user < view->n_users; user++) {
        note_visits(view, user, cycle);
        for (uint64_t e = pairs->start[user]; e < pairs->start[user + (size_t)1]; e++) {
            const Cycle *of = &cycle[pairs->column[e]];
            if (of->user == user + 1 && of->n > 1)
                pairs->value[e] *= (float)(1 + strength * due(of, context->as_of, horizon));
        }
    }
    return true;
}

uint64_t cycles_bytes(uint32_t n_items)
{
    return n_items * sizeof(Cycle);
}
