#include "metrics.h"

#include <stdatomic.h>

#define N_BUCKETS 16
#define N_CLASSES 6

const uint32_t SERVER_BUCKETS_US[N_BUCKETS] = {
    10,    25,    50,     100,    250,     500,     1000,     2500,
    10000, 50000, 100000, 250000, 1000000, 5000000, 30000000, UINT32_MAX};

/* Padded so that two routes share no cache line. */
typedef struct Counters {
    _Alignas(64) _Atomic uint64_t by_class[N_CLASSES];
    _Atomic uint64_t buckets[N_BUCKETS]; /* each its own, not cumulative */
    _Atomic uint64_t sum_us;
} Counters;

struct Metrics {
    const Route *routes;
    size_t n;
    _Atomic uint64_t refused;
    Counters *counters;
};

Metrics *metrics_new(const Route *routes, size_t n)
{
    Metrics *metrics = g_new0(Metrics, 1);
    metrics->routes = routes;
    metrics->n = n;
    metrics->counters = g_aligned_alloc0(n, sizeof(Counters), _Alignof(Counters));
    return metrics;
}

void metrics_free(Metrics *metrics)
{
    if (!metrics)
        return;
    g_aligned_free(metrics->counters);
    g_free(metrics);
}

static void add(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count(Metrics *metrics, size_t route, unsigned status, uint64_t us)
{
    Counters *counters = &metrics->counters[route];
    size_t bucket = 0;
    while (bucket < N_BUCKETS - 1 && us > SERVER_BUCKETS_US[bucket])
        bucket++;
    add(&counters->by_class[MIN(status / 100, N_CLASSES - 1)], 1);
    add(&counters->buckets[bucket], 1);
    add(&counters->sum_us, us);
}

void metrics_refuse(Metrics *metrics)
{
    add(&metrics->refused, 1);
}

static void read_route(const Counters *counters, RouteMetrics *row)
{
    for (size_t i = 0; i < N_CLASSES; i++)
        row->by_class[i] = load(&counters->by_class[i]);
    for (size_t i = 0; i < N_BUCKETS; i++) {
        row->count += load(&counters->buckets[i]);
        row->buckets[i] = row->count;
    }
    row->sum_us = load(&counters->sum_us);
}

RouteMetrics *metrics_read(const Metrics *metrics, size_t *n, uint64_t *refused)
{
    RouteMetrics *rows = g_new0(RouteMetrics, metrics->n);
    for (size_t i = 0; i < metrics->n; i++) {
        rows[i].operation = metrics->routes[i].operation;
        read_route(&metrics->counters[i], &rows[i]);
    }
    *n = metrics->n;
    *refused = load(&metrics->refused);
    return rows;
}
