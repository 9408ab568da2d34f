/* CURRENT in the data folder: which file serves each prediction and which one served before. Small,
 * written whole (.part, fsync, rename, fsync of the folder), read once at the start. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct ManifestEntry {
    char *prediction;
    char *file;     /* relative to the data folder */
    char *previous; /* or NULL */
} ManifestEntry;

/* Of ManifestEntry, which it owns; for g_ptr_array_unref(). */
GPtrArray *manifest_new(void);

/* Empty when there is no CURRENT yet. Entries that are not well-formed are left out. ERR_DAMAGED,
 * ERR_INTERNAL. */
GPtrArray *manifest_read(const char *data_dir, GError **error);

/* What the folders of the predictions hold, for when CURRENT cannot be read: the newest file of
 * each as the one that serves, the one before as previous. Whether they are whole is not looked at.
 */
GPtrArray *manifest_rebuild(const char *data_dir);

/* Keeps other processes (the sub-command train beside the service) from changing CURRENT between a
 * read and a write, until close() of what it returns; -1 where the file system cannot lock. */
int manifest_lock(const char *data_dir);

/* ERR_NO_SPACE, ERR_INTERNAL. */
bool manifest_write(const char *data_dir, const GPtrArray *manifest, GError **error);

/* NULL when there is none. */
ManifestEntry *manifest_find(const GPtrArray *manifest, const char *prediction);

/* Sets or adds; copies. `previous` may be NULL. */
void manifest_set(GPtrArray *manifest, const char *prediction, const char *file,
                  const char *previous);
void manifest_remove(GPtrArray *manifest, const char *prediction);
