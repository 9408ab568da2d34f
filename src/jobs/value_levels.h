/* The level model of values, as one step of a training or a backtest. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "jobs/workers.h"
#include "learn/levels.h"

/* Fits levels of everything in `raw` as options->as_of, and adds their report to the quality report
 * *report, as "levels"; *levels stays NULL where there is too little to learn from. Errors as of
 * levels_fit(). */
bool value_levels_fit(JobRun *run, const Dataset *raw, const LevelsOptions *options, char **report,
                      Levels **levels, GError **error);
