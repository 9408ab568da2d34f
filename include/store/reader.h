/* Reads a prediction's three models into a data set: one REPEATABLE READ, READ ONLY transaction,
 * one binary COPY per model of the mapped columns only, decoded as it streams in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "data/dataset.h"
#include "spec/model.h"
#include "spec/prediction.h"

typedef struct ReaderOptions {
    int64_t now;
    unsigned threads;     /* of sorting what was read; 0: all cores */
    const Cancel *cancel; /* looked at every few thousand rows; the query is cancelled too */
    void (*progress)(void *context, double fraction, uint64_t rows); /* or NULL */
    void *progress_context;
} ReaderOptions;

/* For dataset_unref(). ERR_INVALID when a table or column vanished or changed its type (the message
 * names it and the model), ERR_UNAVAILABLE, ERR_CANCELLED, ERR_NO_MEMORY, ERR_TIMEOUT. */
Dataset *reader_load(const SourceSettings *source, const Model *users, const Model *events,
                     const Model *products, const Prediction *prediction,
                     const ReaderOptions *options, GError **error);
