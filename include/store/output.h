/* The output table in the shop's database: one partition per version and a one-row pointer that the
 * public view reads, so a reader sees one version, whole.
 *
 *   <schema>.recommendations_<prediction>            the view everybody reads
 *   <schema>.recommendations_<prediction>_rows       partitioned by model_version
 *   <schema>.recommendations_<prediction>_rows_v<n>  one version
 *   <schema>.shortlist_pointer                       (prediction, version)
 * with - of an id written as _ (a partition's name is cut, and told apart by a checksum, when it
 * would exceed PostgreSQL's 63 bytes). Columns: primary_key uuid (UUIDv5 of prediction, user and
 * rank: the same across versions), user_unique_id and recommended_item_id (types of the shop's own
 * keys), last_update_date timestamptz, ranking smallint, score real, probability real (NULL until a
 * version is calibrated), source text, model_version integer.
 *
 * The one index of a version is a btree on user_unique_id, built after loading: rows come in that
 * column's order, so there is hardly anything to sort and it costs 0.2 s of the server's CPU per
 * million rows, beside 0.5 of the COPY (BRIN 0.12, but every read then looks at all its ranges).
 * The column has the collation of the database and not "C", so that joins with the shop's tables
 * can use the shop's indexes. primary_key has no index: output_write() refuses what would repeat
 * it. A read of one user's rows through the view touches 6 pages and takes 0.05 ms (of 1 M rows and
 * of 3 versions), with statistics or without. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "spec/model.h"

typedef struct OutputRow {
    const char *user, *item; /* ids as bytes, borrowed for the call */
    uint32_t user_length, item_length;
    uint16_t ranking;
    float score;
    float probability; /* NAN: NULL */
    const char *source;
} OutputRow;

/* Whether the output may still be published: false with an error when not. */
typedef bool (*OutputFence)(void *context, GError **error);

typedef struct OutputOptions {
    const char *prediction;
    const Model *users, *products;
    uint32_t version;
    int64_t last_update;  /* µs */
    const Cancel *cancel; /* or NULL; must outlive the output */
    OutputFence fence;    /* or NULL; asked before each wait for the table's lock and, holding it,
                             before the COMMIT: a worker that lost its lease while it waited must not
                             replace what its successor wrote */
    void *fence_context;
} OutputOptions;

typedef struct Output Output;

/* Makes schema, table, view and pointer where they are missing and begins an empty partition for
 * the version. From here to output_finish() is one transaction: what is not finished leaves no
 * trace. ERR_INVALID with the GRANT that is missing; ERR_CONFLICT when the names belong to another
 * prediction or the shop's keys changed their type since the table was made; ERR_UNAVAILABLE. */
Output *output_begin(const SourceSettings *source, const OutputOptions *options, GError **error);

/* The order of users in the output: below, equal to or above 0. By value for numbers
 * and uuids, by bytes for texts and what has the same value: 0 only for the same bytes. */
int output_compare_users(const Output *output, const char *a, uint32_t a_length, const char *b,
                         uint32_t b_length);

/* Streams rows by binary COPY, users in the order of output_compare_users(), rankings of a user
 * rising: so no primary_key comes twice. ERR_INTERNAL when that order is broken; ERR_INVALID when
 * an id is not of the shop's type; ERR_CANCELLED; ERR_NO_SPACE, ERR_UNAVAILABLE … as soon as the
 * server says so. */
bool output_write(Output *output, const OutputRow *rows, size_t n, GError **error);

/* Ends the COPY, builds the index, looks at a sample (ANALYZE with a small target; PostgreSQL's own
 * autovacuum takes a large one later), attaches the partition, in place of an earlier attempt's:
 * nobody sees it yet, unless that version is pointed at already. *rows: how many. ERR_INVALID,
 * ERR_NO_SPACE, ERR_TIMEOUT (a reader held the table's lock), ERR_CANCELLED, ERR_UNAVAILABLE, or
 * the fence's. */
bool output_finish(Output *output, uint64_t *rows, GError **error);
void output_free(Output *output); /* without a finish: nothing was written */

/* Points the view at a version whose partition is attached. Readers in a running query keep
 * theirs. ERR_NOT_FOUND when it is not attached. */
bool output_point(const SourceSettings *source, const char *prediction, uint32_t version,
                  GError **error);

/* DETACH … CONCURRENTLY and drop of every partition not in keep[] and not pointed at. Never waits
 * for readers longer than a few seconds: what is still read goes next time. */
bool output_prune(const SourceSettings *source, const char *prediction, const uint32_t *keep,
                  size_t n, GError **error);

/* Drops everything of a prediction (it was deleted). */
bool output_drop(const SourceSettings *source, const char *prediction, GError **error);

/* "schema.view" for people; for g_free(). */
char *output_view_name(const SourceSettings *source, const char *prediction);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Output, output_free)
