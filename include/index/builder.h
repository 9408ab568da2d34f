/* Builds a version's file: every predictable user's list, the popular list, the dictionaries, the
 * mapped columns with inverted lists, the purchase histories and the learner's own arrays. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "data/split.h"
#include "index/snapshot.h"
#include "learn/calibrate.h"
#include "learn/evaluate.h"
#include "learn/learner.h"
#include "learn/levels.h"

#define INDEX_LIST_MIN 20  /* stored items per user: at least */
#define INDEX_LIST_MAX 200 /* and at most */

typedef struct BuildOptions {
    const char *prediction; /* its id */
    uint32_t version;
    uint32_t n;           /* items in an answer when nobody says how many */
    uint32_t list_length; /* items stored per user, say 2·n; clamped to the limits above */
    ListRules rules;
    const Calibration *calibration; /* aimed at now; NULL: lists have no probabilities */
    const Levels *levels;           /* as of now; NULL: values have no probabilities */
    const char *card;               /* the model card, a JSON object: stored as it is */
    const char *report;             /* the quality report, a JSON object */
    int64_t built_at;               /* µs */
    unsigned threads;
    const Cancel *cancel;
    void (*progress)(void *context, double fraction); /* or NULL; on the caller's thread */
    void *progress_context;
} BuildOptions;

/* Writes the file at `path` whole or not at all. ERR_NO_SPACE, ERR_NO_MEMORY, ERR_CANCELLED. */
bool index_build(const char *path, const Fitted *fitted, const Dataset *view, const Scope *scope,
                 const BuildOptions *options, GError **error);

typedef struct RemapOptions {
    uint32_t revision; /* of the columns: above that of `snapshot` */
    int64_t mapped_at; /* µs: when their values were read */
    const Cancel *cancel;
} RemapOptions;

/* The file of a version once more with other columns: `attributes` have a row per item of the
 * snapshot; what recommends, and what learned, is copied as it is. Writes the file whole or not at
 * all. ERR_DAMAGED when the old file is; ERR_NO_SPACE, ERR_NO_MEMORY, ERR_CANCELLED. */
bool index_remap(const char *path, const Snapshot *snapshot, const Attributes *attributes,
                 const RemapOptions *options, GError **error);
