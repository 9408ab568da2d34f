/* The chance that a user has at least one target event with any product of one value ("brand" is
 * "Acme") within the horizon, for the values of all categorical columns together.
 *
 * Not put together from the chances of single products, whose events go together: values stand
 * where products stood in the data (dataset_grouped), one set of gradient-boosted trees learns from
 * earlier windows who bought what value, and the levels are calibrated (calibrate.h) on a later
 * window and aimed at the forecast number of buyers of each value, rare ones at the level of all.
 * Learned and served by the same features, those of the ranker as of a moment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "data/dataset.h"
#include "data/sections.h"
#include "learn/learner.h"

typedef struct Levels Levels;

#define LEVELS_NONE UINT32_MAX

typedef struct LevelsOptions {
    int64_t as_of;   /* µs: the moment it speaks from; no later row counts */
    int64_t horizon; /* µs */
    uint64_t seed;   /* same data and seed, same bytes, on any number of threads */
    unsigned threads;
    const Cancel *cancel;
} LevelsOptions;

/* *levels is NULL without an error where there is no categorical column, less than three horizons
 * of data, or too few events. *report, for g_free(): how levels made so of what was known a horizon
 * before as_of compare with what was bought since; NULL where that is not known (less than four
 * horizons of data). One JSON value:
 *   {"users", "pairs", "events",
 *    "overall": {"expected", "actual", "ratio" or null}, "ece", "brier",
 *    "reliability": [{"pairs", "mean_probability", "observed_rate"}],
 *    "columns": [{"column", "values": how many, "expected", "actual", "ratio" or null,
 *                 "median_error": of the largest, or null,
 *                 "largest": [{"value", "expected", "actual"}]}]}
 * where largest are the ten with most buyers in the horizon before. Users are drawn by lot where
 * there are many: expected and actual are of those drawn. For levels_free(). ERR_NO_MEMORY,
 * ERR_CANCELLED, ERR_INTERNAL. */
bool levels_fit(const Dataset *raw, const LevelsOptions *options, Levels **levels, char **report,
                GError **error);

/* The value's number; LEVELS_NONE when it is not known, or `items`, the predictable ones with the
 * value, are not those it was learned of. */
uint32_t levels_find(const Levels *levels, const char *column, const char *value, size_t length,
                     const uint32_t *items, uint32_t n_items);

/* probability[user] for all users; 0 of those who never bought anything. Thread-safe; on several
 * threads where there is much to do. ERR_NO_MEMORY. */
bool levels_score(const Levels *levels, uint32_t value, unsigned threads, float *probability,
                  GError **error);

uint32_t levels_users(const Levels *levels);

/* Sections "levels.…"; load gives NULL without an error when there are none. It borrows from the
 * mapped file, and checks what is used as an index. ERR_DAMAGED. */
bool levels_save(const Levels *levels, SectionsWriter *writer, GError **error);
bool levels_load(const Sections *sections, uint32_t n_users, Levels **levels, GError **error);

/* Bytes that a fit needs beyond the data set, at most. */
uint64_t levels_bytes(const FitSize *size);

void levels_free(Levels *levels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Levels, levels_free)
