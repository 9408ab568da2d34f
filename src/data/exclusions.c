#include "exclusions.h"

#include <string.h>

#include "base/error.h"

#define WORD_BITS 64

typedef struct Exclusion {
    int64_t from, to;
    uint64_t *items; /* a bit for each item that is left out; NULL: every line is */
} Exclusion;

struct Exclusions {
    size_t n;
    Exclusion list[];
};

static uint64_t *bits_new(uint32_t n, GError **error)
{
    uint64_t *bits = g_try_new0(uint64_t, n / WORD_BITS + (size_t)1);
    if (!bits)
        error_set(error, ERR_NO_MEMORY, "no memory for the products of an excluded period");
    return bits;
}

static void bits_set(uint64_t *bits, uint32_t number)
{
    bits[number / WORD_BITS] |= UINT64_C(1) << number % WORD_BITS;
}

static bool bits_has(const uint64_t *bits, uint32_t number)
{
    return bits[number / WORD_BITS] >> number % WORD_BITS & 1;
}

/* Sets the bits of the texts that the dictionary has. */
static void set_known(uint64_t *bits, const Ids *ids, const char *const *texts)
{
    for (; *texts; texts++) {
        uint32_t number = ids_find(ids, *texts, strlen(*texts));
        if (number != IDS_NONE)
            bits_set(bits, number);
    }
}

static bool has_any(const Column *column, uint32_t item, const uint64_t *values)
{
    uint32_t n;
    const uint32_t *own = column_values(column, item, &n);
    for (uint32_t i = 0; i < n; i++)
        if (bits_has(values, own[i]))
            return true;
    return false;
}

static bool set_with_value(uint64_t *items, uint32_t n_items, const Column *column,
                           const char *const *values, GError **error)
{
    g_autofree uint64_t *wanted = bits_new(ids_count(column->values), error);
    if (!wanted)
        return false;
    set_known(wanted, column->values, values);
    for (uint32_t item = 0; item < n_items; item++)
        if (has_any(column, item, wanted))
            bits_set(items, item);
    return true;
}

static bool resolve(const Period *period, const Ids *items, const Attributes *attributes,
                    Exclusion *exclusion, GError **error)
{
    *exclusion = (Exclusion){.from = period->from, .to = period->to};
    if (!period->column && !period->ids)
        return true;
    exclusion->items = bits_new(ids_count(items), error);
    if (!exclusion->items)
        return false;
    if (period->ids)
        set_known(exclusion->items, items, period->ids);
    const Column *column = period->column ? attributes_find(attributes, period->column) : NULL;
    return !column ||
           set_with_value(exclusion->items, ids_count(items), column, period->values, error);
}

Exclusions *exclusions_new(const Period *periods, size_t n, const Ids *items,
                           const Attributes *attributes, GError **error)
{
    g_autoptr(Exclusions) exclusions = g_malloc0(sizeof *exclusions + n * sizeof(Exclusion));
    for (size_t i = 0; i < n; i++) {
        exclusions->n = i + 1;
        if (!resolve(&periods[i], items, attributes, &exclusions->list[i], error))
            return NULL;
    }
    return g_steal_pointer(&exclusions);
}

void exclusions_free(Exclusions *exclusions)
{
    if (!exclusions)
        return;
    for (size_t i = 0; i < exclusions->n; i++)
        g_free(exclusions->list[i].items);
    g_free(exclusions);
}

bool exclusions_hold(const Exclusions *exclusions, int64_t time, uint32_t item)
{
    for (size_t i = 0; i < exclusions->n; i++) {
        const Exclusion *exclusion = &exclusions->list[i];
        bool is_within = time >= exclusion->from && time < exclusion->to;
        if (is_within && (!exclusion->items || bits_has(exclusion->items, item)))
            return true;
    }
    return false;
}
