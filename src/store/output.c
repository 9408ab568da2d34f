#include "store/output.h"

#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include <nettle/sha1.h>

#include "base/clock.h"
#include "base/error.h"
#include "output_key.h"
#include "output_tables.h"
#include "source_relation.h"
#include "source_session.h"

#define COLUMNS       7 /* that are sent; the others are the same in all rows of a version */
#define CHUNK_BYTES   (256 * 1024)
#define RANK_DIGITS   6
#define ATTACH_TRIES  20
#define SETTLE_MS     1000 /* how long new readers may take from planning to reading */
#define SETTLE_EVERY  10   /* ms */
#define SAMPLE_TARGET 10   /* of ANALYZE: 3,000 rows */

/* Namespace of all predictions' namespaces: a random UUID, fixed for ever. */
static const uuid_t root_namespace = {0x5d, 0x0c, 0x1b, 0xb4, 0x2f, 0x7e, 0x4c, 0x63,
                                      0x9a, 0x41, 0x8e, 0x05, 0xd2, 0x6b, 0xf1, 0x37};

/* Everything from the partition's making to its attaching is one transaction: what is not finished
 * never was. */
struct Output {
    PGconn *connection;
    OutputNames *names;
    KeyType user_type, item_type;
    uint32_t version;
    uuid_t namespace;
    const Cancel *cancel;
    OutputFence fence;
    void *fence_context;
    char *loading; /* the partition while it is filled, quoted with its schema */
    Buffer chunk;
    Buffer user;      /* the current user's field, so that it is made once */
    Buffer user_name; /* the user's bytes and NUL: the beginning of the rows' UUID names */
    uint16_t ranking; /* the last one written for this user */
    uint64_t rows;
};

static bool key_types(const SourceSettings *source, const OutputOptions *options, Output *output,
                      GError **error)
{
    const Model *users = options->users, *products = options->products;
    g_autoptr(PGconn) session = session_open(source, error);
    if (!session)
        return false;
    g_autoptr(Relation) user_relation = relation_find(session, users, error);
    const RelationColumn *user =
        user_relation ? relation_require(user_relation, users, users->primary_key, error) : NULL;
    if (!user)
        return false;
    g_autoptr(Relation) item_relation = relation_find(session, products, error);
    const RelationColumn *item =
        item_relation ? relation_require(item_relation, products, products->primary_key, error)
                      : NULL;
    if (!item)
        return false;
    output->user_type = key_type_of(user->oid);
    output->item_type = key_type_of(item->oid);
    return true;
}

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

static char *put16(char *at, uint16_t value)
{
    uint16_t wire = GUINT16_TO_BE(value);
    return mempcpy(at, &wire, sizeof wire);
}

static char *put32(char *at, uint32_t value)
{
    uint32_t wire = GUINT32_TO_BE(value);
    return mempcpy(at, &wire, sizeof wire);
}

static char *put_real(char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put32(put32(at, sizeof bits), bits);
}

static bool start_copy(Output *output, const OutputOptions *options, GError **error)
{
    char last_update[CLOCK_TEXT_MAX];
    g_autofree char *columns = output_columns_sql(output->user_type, output->item_type);
    /* What all rows share are defaults: cheaper than to receive them with each. The CHECK lets
     * ATTACH believe without reading; FREEZE spares every later reader and vacuum a visit to each
     * row. */
    g_autofree char *create = g_strdup_printf(
        "BEGIN; CREATE TABLE %s (%s, CONSTRAINT one_version CHECK (model_version = %u));"
        "ALTER TABLE %s ALTER model_version SET DEFAULT %u,"
        " ALTER last_update_date SET DEFAULT timestamptz '%s'",
        output->loading, columns, output->version, output->loading, output->version,
        clock_format(options->last_update, last_update));
    if (!output_run(output->connection, create, "making the version's partition", error))
        return false;
    g_autofree char *copy =
        g_strdup_printf("COPY %s (primary_key, user_unique_id, recommended_item_id, ranking, score,"
                        " probability, source) FROM STDIN (FORMAT binary, FREEZE)",
                        output->loading);
    g_autoptr(PGresult) result = PQexec(output->connection, copy);
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return db_error(output->connection, result, "writing the output table", error);
    static const char header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    buffer_append(&output->chunk, header, sizeof header);
    return true;
}

Output *output_begin(const SourceSettings *source, const OutputOptions *options, GError **error)
{
    g_autoptr(Output) output = g_new0(Output, 1);
    buffer_init(&output->chunk);
    buffer_init(&output->user);
    buffer_init(&output->user_name);
    output->version = options->version;
    output->cancel = options->cancel;
    output->fence = options->fence;
    output->fence_context = options->fence_context;
    uuid_generate_sha1(output->namespace, root_namespace, options->prediction,
                       strlen(options->prediction));
    if (!cancel_check(output->cancel, error) || !key_types(source, options, output, error))
        return NULL;
    output->connection = output_connect(source, error);
    if (!output->connection)
        return NULL;
    output->names = output_names_new(output->connection, source, options->prediction);
    output->loading = loading_name(output->connection, output->names);
    if (!output_prepare(output->connection, output->names, source, output->user_type,
                        output->item_type, error) ||
        !start_copy(output, options, error))
        return NULL;
    return g_steal_pointer(&output);
}

int output_compare_users(const Output *output, const char *a, uint32_t a_length, const char *b,
                         uint32_t b_length)
{
    return key_compare(output->user_type, a, a_length, b, b_length);
}

static bool wrong_key(const char *what, KeyType type, const char *key, uint32_t length,
                      GError **error)
{
    g_autofree char *shown = g_utf8_make_valid(key, MIN(length, 60));
    error_set(error, ERR_INVALID, "the %s id \"%s\" is not of the output table's type %s", what,
              shown, key_type_sql(type));
    return false;
}

static bool out_of_order(const OutputRow *row, GError **error)
{
    g_autofree char *shown = g_utf8_make_valid(row->user, MIN(row->user_length, 60));
    error_set(error, ERR_INTERNAL, "rank %u of user \"%s\" is out of the output table's order",
              row->ranking, shown);
    return false;
}

static bool is_same_user(const Output *output, const OutputRow *row)
{
    return output->user_name.length == (size_t)row->user_length + 1 &&
           memcmp(output->user_name.data, row->user, row->user_length) == 0;
}

/* Rows of a user come together, so most find it set already. Order is what makes the primary keys
 * unique and leaves the index nothing to sort. */
static bool set_user(Output *output, const OutputRow *row, GError **error)
{
    if (is_same_user(output, row)) {
        if (row->ranking <= output->ranking)
            return out_of_order(row, error);
        output->ranking = row->ranking;
        return true;
    }
    if (output->user_name.length > 0 &&
        output_compare_users(output, output->user_name.data, (uint32_t)output->user_name.length - 1,
                             row->user, row->user_length) >= 0)
        return out_of_order(row, error);
    buffer_reset(&output->user);
    buffer_reset(&output->user_name);
    if (!key_encode(output->user_type, row->user, row->user_length, &output->user))
        return wrong_key("user", output->user_type, row->user, row->user_length, error);
    buffer_append(&output->user_name, row->user, row->user_length);
    buffer_append(&output->user_name, "", 1);
    output->ranking = row->ranking;
    return true;
}

/* UUIDv5 of the name, RFC 4122 section 4.3. Nettle takes 46 ns for it, with the processor's own
 * instructions; GChecksum 102, uuid_generate_sha1() 160. */
static void make_uuid(const Output *output, const Buffer *name, uint8_t digest[SHA1_DIGEST_SIZE])
{
    struct sha1_ctx sha1;
    sha1_init(&sha1);
    sha1_update(&sha1, sizeof output->namespace, output->namespace);
    sha1_update(&sha1, name->length, (const uint8_t *)name->data);
    sha1_digest(&sha1, SHA1_DIGEST_SIZE, digest);
    digest[6] = (digest[6] & 0x0f) | 0x50;
    digest[8] = (digest[8] & 0x3f) | 0x80;
}

static void make_primary_key(Output *output, uint16_t ranking, uint8_t key[SHA1_DIGEST_SIZE])
{
    char digits[RANK_DIGITS];
    uint32_t at = RANK_DIGITS;
    do {
        digits[--at] = (char)('0' + ranking % 10);
        ranking /= 10;
    } while (ranking > 0);
    size_t length = output->user_name.length;
    buffer_append(&output->user_name, digits + at, RANK_DIGITS - at);
    if (output->user_name.failed)
        return;
    make_uuid(output, &output->user_name, key);
    output->user_name.length = length;
}

/* All that comes before the product. */
static void append_keys(Output *output, uint16_t ranking)
{
    uint8_t key[SHA1_DIGEST_SIZE] = {0};
    make_primary_key(output, ranking, key);
    char *at = buffer_extend(&output->chunk, sizeof(uint16_t) + sizeof(uint32_t) + sizeof(uuid_t));
    if (!at)
        return;
    at = put32(put16(at, COLUMNS), sizeof(uuid_t));
    memcpy(at, key, sizeof(uuid_t));
    buffer_append(&output->chunk, output->user.data, output->user.length);
}

/* All that comes behind the product. A field is its length and its bytes. */
static void append_values(Buffer *chunk, const OutputRow *row)
{
    static const size_t prefix = sizeof(uint32_t);
    bool is_null = isnan(row->probability);
    uint32_t source_length = (uint32_t)strlen(row->source);
    char *at = buffer_extend(chunk, prefix + sizeof(uint16_t) + prefix + sizeof(float) + prefix +
                                        (is_null ? 0 : sizeof(float)) + prefix + source_length);
    if (!at)
        return;
    at = put16(put32(at, sizeof(int16_t)), row->ranking);
    at = put_real(at, row->score);
    at = is_null ? put32(at, UINT32_MAX) : put_real(at, row->probability);
    memcpy(put32(at, source_length), row->source, source_length);
}

static bool append_row(Output *output, const OutputRow *row, GError **error)
{
    if (!set_user(output, row, error))
        return false;
    append_keys(output, row->ranking);
    if (!key_encode(output->item_type, row->item, row->item_length, &output->chunk))
        return wrong_key("product", output->item_type, row->item, row->item_length, error);
    append_values(&output->chunk, row);
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

static bool take_end(Output *output, GError **error)
{
    if (PQputCopyEnd(output->connection, NULL) != 1)
        return db_error(output->connection, NULL, "writing the output table", error);
    return output_take_results(output->connection, "writing the output table", output->cancel,
                               error);
}

static bool send_chunk(Output *output, GError **error)
{
    if (output->chunk.failed || output->user.failed || output->user_name.failed) {
        error_set(error, ERR_NO_MEMORY, "no memory to write the output table");
        return false;
    }
    if (!cancel_check(output->cancel, error))
        return false;
    if (has_failed(output->connection)) {
        if (take_end(output, error))
            error_set(error, ERR_INTERNAL, "the output table took no more rows");
        return false;
    }
    int sent = PQputCopyData(output->connection, output->chunk.data, (int)output->chunk.length);
    buffer_reset(&output->chunk);
    return sent == 1 || db_error(output->connection, NULL, "writing the output table", error);
}

bool output_write(Output *output, const OutputRow *rows, size_t n, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        if (!append_row(output, &rows[i], error))
            return false;
        if (output->chunk.length >= CHUNK_BYTES && !send_chunk(output, error))
            return false;
    }
    output->rows += n;
    return true;
}

static bool end_copy(Output *output, GError **error)
{
    static const char trailer[sizeof(uint16_t)] = {'\xff', '\xff'};
    buffer_append(&output->chunk, trailer, sizeof trailer);
    return send_chunk(output, error) && take_end(output, error);
}

/* Parallel workers would take longer to start than rows in order take to index. The index has no
 * ranking: equal users then share an entry, which makes it much smaller. */
static bool build_index(Output *output, GError **error)
{
    g_autofree char *sql = g_strdup_printf("SET LOCAL maintenance_work_mem = '256MB';"
                                           "SET LOCAL max_parallel_maintenance_workers = 0;"
                                           "SET LOCAL default_statistics_target = %d;"
                                           "CREATE INDEX ON %s (user_unique_id);"
                                           "ANALYZE %s",
                                           SAMPLE_TARGET, output->loading, output->loading);
    return output_run_long(output->connection, sql, "indexing the output table", output->cancel,
                           error);
}

/* An earlier attempt's partition of this version makes room in the same transaction. */
static char *attach_sql(Output *output, bool replace)
{
    g_autofree char *name = output_partition_name(output->names, output->version);
    g_autofree char *quoted = db_identifier(output->connection, name);
    g_autofree char *partition = output_qualified(output->connection, output->names, name);
    g_autofree char *detach = replace ? g_strdup_printf("ALTER TABLE %s DETACH PARTITION %s;",
                                                        output->names->rows_sql, partition)
                                      : g_strdup("");
    return g_strdup_printf("%sDROP TABLE IF EXISTS %s; ALTER TABLE %s RENAME TO %s;"
                           "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%u)",
                           detach, partition, output->loading, quoted, output->names->rows_sql,
                           partition, output->version);
}

static bool may_publish(const Output *output, GError **error)
{
    return !output->fence || output->fence(output->fence_context, error);
}

/* Waits for locks in short turns, so that readers who come meanwhile get theirs. */
static bool attach(Output *output, GError **error)
{
    PGconn *connection = output->connection;
    for (unsigned tries = 1;; tries++) {
        g_autoptr(GError) failure = NULL;
        if (!may_publish(output, error))
            return false;
        int attached = output_is_attached(connection, output->names, output->version, error);
        if (attached < 0)
            return false;
        g_autofree char *sql = attach_sql(output, attached > 0);
        if (!output_run(connection, "SAVEPOINT attach", "output table", error))
            return false;
        if (output_run(connection, sql, "attaching the version to the output table", &failure))
            return may_publish(output, error);
        if (!g_error_matches(failure, ERROR_DOMAIN, ERR_TIMEOUT) || tries == ATTACH_TRIES) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        if (!output_run(connection, "ROLLBACK TO attach", "output table", error) ||
            !cancel_check(output->cancel, error))
            return false;
        g_usleep(100 * 1000);
    }
}

/* A query that was planned before the partition came and takes its snapshot after the pointer moves
 * would look for a version it has no plan for. So whoever holds the table now may finish, for as
 * long as going from plan to snapshot can take; long readers are past that and not waited for. */
static bool settle(Output *output, GError **error)
{
    static const char holders[] =
        "SELECT array_agg(virtualtransaction) AS holders FROM pg_locks"
        " WHERE relation = to_regclass($1) AND granted AND pid <> pg_backend_pid()";
    static const char remaining[] = "SELECT 1 FROM pg_locks WHERE relation = to_regclass($1)"
                                    " AND virtualtransaction = ANY ($2::text[]) LIMIT 1";
    const char *values[2] = {output->names->rows_sql, NULL};
    g_autoptr(PGresult) first = db_query(output->connection, holders, 1, values, error);
    if (!first)
        return false;
    values[1] = db_text(first, 0, "holders");
    for (unsigned waited = 0; values[1] && waited < SETTLE_MS; waited += SETTLE_EVERY) {
        g_autoptr(PGresult) left = db_query(output->connection, remaining, 2, values, error);
        if (!left)
            return false;
        if (PQntuples(left) == 0)
            return true;
        g_usleep(SETTLE_EVERY * 1000);
    }
    return true;
}

bool output_finish(Output *output, uint64_t *rows, GError **error)
{
    if (!end_copy(output, error) || !build_index(output, error) || !attach(output, error) ||
        !output_run(output->connection, "COMMIT", "output table", error) || !settle(output, error))
        return false;
    *rows = output->rows;
    return true;
}

void output_free(Output *output)
{
    if (!output)
        return;
    /* Closing without a COMMIT takes the partition back. */
    PQfinish(output->connection);
    output_names_free(output->names);
    buffer_clear(&output->chunk);
    buffer_clear(&output->user);
    buffer_clear(&output->user_name);
    g_free(output->loading);
    g_free(output);
}
