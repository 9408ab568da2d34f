/* The members of an audience as a table in the shop's database, made, granted and replaced as the
 * output of a prediction is (store/output.h): a partition for each time it was built, and a pointer
 * that moves when one is whole. A reader never sees a part of one.
 *
 *   <schema>.audience_<audience>            the view everybody reads
 *   <schema>.audience_<audience>_rows       partitioned by build
 *   <schema>.audience_<audience>_rows_v<n>  one build
 *   <schema>.shortlist_pointer              (audience/<audience>, build)
 * Columns: user_unique_id (type of the shop's own key), rank integer, score real, probability real
 * (NULL where it is not known), model_version integer, last_update_date timestamptz. Each build has
 * an index on user_unique_id and one on rank. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "spec/model.h"
#include "store/output.h"

typedef struct MemberRow {
    const char *user; /* bytes, borrowed for the call */
    uint32_t user_length;
    uint32_t rank; /* from 1 */
    float score;
    float probability; /* NAN: NULL */
} MemberRow;

typedef struct AudienceOutputOptions {
    const char *audience;
    const Model *users;
    uint32_t version;     /* of the model */
    int64_t last_update;  /* µs */
    const Cancel *cancel; /* or NULL */
    OutputFence fence;    /* or NULL; as in OutputOptions */
    void *fence_context;
} AudienceOutputOptions;

typedef struct AudienceOutput AudienceOutput;

/* Makes what is missing and begins an empty build. From here to audience_output_finish() is one
 * transaction: what is not finished leaves no trace. Errors as of output_begin(). */
AudienceOutput *audience_output_begin(const SourceSettings *source,
                                      const AudienceOutputOptions *options, GError **error);

/* Streams members by binary COPY, each user once. ERR_INVALID when an id is not of the shop's type;
 * else errors as of output_write(). */
bool audience_output_write(AudienceOutput *output, const MemberRow *rows, size_t n, GError **error);

/* The build is whole and attached; nobody sees it yet. Errors as of output_finish(). */
bool audience_output_finish(AudienceOutput *output, GError **error);

/* After the finish: the view shows this build, and the ones before go, now or next time. */
bool audience_output_publish(AudienceOutput *output, GError **error);
void audience_output_free(AudienceOutput *output); /* without a finish: nothing was written */

/* Drops everything of an audience. Nothing to drop is no error. */
bool audience_output_drop(const SourceSettings *source, const char *audience, GError **error);

/* "schema.view" for people; for g_free(). */
char *audience_output_name(const SourceSettings *source, const char *audience);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AudienceOutput, audience_output_free)
