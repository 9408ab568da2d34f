#include "dataset_sort.h"

#include <math.h>
#include <string.h>

#include "dataset_owner.h"

#include "math/parallel.h"

/* Below this, starting threads costs more than they save. */
#define ROWS_PER_THREAD_MIN 50000
/* Rows that are sorted by insertion before any are merged. */
#define RUN_ROWS            16

/* Of one worker: a band's rows by user. */
typedef struct Scratch {
    BandRow *rows;
    BandRow *merged; /* the lower half of what is being merged */
    uint64_t rows_capacity, merged_capacity;
    uint64_t *cursor; /* of each user of a band: where the next row goes */
} Scratch;

typedef struct BandSort {
    Dataset *dataset;
    Bands *bands;
    uint64_t *begin; /* of each band: its first row in the data set */
    Scratch *scratch;
} BandSort;

static int compare_floats(float a, float b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

/* By time and item. What follows makes the order the same however the database delivered equal
 * rows, and puts purchases before the returns of the same moment. */
static bool is_after(const BandRow *a, const BandRow *b)
{
    if (a->time != b->time)
        return a->time > b->time;
    if (a->item != b->item)
        return a->item > b->item;
    int order = compare_floats(b->quantity, a->quantity);
    return order ? order > 0 : compare_floats(a->price, b->price) > 0;
}

static void sort_by_insertion(BandRow *rows, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        if (!is_after(&rows[i - 1], &rows[i]))
            continue;
        BandRow row = rows[i];
        uint64_t at = i;
        for (; at > 0 && is_after(&rows[at - 1], &row); at--)
            rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

/* rows[0 … middle) and rows[middle … n), each sorted; equal rows keep their order. */
static void merge(BandRow *rows, uint64_t middle, uint64_t n, BandRow *lower)
{
    if (!is_after(&rows[middle - 1], &rows[middle]))
        return;
    memcpy(lower, rows, middle * sizeof *rows);
    uint64_t from = 0, upper = middle;
    for (uint64_t at = 0; from < middle; at++) {
        bool takes_upper = upper < n && is_after(&lower[from], &rows[upper]);
        rows[at] = takes_upper ? rows[upper++] : lower[from++];
    }
}

static bool reserve(BandRow **rows, uint64_t *capacity, uint64_t n, GError **error)
{
    if (n <= *capacity)
        return true;
    g_free(*rows);
    *capacity = 0;
    *rows = g_try_new0(BandRow, n + n / 4);
    if (!*rows)
        return dataset_no_memory(n, error);
    *capacity = n + n / 4;
    return true;
}

/* Lines of an order come together and orders by time, mostly: insertion then moves a row by a few
 * places and merging finds nothing to do. */
static bool sort_rows(BandRow *rows, uint64_t n, Scratch *scratch, GError **error)
{
    for (uint64_t begin = 0; begin < n; begin += RUN_ROWS)
        sort_by_insertion(rows + begin, MIN(RUN_ROWS, n - begin));
    if (n <= RUN_ROWS)
        return true;
    if (!reserve(&scratch->merged, &scratch->merged_capacity, n, error))
        return false;
    for (uint64_t width = RUN_ROWS; width < n; width *= 2)
        for (uint64_t begin = 0; begin + width < n; begin += 2 * width)
            merge(rows + begin, width, MIN(2 * width, n - begin), scratch->merged);
    return true;
}

/* Counts the rows of the band's users and says in cursor and user_start where each begins. */
static void start_users(const Growing *band, uint32_t first, uint32_t n_users, uint64_t begin,
                        uint64_t *cursor, uint64_t *user_start)
{
    const BandRow *rows = band->elements;
    memset(cursor, 0, n_users * sizeof *cursor);
    for (uint64_t i = 0; i < band->n; i++)
        cursor[rows[i].user - first]++;
    uint64_t at = 0;
    for (uint32_t i = 0; i < n_users; i++) {
        uint64_t n = cursor[i];
        cursor[i] = at;
        user_start[first + i] = begin + at;
        at += n;
    }
}

static void place_rows(const Growing *band, uint32_t first, Scratch *scratch)
{
    const BandRow *rows = band->elements;
    for (uint64_t i = 0; i < band->n; i++)
        scratch->rows[scratch->cursor[rows[i].user - first]++] = rows[i];
}

static void write_rows(Interactions *to, uint64_t begin, const BandRow *rows, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        to->user[begin + i] = rows[i].user;
        to->item[begin + i] = rows[i].item;
        to->time[begin + i] = rows[i].time;
        to->quantity[begin + i] = rows[i].quantity;
    }
    for (uint64_t i = 0; to->order && i < n; i++)
        to->order[begin + i] = rows[i].order;
    for (uint64_t i = 0; to->price && i < n; i++)
        to->price[begin + i] = rows[i].price;
}

static bool sort_band(const BandSort *sort, uint32_t number, Scratch *scratch, GError **error)
{
    Dataset *dataset = sort->dataset;
    Growing *band = &sort->bands->bands[number];
    uint32_t first = number << sort->bands->shift;
    uint32_t n_users = MIN(dataset->n_users - first, UINT32_C(1) << sort->bands->shift);
    uint64_t n = band->n, begin = sort->begin[number];
    if (!reserve(&scratch->rows, &scratch->rows_capacity, n, error))
        return false;
    start_users(band, first, n_users, begin, scratch->cursor, dataset->user_start);
    place_rows(band, first, scratch);
    growing_clear(band);
    for (uint64_t i = 0, at = 0; i < n_users; at = scratch->cursor[i++])
        if (!sort_rows(scratch->rows + at, scratch->cursor[i] - at, scratch, error))
            return false;
    write_rows(&dataset->rows, begin, scratch->rows, n);
    return true;
}

static bool sort_bands(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const BandSort *sort = context;
    for (uint64_t i = begin; i < end; i++)
        if (!sort_band(sort, (uint32_t)i, &sort->scratch[worker], error))
            return false;
    return true;
}

static void scratch_free(Scratch *scratch, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        g_free(scratch[i].rows);
        g_free(scratch[i].merged);
        g_free(scratch[i].cursor);
    }
    g_free(scratch);
}

/* Room for all users of a band; NULL with ERR_NO_MEMORY. */
static Scratch *scratch_new(unsigned threads, uint64_t band_users, GError **error)
{
    Scratch *scratch = g_new0(Scratch, threads);
    for (unsigned i = 0; i < threads; i++) {
        scratch[i].cursor = g_try_new(uint64_t, band_users);
        if (scratch[i].cursor)
            continue;
        scratch_free(scratch, threads);
        dataset_no_memory(0, error);
        return NULL;
    }
    return scratch;
}

static bool alloc_rows(Dataset *dataset, const DatasetOptions *options, uint64_t n, GError **error)
{
    Interactions *rows = &dataset->rows;
    rows->n = n;
    dataset->user_start = g_try_new(uint64_t, (size_t)dataset->n_users + 1);
    rows->user = g_try_new(uint32_t, MAX(n, 1));
    rows->item = g_try_new(uint32_t, MAX(n, 1));
    rows->time = g_try_new(int64_t, MAX(n, 1));
    rows->quantity = g_try_new(float, MAX(n, 1));
    bool is_whole = dataset->user_start && rows->user && rows->item && rows->time && rows->quantity;
    if (is_whole && options->has_order)
        is_whole = (rows->order = g_try_new(uint32_t, MAX(n, 1))) != NULL;
    if (is_whole && options->has_price)
        is_whole = (rows->price = g_try_new(float, MAX(n, 1))) != NULL;
    if (is_whole)
        dataset->user_start[dataset->n_users] = n;
    return is_whole || dataset_no_memory(n, error);
}

bool dataset_sort(Dataset *dataset, Bands *bands, const DatasetOptions *options,
                  const Cancel *cancel, GError **error)
{
    g_autofree uint64_t *begin = g_new(uint64_t, bands->n);
    uint64_t n = 0;
    for (uint32_t i = 0; i < bands->n; n += bands->bands[i++].n)
        begin[i] = n;
    if (!alloc_rows(dataset, options, n, error))
        return false;
    unsigned threads =
        (unsigned)CLAMP(n / ROWS_PER_THREAD_MIN, 1, parallel_threads(options->threads));
    Scratch *scratch = scratch_new(threads, UINT64_C(1) << bands->shift, error);
    if (!scratch)
        return false;
    BandSort sort = {dataset, bands, begin, scratch};
    bool is_done = parallel_for(bands->n, 1, threads, sort_bands, &sort, cancel, error);
    scratch_free(scratch, threads);
    if (is_done)
        dataset_set_range(dataset);
    return is_done;
}
