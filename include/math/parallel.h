/* One loop over blocks on several threads. The block, not the thread, decides what is computed, so
 * results do not depend on how many threads there are. Each thread runs behind those that
 * serve (base/background.h) and calls BLAS with one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"

/* `worker` is 0 … threads-1, for scratch memory. Returns false (with its error set) to stop all. */
typedef bool (*ParallelBody)(void *context, uint64_t begin, uint64_t end, unsigned worker,
                             GError **error);

/* Calls body for [0, n) in blocks of `block`, taken dynamically by `threads` (0: cores) threads, no
 * more than there are blocks. The caller's is one of them when it runs behind those that serve
 * itself, or when one was asked for. False with the first error, or ERR_CANCELLED (looked at before
 * each block). */
bool parallel_for(uint64_t n, uint64_t block, unsigned threads, ParallelBody body, void *context,
                  const Cancel *cancel, GError **error);

/* `threads`, or the number of cores when 0. */
unsigned parallel_threads(unsigned threads);
