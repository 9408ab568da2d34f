#include "dataset_bands.h"

/* 20,000 rows a band when there are ten million: about half a megabyte. The ends of many more bands
 * would no longer lie in the nearest cache. */
#define BANDS_MAX      512
#define BAND_USERS_MIN 64

Bands *bands_new(uint32_t n_users)
{
    Bands *bands = g_new0(Bands, 1);
    uint32_t wanted = MAX(n_users / BANDS_MAX, BAND_USERS_MIN);
    while (UINT32_C(1) << bands->shift < wanted)
        bands->shift++;
    bands->n = n_users == 0 ? 0 : ((n_users - 1) >> bands->shift) + 1;
    bands->bands = g_new0(Growing, bands->n);
    for (uint32_t i = 0; i < bands->n; i++)
        growing_init(&bands->bands[i], sizeof(BandRow));
    return bands;
}

void bands_free(Bands *bands)
{
    if (!bands)
        return;
    for (uint32_t i = 0; i < bands->n; i++)
        growing_clear(&bands->bands[i]);
    g_free(bands->bands);
    g_free(bands);
}

bool bands_add(Bands *bands, const BandRow *row, GError **error)
{
    Growing *band = &bands->bands[row->user >> bands->shift];
    if (band->n == band->capacity && !growing_reserve(band, 1, error))
        return false;
    BandRow *rows = band->elements;
    rows[band->n++] = *row;
    return true;
}
