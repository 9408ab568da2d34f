/* Real data sets of several shapes, as the engine is asked about them: what it may learn from, the
 * moment it is asked at, and what came after.
 *
 * Files are looked for in the folder of data first (for those that may not be shipped), then in
 * demo/data. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "math/csr.h"

typedef enum SetMetric { METRIC_NDCG, METRIC_RECALL, METRIC_HIT, METRICS } SetMetric;

typedef struct Set {
    Dataset *raw;   /* nothing of the test is in it */
    int64_t anchor; /* µs: asked at */
    Csr *targets;   /* what came then, users × items */
} Set;

#define SET_FILES 3

typedef struct SetKind {
    const char *name, *what;
    const char *files[SET_FILES];   /* below the folder of data; NULL: fewer */
    const char *shipped[SET_FILES]; /* below demo/data; NULL: they are not */
    void (*load)(char *const *paths, Set *set);
    unsigned horizon_days, k;
    double any[METRICS], only_new[METRICS]; /* figures to reach, of lists of anything and of
                                               products new to the user; 0: none */
    double noise;                           /* of such a figure, between seeds */
} SetKind;

extern const SetKind SETS[];
extern const size_t SETS_N;

/* False when its files are not there. For set_clear(). */
bool set_load(const SetKind *kind, const char *folder, Set *set);
void set_clear(Set *set);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Set, set_clear)
