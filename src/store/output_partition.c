#include "output_partition.h"

#include <sys/socket.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "base/error.h"

#define CHUNK_BYTES   (256 * 1024)
#define ATTACH_TRIES  20
#define SETTLE_MS     1000 /* how long new readers may take from planning to reading */
#define SETTLE_EVERY  10   /* ms */
#define SAMPLE_TARGET 10   /* of ANALYZE: 3,000 rows */

/* A name of its own for every attempt: an earlier one that still hangs must not be waited for. */
static char *loading_name(PGconn *connection, const OutputNames *names)
{
    uuid_t random;
    char text[UUID_STR_LEN];
    uuid_generate_random(random);
    uuid_unparse_lower(random, text);
    g_autofree char *name = g_strconcat("shortlist_loading_", text, NULL);
    return output_qualified(connection, names, name);
}

/* The CHECK lets ATTACH believe without reading. */
static bool make_loading(const Partition *partition, GError **error)
{
    const PartitionPlan *plan = &partition->plan;
    const OutputKind *kind = plan->names->kind;
    g_autofree char *columns = kind->columns(plan->user_type, plan->item_type);
    g_autofree char *sql =
        g_strdup_printf("BEGIN; CREATE TABLE %s (%s, CONSTRAINT one_number CHECK (%s = %u));"
                        "ALTER TABLE %s ALTER %s SET DEFAULT %u, %s",
                        partition->loading, columns, kind->number, plan->number, partition->loading,
                        kind->number, plan->number, plan->defaults);
    return output_run(partition->connection, sql, "making a partition of the output", error);
}

bool partition_begin(Partition *partition, PGconn *connection, const PartitionPlan *plan,
                     GError **error)
{
    partition->plan = *plan;
    partition->connection = connection;
    partition->loading = loading_name(connection, plan->names);
    buffer_init(&partition->chunk);
    if (!make_loading(partition, error))
        return false;
    partition->plan.defaults = NULL;
    /* FREEZE spares every later reader and vacuum a visit to each row. */
    g_autofree char *copy = g_strdup_printf("COPY %s (%s) FROM STDIN (FORMAT binary, FREEZE)",
                                            partition->loading, plan->copied);
    g_autoptr(PGresult) result = PQexec(connection, copy);
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return db_error(connection, result, "writing the output table", error);
    static const char header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    buffer_append(&partition->chunk, header, sizeof header);
    return true;
}

/* libpq takes all of a COPY before it tells of an error, which may be minutes. So look at what the
 * server sent; over TLS nobody can, and the error comes at the end. */
static bool has_failed(PGconn *connection)
{
    char type;
    if (PQsslInUse(connection) ||
        recv(PQsocket(connection), &type, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
        return false;
    if (type == 'E')
        return true;
    PQconsumeInput(connection);
    return false;
}

static bool take_end(Partition *partition, GError **error)
{
    if (PQputCopyEnd(partition->connection, NULL) != 1)
        return db_error(partition->connection, NULL, "writing the output table", error);
    return output_take_results(partition->connection, "writing the output table",
                               partition->plan.cancel, error);
}

static bool send_chunk(Partition *partition, GError **error)
{
    if (partition->chunk.failed) {
        error_set(error, ERR_NO_MEMORY, "no memory to write the output table");
        return false;
    }
    if (!cancel_check(partition->plan.cancel, error))
        return false;
    if (has_failed(partition->connection)) {
        if (take_end(partition, error))
            error_set(error, ERR_INTERNAL, "the output table took no more rows");
        return false;
    }
    int sent =
        PQputCopyData(partition->connection, partition->chunk.data, (int)partition->chunk.length);
    buffer_reset(&partition->chunk);
    return sent == 1 || db_error(partition->connection, NULL, "writing the output table", error);
}

bool partition_written(Partition *partition, GError **error)
{
    return partition->chunk.length < CHUNK_BYTES || send_chunk(partition, error);
}

static bool end_copy(Partition *partition, GError **error)
{
    static const char trailer[sizeof(uint16_t)] = {'\xff', '\xff'};
    buffer_append(&partition->chunk, trailer, sizeof trailer);
    return send_chunk(partition, error) && take_end(partition, error);
}

/* Parallel workers would take longer to start than rows in order take to index. */
static bool build_indexes(Partition *partition, GError **error)
{
    g_autoptr(GString) sql = g_string_new(NULL);
    g_string_printf(sql,
                    "SET LOCAL maintenance_work_mem = '256MB';"
                    "SET LOCAL max_parallel_maintenance_workers = 0;"
                    "SET LOCAL default_statistics_target = %d;",
                    SAMPLE_TARGET);
    for (size_t i = 0; i < G_N_ELEMENTS(partition->plan.indexed); i++)
        if (partition->plan.indexed[i])
            g_string_append_printf(sql, "CREATE INDEX ON %s (%s);", partition->loading,
                                   partition->plan.indexed[i]);
    g_string_append_printf(sql, "ANALYZE %s", partition->loading);
    return output_run_long(partition->connection, sql->str, "indexing the output table",
                           partition->plan.cancel, error);
}

/* An earlier attempt's partition of this number makes room in the same transaction. */
static char *attach_sql(const Partition *partition, bool replace)
{
    const OutputNames *names = partition->plan.names;
    uint32_t number = partition->plan.number;
    g_autofree char *name = output_partition_name(names, number);
    g_autofree char *quoted = db_identifier(partition->connection, name);
    g_autofree char *whole = output_qualified(partition->connection, names, name);
    g_autofree char *detach =
        replace ? g_strdup_printf("ALTER TABLE %s DETACH PARTITION %s;", names->rows_sql, whole)
                : g_strdup("");
    return g_strdup_printf("%sDROP TABLE IF EXISTS %s; ALTER TABLE %s RENAME TO %s;"
                           "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%u)",
                           detach, whole, partition->loading, quoted, names->rows_sql, whole,
                           number);
}

static bool may_publish(const Partition *partition, GError **error)
{
    return !partition->plan.fence || partition->plan.fence(partition->plan.fence_context, error);
}

/* Waits for locks in short turns, so that readers who come meanwhile get theirs. */
static bool attach(Partition *partition, GError **error)
{
    PGconn *connection = partition->connection;
    for (unsigned tries = 1;; tries++) {
        g_autoptr(GError) failure = NULL;
        if (!may_publish(partition, error))
            return false;
        int attached =
            output_is_attached(connection, partition->plan.names, partition->plan.number, error);
        if (attached < 0)
            return false;
        g_autofree char *sql = attach_sql(partition, attached > 0);
        if (!output_run(connection, "SAVEPOINT attach", "output table", error))
            return false;
        if (output_run(connection, sql, "attaching to the output table", &failure))
            return may_publish(partition, error);
        if (!g_error_matches(failure, ERROR_DOMAIN, ERR_TIMEOUT) || tries == ATTACH_TRIES) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        if (!output_run(connection, "ROLLBACK TO attach", "output table", error) ||
            !cancel_check(partition->plan.cancel, error))
            return false;
        g_usleep(100 * 1000);
    }
}

/* A query that was planned before the partition came and takes its snapshot after the pointer moves
 * would look for a number it has no plan for. So whoever holds the table now may finish, for as
 * long as going from plan to snapshot can take; long readers are past that and not waited for. */
static bool settle(const Partition *partition, GError **error)
{
    static const char holders[] =
        "SELECT array_agg(virtualtransaction) AS holders FROM pg_locks"
        " WHERE relation = to_regclass($1) AND granted AND pid <> pg_backend_pid()";
    static const char remaining[] = "SELECT 1 FROM pg_locks WHERE relation = to_regclass($1)"
                                    " AND virtualtransaction = ANY ($2::text[]) LIMIT 1";
    const char *values[2] = {partition->plan.names->rows_sql, NULL};
    g_autoptr(PGresult) first = db_query(partition->connection, holders, 1, values, error);
    if (!first)
        return false;
    values[1] = db_text(first, 0, "holders");
    for (unsigned waited = 0; values[1] && waited < SETTLE_MS; waited += SETTLE_EVERY) {
        g_autoptr(PGresult) left = db_query(partition->connection, remaining, 2, values, error);
        if (!left)
            return false;
        if (PQntuples(left) == 0)
            return true;
        g_usleep(SETTLE_EVERY * 1000);
    }
    return true;
}

bool partition_finish(Partition *partition, GError **error)
{
    return end_copy(partition, error) && build_indexes(partition, error) &&
           attach(partition, error) &&
           output_run(partition->connection, "COMMIT", "output table", error) &&
           settle(partition, error);
}

void partition_clear(Partition *partition)
{
    buffer_clear(&partition->chunk);
    g_clear_pointer(&partition->loading, g_free);
}
