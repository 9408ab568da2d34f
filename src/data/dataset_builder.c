#include "data/dataset.h"

#include <math.h>
#include <string.h>

#include "dataset_bands.h"
#include "dataset_owner.h"
#include "dataset_sort.h"
#include "drops.h"
#include "exclusions.h"
#include "key_bytes.h"

#include "base/clock.h"
#include "base/error.h"

/* The rows of the target, or of a signal. */
typedef struct Stream {
    Bands *bands; /* NULL before the first event */
    DropCount dropped[DROP_RULES];
} Stream;

struct DatasetBuilder {
    DatasetOptions options;
    Period *excluded; /* behind options.excluded */
    DatasetShared *shared;
    AttributesBuilder *item_attributes, *user_attributes;
    Ids *orders;            /* NULL when not mapped */
    Exclusions *exclusions; /* NULL before the first event: they depend on the products there are */
    uint64_t items_left_out, users_left_out;
    Stream streams[1 + SIGNALS_MAX]; /* the target first */
    Stream *stream;                  /* the one that is filled */
};

/* Keys of a batch of rows; neighbours that are equal, as the lines of one order are, stand once. */
typedef struct Keys {
    size_t n;
    const char *bytes[IDS_BATCH];
    size_t lengths[IDS_BATCH];
    uint32_t numbers[IDS_BATCH];
} Keys;

/* Returns the key's place in keys. */
static uint8_t keys_add(Keys *keys, const char *bytes, size_t length)
{
    size_t last = keys->n - 1;
    bool is_repeated = keys->n > 0 && keys->lengths[last] == length &&
                       bytes_equal(keys->bytes[last], bytes, length);
    if (is_repeated)
        return (uint8_t)last;
    keys->bytes[keys->n] = bytes;
    keys->lengths[keys->n] = length;
    return (uint8_t)keys->n++;
}

static bool is_null(const char *bytes, size_t length)
{
    return !bytes || length == 0;
}

/* Rows of a batch that have a user and a product key, then those that are kept. */
typedef struct Batch {
    const EventRow *rows[IDS_BATCH];
    uint32_t user[IDS_BATCH], item[IDS_BATCH], order[IDS_BATCH];
    size_t n;
} Batch;

static void drop(DatasetBuilder *builder, DropRule rule, const EventRow *row)
{
    bool is_about_user = rule == DROP_NO_PRODUCT || rule == DROP_UNKNOWN_USER;
    if (is_about_user)
        drop_add(&builder->stream->dropped[rule], row->user, row->user_length);
    else
        drop_add(&builder->stream->dropped[rule], row->item, row->item_length);
}

static void find_keys(DatasetBuilder *builder, const EventRow *rows, size_t n, Batch *batch)
{
    uint8_t user_of[IDS_BATCH], item_of[IDS_BATCH];
    Keys users = {0}, items = {0};
    batch->n = 0;
    for (size_t i = 0; i < n; i++) {
        const EventRow *row = &rows[i];
        if (is_null(row->user, row->user_length)) {
            drop(builder, DROP_NO_USER, row);
            continue;
        }
        if (is_null(row->item, row->item_length)) {
            drop(builder, DROP_NO_PRODUCT, row);
            continue;
        }
        user_of[batch->n] = keys_add(&users, row->user, row->user_length);
        item_of[batch->n] = keys_add(&items, row->item, row->item_length);
        batch->rows[batch->n++] = row;
    }
    ids_find_batch(builder->shared->users, users.n, users.bytes, users.lengths, users.numbers);
    ids_find_batch(builder->shared->items, items.n, items.bytes, items.lengths, items.numbers);
    for (size_t i = 0; i < batch->n; i++) {
        batch->user[i] = users.numbers[user_of[i]];
        batch->item[i] = items.numbers[item_of[i]];
    }
}

static int64_t latest(const DatasetOptions *options)
{
    int64_t moment;
    return __builtin_add_overflow(options->now, US_PER_DAY, &moment) ? INT64_MAX : moment;
}

/* The first rule that drops a row, DROP_RULES when none does. */
static DropRule rule_for(const DatasetBuilder *builder, const EventRow *row, uint32_t user,
                         uint32_t item)
{
    const DatasetOptions *options = &builder->options;
    if (user == IDS_NONE)
        return DROP_UNKNOWN_USER;
    if (item == IDS_NONE)
        return DROP_UNKNOWN_PRODUCT;
    if (row->time == INT64_MIN || row->time == INT64_MAX)
        return DROP_NO_TIME;
    if (row->time > latest(options))
        return DROP_FUTURE;
    if (!isfinite(row->quantity) || row->quantity == 0)
        return DROP_BAD_QUANTITY;
    /* INT64_MAX as the end is open, and no time is INT64_MAX here. */
    if (row->time < options->from || row->time >= options->to)
        return DROP_OUTSIDE_PERIOD;
    return exclusions_hold(builder->exclusions, row->time, item) ? DROP_EXCLUDED_PERIOD
                                                                 : DROP_RULES;
}

static void keep_valid(DatasetBuilder *builder, Batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->n; i++) {
        const EventRow *row = batch->rows[i];
        DropRule rule = rule_for(builder, row, batch->user[i], batch->item[i]);
        if (rule != DROP_RULES) {
            drop(builder, rule, row);
            continue;
        }
        batch->rows[kept] = row;
        batch->user[kept] = batch->user[i];
        batch->item[kept] = batch->item[i];
        batch->order[kept++] = IDS_NONE;
    }
    batch->n = kept;
}

static bool number_orders(DatasetBuilder *builder, Batch *batch, GError **error)
{
    uint8_t order_of[IDS_BATCH];
    Keys orders = {0};
    for (size_t i = 0; i < batch->n; i++) {
        const EventRow *row = batch->rows[i];
        if (!is_null(row->order, row->order_length))
            order_of[i] = keys_add(&orders, row->order, row->order_length);
    }
    if (!ids_add_batch(builder->orders, orders.n, orders.bytes, orders.lengths, orders.numbers,
                       error))
        return false;
    for (size_t i = 0; i < batch->n; i++)
        if (!is_null(batch->rows[i]->order, batch->rows[i]->order_length))
            batch->order[i] = orders.numbers[order_of[i]];
    return true;
}

static BandRow band_row(const Batch *batch, size_t i)
{
    const EventRow *row = batch->rows[i];
    return (BandRow){.time = row->time,
                     .user = batch->user[i],
                     .item = batch->item[i],
                     .order = batch->order[i],
                     .quantity = row->quantity,
                     .price = isfinite(row->price) ? row->price : NAN};
}

static bool append_batch(DatasetBuilder *builder, const Batch *batch, GError **error)
{
    for (size_t i = 0; i < batch->n; i++) {
        BandRow row = band_row(batch, i);
        if (!bands_add(builder->stream->bands, &row, error))
            return false;
    }
    return true;
}

/* A key that is new, else IDS_NONE. */
static uint32_t add_new(Ids *ids, const char *key, size_t length, uint64_t *left_out,
                        GError **error)
{
    if (is_null(key, length)) {
        (*left_out)++;
        return IDS_NONE;
    }
    uint32_t count = ids_count(ids);
    uint32_t number = ids_add(ids, key, length, error);
    if (number != IDS_NONE && number < count) {
        (*left_out)++;
        return IDS_NONE;
    }
    return number;
}

static Attributes *finish_attributes(AttributesBuilder *attributes, const Ids *ids, GError **error)
{
    if (attributes)
        return attributes_builder_finish(attributes, ids_count(ids), error);
    g_autoptr(AttributesBuilder) no_columns = attributes_builder_new(0, NULL, NULL, NULL);
    return attributes_builder_finish(no_columns, ids_count(ids), error);
}

static void leave_out(Attributes *attributes, const char *const *wanted)
{
    for (size_t c = 0; wanted && c < attributes->n_columns; c++)
        attributes->columns[c].is_left_out = !g_strv_contains(wanted, attributes->columns[c].name);
}

static bool finish_shared(DatasetBuilder *builder, GError **error)
{
    DatasetShared *shared = builder->shared;
    shared->item_attributes = finish_attributes(builder->item_attributes, shared->items, error);
    if (!shared->item_attributes)
        return false;
    leave_out(shared->item_attributes, builder->options.attributes);
    shared->user_attributes = finish_attributes(builder->user_attributes, shared->users, error);
    return shared->user_attributes != NULL;
}

/* Before the first event, when all users and products are in. */
static bool begin_events(DatasetBuilder *builder, GError **error)
{
    const DatasetShared *shared = builder->shared;
    if (!finish_shared(builder, error))
        return false;
    builder->exclusions = exclusions_new(builder->excluded, builder->options.n_excluded,
                                         shared->items, shared->item_attributes, error);
    if (!builder->exclusions)
        return false;
    for (uint32_t s = 0; s <= shared->n_signals; s++)
        builder->streams[s].bands = bands_new(ids_count(shared->users));
    return true;
}

DatasetBuilder *dataset_builder_new(const DatasetOptions *options,
                                    AttributesBuilder *takes_item_attributes,
                                    AttributesBuilder *takes_user_attributes)
{
    DatasetBuilder *builder = g_new0(DatasetBuilder, 1);
    builder->options = *options;
    builder->excluded = g_memdup2(options->excluded, options->n_excluded * sizeof(Period));
    builder->options.excluded = builder->excluded;
    builder->shared = shared_new();
    builder->shared->users = ids_new();
    builder->shared->items = ids_new();
    builder->shared->n_signals = (uint32_t)options->n_signals;
    g_assert(options->n_signals <= SIGNALS_MAX);
    if (options->n_signals > 0)
        memcpy(builder->shared->signals, options->signals,
               options->n_signals * sizeof *options->signals);
    builder->stream = &builder->streams[0];
    builder->item_attributes = takes_item_attributes;
    builder->user_attributes = takes_user_attributes;
    builder->orders = options->has_order ? ids_new() : NULL;
    return builder;
}

void dataset_builder_free(DatasetBuilder *builder)
{
    if (!builder)
        return;
    g_free(builder->excluded);
    shared_unref(builder->shared);
    attributes_builder_free(builder->item_attributes);
    attributes_builder_free(builder->user_attributes);
    ids_free(builder->orders);
    exclusions_free(builder->exclusions);
    for (size_t s = 0; s < G_N_ELEMENTS(builder->streams); s++) {
        bands_free(builder->streams[s].bands);
        drops_clear(builder->streams[s].dropped);
    }
    g_free(builder);
}

uint32_t dataset_builder_add_item(DatasetBuilder *builder, const char *key, size_t length,
                                  GError **error)
{
    return add_new(builder->shared->items, key, length, &builder->items_left_out, error);
}

uint32_t dataset_builder_add_user(DatasetBuilder *builder, const char *key, size_t length,
                                  GError **error)
{
    g_assert(!builder->exclusions);
    return add_new(builder->shared->users, key, length, &builder->users_left_out, error);
}

AttributesBuilder *dataset_builder_item_attributes(DatasetBuilder *builder)
{
    return builder->item_attributes;
}

AttributesBuilder *dataset_builder_user_attributes(DatasetBuilder *builder)
{
    return builder->user_attributes;
}

bool dataset_builder_add_events(DatasetBuilder *builder, const EventRow *rows, size_t n,
                                GError **error)
{
    g_assert(n <= IDS_BATCH);
    if (!builder->exclusions && !begin_events(builder, error))
        return false;
    Batch batch;
    find_keys(builder, rows, n, &batch);
    keep_valid(builder, &batch);
    bool is_target = builder->stream == &builder->streams[0];
    if (is_target && builder->orders && !number_orders(builder, &batch, error))
        return false;
    return append_batch(builder, &batch, error);
}

bool dataset_builder_begin_signal(DatasetBuilder *builder, uint32_t signal, GError **error)
{
    g_assert(signal < builder->shared->n_signals);
    builder->stream = &builder->streams[1 + signal];
    return builder->exclusions || begin_events(builder, error);
}

static bool finish_signal(DatasetBuilder *builder, Dataset *dataset, uint32_t signal,
                          const Cancel *cancel, GError **error)
{
    Stream *stream = &builder->streams[1 + signal];
    DatasetOptions options = builder->options;
    options.has_order = options.has_price = false;
    Dataset *rows = dataset->signal[signal] = dataset_owner_new(builder->shared);
    dataset->n_signals = signal + 1;
    drops_copy(rows->dropped, stream->dropped);
    return dataset_sort(rows, stream->bands, &options, cancel, error);
}

Dataset *dataset_builder_finish(DatasetBuilder *builder, const Cancel *cancel, GError **error)
{
    if (!builder->exclusions && !begin_events(builder, error))
        return NULL;
    g_autoptr(Dataset) dataset = dataset_owner_new(builder->shared);
    dataset->n_orders = builder->orders ? ids_count(builder->orders) : 0;
    dataset->users_left_out = builder->users_left_out;
    dataset->items_left_out = builder->items_left_out;
    drops_copy(dataset->dropped, builder->streams[0].dropped);
    /* From here on only the numbers of orders count: their text goes before sorting needs memory.
     */
    g_clear_pointer(&builder->orders, ids_free);
    if (!dataset_sort(dataset, builder->streams[0].bands, &builder->options, cancel, error))
        return NULL;
    for (uint32_t s = 0; s < builder->shared->n_signals; s++)
        if (!finish_signal(builder, dataset, s, cancel, error))
            return NULL;
    return g_steal_pointer(&dataset);
}
