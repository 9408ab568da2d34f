#include "store/output.h"

#include <math.h>
#include <string.h>
#include <uuid/uuid.h>

#include <nettle/sha1.h>

#include "base/clock.h"
#include "base/error.h"
#include "output_key.h"
#include "output_partition.h"
#include "source_relation.h"
#include "source_session.h"

#define COLUMNS     7 /* that are sent; the others are the same in all rows of a version */
#define RANK_DIGITS 6

/* Namespace of all predictions' namespaces: a random UUID, fixed for ever. */
static const uuid_t root_namespace = {0x5d, 0x0c, 0x1b, 0xb4, 0x2f, 0x7e, 0x4c, 0x63,
                                      0x9a, 0x41, 0x8e, 0x05, 0xd2, 0x6b, 0xf1, 0x37};

struct Output {
    PGconn *connection;
    OutputNames *names;
    KeyType user_type, item_type;
    Partition partition;
    uuid_t namespace;
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

static bool begin_partition(Output *output, const OutputOptions *options, GError **error)
{
    char last_update[CLOCK_TEXT_MAX];
    g_autofree char *defaults =
        g_strdup_printf("ALTER last_update_date SET DEFAULT timestamptz '%s'",
                        clock_format(options->last_update, last_update));
    /* The index has no ranking: equal users then share an entry, which makes it much smaller. */
    PartitionPlan plan = {.names = output->names,
                          .number = options->version,
                          .user_type = output->user_type,
                          .item_type = output->item_type,
                          .defaults = defaults,
                          .copied = "primary_key, user_unique_id, recommended_item_id, ranking,"
                                    " score, probability, source",
                          .indexed = {"user_unique_id"},
                          .cancel = options->cancel,
                          .fence = options->fence,
                          .fence_context = options->fence_context};
    return partition_begin(&output->partition, output->connection, &plan, error);
}

Output *output_begin(const SourceSettings *source, const OutputOptions *options, GError **error)
{
    g_autoptr(Output) output = g_new0(Output, 1);
    buffer_init(&output->user);
    buffer_init(&output->user_name);
    uuid_generate_sha1(output->namespace, root_namespace, options->prediction,
                       strlen(options->prediction));
    if (!cancel_check(options->cancel, error) || !key_types(source, options, output, error))
        return NULL;
    output->connection = output_connect(source, error);
    if (!output->connection)
        return NULL;
    output->names = output_names_new(output->connection, source, options->prediction);
    if (!output_prepare(output->connection, output->names, source, output->user_type,
                        output->item_type, error) ||
        !begin_partition(output, options, error))
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
    Buffer *chunk = &output->partition.chunk;
    char *at = buffer_extend(chunk, sizeof(uint16_t) + sizeof(uint32_t) + sizeof(uuid_t));
    if (!at)
        return;
    at = wire_put32(wire_put16(at, COLUMNS), sizeof(uuid_t));
    memcpy(at, key, sizeof(uuid_t));
    buffer_append(chunk, output->user.data, output->user.length);
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
    at = wire_put16(wire_put32(at, sizeof(int16_t)), row->ranking);
    at = wire_put_real(at, row->score);
    at = is_null ? wire_put32(at, UINT32_MAX) : wire_put_real(at, row->probability);
    memcpy(wire_put32(at, source_length), row->source, source_length);
}

static bool append_row(Output *output, const OutputRow *row, GError **error)
{
    if (!set_user(output, row, error))
        return false;
    append_keys(output, row->ranking);
    if (!key_encode(output->item_type, row->item, row->item_length, &output->partition.chunk))
        return wrong_key("product", output->item_type, row->item, row->item_length, error);
    append_values(&output->partition.chunk, row);
    return true;
}

static bool check_memory(const Output *output, GError **error)
{
    if (!output->user.failed && !output->user_name.failed)
        return true;
    error_set(error, ERR_NO_MEMORY, "no memory to write the output table");
    return false;
}

bool output_write(Output *output, const OutputRow *rows, size_t n, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        if (!append_row(output, &rows[i], error) || !partition_written(&output->partition, error))
            return false;
    }
    output->rows += n;
    return check_memory(output, error);
}

bool output_finish(Output *output, uint64_t *rows, GError **error)
{
    if (!partition_finish(&output->partition, error))
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
    partition_clear(&output->partition);
    buffer_clear(&output->user);
    buffer_clear(&output->user_name);
    g_free(output);
}
