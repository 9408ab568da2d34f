#include "ranked_arrays.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

void kept_add(KeptArrays *arrays, const void *at, size_t element_size, uint64_t count,
              const char *name, ...)
{
    g_assert(arrays->n < ARRAYS_MAX);
    KeptArray *array = &arrays->array[arrays->n++];
    *array = (KeptArray){.at = (const void **)at, .element_size = element_size, .count = count};
    va_list values;
    va_start(values, name);
    vsnprintf(array->name, sizeof array->name, name, values);
    va_end(values);
}

bool kept_save(const KeptArrays *arrays, SectionsWriter *writer, GError **error)
{
    for (size_t i = 0; i < arrays->n; i++) {
        const KeptArray *array = &arrays->array[i];
        if (!sections_write(writer, array->name, *array->at, array->element_size, array->count,
                            error))
            return false;
    }
    return true;
}

bool kept_load(const KeptArrays *arrays, const Sections *sections, GError **error)
{
    for (size_t i = 0; i < arrays->n; i++) {
        const KeptArray *array = &arrays->array[i];
        uint64_t count;
        *array->at = sections_get(sections, array->name, array->element_size, &count, error);
        if (!*array->at)
            return false;
        if (count != array->count) {
            error_set(error, ERR_DAMAGED,
                      "\"%s\" has %" G_GUINT64_FORMAT " elements, expected "
                      "%" G_GUINT64_FORMAT,
                      array->name, count, array->count);
            return false;
        }
    }
    return true;
}

void kept_free(const KeptArrays *arrays)
{
    for (size_t i = 0; i < arrays->n; i++)
        g_free((void *)*arrays->array[i].at);
}

void *kept_new0(uint64_t n, size_t element_size, GError **error)
{
    void *memory = g_try_malloc0_n(MAX(n, 1), element_size);
    if (!memory)
        error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " elements", n);
    return memory;
}

bool kept_starts_fit(const uint64_t *start, uint64_t rows, uint64_t n)
{
    bool sound = start[0] == 0 && start[rows] == n;
    for (uint64_t row = 0; row < rows; row++)
        sound &= start[row] <= start[row + 1];
    return sound;
}

bool kept_all_below(const uint32_t *numbers, uint64_t n, uint32_t limit)
{
    bool sound = true;
    for (uint64_t i = 0; i < n; i++)
        sound &= numbers[i] < limit;
    return sound;
}
