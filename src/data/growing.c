#include "growing.h"

#include <string.h>

#include "base/error.h"

#define CAPACITY_MIN 64

void growing_init(Growing *growing, size_t element_size)
{
    *growing = (Growing){.element_size = element_size};
}

void growing_clear(Growing *growing)
{
    g_free(growing->elements);
    growing_init(growing, growing->element_size);
}

bool growing_reserve(Growing *growing, uint64_t extra, GError **error)
{
    if (growing->elements && growing->n + extra <= growing->capacity)
        return true;
    uint64_t capacity = MAX(growing->capacity, CAPACITY_MIN);
    while (capacity < growing->n + extra)
        capacity *= 2;
    void *elements = g_try_realloc_n(growing->elements, capacity, growing->element_size);
    if (!elements) {
        error_set(error, ERR_NO_MEMORY, "no memory for %" G_GUINT64_FORMAT " elements", capacity);
        return false;
    }
    growing->elements = elements;
    growing->capacity = capacity;
    return true;
}

void growing_fill(Growing *growing, const void *element, uint64_t n)
{
    g_assert(growing->n + n <= growing->capacity);
    char *at = (char *)growing->elements + growing->n * growing->element_size;
    for (uint64_t i = 0; i < n; i++, at += growing->element_size)
        memcpy(at, element, growing->element_size);
    growing->n += n;
}

void *growing_steal(Growing *growing, GError **error)
{
    if (!growing_reserve(growing, 0, error))
        return NULL;
    void *elements = growing->elements;
    void *cut = g_try_realloc_n(elements, MAX(growing->n, 1), growing->element_size);
    growing_init(growing, growing->element_size);
    return cut ? cut : elements;
}
