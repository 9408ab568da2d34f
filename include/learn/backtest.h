/* A choice made of what was known as of a past day, compared with what happened after it. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "learn/choose.h"

typedef struct Hindsight {
    char grade;   /* of the chosen learner in that window: 'A', 'B', 'C' */
    char *reason; /* plain words */
    /* A quality report (choose.h) with that window as its test window and nothing in "validation":
     * every learner fitted on what was known before it, by the rules of the choice; "calibration"
     * is of the choice's own curves, aimed as a training aims them. */
    char *report;
} Hindsight;

/* The window is [as_of, as_of + options->horizon_days). `past` is `raw` as of that moment
 * (dataset_as_of) and all that learners see, `choice` was made of it by the same options, and its
 * calibration is aimed here. Against the baseline that was best in the window. ERR_INVALID when the
 * chosen learner cannot learn from `past`; ERR_NO_MEMORY, ERR_CANCELLED. */
Hindsight *backtest_compare(const Dataset *raw, const Dataset *past, Choice *choice, int64_t as_of,
                            const ChooseOptions *options, GError **error);
void hindsight_free(Hindsight *hindsight);

/* Bytes of a backtest beyond choose_bytes(): the past beside the whole. */
uint64_t backtest_bytes(uint64_t rows, uint32_t n_users);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hindsight, hindsight_free)
