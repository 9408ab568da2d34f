/* The data doctor: what is wrong with a shop's data before anything is trained on it. One check is
 * one row of the table in doctor.c: code, level, title, SQL. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "base/json.h"
#include "spec/model.h"
#include "spec/prediction.h"

/* Writes an array of findings {"code","level" (error, warning, info),"model","count","share",
 * "message","sample":[…],"sql"}: duplicate_key, null_key, guest_events, orphan_products,
 * orphan_users, order_level_table, returns, zero_quantity, absurd_quantity, duplicate_lines,
 * future_time, null_time, not_utf8, constant_column, target_leak, few_events, … `sql` shows the
 * rows when pasted into psql. *errors counts those of level error. All models live in `source`.
 * `signals`, by prediction->models.signals (NULL when there are none), are looked at row by row and
 * for orphans, each finding under its own model; event_types says when they are too few or many. */
bool doctor_examine(const SourceSettings *source, const Model *users, const Model *events,
                    const Model *products, Model *const *signals, const Prediction *prediction,
                    JsonWriter *writer, unsigned *errors, const Cancel *cancel, GError **error);

typedef struct SourceCounts {
    uint64_t rows, users,
        products;         /* events in the training period; rows of the two other models */
    uint64_t signal_rows; /* of all event types beside the target, in the training period */
    unsigned n_signals;   /* so many of them */
    bool exact;           /* false: from planner statistics */
} SourceCounts;

bool doctor_count(const SourceSettings *source, const Model *users, const Model *events,
                  const Model *products, Model *const *signals, const Prediction *prediction,
                  const Cancel *cancel, SourceCounts *counts, GError **error);
