#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define PART_IDLE_S 600 /* nobody who still writes to a file pauses for so long */

static const char *const suffixes[] = {
    [FILE_SNAPSHOT] = ".snapshot",
    [FILE_PART] = ".snapshot.part",
    [FILE_DAMAGED] = ".snapshot.damaged",
};

bool files_is_safe(const char *prediction)
{
    size_t length = strspn(prediction, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return length > 0 && length <= 64 && prediction[length] == '\0' &&
           g_ascii_isalnum(prediction[0]);
}

static bool parse(const char *name, VersionFile *file)
{
    int end = 0;
    if (sscanf(name, "v%" SCNu32 "-%" SCNu32 "%n", &file->version, &file->attempt, &end) != 2)
        return false;
    for (size_t kind = 0; kind < G_N_ELEMENTS(suffixes); kind++) {
        if (strcmp(name + end, suffixes[kind]) != 0)
            continue;
        file->kind = (FileKind)kind;
        return true;
    }
    return false;
}

bool files_is_of(const char *file, const char *prediction, uint32_t *version)
{
    size_t length = strlen(prediction);
    VersionFile parsed;
    if (strncmp(file, prediction, length) != 0 || file[length] != '/' ||
        !parse(file + length + 1, &parsed) || parsed.kind != FILE_SNAPSHOT)
        return false;
    *version = parsed.version;
    return true;
}

static void version_file_clear(void *item)
{
    g_free(((VersionFile *)item)->name);
}

GArray *files_list(const char *data_dir, const char *prediction)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(VersionFile));
    g_array_set_clear_func(list, version_file_clear);
    g_autofree char *folder = g_build_filename(data_dir, prediction, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        VersionFile file = {0};
        if (!parse(name, &file))
            continue;
        file.name = g_strdup(name);
        g_array_append_val(list, file);
    }
    return list;
}

GPtrArray *files_predictions(const char *data_dir)
{
    GPtrArray *predictions = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(data_dir, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (files_is_safe(name))
            g_ptr_array_add(predictions, g_strdup(name));
    return predictions;
}

static size_t remove_when_idle(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           time(NULL) - status.st_mtime > PART_IDLE_S && unlink(path) == 0;
}

size_t files_remove_parts(const char *data_dir)
{
    g_autofree char *current = g_build_filename(data_dir, "CURRENT.part", NULL);
    size_t removed = remove_when_idle(current);
    g_autoptr(GPtrArray) predictions = files_predictions(data_dir);
    for (guint p = 0; p < predictions->len; p++) {
        g_autoptr(GArray) files = files_list(data_dir, predictions->pdata[p]);
        for (guint i = 0; i < files->len; i++) {
            const VersionFile *file = &g_array_index(files, VersionFile, i);
            g_autofree char *path =
                g_build_filename(data_dir, predictions->pdata[p], file->name, NULL);
            removed += file->kind == FILE_PART ? remove_when_idle(path) : 0;
        }
    }
    return removed;
}

bool files_make_folder(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0750) == 0)
        return true;
    int code = errno;
    error_set(error, code == ENOSPC || code == EDQUOT ? ERR_NO_SPACE : ERR_INTERNAL,
              "cannot make the folder %s: %s", path, g_strerror(code));
    return false;
}
