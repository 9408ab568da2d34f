/* Counters of answers and latency per route. Thread-safe, without a lock. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "http/server.h"

typedef struct Metrics Metrics;

Metrics *metrics_new(const Route *routes, size_t n);
void metrics_free(Metrics *metrics);

void metrics_count(Metrics *metrics, size_t route, unsigned status, uint64_t us);
void metrics_refuse(Metrics *metrics);

/* One row per route, for g_free(). */
RouteMetrics *metrics_read(const Metrics *metrics, size_t *n, uint64_t *refused);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Metrics, metrics_free)
