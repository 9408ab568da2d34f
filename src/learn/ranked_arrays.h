/* An array that is either our own or borrowed from a mapped file: what is kept for serving is
 * listed once, and saved, loaded and freed from that list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/sections.h"

#define ARRAYS_MAX 112

typedef struct KeptArray {
    char name[40];   /* of its section */
    const void **at; /* the owner's pointer to it */
    size_t element_size;
    uint64_t count;
} KeptArray;

typedef struct KeptArrays {
    size_t n;
    KeptArray array[ARRAYS_MAX];
} KeptArrays;

/* Adds one; `name` as by printf. */
void kept_add(KeptArrays *arrays, const void *at, size_t element_size, uint64_t count,
              const char *name, ...) G_GNUC_PRINTF(5, 6);

bool kept_save(const KeptArrays *arrays, SectionsWriter *writer, GError **error);

/* Points every owner at its section. ERR_DAMAGED when one is absent or of another length. */
bool kept_load(const KeptArrays *arrays, const Sections *sections, GError **error);

void kept_free(const KeptArrays *arrays);

/* What a loaded array is used as must fit, whatever the file holds: start[0 … rows] ascends from 0
 * to n; numbers[0 … n-1] are below `limit`. */
bool kept_starts_fit(const uint64_t *start, uint64_t rows, uint64_t n);
bool kept_all_below(const uint32_t *numbers, uint64_t n, uint32_t limit);

/* g_try_malloc0 of n elements, at least one; NULL with ERR_NO_MEMORY. */
void *kept_new0(uint64_t n, size_t element_size, GError **error);
