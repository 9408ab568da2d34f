#include "strengths.h"

#include <math.h>

#include "base/error.h"
#include "data/split.h"

/* Matrices of one shape, each times a factor, as triples. */
typedef struct Sum {
    uint64_t n;
    uint32_t *user, *item;
    float *value;
} Sum;

static void sum_clear(Sum *sum)
{
    g_free(sum->user);
    g_free(sum->item);
    g_free(sum->value);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sum, sum_clear)

static bool sum_add(Sum *sum, const Csr *csr, double factor, GError **error)
{
    uint64_t n = sum->n + csr->start[csr->rows];
    uint32_t *user = g_try_renew(uint32_t, sum->user, MAX(n, 1));
    sum->user = user ? user : sum->user;
    uint32_t *item = g_try_renew(uint32_t, sum->item, MAX(n, 1));
    sum->item = item ? item : sum->item;
    float *value = g_try_renew(float, sum->value, MAX(n, 1));
    sum->value = value ? value : sum->value;
    if (!user || !item || !value) {
        error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " weights", n);
        return false;
    }
    for (uint32_t row = 0; row < csr->rows; row++) {
        for (uint64_t e = csr->start[row]; e < csr->start[row + (size_t)1]; e++, sum->n++) {
            sum->user[sum->n] = row;
            sum->item[sum->n] = csr->column[e];
            sum->value[sum->n] = (float)(factor * csr->value[e]);
        }
    }
    return true;
}

static bool add_signal(Sum *sum, const Dataset *view, const FitContext *context, uint32_t signal,
                       GError **error)
{
    const SignalWeights *weights = context->signals;
    g_autoptr(Csr) counts = decayed_counts(view->signal[signal], context->as_of,
                                           weights->half_life_days[signal], error);
    return counts && sum_add(sum, counts, weights->weight[signal], error);
}

static bool any_counts(const Dataset *view, const SignalWeights *weights)
{
    bool any = false;
    for (uint32_t s = 0; weights && s < MIN(weights->n, view->n_signals); s++)
        any |= weights->weight[s] > 0;
    return any;
}

Csr *strengths_of(const Dataset *view, const FitContext *context, double half_life_days,
                  GError **error)
{
    g_autoptr(Csr) bought = decayed_counts(view, context->as_of, half_life_days, error);
    if (!bought || !any_counts(view, context->signals))
        return g_steal_pointer(&bought);
    g_auto(Sum) sum = {0};
    if (!sum_add(&sum, bought, 1, error))
        return NULL;
    g_clear_pointer(&bought, csr_free);
    for (uint32_t s = 0; s < MIN(context->signals->n, view->n_signals); s++) {
        if (context->signals->weight[s] > 0 && !add_signal(&sum, view, context, s, error))
            return NULL;
    }
    return csr_from_triples(view->n_users, view->n_items, sum.n, sum.user, sum.item, sum.value,
                            error);
}

Csr *strengths_logarithms(const Dataset *view, const FitContext *context, double half_life_days,
                          GError **error)
{
    Csr *users = strengths_of(view, context, half_life_days, error);
    for (uint64_t e = 0; users && e < users->start[users->rows]; e++)
        users->value[e] = log1pf(users->value[e]);
    return users;
}

double strengths_meetings(const Dataset *view)
{
    double meetings = 0;
    for (uint32_t user = 0; user < view->n_users; user++) {
        double rows = (double)(view->user_start[user + (size_t)1] - view->user_start[user]);
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
