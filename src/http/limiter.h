/* Requests per second and key: one token bucket per key, as deep as a second's worth. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct Limiter Limiter;

/* per_second 0: no limit. */
Limiter *limiter_new(uint32_t per_second);
void limiter_free(Limiter *limiter);

/* Takes a token of `key` at the monotonic moment `now_ns`; false when there is none. */
bool limiter_take(Limiter *limiter, const char *key, int64_t now_ns);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Limiter, limiter_free)
