/* A file of named arrays: written once, then mapped read-only. What a version is stored as; the
 * learners put their arrays into the same file as the index, so neither knows the other's.
 *
 * Layout, little-endian: a header (magic, format version, number of sections, file size, XXH3 of
 * the table), the arrays, each aligned to 64 bytes, and the table of (name, element size, count,
 * offset, XXH3 of the bytes). Written as PATH.part, fsync, rename, fsync of the folder. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"

#define SECTION_NAME_MAX 47

typedef struct SectionsWriter SectionsWriter;
typedef struct Sections Sections;

/* NULL with ERR_NO_SPACE or ERR_INTERNAL. The .part file goes away when the writer is freed without
 * a finish. */
SectionsWriter *sections_writer_new(const char *path, GError **error);
void sections_writer_free(SectionsWriter *writer);

/* Writes one whole array. Names are unique in a file. ERR_NO_SPACE, ERR_INTERNAL. */
bool sections_write(SectionsWriter *writer, const char *name, const void *elements,
                    size_t element_size, uint64_t count, GError **error);

/* Or in pieces: begin, append…, end. */
bool sections_begin(SectionsWriter *writer, const char *name, size_t element_size, GError **error);
bool sections_append(SectionsWriter *writer, const void *elements, uint64_t count, GError **error);
bool sections_end(SectionsWriter *writer, GError **error);

/* Puts `prefix` (at most 15 bytes, "" for none) before the names of the sections begun from now on:
 * what writes its sections under names of its own can then be written several times. */
void sections_writer_set_prefix(SectionsWriter *writer, const char *prefix);

/* Makes the file appear under its name, whole and synced. */
bool sections_finish(SectionsWriter *writer, GError **error);

/* Maps a file and checks header, table and that every section lies within the file: work that does
 * not grow with the file. ERR_DAMAGED, ERR_NOT_FOUND, ERR_NO_MEMORY. For sections_free(). */
Sections *sections_open(const char *path, GError **error);

/* Checks every section's bytes against its checksum (and so prefaults them), and the zeros after
 * it. ERR_DAMAGED names the section; ERR_CANCELLED. */
bool sections_verify(const Sections *sections, const Cancel *cancel, GError **error);

/* The array called `name`, valid as long as `sections`; its number of elements into *count.
 * NULL with ERR_DAMAGED when it is absent or its elements have another size. An empty array gives a
 * pointer that is not NULL. */
const void *sections_get(const Sections *sections, const char *name, size_t element_size,
                         uint64_t *count, GError **error);

/* The sections whose names begin with `prefix`, under what follows it. Borrowed from `sections`, as
 * are the arrays got from it; for sections_free(). */
Sections *sections_under(const Sections *sections, const char *prefix);

/* Writes the sections of a file that was opened, in its order, but for those that `leave_out` is
 * true of. Bytes that are not what was written once are not passed on. ERR_DAMAGED names the
 * section; ERR_CANCELLED, ERR_NO_SPACE, ERR_INTERNAL. */
bool sections_copy(const Sections *sections, SectionsWriter *writer,
                   bool (*leave_out)(const char *name), const Cancel *cancel, GError **error);

bool sections_has(const Sections *sections, const char *name);
uint64_t sections_bytes(const Sections *sections);
void sections_free(Sections *sections);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SectionsWriter, sections_writer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sections, sections_free)
