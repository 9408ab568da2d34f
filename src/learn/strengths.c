#include "strengths.h"

#include <math.h>

#include "base/error.h"
#include "data/split.h"

uint32_t strengths_events(const Dataset *view, const SignalWeights *weights,
                          EventRows events[SIGNALS_MAX])
{
    uint32_t n = 0;
    for (uint32_t s = 0; weights && s < MIN(weights->n, view->n_signals); s++) {
        if (weights->weight[s] > 0)
            events[n++] =
                (EventRows){view->signal[s], weights->weight[s], weights->half_life_days[s]};
    }
    return n;
}

Csr *strengths_add(Csr *takes_strengths, double scale, const Csr *events, GError **error)
{
    g_autoptr(Csr) strengths = takes_strengths;
    return events ? csr_add(strengths, scale, events, error) : g_steal_pointer(&strengths);
}

bool strengths_of_events(const Dataset *view, const FitContext *context, Csr **counted,
                         GError **error)
{
    EventRows events[SIGNALS_MAX];
    uint32_t n = strengths_events(view, context->signals, events);
    g_autoptr(Csr) sum = NULL;
    for (uint32_t e = 0; e < n; e++) {
        const EventRows *of = &events[e];
        g_autoptr(Csr) counts = decayed_counts(of->rows, context->as_of, of->half_life_days, error);
        if (!counts)
            return false;
        for (uint64_t i = 0; i < counts->start[counts->rows]; i++)
            counts->value[i] = (float)(of->weight * counts->value[i]);
        sum =
            sum ? strengths_add(g_steal_pointer(&sum), 1, counts, error) : g_steal_pointer(&counts);
        if (!sum)
            return false;
    }
    *counted = g_steal_pointer(&sum);
    return true;
}

Csr *strengths_of(const Dataset *view, const FitContext *context, double half_life_days,
                  GError **error)
{
    g_autoptr(Csr) events = NULL;
    Csr *bought = decayed_counts(view, context->as_of, half_life_days, error);
    if (bought && strengths_of_events(view, context, &events, error))
        return strengths_add(bought, 1, events, error);
    csr_free(bought);
    return NULL;
}

Csr *strengths_logarithms(const Dataset *view, const FitContext *context, double half_life_days,
                          GError **error)
{
    Csr *users = strengths_of(view, context, half_life_days, error);
    for (uint64_t e = 0; users && e < users->start[users->rows]; e++)
        users->value[e] = log1pf(users->value[e]);
    return users;
}

double strengths_rows(const Dataset *view, const SignalWeights *weights)
{
    EventRows events[SIGNALS_MAX];
    uint32_t n = strengths_events(view, weights, events);
    double rows = (double)view->rows.n;
    for (uint32_t e = 0; e < n; e++)
        rows += (double)events[e].rows->rows.n;
    return rows;
}

static double rows_of_user(const Dataset *rows, uint32_t user)
{
    return (double)(rows->user_start[user + (size_t)1] - rows->user_start[user]);
}

double strengths_meetings(const Dataset *view, const SignalWeights *weights)
{
    EventRows events[SIGNALS_MAX];
    uint32_t n = strengths_events(view, weights, events);
    double meetings = 0;
    for (uint32_t user = 0; user < view->n_users; user++) {
        double rows = rows_of_user(view, user);
        for (uint32_t e = 0; e < n; e++)
            rows += rows_of_user(events[e].rows, user);
        meetings += rows * rows;
    }
    return meetings;
}

float *strengths_scale(const Csr *users, double exponent, GError **error)
{
    float *scale = g_try_new(float, MAX(users->rows, 1));
    if (!scale) {
        error_set(error, ERR_NO_MEMORY, "no memory for the weights of %u users", users->rows);
        return NULL;
    }
    for (uint32_t user = 0; user < users->rows; user++) {
        double squares = 0;
        for (uint64_t e = users->start[user]; e < users->start[user + (size_t)1]; e++)
            squares += (double)users->value[e] * users->value[e];
        /* The floor keeps one who bought nothing for years from counting as much as anybody. */
        scale[user] = (float)pow(MAX(squares, 1e-6), -2.0 * exponent);
    }
    return scale;
}
