/* The matrices of the linear models (ease.h, slim.h) over all products, dense and in double, for
 * the slow plain versions in their tests. */
#pragma once

#include "learn_shop.h"

typedef struct PlainLinear {
    uint32_t m, n; /* users, items */
    double *x;     /* m × n */
    double *g;     /* n × n: XᵀSX */
    double ridge;  /* λ */
} PlainLinear;

typedef struct PlainParams {
    double half_life_days, row_exponent, regularization;
} PlainParams;

static inline PlainLinear plain_linear_new(const Dataset *shop, double as_of, PlainParams p)
{
    uint32_t m = shop->n_users, n = shop->n_items;
    PlainLinear plain = {m, n, g_new0(double, (size_t)m *n), g_new0(double, (size_t)n *n), 0};
    double trace = 0, pairs = 0;
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        double age = (double)(day(as_of) - shop->rows.time[r]) / (double)US_PER_DAY;
        plain.x[shop->rows.user[r] * n + shop->rows.item[r]] += exp2(-age / p.half_life_days);
    }
    for (uint32_t u = 0; u < m; u++) {
        double squares = 0, *x = plain.x + (size_t)u * n;
        for (uint32_t i = 0; i < n; i++) {
            pairs += x[i] > 0;
            x[i] = log1p(x[i]);
            squares += x[i] * x[i];
        }
        for (uint32_t i = 0; i < n && squares > 0; i++) {
            for (uint32_t j = 0; j < n; j++)
                plain.g[i * n + j] += x[i] * x[j] * pow(squares, -2 * p.row_exponent);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        trace += plain.g[i * n + i];
    plain.ridge = p.regularization / sqrt(pairs / n) * trace / n;
    return plain;
}

static inline void plain_linear_clear(PlainLinear *plain)
{
    g_free(plain->x);
    g_free(plain->g);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlainLinear, plain_linear_clear)

/* max(0, Σ_j x(u, j)·weight[j]) for every user, into column `item` of scores, m × n. */
static inline void plain_linear_score(const PlainLinear *plain, uint32_t item, const double *weight,
                                      double *scores)
{
    for (uint32_t u = 0; u < plain->m; u++) {
        double sum = 0;
        for (uint32_t j = 0; j < plain->n; j++)
            sum += plain->x[(size_t)u * plain->n + j] * weight[j];
        scores[(size_t)u * plain->n + item] = MAX(sum, 0);
    }
}
