#include "dataset_sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dataset_owner.h"

#include "math/parallel.h"

/* Below this, starting threads costs more than they save. */
#define ROWS_PER_THREAD_MIN 50000
#define USERS_PER_BLOCK     1024

/* The moving of one field of all rows to where their user's rows begin. */
typedef struct Move {
    const GPtrArray *chunks;
    size_t offset;       /* of the field's array in Interactions */
    size_t element_size; /* 4 or 8 */
    uint64_t *cursor;    /* n_users: where the user's next row goes */
    uint32_t *limits;    /* ranges + 1: the users of each range, so that ranges have equal rows */
    void *to;
} Move;

static void *field_of(const Interactions *rows, size_t offset)
{
    return *(void *const *)((const char *)rows + offset);
}

static void move_4(const Interactions *chunk, const uint32_t *from, const Move *move, uint32_t low,
                   uint32_t high)
{
    uint32_t *to = move->to;
    for (uint64_t i = 0; i < chunk->n; i++)
        if (chunk->user[i] >= low && chunk->user[i] < high)
            to[move->cursor[chunk->user[i]]++] = from[i];
}

static void move_8(const Interactions *chunk, const uint64_t *from, const Move *move, uint32_t low,
                   uint32_t high)
{
    uint64_t *to = move->to;
    for (uint64_t i = 0; i < chunk->n; i++)
        if (chunk->user[i] >= low && chunk->user[i] < high)
            to[move->cursor[chunk->user[i]]++] = from[i];
}

/* Each range of users reads all rows and writes its own: no two threads touch one place, and equal
 * keys keep the order they came in. */
static bool move_ranges(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Move *move = context;
    for (uint64_t range = begin; range < end; range++) {
        uint32_t low = move->limits[range], high = move->limits[range + 1];
        for (guint i = 0; i < move->chunks->len; i++) {
            const Interactions *chunk = g_ptr_array_index(move->chunks, i);
            const void *from = field_of(chunk, move->offset);
            if (move->element_size == sizeof(uint64_t))
                move_8(chunk, from, move, low, high);
            else
                move_4(chunk, from, move, low, high);
        }
    }
    return true;
}

static void free_field(const GPtrArray *chunks, size_t offset)
{
    for (guint i = 0; i < chunks->len; i++) {
        void **field = (void **)((char *)g_ptr_array_index(chunks, i) + offset);
        g_clear_pointer(field, g_free);
    }
}

typedef struct Field {
    size_t offset, element_size;
} Field;

#define FIELD(name)                                                                                \
    {                                                                                              \
        offsetof(Interactions, name), sizeof *((Interactions *)NULL)->name                         \
    }

/* All but the user, which says where the others go. */
static const Field fields[] = {FIELD(time), FIELD(item), FIELD(quantity), FIELD(order),
                               FIELD(price)};

static bool move_field(Dataset *dataset, Move *move, const Field *field, unsigned ranges,
                       const Cancel *cancel, GError **error)
{
    uint64_t n = dataset->rows.n;
    move->offset = field->offset;
    move->element_size = field->element_size;
    move->to = g_try_malloc_n(MAX(n, 1), field->element_size);
    if (!move->to)
        return dataset_no_memory(n, error);
    *(void **)((char *)&dataset->rows + field->offset) = move->to;
    memcpy(move->cursor, dataset->user_start, dataset->n_users * sizeof *move->cursor);
    if (!parallel_for(ranges, 1, ranges, move_ranges, move, cancel, error))
        return false;
    free_field(move->chunks, field->offset);
    return true;
}

static bool count_users(Dataset *dataset, const GPtrArray *chunks, GError **error)
{
    dataset->user_start = g_try_new0(uint64_t, (size_t)dataset->n_users + 1);
    if (!dataset->user_start)
        return dataset_no_memory(0, error);
    for (guint i = 0; i < chunks->len; i++) {
        const Interactions *chunk = g_ptr_array_index(chunks, i);
        for (uint64_t row = 0; row < chunk->n; row++)
            dataset->user_start[chunk->user[row] + (size_t)1]++;
        dataset->rows.n += chunk->n;
    }
    for (uint32_t user = 0; user < dataset->n_users; user++)
        dataset->user_start[user + (size_t)1] += dataset->user_start[user];
    return true;
}

/* The first user at whose begin at least `rows` rows lie before. */
static uint32_t user_at(const Dataset *dataset, uint64_t rows)
{
    uint32_t low = 0, high = dataset->n_users;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (dataset->user_start[middle] < rows)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool move_rows(Dataset *dataset, GPtrArray *chunks, const Cancel *cancel, GError **error)
{
    uint64_t n = dataset->rows.n;
    unsigned ranges = (unsigned)CLAMP(n / ROWS_PER_THREAD_MIN, 1, parallel_threads(0));
    g_autofree uint64_t *cursor = g_try_new(uint64_t, MAX(dataset->n_users, 1));
    g_autofree uint32_t *limits = g_new0(uint32_t, ranges + 1);
    if (!cursor)
        return dataset_no_memory(n, error);
    for (unsigned i = 1; i < ranges; i++)
        limits[i] = user_at(dataset, n / ranges * i);
    limits[ranges] = dataset->n_users;
    Move move = {.chunks = chunks, .cursor = cursor, .limits = limits};
    const Interactions *first = chunks->len > 0 ? g_ptr_array_index(chunks, 0) : NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        /* No order or price is mapped; of no rows there are no chunks to tell. */
        if (first && !field_of(first, fields[i].offset))
            continue;
        if (!move_field(dataset, &move, &fields[i], ranges, cancel, error))
            return false;
    }
    g_ptr_array_set_size(chunks, 0);
    return dataset_fill_users(dataset, error);
}

typedef struct SortKey {
    int64_t time;
    uint32_t item;
    uint32_t place; /* before sorting, within the user */
    float quantity, price;
} SortKey;

typedef struct Scratch {
    SortKey *keys;
    uint32_t *orders;
    uint64_t capacity;
} Scratch;

typedef struct UserSort {
    Dataset *dataset;
    Scratch *scratch; /* one per worker */
} UserSort;

static int compare_floats(float a, float b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

/* By time and item. What follows makes the order the same however the database delivered equal
 * rows, and puts purchases before the returns of the same moment. */
static int compare_keys(const void *left, const void *right)
{
    const SortKey *a = left, *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    int order = compare_floats(b->quantity, a->quantity);
    if (order == 0)
        order = compare_floats(a->price, b->price);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static SortKey key_at(const Interactions *rows, uint64_t i, uint32_t place)
{
    return (SortKey){rows->time[i], rows->item[i], place, rows->quantity[i],
                     rows->price ? rows->price[i] : 0};
}

static bool is_sorted(const Interactions *rows, uint64_t begin, uint64_t end)
{
    for (uint64_t i = begin + 1; i < end; i++) {
        if (rows->time[i - 1] < rows->time[i])
            continue;
        SortKey before = key_at(rows, i - 1, 0), after = key_at(rows, i, 1);
        if (compare_keys(&before, &after) > 0)
            return false;
    }
    return true;
}

static bool reserve(Scratch *scratch, uint64_t n, GError **error)
{
    if (n <= scratch->capacity)
        return true;
    SortKey *keys = g_try_renew(SortKey, scratch->keys, 2 * n);
    if (!keys)
        return dataset_no_memory(n, error);
    scratch->keys = keys;
    uint32_t *orders = g_try_renew(uint32_t, scratch->orders, 2 * n);
    if (!orders)
        return dataset_no_memory(n, error);
    scratch->orders = orders;
    scratch->capacity = 2 * n;
    return true;
}

static bool sort_rows(Interactions *rows, uint64_t begin, uint64_t end, Scratch *scratch,
                      GError **error)
{
    uint64_t n = end - begin;
    if (!reserve(scratch, n, error))
        return false;
    for (uint64_t i = 0; i < n; i++)
        scratch->keys[i] = key_at(rows, begin + i, (uint32_t)i);
    qsort(scratch->keys, n, sizeof *scratch->keys, compare_keys);
    if (rows->order)
        memcpy(scratch->orders, rows->order + begin, n * sizeof *rows->order);
    for (uint64_t i = 0; i < n; i++) {
        const SortKey *key = &scratch->keys[i];
        rows->time[begin + i] = key->time;
        rows->item[begin + i] = key->item;
        rows->quantity[begin + i] = key->quantity;
        if (rows->price)
            rows->price[begin + i] = key->price;
        if (rows->order)
            rows->order[begin + i] = scratch->orders[key->place];
    }
    return true;
}

static bool sort_users(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    UserSort *sort = context;
    const uint64_t *start = sort->dataset->user_start;
    Interactions *rows = &sort->dataset->rows;
    for (uint64_t user = begin; user < end; user++) {
        if (is_sorted(rows, start[user], start[user + 1]))
            continue;
        if (!sort_rows(rows, start[user], start[user + 1], &sort->scratch[worker], error))
            return false;
    }
    return true;
}

static bool sort_within_users(Dataset *dataset, const Cancel *cancel, GError **error)
{
    uint64_t wanted = dataset->rows.n / ROWS_PER_THREAD_MIN;
    unsigned threads = (unsigned)CLAMP(wanted, 1, parallel_threads(0));
    g_autofree Scratch *scratch = g_new0(Scratch, threads);
    UserSort sort = {dataset, scratch};
    bool is_done =
        parallel_for(dataset->n_users, USERS_PER_BLOCK, threads, sort_users, &sort, cancel, error);
    for (unsigned i = 0; i < threads; i++) {
        g_free(scratch[i].keys);
        g_free(scratch[i].orders);
    }
    return is_done;
}

bool dataset_sort(Dataset *dataset, GPtrArray *chunks, const Cancel *cancel, GError **error)
{
    if (!count_users(dataset, chunks, error) || !move_rows(dataset, chunks, cancel, error) ||
        !sort_within_users(dataset, cancel, error))
        return false;
    dataset_set_range(dataset);
    return true;
}
