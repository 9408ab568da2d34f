/* Kept rows as they stream in, apart by bands of neighbouring users: each band is small enough to
 * be sorted within a processor's cache, and alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "growing.h"

/* Packed: the eight bytes of time would else cost four more a row. */
typedef struct __attribute__((packed, aligned(4))) BandRow {
    int64_t time;
    uint32_t user, item, order;
    float quantity, price;
} BandRow;

typedef struct Bands {
    Growing *bands; /* n of BandRow, in the order they came */
    uint32_t n;
    unsigned shift; /* a band has the users of one user >> shift */
} Bands;

Bands *bands_new(uint32_t n_users);
void bands_free(Bands *bands);

/* The user is below n_users. ERR_NO_MEMORY. */
bool bands_add(Bands *bands, const BandRow *row, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bands, bands_free)
