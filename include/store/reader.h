/* Reads a prediction's models into a data set: one REPEATABLE READ, READ ONLY transaction, one
 * binary COPY per model of the mapped columns only, decoded as it streams in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "data/dataset.h"
#include "data/ids.h"
#include "spec/model.h"
#include "spec/prediction.h"

typedef struct ReaderOptions {
    Model *const *signals; /* by prediction->models.signals; NULL when there are none */
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

/* What a products model says now about products that are known by number. */
typedef struct ReadColumns {
    Attributes *attributes; /* a row per id */
    uint32_t found;         /* of the ids */
    uint64_t unknown;       /* rows of other products */
    uint64_t left_out;      /* rows whose key was null, empty or seen before */
} ReadColumns;

/* The mapped columns of `products` alone, for read_columns_clear(). Errors as of reader_load(). */
bool reader_load_columns(const SourceSettings *source, const Model *products, const Ids *ids,
                         const ReaderOptions *options, ReadColumns *columns, GError **error);
void read_columns_clear(ReadColumns *columns);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReadColumns, read_columns_clear)
