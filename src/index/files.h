/* The files of versions in the data folder: <prediction>/v<version>-<attempt>.snapshot, with .part
 * behind while it is written and .damaged once it was found so. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef enum FileKind { FILE_SNAPSHOT, FILE_PART, FILE_DAMAGED } FileKind;

typedef struct VersionFile {
    char *name; /* in the prediction's folder */
    FileKind kind;
    uint32_t version, attempt;
} VersionFile;

/* Whether a prediction's id is safe as a folder's name: [a-z0-9][a-z0-9_-]*, at most 64. */
bool files_is_safe(const char *prediction);

/* Whether `file` is "<prediction>/v<version>-<attempt>.snapshot" with just these. */
bool files_is_of(const char *file, const char *prediction, uint32_t *version);

/* VersionFile of each in the folder, for g_array_unref(); empty when there is no folder. */
GArray *files_list(const char *data_dir, const char *prediction);

/* Ids of the predictions that have a folder, in no order; for g_ptr_array_unref(). */
GPtrArray *files_predictions(const char *data_dir);

/* Removes what a process that ended left half written, CURRENT's and all predictions'. What was
 * written to within the last minutes may be another process's and stays. Returns how many. */
size_t files_remove_parts(const char *data_dir);

/* Makes a folder that may be there. ERR_NO_SPACE, ERR_INTERNAL. */
bool files_make_folder(const char *path, GError **error);
