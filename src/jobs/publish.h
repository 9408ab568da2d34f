/* A version's lists into the output table: the rows of every predictable user, as the service
 * answers them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "index/snapshot.h"
#include "jobs/workers.h"
#include "spec/model.h"

typedef struct PublishOptions {
    const Model *users, *products;
    uint32_t n;  /* rows of a user, 1 to RECOMMEND_MAX */
    JobRun *run; /* its lease is asked for before the rows become the version's */
    void (*progress)(void *context, double fraction); /* or NULL; on the caller's thread */
    void *progress_context;
} PublishOptions;

/* Writes the snapshot's version, users in the output's order: nobody reads it before
 * output_point(). What fails leaves nothing in the table. *rows: how many. Errors as of
 * output_begin(), output_write() and output_finish(); ERR_NO_MEMORY. */
bool publish_write(const SourceSettings *source, const Snapshot *snapshot,
                   const PublishOptions *options, uint64_t *rows, GError **error);
