#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "files.h"

#define MANIFEST_NAME   "CURRENT"
#define MANIFEST_FORMAT 1

static void entry_free(void *item)
{
    ManifestEntry *entry = item;
    g_free(entry->prediction);
    g_free(entry->file);
    g_free(entry->previous);
    g_free(entry);
}

GPtrArray *manifest_new(void)
{
    return g_ptr_array_new_with_free_func(entry_free);
}

ManifestEntry *manifest_find(const GPtrArray *manifest, const char *prediction)
{
    for (guint i = 0; i < manifest->len; i++) {
        ManifestEntry *entry = manifest->pdata[i];
        if (strcmp(entry->prediction, prediction) == 0)
            return entry;
    }
    return NULL;
}

void manifest_set(GPtrArray *manifest, const char *prediction, const char *file,
                  const char *previous)
{
    ManifestEntry *entry = g_new0(ManifestEntry, 1);
    entry->prediction = g_strdup(prediction);
    entry->file = g_strdup(file);
    entry->previous = g_strdup(previous);
    manifest_remove(manifest, prediction);
    g_ptr_array_add(manifest, entry);
}

void manifest_remove(GPtrArray *manifest, const char *prediction)
{
    ManifestEntry *entry = manifest_find(manifest, prediction);
    if (entry)
        g_ptr_array_remove(manifest, entry);
}

static void read_entry(GPtrArray *manifest, const cJSON *row)
{
    const char *prediction = json_member_string(row, "prediction");
    const char *file = json_member_string(row, "file");
    const char *previous = json_member_string(row, "previous");
    uint32_t version;
    if (!prediction || !file || !files_is_safe(prediction) ||
        !files_is_of(file, prediction, &version))
        return;
    if (previous && !files_is_of(previous, prediction, &version))
        previous = NULL;
    manifest_set(manifest, prediction, file, previous);
}

GPtrArray *manifest_read(const char *data_dir, GError **error)
{
    g_autofree char *path = g_build_filename(data_dir, MANIFEST_NAME, NULL);
    g_autofree char *text = NULL;
    gsize length;
    GError *failure = NULL;
    g_autoptr(GPtrArray) manifest = manifest_new();
    if (!g_file_get_contents(path, &text, &length, &failure)) {
        bool absent = g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        if (!absent)
            error_set(error, ERR_INTERNAL, "cannot read %s: %s", path, failure->message);
        g_clear_error(&failure);
        return absent ? g_steal_pointer(&manifest) : NULL;
    }
    g_autoptr(cJSON) json = json_parse(text, length, NULL);
    const cJSON *rows = json ? json_member(json, "predictions") : NULL;
    if (!cJSON_IsArray(rows) || json_member_number(json, "format", 0) != MANIFEST_FORMAT) {
        error_set(error, ERR_DAMAGED, "%s is damaged or of another program version", path);
        return NULL;
    }
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) read_entry(manifest, row);
    return g_steal_pointer(&manifest);
}

static bool is_newer(const VersionFile *file, const VersionFile *than)
{
    if (!than || file->version != than->version)
        return !than || file->version > than->version;
    return file->attempt > than->attempt;
}

static char *relative(const char *prediction, const VersionFile *file)
{
    return file ? g_strdup_printf("%s/%s", prediction, file->name) : NULL;
}

static void rebuild_entry(GPtrArray *manifest, const char *data_dir, const char *prediction)
{
    g_autoptr(GArray) files = files_list(data_dir, prediction);
    const VersionFile *newest = NULL, *second = NULL;
    for (guint i = 0; i < files->len; i++) {
        const VersionFile *file = &g_array_index(files, VersionFile, i);
        if (file->kind != FILE_SNAPSHOT)
            continue;
        if (is_newer(file, newest)) {
            second = newest;
            newest = file;
        } else if (is_newer(file, second))
            second = file;
    }
    g_autofree char *file = relative(prediction, newest);
    g_autofree char *previous = relative(prediction, second);
    if (file)
        manifest_set(manifest, prediction, file, previous);
}

GPtrArray *manifest_rebuild(const char *data_dir)
{
    g_autoptr(GPtrArray) manifest = manifest_new();
    g_autoptr(GPtrArray) predictions = files_predictions(data_dir);
    for (guint i = 0; i < predictions->len; i++)
        rebuild_entry(manifest, data_dir, predictions->pdata[i]);
    return g_steal_pointer(&manifest);
}

int manifest_lock(const char *data_dir)
{
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        close(fd);
        fd = -1;
    }
    return fd;
}

static void write_text(const GPtrArray *manifest, Buffer *out)
{
    JsonWriter writer;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_key(&writer, "format");
    json_int(&writer, MANIFEST_FORMAT);
    json_key(&writer, "predictions");
    json_begin_array(&writer);
    for (guint i = 0; i < manifest->len; i++) {
        const ManifestEntry *entry = manifest->pdata[i];
        json_begin_object(&writer);
        json_key(&writer, "prediction");
        json_string(&writer, entry->prediction);
        json_key(&writer, "file");
        json_string(&writer, entry->file);
        json_key(&writer, "previous");
        json_string(&writer, entry->previous);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    json_end_object(&writer);
    buffer_append_text(out, "\n");
}

static bool sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    int code = errno;
    close(fd);
    errno = code;
    return synced;
}

static bool write_file(const char *path, const Buffer *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    size_t done = 0;
    int code = 0;
    while (done < content->length && code == 0) {
        ssize_t n = write(fd, content->data + done, content->length - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            code = errno;
    }
    if (code == 0 && fsync(fd) != 0)
        code = errno;
    if (close(fd) != 0 && code == 0)
        code = errno;
    errno = code;
    return code == 0;
}

bool manifest_write(const char *data_dir, const GPtrArray *manifest, GError **error)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    write_text(manifest, &text);
    if (text.failed) {
        error_set(error, ERR_NO_MEMORY, "no memory to write the list of served versions");
        return false;
    }
    g_autofree char *path = g_build_filename(data_dir, MANIFEST_NAME, NULL);
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    if (write_file(part, &text) && rename(part, path) == 0 && sync_path(data_dir))
        return true;
    int code = errno;
    unlink(part);
    error_set(error,
              code == ENOSPC || code == EDQUOT || code == EFBIG ? ERR_NO_SPACE : ERR_INTERNAL,
              "cannot write " MANIFEST_NAME ": %s", g_strerror(code));
    return false;
}
