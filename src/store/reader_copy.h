/* One binary COPY as a stream of rows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "copy_binary.h"
#include "db.h"

#define READER_FIELDS_MAX 256

typedef struct CopyStream {
    PGconn *connection;   /* borrowed; the COPY has begun */
    unsigned n_fields;    /* ≤ READER_FIELDS_MAX */
    const Cancel *cancel; /* looked at every few thousand rows and while waiting */
    const char *what;     /* begins the messages of errors */
    uint64_t rows;        /* so far */
    bool started;
} CopyStream;

typedef enum CopyStep { COPY_ROW, COPY_END, COPY_FAILED } CopyStep;

/* The next row: its fields, borrowed from *message, which the caller gives to PQfreemem() (NULL
 * unless COPY_ROW). */
CopyStep copy_stream_next(CopyStream *stream, CopyField *fields, char **message, GError **error);
