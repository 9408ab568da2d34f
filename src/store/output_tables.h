/* The tables of a prediction's output and what is done to them as a whole. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "db.h"
#include "output_key.h"

/* Plain and (with _sql) quoted with their schema. */
typedef struct OutputNames {
    char *prediction;
    char *schema, *view, *rows;
    char *partition_prefix; /* of a partition's name, followed by the version */
    char *schema_sql, *view_sql, *rows_sql, *pointer_sql;
} OutputNames;

OutputNames *output_names_new(PGconn *connection, const SourceSettings *source,
                              const char *prediction);
void output_names_free(OutputNames *names);

/* "recommendations_<prediction>" with - as _; for g_free(). */
char *output_base_name(const char *prediction);

/* The partition's plain name; for g_free(). */
char *output_partition_name(const OutputNames *names, uint32_t version);

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
 * prediction or hold other key types. */
bool output_prepare(PGconn *connection, const OutputNames *names, const SourceSettings *source,
                    KeyType user, KeyType item, GError **error);

/* The columns of rows and partitions as CREATE TABLE takes them; for g_free(). */
char *output_columns_sql(KeyType user, KeyType item);

/* Whether the version's partition is attached: -1 with an error. */
int output_is_attached(PGconn *connection, const OutputNames *names, uint32_t version,
                       GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutputNames, output_names_free)
