/* Dictionary between the shop's ids (bytes, of any length) and dense numbers 0 … n-1, in
 * order of first appearance. Open addressing over XXH3 with the bytes in one arena. The arrays are
 * flat, so a dictionary is stored as sections and used in place from a mapped file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/sections.h"

#define IDS_NONE  UINT32_MAX
#define IDS_BATCH 64

typedef struct Ids Ids;

Ids *ids_new(void); /* growable */
void ids_free(Ids *ids);

/* Numbers of n ≤ IDS_BATCH ids into numbers, adding those that are new; with prefetch across the
 * batch. False with ERR_NO_MEMORY. */
bool ids_add_batch(Ids *ids, size_t n, const char *const *bytes, const size_t *lengths,
                   uint32_t *numbers, GError **error);

/* One id; IDS_NONE with ERR_NO_MEMORY. */
uint32_t ids_add(Ids *ids, const char *bytes, size_t length, GError **error);

/* Like add, but IDS_NONE for an unknown id. Thread-safe on a dictionary that nobody adds to. */
uint32_t ids_find(const Ids *ids, const char *bytes, size_t length);
void ids_find_batch(const Ids *ids, size_t n, const char *const *bytes, const size_t *lengths,
                    uint32_t *numbers);

/* The bytes of number < count (of a damaged file, or beyond it: an empty id), not NUL-terminated,
 * borrowed from ids. */
const char *ids_get(const Ids *ids, uint32_t number, size_t *length);

/* Asks memory for the ids of n numbers at once, so that ids_get() need not wait for each. */
void ids_prefetch(const Ids *ids, const uint32_t *numbers, size_t n);

/* The number that an id most likely has, for asking memory for what belongs to it before ids_find()
 * has compared the bytes; of an unknown id any number, also beyond count. */
uint32_t ids_guess(const Ids *ids, const char *bytes, size_t length);

uint32_t ids_count(const Ids *ids);

/* Stores the arrays as sections "<prefix>.slots", ".starts", ".bytes". */
bool ids_save(const Ids *ids, SectionsWriter *writer, const char *prefix, GError **error);

/* A read-only dictionary over a mapped file, borrowed from sections; every look-up stays within the
 * arrays whatever they hold. ERR_DAMAGED. */
Ids *ids_map(const Sections *sections, const char *prefix, GError **error);

/* Bytes held. */
uint64_t ids_bytes(const Ids *ids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ids, ids_free)
