#include <string.h>

#include "base/error.h"
#include "dataset_owner.h"
#include "math/rng.h"

#define STREAM 0x73616d70u

static bool is_drawn(uint32_t user, double share, uint64_t seed)
{
    Rng rng;
    rng_init(&rng, seed ^ STREAM, user);
    return rng_uniform(&rng) < share;
}

/* Fills user_start. */
static bool draw_users(Dataset *part, const Dataset *view, double share, uint64_t seed,
                       GError **error)
{
    part->user_start = g_try_new0(uint64_t, (size_t)view->n_users + 1);
    if (!part->user_start)
        return dataset_no_memory(view->rows.n, error);
    for (uint32_t user = 0; user < view->n_users; user++) {
        uint64_t rows = view->user_start[user + (size_t)1] - view->user_start[user];
        part->user_start[user + (size_t)1] =
            part->user_start[user] + (is_drawn(user, share, seed) ? rows : 0);
    }
    part->rows.n = part->user_start[view->n_users];
    return true;
}

/* An array of the rows of those drawn, or NULL. */
static void *take(const Dataset *part, const Dataset *view, const void *from, size_t size)
{
    char *to = g_try_malloc_n(MAX(part->rows.n, 1), size);
    for (uint32_t user = 0; to && user < view->n_users; user++) {
        uint64_t at = part->user_start[user], n = part->user_start[user + (size_t)1] - at;
        if (n > 0)
            memcpy(to + at * size, (const char *)from + view->user_start[user] * size, n * size);
    }
    return to;
}

static bool take_rows(Dataset *part, const Dataset *view, GError **error)
{
    const Interactions *from = &view->rows;
    Interactions *to = &part->rows;
    to->item = take(part, view, from->item, sizeof *to->item);
    to->time = take(part, view, from->time, sizeof *to->time);
    to->quantity = take(part, view, from->quantity, sizeof *to->quantity);
    to->order = from->order ? take(part, view, from->order, sizeof *to->order) : NULL;
    to->price = from->price ? take(part, view, from->price, sizeof *to->price) : NULL;
    bool is_whole = to->item && to->time && to->quantity && (to->order || !from->order) &&
                    (to->price || !from->price);
    return (is_whole || dataset_no_memory(to->n, error)) && dataset_fill_users(part, error);
}

Dataset *dataset_sample(const Dataset *view, double share, uint64_t seed, GError **error)
{
    g_autoptr(Dataset) part = dataset_owner_new(view->shared);
    part->n_orders = view->n_orders;
    if (!draw_users(part, view, share, seed, error) || !take_rows(part, view, error))
        return NULL;
    for (uint32_t s = 0; s < view->n_signals; s++) {
        part->signal[s] = dataset_sample(view->signal[s], share, seed, error);
        if (!part->signal[s])
            return NULL;
        part->n_signals++;
    }
    dataset_set_range(part);
    return g_steal_pointer(&part);
}
