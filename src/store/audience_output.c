#include "store/audience_output.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "output_partition.h"
#include "source_relation.h"
#include "source_session.h"

#define COLUMNS     4 /* that are sent */
#define POINT_TRIES 20

struct AudienceOutput {
    PGconn *connection;
    OutputNames *names;
    KeyType user_type;
    Partition partition;
};

static bool find_key_type(const SourceSettings *source, const Model *users, KeyType *type,
                          GError **error)
{
    g_autoptr(PGconn) session = session_open(source, error);
    g_autoptr(Relation) relation = session ? relation_find(session, users, error) : NULL;
    const RelationColumn *key =
        relation ? relation_require(relation, users, users->primary_key, error) : NULL;
    if (key)
        *type = key_type_of(key->oid);
    return key != NULL;
}

/* The one after that which is read: what stands there was never finished. */
static bool next_build(const AudienceOutput *output, uint32_t *build, GError **error)
{
    int64_t pointed = output_pointed(output->connection, output->names, error);
    *build = pointed < 0 ? 1 : (uint32_t)pointed + 1;
    return pointed != -2;
}

static bool begin_partition(AudienceOutput *output, const AudienceOutputOptions *options,
                            GError **error)
{
    uint32_t build;
    char last_update[CLOCK_TEXT_MAX];
    if (!next_build(output, &build, error))
        return false;
    g_autofree char *defaults =
        g_strdup_printf("ALTER model_version SET DEFAULT %u,"
                        " ALTER last_update_date SET DEFAULT timestamptz '%s'",
                        options->version, clock_format(options->last_update, last_update));
    PartitionPlan plan = {.names = output->names,
                          .number = build,
                          .user_type = output->user_type,
                          .item_type = output->user_type,
                          .defaults = defaults,
                          .copied = "user_unique_id, rank, score, probability",
                          .indexed = {"user_unique_id", "rank"},
                          .cancel = options->cancel,
                          .fence = options->fence,
                          .fence_context = options->fence_context};
    return partition_begin(&output->partition, output->connection, &plan, error);
}

AudienceOutput *audience_output_begin(const SourceSettings *source,
                                      const AudienceOutputOptions *options, GError **error)
{
    g_autoptr(AudienceOutput) output = g_new0(AudienceOutput, 1);
    if (!cancel_check(options->cancel, error) ||
        !find_key_type(source, options->users, &output->user_type, error))
        return NULL;
    output->connection = output_connect(source, error);
    if (!output->connection)
        return NULL;
    output->names =
        output_names_of(output->connection, source, &output_of_audience, options->audience);
    if (!output_prepare(output->connection, output->names, source, output->user_type,
                        output->user_type, error) ||
        !begin_partition(output, options, error))
        return NULL;
    return g_steal_pointer(&output);
}

static bool append_row(AudienceOutput *output, const MemberRow *row, GError **error)
{
    Buffer *chunk = &output->partition.chunk;
    char *at = buffer_extend(chunk, sizeof(uint16_t));
    if (at)
        wire_put16(at, COLUMNS);
    if (!key_encode(output->user_type, row->user, row->user_length, chunk)) {
        g_autofree char *shown = g_utf8_make_valid(row->user, MIN(row->user_length, 60));
        error_set(error, ERR_INVALID, "the user id \"%s\" is not of the output table's type %s",
                  shown, key_type_sql(output->user_type));
        return false;
    }
    bool is_null = isnan(row->probability);
    size_t prefix = sizeof(uint32_t);
    at = buffer_extend(chunk, 3 * prefix + sizeof(uint32_t) + (is_null ? 1 : 2) * sizeof(float));
    if (!at)
        return true; /* the chunk says so when it is sent */
    at = wire_put32(wire_put32(at, sizeof(uint32_t)), row->rank);
    at = wire_put_real(at, row->score);
    if (is_null)
        wire_put32(at, UINT32_MAX);
    else
        wire_put_real(at, row->probability);
    return true;
}

bool audience_output_write(AudienceOutput *output, const MemberRow *rows, size_t n, GError **error)
{
    for (size_t i = 0; i < n; i++)
        if (!append_row(output, &rows[i], error) || !partition_written(&output->partition, error))
            return false;
    return true;
}

bool audience_output_finish(AudienceOutput *output, GError **error)
{
    return partition_finish(&output->partition, error);
}

/* The pointer is every output's: somebody may hold it for a moment. */
static bool point(AudienceOutput *output, GError **error)
{
    for (unsigned tries = 1;; tries++) {
        g_autoptr(GError) failure = NULL;
        if (output_point_to(output->connection, output->names, output->partition.plan.number,
                            &failure))
            return true;
        if (!g_error_matches(failure, ERROR_DOMAIN, ERR_TIMEOUT) || tries == POINT_TRIES) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        g_usleep(100 * 1000);
    }
}

/* The one behind ours may be one that another worker is about to publish. */
bool audience_output_publish(AudienceOutput *output, GError **error)
{
    uint32_t build = output->partition.plan.number;
    if (!point(output, error))
        return false;
    g_autoptr(GError) failure = NULL;
    if (!output_prune_to(output->connection, output->names, (uint32_t[]){build, build + 1}, 2,
                         &failure))
        log_failure("an earlier table of the audience is still there", failure);
    return true;
}

void audience_output_free(AudienceOutput *output)
{
    if (!output)
        return;
    /* Closing without a COMMIT takes the build back. */
    PQfinish(output->connection);
    output_names_free(output->names);
    partition_clear(&output->partition);
    g_free(output);
}

bool audience_output_drop(const SourceSettings *source, const char *audience, GError **error)
{
    g_autoptr(PGconn) connection = output_connect(source, error);
    if (!connection)
        return false;
    g_autoptr(OutputNames) names =
        output_names_of(connection, source, &output_of_audience, audience);
    return output_drop_all(connection, names, error);
}

char *audience_output_name(const SourceSettings *source, const char *audience)
{
    g_autofree char *view = output_base_name(&output_of_audience, audience);
    return g_strconcat(source->output_schema, ".", view, NULL);
}
