/* What a training will need, before it starts: bytes from the sizes of the data, seconds from how
 * long the version that serves took, or from a built-in rate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "store/doctor.h"
#include "store/store.h"

typedef struct Estimate {
    uint64_t memory_bytes;
    uint64_t memory_budget_bytes;
    double seconds;
    char *basis; /* how the seconds were found, in words */
} Estimate;

/* Bytes that a training over data of these sizes is to do without, so that it keeps the budget as
 * far as it can: the ranker then learns from fewer pairs. */
uint64_t estimate_spare(const Settings *settings, const SourceCounts *counts);

/* Bytes it needs at its peak then. */
uint64_t estimate_bytes(const Settings *settings, const SourceCounts *counts);

/* The memory-budget of the settings, or what stands for it when that is 0. */
uint64_t estimate_budget(const Settings *settings);

/* For estimate_clear(). ERR_UNAVAILABLE. */
bool estimate_training(Store *store, const Settings *settings, const char *prediction,
                       const SourceCounts *counts, Estimate *estimate, GError **error);
void estimate_clear(Estimate *estimate);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Estimate, estimate_clear)
