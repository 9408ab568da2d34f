/* Encoding the ids of rows: our dictionary in batches against GHashTable, and the whole of adding
 * order lines to a data set and sorting them. One run, in nanoseconds a row and as a ratio.
 *   bench_ids [ROWS]     default 4,000,000 rows of 500,000 users, drawn evenly */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "math/rng.h"

#define USERS    500000
#define PRODUCTS 50000
#define WIDTH    16 /* bytes of an id in a row, NUL-terminated */

/* Rows as they stream in: the text of a row's user lies behind that of the row before. */
typedef struct Stream {
    char *text;
    uint64_t n;
} Stream;

static void stop(const char *what)
{
    fprintf(stderr, "bench_ids: %s\n", what);
    exit(1);
}

static Stream make_stream(uint64_t n)
{
    Stream stream = {g_try_malloc_n(n, WIDTH), n};
    if (!stream.text)
        stop("no memory");
    Rng rng;
    rng_init(&rng, 1, 0);
    for (uint64_t i = 0; i < n; i++)
        snprintf(stream.text + i * WIDTH, WIDTH, "user-%u", rng_below(&rng, USERS));
    return stream;
}

static double ns_per_row(int64_t since, uint64_t n)
{
    return (double)(clock_ticks_ns() - since) / (double)n;
}

static double encode_ours(const Stream *stream, uint64_t *sum)
{
    int64_t begin = clock_ticks_ns();
    g_autoptr(Ids) ids = ids_new();
    for (uint64_t i = 0; i + IDS_BATCH <= stream->n; i += IDS_BATCH) {
        const char *bytes[IDS_BATCH];
        size_t lengths[IDS_BATCH];
        uint32_t numbers[IDS_BATCH];
        for (int j = 0; j < IDS_BATCH; j++) {
            bytes[j] = stream->text + (i + (uint64_t)j) * WIDTH;
            lengths[j] = strlen(bytes[j]);
        }
        if (!ids_add_batch(ids, IDS_BATCH, bytes, lengths, numbers, NULL))
            stop("no memory");
        for (int j = 0; j < IDS_BATCH; j++)
            *sum += numbers[j];
    }
    return ns_per_row(begin, stream->n);
}

static double encode_glib(const Stream *stream, uint64_t *sum)
{
    int64_t begin = clock_ticks_ns();
    g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (uint64_t i = 0; i + IDS_BATCH <= stream->n; i++) {
        const char *key = stream->text + i * WIDTH;
        gpointer number;
        if (!g_hash_table_lookup_extended(table, key, NULL, &number)) {
            number = GUINT_TO_POINTER(g_hash_table_size(table));
            g_hash_table_insert(table, g_strdup(key), number);
        }
        *sum += GPOINTER_TO_UINT(number);
    }
    return ns_per_row(begin, stream->n);
}

static DatasetBuilder *make_builder(void)
{
    const DatasetOptions options = {.now = INT64_MAX - 1, .from = INT64_MIN, .to = INT64_MAX};
    DatasetBuilder *builder = dataset_builder_new(&options, NULL, NULL);
    char id[WIDTH];
    for (unsigned i = 0; i < USERS; i++)
        dataset_builder_add_user(builder, id, (size_t)snprintf(id, WIDTH, "user-%u", i), NULL);
    for (unsigned i = 0; i < PRODUCTS; i++)
        dataset_builder_add_item(builder, id, (size_t)snprintf(id, WIDTH, "item-%u", i), NULL);
    return builder;
}

/* Products repeat in a short cycle of texts, so that making them costs nothing. */
static void add_rows(DatasetBuilder *builder, const Stream *stream, char (*items)[WIDTH])
{
    EventRow rows[IDS_BATCH];
    for (uint64_t i = 0; i + IDS_BATCH <= stream->n; i += IDS_BATCH) {
        for (uint64_t j = 0; j < IDS_BATCH; j++) {
            const char *user = stream->text + (i + j) * WIDTH;
            const char *item = items[(i + j) * 7919 % PRODUCTS];
            rows[j] = (EventRow){.user = user,
                                 .item = item,
                                 .user_length = (uint32_t)strlen(user),
                                 .item_length = (uint32_t)strlen(item),
                                 .time = (int64_t)(i + j),
                                 .quantity = 1,
                                 .price = NAN};
        }
        if (!dataset_builder_add_events(builder, rows, IDS_BATCH, NULL))
            stop("no memory");
    }
}

static void bench_dataset(const Stream *stream)
{
    g_autoptr(DatasetBuilder) builder = make_builder();
    g_autofree char(*items)[WIDTH] = g_malloc_n(PRODUCTS, WIDTH);
    for (unsigned i = 0; i < PRODUCTS; i++)
        snprintf(items[i], WIDTH, "item-%u", i);
    int64_t begin = clock_ticks_ns();
    add_rows(builder, stream, items);
    double added = ns_per_row(begin, stream->n);
    begin = clock_ticks_ns();
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    double sorted = ns_per_row(begin, stream->n);
    if (!raw)
        stop("no memory");
    begin = clock_ticks_ns();
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    double netted = ns_per_row(begin, stream->n);
    printf("data set: add %.1f ns a row, sort %.1f, net %.1f\n", added, sorted, netted);
}

int main(int argc, char **argv)
{
    error_init();
    uint64_t n = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 4000000;
    Stream stream = make_stream(n);
    uint64_t ours_sum = 0, glib_sum = 0;
    double ours = encode_ours(&stream, &ours_sum);
    double glib = encode_glib(&stream, &glib_sum);
    if (n % IDS_BATCH == 0 && n > 0 && ours_sum == 0)
        stop("nothing was encoded");
    printf("encode: ours %.1f ns a row, GHashTable %.1f; ratio %.2f\n", ours, glib, ours / glib);
    bench_dataset(&stream);
    g_free(stream.text);
    return 0;
}
