/* Which audiences have a table in the shop's database, and the jobs of kind AUDIENCE_TABLE_KIND
 * that build them: their params are {"audience": its id}, and one of an audience is open at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "store/jobs.h"
#include "store/store.h"

#define AUDIENCE_TABLE_KIND "audience_table"

typedef struct AudienceTable {
    char *source; /* name of the source whose database it is in */
    int begun;    /* grows with every attempt to build it */
    char *name;   /* "schema.view"; NULL: one was begun, none was ever whole */
    uint32_t version;
    uint64_t members;
    int64_t updated_at; /* µs */
} AudienceTable;

/* *table is NULL without an error when none was ever begun. For audience_table_free(). */
bool audience_tables_find(Store *store, const char *audience, AudienceTable **table,
                          GError **error);

/* Queues a job. ERR_NOT_FOUND: there is no such audience; ERR_CONFLICT: one is queued or running.
 */
Job *audience_tables_request(Store *store, const char *audience, GError **error);

/* Before a job makes anything in the database of `source`. ERR_NOT_FOUND when the audience is gone;
 * ERR_CANCELLED when the lease was lost. */
bool audience_tables_begin(Store *store, const Job *job, const char *audience, const char *source,
                           GError **error);

/* The table is whole and read: its name, version, members and updated_at. ERR_CANCELLED when the
 * lease was lost. */
bool audience_tables_save(Store *store, const Job *job, const char *audience,
                          const AudienceTable *table, GError **error);

/* Whether no job of the audience is queued or running: ERR_CONFLICT, naming it. */
bool audience_tables_check_idle(Store *store, const char *audience, GError **error);

/* Forgets the audience itself, in the place of documents_remove(), with what is known of its table,
 * which the caller has dropped: `dropped` is what audience_tables_find() gave before that, or NULL.
 * ERR_CONFLICT when a table was asked for since; ERR_PRECONDITION_FAILED, ERR_NOT_FOUND. */
bool audience_tables_forget(Store *store, const char *audience, int64_t revision,
                            const AudienceTable *dropped, GError **error);

void audience_table_free(AudienceTable *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AudienceTable, audience_table_free)
