#include <math.h>
#include <string.h>

#include "base/error.h"
#include "calibration.h"
#include "ranked_arrays.h"

typedef struct StoredHead {
    uint32_t n_items, n_bands;
    uint32_t by_item, zero;
    float level, zero_too;
} StoredHead;

bool calibration_save(const Calibration *calibration, SectionsWriter *writer, GError **error)
{
    StoredHead head = {.n_items = calibration->n_items,
                       .n_bands = calibration->n_bands,
                       .by_item = calibration->by_item,
                       .level = calibration->level};
    return sections_write(writer, "calibration.head", &head, sizeof head, 1, error) &&
           sections_write(writer, "calibration.curve", calibration->curve, sizeof(Curve),
                          calibration->n_bands, error) &&
           sections_write(writer, "calibration.band", calibration->band, 1, calibration->n_items,
                          error) &&
           sections_write(writer, "calibration.shift", calibration->shift, sizeof(float),
                          calibration->n_items, error);
}

static bool is_curve(const Curve *curve)
{
    if (curve->n == 0 || curve->n > KNOTS_MAX)
        return false;
    for (uint32_t k = 0; k < curve->n; k++) {
        if (!isfinite(curve->x[k]) || !isfinite(curve->y[k]) ||
            (k > 0 && !(curve->x[k] > curve->x[k - 1])))
            return false;
    }
    return true;
}

static bool is_sound(const Calibration *calibration)
{
    if (!isfinite(calibration->level))
        return false;
    for (uint32_t b = 0; b < calibration->n_bands; b++) {
        if (!is_curve(&calibration->curve[b]))
            return false;
    }
    for (uint32_t item = 0; item < calibration->n_items; item++) {
        if (calibration->band[item] >= calibration->n_bands || !isfinite(calibration->shift[item]))
            return false;
    }
    return true;
}

static bool damaged(GError **error)
{
    error_set(error, ERR_DAMAGED, "the calibration does not fit its file");
    return false;
}

/* Copies: small, and used long after the check. */
static bool copy(void *to, const Sections *sections, const char *name, size_t size, uint64_t count,
                 GError **error)
{
    uint64_t n;
    const void *elements = sections_get(sections, name, size, &n, error);
    if (!elements)
        return false;
    if (n != count)
        return damaged(error);
    memcpy(to, elements, size * count);
    return true;
}

bool calibration_load(const Sections *sections, uint32_t n_items, Calibration **calibration,
                      GError **error)
{
    StoredHead head;
    *calibration = NULL;
    if (!sections_has(sections, "calibration.head"))
        return true;
    if (!copy(&head, sections, "calibration.head", sizeof head, 1, error))
        return false;
    if (head.n_items != n_items || head.n_bands == 0 || head.n_bands > BANDS_MAX)
        return damaged(error);
    g_autoptr(Calibration) loaded = g_new0(Calibration, 1);
    loaded->n_items = n_items;
    loaded->n_bands = head.n_bands;
    loaded->by_item = head.by_item != 0;
    loaded->level = head.level;
    loaded->band = kept_new0(n_items, 1, error);
    loaded->shift = kept_new0(n_items, sizeof(float), error);
    if (!loaded->band || !loaded->shift ||
        !copy(loaded->curve, sections, "calibration.curve", sizeof(Curve), head.n_bands, error) ||
        !copy(loaded->band, sections, "calibration.band", 1, n_items, error) ||
        !copy(loaded->shift, sections, "calibration.shift", sizeof(float), n_items, error))
        return false;
    if (!is_sound(loaded))
        return damaged(error);
    *calibration = g_steal_pointer(&loaded);
    return true;
}
