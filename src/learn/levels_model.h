/* Inside a level model: what it learns from, what it scores, and what is kept. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/json.h"
#include "calibration_samples.h"
#include "learn/calibrate.h"
#include "learn/levels.h"
#include "levels_moment.h"
#include "levels_values.h"
#include "ranked_forest.h"
#include "ranked_lessons.h"

struct Levels {
    uint32_t n_users;
    Values *values;
    LevelFacts facts;
    Forest *forest;
    Calibration *calibration;
    bool is_borrowed; /* the arrays are a mapped file's */
};

/* The rows of one window, as booster_learn() takes them; for lessons_free(). */
/* Bytes of the lessons of a window, and of what a library makes of them, at most: as many that came
 * true as others. */
uint64_t level_lessons_bytes(const FitSize *size);
Lessons *level_lessons_new(const LevelMoment *moment, const LevelsOptions *options, GError **error);
/* Blocks of several windows, borrowed from these, which end in NULL. */
Lessons *level_lessons_join(Lessons *const *windows);

/* Pairs of the moment as the forest scores them; for samples_free(). */
Samples *level_samples_new(const LevelMoment *moment, const Forest *forest,
                           const LevelsOptions *options, GError **error);

/* How probabilities of these samples compare with what was bought: as levels_fit() tells. */
bool level_report(const Calibration *calibration, const Values *values, const LevelMoment *moment,
                  const Samples *samples, JsonWriter *json, GError **error);
