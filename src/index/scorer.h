/* What a version can be asked about any pair of user and product, or user and value: its learner as
 * it was fitted, and its probabilities.
 *
 * Its arrays are as long as the version has users and purchases, and all that is used as an index
 * is checked: so it is opened when first asked for, which lists are not, and by snapshot_verify().
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <glib.h>

#include "index/snapshot.h"
#include "learn/calibrate.h"
#include "learn/learner.h"
#include "learn/levels.h"

typedef struct Scorer {
    Fitted *fitted;
    Calibration *calibration; /* NULL: too little was known */
    Levels *levels;           /* likewise */
} Scorer;

/* Borrowed from the snapshot. Thread-safe; the first call may take long. ERR_DAMAGED,
 * ERR_NO_MEMORY; what failed is tried again. */
const Scorer *snapshot_scorer(const Snapshot *snapshot, GError **error);

/* Whether the program has the version's learner: ERR_DAMAGED. */
bool scorer_is_known(const Snapshot *snapshot, GError **error);

void scorer_free(Scorer *scorer);

/* A snapshot's place for one. */
typedef struct LazyScorer {
    pthread_mutex_t opening;
    _Atomic(Scorer *) opened; /* NULL: not yet */
} LazyScorer;

LazyScorer *lazy_scorer_new(void);
void lazy_scorer_free(LazyScorer *lazy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scorer, scorer_free)
