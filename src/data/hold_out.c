#include "data/split.h"

#include <string.h>

#include "base/error.h"
#include "dataset_owner.h"
#include "math/rng.h"

#define STREAM 0x686f6c64u

/* What of one user is put aside. */
typedef struct Draw {
    const Dataset *whole;
    double share;
    uint64_t seed;
    uint32_t *met;  /* n_items: stamp of the user that met it last, */
    uint8_t *aside; /* and whether it is put aside */
    uint32_t *user, *item;
    uint64_t n; /* pairs put aside */
} Draw;

static void draw_clear(Draw *draw)
{
    g_free(draw->met);
    g_free(draw->aside);
    g_free(draw->user);
    g_free(draw->item);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Draw, draw_clear)

static bool draw_init(Draw *draw, GError **error)
{
    uint64_t rows = draw->whole->rows.n;
    draw->met = g_try_new0(uint32_t, MAX(draw->whole->n_items, 1));
    draw->aside = g_try_new0(uint8_t, MAX(draw->whole->n_items, 1));
    draw->user = g_try_new(uint32_t, MAX(rows, 1));
    draw->item = g_try_new(uint32_t, MAX(rows, 1));
    return (draw->met && draw->aside && draw->user && draw->item) || dataset_no_memory(rows, error);
}

/* Draws for every product of the user; one that nobody would keep stays: the first. */
static void draw_user(Draw *draw, uint32_t user)
{
    const Dataset *whole = draw->whole;
    bool keeps_one = false;
    Rng rng;
    rng_init(&rng, draw->seed ^ STREAM, user);
    for (uint64_t r = whole->user_start[user]; r < whole->user_start[user + (size_t)1]; r++) {
        uint32_t item = whole->rows.item[r];
        if (draw->met[item] == user + 1)
            continue;
        draw->met[item] = user + 1;
        draw->aside[item] = rng_uniform(&rng) < draw->share && keeps_one;
        keeps_one = true;
        if (!draw->aside[item])
            continue;
        draw->user[draw->n] = user;
        draw->item[draw->n++] = item;
    }
}

static bool rest_alloc(Dataset *rest, const Dataset *whole, GError **error)
{
    uint64_t n = MAX(whole->rows.n, 1);
    Interactions *rows = &rest->rows;
    rest->user_start = g_try_new0(uint64_t, (size_t)whole->n_users + 1);
    rows->item = g_try_new(uint32_t, n);
    rows->time = g_try_new(int64_t, n);
    rows->quantity = g_try_new(float, n);
    rows->order = whole->rows.order ? g_try_new(uint32_t, n) : NULL;
    rows->price = whole->rows.price ? g_try_new(float, n) : NULL;
    bool is_whole = rest->user_start && rows->item && rows->time && rows->quantity &&
                    (rows->order || !whole->rows.order) && (rows->price || !whole->rows.price);
    return is_whole || dataset_no_memory(whole->rows.n, error);
}

static void keep_row(Interactions *to, const Interactions *from, uint64_t r)
{
    uint64_t at = to->n++;
    to->item[at] = from->item[r];
    to->time[at] = from->time[r];
    to->quantity[at] = from->quantity[r];
    if (to->order)
        to->order[at] = from->order[r];
    if (to->price)
        to->price[at] = from->price[r];
}

static void split_user(Draw *draw, uint32_t user, Dataset *rest)
{
    const Dataset *whole = draw->whole;
    draw_user(draw, user);
    for (uint64_t r = whole->user_start[user]; r < whole->user_start[user + (size_t)1]; r++) {
        if (!draw->aside[whole->rows.item[r]])
            keep_row(&rest->rows, &whole->rows, r);
    }
    rest->user_start[user + (size_t)1] = rest->rows.n;
}

bool hold_out(const Dataset *whole, double share, uint64_t seed, Dataset **rest, Csr **targets,
              GError **error)
{
    g_auto(Draw) draw = {.whole = whole, .share = share, .seed = seed};
    g_autoptr(Dataset) left = dataset_owner_new(whole->shared);
    left->n_orders = whole->n_orders;
    for (; left->n_signals < whole->n_signals; left->n_signals++)
        left->signal[left->n_signals] = dataset_ref(whole->signal[left->n_signals]);
    if (!draw_init(&draw, error) || !rest_alloc(left, whole, error))
        return false;
    for (uint32_t user = 0; user < whole->n_users; user++)
        split_user(&draw, user, left);
    if (!dataset_fill_users(left, error))
        return false;
    dataset_set_range(left);
    g_autofree float *ones = g_try_new(float, MAX(draw.n, 1));
    if (!ones)
        return dataset_no_memory(draw.n, error);
    for (uint64_t i = 0; i < draw.n; i++)
        ones[i] = 1;
    *targets =
        csr_from_triples(whole->n_users, whole->n_items, draw.n, draw.user, draw.item, ones, error);
    if (!*targets)
        return false;
    *rest = g_steal_pointer(&left);
    return true;
}
