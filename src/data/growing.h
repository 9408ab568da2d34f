/* An array that grows by doubling while its length is not known; large ones move by remapping
 * pages, so that growing does not hold them twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct Growing {
    void *elements;
    uint64_t n, capacity;
    size_t element_size;
} Growing;

void growing_init(Growing *growing, size_t element_size);
void growing_clear(Growing *growing);

/* Room for `extra` more elements. ERR_NO_MEMORY. */
bool growing_reserve(Growing *growing, uint64_t extra, GError **error);

/* Appends n copies of one element; room was reserved. */
void growing_fill(Growing *growing, const void *element, uint64_t n);

/* Hands the array out, for g_free(), cut to its length; never NULL. ERR_NO_MEMORY. */
void *growing_steal(Growing *growing, GError **error);
