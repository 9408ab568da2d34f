/* One partition of an output while it is filled: made, written by binary COPY, indexed, attached,
 * all in one transaction, so what is not finished never was. The caller puts rows into `chunk`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

#include "base/buffer.h"
#include "base/cancel.h"
#include "output_tables.h"
#include "store/output.h"

/* What to fill; all borrowed, `defaults` only until partition_begin() returns. */
typedef struct PartitionPlan {
    const OutputNames *names;
    uint32_t number;
    KeyType user_type, item_type;
    const char *defaults;   /* more of ALTER TABLE: what all rows share is cheaper as a default than
                               received with each */
    const char *copied;     /* the columns that come with each row */
    const char *indexed[2]; /* columns, each with an index of its own; NULL: none */
    const Cancel *cancel;   /* or NULL */
    OutputFence fence;      /* or NULL; as in OutputOptions */
    void *fence_context;
} PartitionPlan;

typedef struct Partition {
    PartitionPlan plan;
    PGconn *connection; /* borrowed; without a finish it must be closed, which takes all back */
    char *loading;      /* its name while it is filled, quoted with its schema */
    Buffer chunk;       /* rows not sent yet */
} Partition;

/* output_prepare() was done before. */
bool partition_begin(Partition *partition, PGconn *connection, const PartitionPlan *plan,
                     GError **error);

/* After each row: sends the chunk when it is full. ERR_CANCELLED; ERR_NO_SPACE, ERR_UNAVAILABLE …
 * as soon as the server says so; ERR_NO_MEMORY. */
bool partition_written(Partition *partition, GError **error);

/* Sends the rest, makes the indexes, attaches in place of an earlier partition of the number, and
 * commits. Errors as of output_finish(). */
bool partition_finish(Partition *partition, GError **error);
void partition_clear(Partition *partition);

/* Fields of a row, in network order. */
static inline char *wire_put16(char *at, uint16_t value)
{
    uint16_t wire = GUINT16_TO_BE(value);
    return mempcpy(at, &wire, sizeof wire);
}

static inline char *wire_put32(char *at, uint32_t value)
{
    uint32_t wire = GUINT32_TO_BE(value);
    return mempcpy(at, &wire, sizeof wire);
}

static inline char *wire_put_real(char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return wire_put32(wire_put32(at, sizeof bits), bits);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Partition, partition_clear)
