/* What the ranker learns from: described pairs, and whether they came true, of several earlier
 * moments. Kept in blocks of users, as they were made. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "ranked_recall.h"

/* In the place of NaN, less than any value: from rows without gaps the library learns faster. On
 * half a million order lines the ranker was fitted in 17 s instead of 21. */
#define LESSON_MISSING -1e30f

typedef struct Lesson {
    uint32_t n;
    float *features; /* n × n_features, without NaN */
    float *label;    /* n: 1 when bought */
    float *weight;   /* n */
} Lesson;

typedef struct Lessons {
    uint32_t n_features;
    GArray *taught,
        *held; /* of Lesson, the windows': to learn from, and of other users to stop by */
    uint64_t n_rows, n_bought;
    GPtrArray *windows; /* that they are of; a later fit finds them in FitContext.shared */
} Lessons;

typedef struct LessonOptions {
    int64_t horizon; /* µs */
    unsigned n_windows;
    bool by_lot; /* no window in time, but one of products put aside by lot: n_windows is 1 */
    const Groupings *groupings;
} LessonOptions;

/* How many windows there are before as_of; 0 when the data is too short: then products are put
 * aside by lot. *horizon: how long one is,
 * in: as long as wanted, out: as long as the data allows. */
unsigned lessons_windows(const Dataset *view, int64_t as_of, int64_t *horizon);

/* For lessons_free(). ERR_INVALID when too little was bought to learn from. */
Lessons *lessons_new(const Dataset *source, const FitContext *context, const LessonOptions *options,
                     GError **error);
/* Bytes of them, and of what a library makes of them, at most. */
uint64_t lessons_bytes(const FitSize *size);
/* Of those, bytes that FitContext.spare can take away. */
uint64_t lessons_spare_bytes(const FitSize *size);
void lessons_free(Lessons *lessons);

/* Of a row or more. */
void lessons_fill_missing(float *features, size_t n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lessons, lessons_free)
