/* The tables of an output, of a prediction or of an audience, and what is done to them as a whole:
 * one partition per number, a version's or a build's, and a one-row pointer that the view reads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "db.h"
#include "output_key.h"

/* What is different between outputs. */
typedef struct OutputKind {
    const char *noun;                             /* "prediction": whose it is */
    const char *view_prefix;                      /* of the view's name, before the id */
    const char *key_prefix;                       /* of its key in the pointer, before the id */
    const char *number;                           /* the column that tells partitions apart */
    const char *shown;                            /* the columns of the view */
    const char *again;                            /* what to do when its tables were dropped */
    char *(*columns)(KeyType user, KeyType item); /* as CREATE TABLE takes them; for g_free() */
} OutputKind;

extern const OutputKind output_of_prediction, output_of_audience;

/* Plain and (with _sql) quoted with their schema. */
typedef struct OutputNames {
    const OutputKind *kind;
    char *id, *pointer_key;
    char *schema, *view, *rows;
    char *partition_prefix; /* of a partition's name, followed by the number */
    char *schema_sql, *view_sql, *rows_sql, *pointer_sql;
} OutputNames;

OutputNames *output_names_new(PGconn *connection, const SourceSettings *source,
                              const char *prediction);
OutputNames *output_names_of(PGconn *connection, const SourceSettings *source,
                             const OutputKind *kind, const char *id);
void output_names_free(OutputNames *names);

/* The view's plain name, "recommendations_<id>" with - as _; for g_free(). */
char *output_base_name(const OutputKind *kind, const char *id);

/* The partition's plain name; for g_free(). */
char *output_partition_name(const OutputNames *names, uint32_t number);

/* The comment on rows, which tells whose they are: ids that differ in - and _ share a name. For
 * g_free(). */
char *output_comment(const OutputNames *names);

/* "schema"."name"; for g_free(). */
char *output_qualified(PGconn *connection, const OutputNames *names, const char *name);

/* A connection for changing tables: waits for locks for a second at most, so that readers never
 * queue behind it for longer. */
PGconn *output_connect(const SourceSettings *source, GError **error);

/* Runs statements without parameters; `what` begins the error's message. */
bool output_run(PGconn *connection, const char *sql, const char *what, GError **error);

/* As output_run(), for what may take long: ERR_CANCELLED soon after `cancel` was raised, with the
 * statement cancelled at the server too; the connection is then good for nothing but PQfinish. */
bool output_run_long(PGconn *connection, const char *sql, const char *what, const Cancel *cancel,
                     GError **error);

/* Takes the results of what was sent, as output_run_long() does. */
bool output_take_results(PGconn *connection, const char *what, const Cancel *cancel,
                         GError **error);

/* Makes what is missing of schema, pointer, rows and view, and grants them to the reader role.
 * ERR_INVALID with the GRANT that is missing; ERR_CONFLICT when the tables belong to another
 * prediction or audience, or hold other key types. `item` is only looked at where rows have
 * products. */
bool output_prepare(PGconn *connection, const OutputNames *names, const SourceSettings *source,
                    KeyType user, KeyType item, GError **error);

/* The columns of a prediction's rows and partitions as CREATE TABLE takes them; for g_free(). */
char *output_columns_sql(KeyType user, KeyType item);

/* Whether the number's partition is attached: -1 with an error. */
int output_is_attached(PGconn *connection, const OutputNames *names, uint32_t number,
                       GError **error);

/* Of output_versions.c: what output_point(), output_prune() and output_drop() do, for any output.
 */
bool output_point_to(PGconn *connection, const OutputNames *names, uint32_t number, GError **error);
bool output_prune_to(PGconn *connection, const OutputNames *names, const uint32_t *keep, size_t n,
                     GError **error);
bool output_drop_all(PGconn *connection, const OutputNames *names, GError **error);

/* The number read now: -1 when there is none, -2 with an error. */
int64_t output_pointed(PGconn *connection, const OutputNames *names, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutputNames, output_names_free)
