/* Memory that is not there, or a cancel, at any allocation sized by data: GLib's g_try_ functions
 * are replaced by these. For one file of a test program. */
#pragma once

#include <stdlib.h>

#include <glib.h>

#include "base/cancel.h"

static unsigned allocations;        /* since the last start */
static unsigned fail_at, cancel_at; /* numbers of allocations; 0: never */
static Cancel cancel;

static bool refuses(void)
{
    unsigned number = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    if (number == cancel_at)
        cancel_raise(&cancel);
    return number == fail_at;
}

void *g_try_realloc_n(void *memory, gsize n, gsize size)
{
    gsize bytes;
    if (refuses() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return realloc(memory, bytes);
}

void *g_try_malloc_n(gsize n, gsize size)
{
    return g_try_realloc_n(NULL, n, size);
}

void *g_try_malloc0_n(gsize n, gsize size)
{
    return refuses() ? NULL : calloc(n, size);
}

void *g_try_malloc(gsize bytes)
{
    return g_try_malloc_n(bytes, 1);
}

void *g_try_malloc0(gsize bytes)
{
    return g_try_malloc0_n(bytes, 1);
}

void *g_try_realloc(void *memory, gsize bytes)
{
    return g_try_realloc_n(memory, bytes, 1);
}
