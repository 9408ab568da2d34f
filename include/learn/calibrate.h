/* From scores to probabilities: the chance that a user has at least one target event with a product
 * within the horizon.
 *
 * A calibration is fitted on one window (who scored what before it, who bought in it), by isotonic
 * regression of the score within bands of popularity (Zadrozny, Elkan: Transforming classifier
 * scores into accurate multiclass probability estimates, KDD 2002), and then aimed at a later
 * moment: a season moves the level, so every product's probabilities are shifted to add up to a
 * mean of what they say and its forecast number of buyers (demand.h); which mean, the window that
 * it was fitted on tells. Pairs that are likely anyway take little of such a shift. It is reported
 * on a later window.
 *
 * Scores of a learner that are probabilities themselves (Learner.is_probability) have several bands
 * and a shift per product; other scores have one increasing curve and one shift for all products.
 * Lists are in the order of scores either way: what the level of a product says of all its pairs
 * together says little of the few that come first for somebody (on rolling windows lists by
 * probability were as good at best). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/sections.h"
#include "data/split.h"
#include "learn/evaluate.h"
#include "learn/learner.h"

typedef struct Calibration Calibration;

/* The moment that a calibration is fitted at, aimed at or judged at. */
typedef struct CalibrateMoment {
    const Fitted *fitted;
    const Dataset *view; /* netted, before the moment */
    const Scope *scope;  /* its anchor is the moment */
    const Csr *targets;  /* what was bought in the horizon after it; NULL: not known yet */
} CalibrateMoment;

typedef struct CalibrateOptions {
    const Dataset *raw;
    ListRules rules; /* what these keep out of lists is not looked at */
    int64_t horizon; /* µs */
    unsigned k;      /* of the lists that are reported on */
    uint64_t seed;
    unsigned threads;
    const Cancel *cancel;
} CalibrateOptions;

/* Scored pairs of the moment, drawn for what follows. ERR_NO_MEMORY, ERR_CANCELLED. */
typedef struct Samples Samples;
Samples *samples_new(const CalibrateMoment *moment, const CalibrateOptions *options,
                     GError **error);
void samples_free(Samples *samples);

/* Curves, and how far a product's own forecast is to be believed; aim before use. *calibration is
 * NULL when the window holds too few events (100) to fit anything. For calibration_free().
 * ERR_NO_MEMORY, ERR_CANCELLED. */
bool calibration_fit(const CalibrateMoment *moment, const Samples *samples,
                     const CalibrateOptions *options, Calibration **calibration, GError **error);

/* Shifts the levels to what is forecast as of the moment: its targets are not looked at.
 * ERR_NO_MEMORY, ERR_CANCELLED. */
bool calibration_aim(Calibration *calibration, const CalibrateMoment *moment,
                     const Samples *samples, const CalibrateOptions *options, GError **error);

/* Judges an aimed calibration by the targets of the moment it was aimed at. One JSON value:
 *   {"users", "pairs", "events",
 *    "overall", "top_1_percent", "top_5_percent": {"expected", "actual", "ratio" or null},
 *    "lists": {"k", "pairs", "expected", "actual", "ratio", "ece", "brier",
 *              "reliability": [{"pairs", "mean_probability", "observed_rate"}]},
 *    "ece_all_pairs", "brier_all_pairs",
 *    "best_sellers": {"median_error", "products": [{"product", "expected", "actual"}]}} */
bool calibration_report(const Calibration *calibration, const CalibrateMoment *moment,
                        const Samples *samples, const CalibrateOptions *options, JsonWriter *json,
                        GError **error);

/* Of a score above 0; 0 where the learner knows nothing. */
float calibration_probability(const Calibration *calibration, uint32_t item, float score);

/* Whether products have shifts of their own, so that a likelier pair is one of a higher score
 * within its product only. */
bool calibration_by_item(const Calibration *calibration);

/* All users' scores for one item, in place. */
void calibration_map_users(const Calibration *calibration, uint32_t item, float *scores,
                           uint32_t n_users);

/* Sections "calibration.…"; load gives NULL without an error when there are none. ERR_DAMAGED. */
bool calibration_save(const Calibration *calibration, SectionsWriter *writer, GError **error);
bool calibration_load(const Sections *sections, uint32_t n_items, Calibration **calibration,
                      GError **error);
void calibration_free(Calibration *calibration);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Samples, samples_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Calibration, calibration_free)
