#include "data/sections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sections_layout.h"

#include "base/error.h"

#define BUFFER_BYTES (1u << 20)

struct SectionsWriter {
    char *path, *part;
    int fd; /* -1 when closed */
    char *buffer;
    size_t buffered;
    uint64_t position; /* of the file's end, with what is buffered */
    GArray *table;     /* of SectionEntry */
    GHashTable *names;
    SectionEntry current; /* of the open section */
    XXH3_state_t *hash;   /* of the open section */
    bool is_open;         /* between begin and end */
    bool has_failed;      /* nothing may be published any more */
    bool is_published;
    char prefix[16]; /* of the names to come */
};

/* errno as an error of ours; a full quota or a size limit is a full disk to the caller. */
static bool fail(SectionsWriter *writer, const char *what, GError **error)
{
    int number = errno;
    writer->has_failed = true;
    bool is_full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    g_autofree char *name = g_path_get_basename(writer->path); /* callers read this: no folders */
    error_set(error, is_full ? ERR_NO_SPACE : ERR_INTERNAL, "%s \"%s\" failed: %s", what, name,
              g_strerror(number));
    return false;
}

static bool misuse(SectionsWriter *writer, const char *what, const char *name, GError **error)
{
    writer->has_failed = true;
    error_set(error, ERR_INTERNAL, "section \"%s\": %s", name, what);
    return false;
}

static bool write_all(SectionsWriter *writer, const char *bytes, size_t length, GError **error)
{
    while (length > 0) {
        ssize_t written = write(writer->fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail(writer, "writing", error);
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static bool flush(SectionsWriter *writer, GError **error)
{
    size_t length = writer->buffered;
    writer->buffered = 0;
    return write_all(writer, writer->buffer, length, error);
}

static bool append_bytes(SectionsWriter *writer, const void *bytes, uint64_t length, GError **error)
{
    if (length == 0)
        return true;
    if (writer->buffered + length > BUFFER_BYTES && !flush(writer, error))
        return false;
    writer->position += length;
    if (length >= BUFFER_BYTES)
        return write_all(writer, bytes, length, error);
    memcpy(writer->buffer + writer->buffered, bytes, length);
    writer->buffered += length;
    return true;
}

static bool align(SectionsWriter *writer, GError **error)
{
    static const char zeros[SECTIONS_ALIGNMENT];
    uint64_t over = writer->position % SECTIONS_ALIGNMENT;
    return over == 0 || append_bytes(writer, zeros, SECTIONS_ALIGNMENT - over, error);
}

static bool create_part(SectionsWriter *writer, GError **error)
{
    /* What a killed process left is no use to anybody; a link in its place is not followed. */
    unlink(writer->part);
    writer->fd = open(writer->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (writer->fd < 0)
        return fail(writer, "creating", error);
    SectionsHeader header = {0};
    return append_bytes(writer, &header, sizeof header, error);
}

static bool write_header(SectionsWriter *writer, GError **error)
{
    GArray *table = writer->table;
    SectionsHeader header = {.version = SECTIONS_VERSION,
                             .n_sections = table->len,
                             .file_size = writer->position,
                             .table_hash = XXH3_64bits(table->data ? table->data : "",
                                                       table->len * sizeof(SectionEntry))};
    memcpy(header.magic, SECTIONS_MAGIC, sizeof header.magic);
    if (lseek(writer->fd, 0, SEEK_SET) != 0)
        return fail(writer, "writing", error);
    return write_all(writer, (const char *)&header, sizeof header, error);
}

static bool sync_folder(SectionsWriter *writer, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(writer->path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(writer, "syncing the folder of", error);
    bool is_synced = fsync(fd) == 0 || errno == EINVAL;
    if (!is_synced)
        fail(writer, "syncing the folder of", error);
    close(fd);
    return is_synced;
}

static bool publish(SectionsWriter *writer, GError **error)
{
    if (fsync(writer->fd) != 0)
        return fail(writer, "syncing", error);
    int closed = close(writer->fd);
    writer->fd = -1;
    if (closed != 0)
        return fail(writer, "closing", error);
    if (rename(writer->part, writer->path) != 0)
        return fail(writer, "renaming", error);
    writer->is_published = true;
    return sync_folder(writer, error);
}

SectionsWriter *sections_writer_new(const char *path, GError **error)
{
    g_autoptr(SectionsWriter) writer = g_new0(SectionsWriter, 1);
    writer->path = g_strdup(path);
    writer->part = g_strconcat(path, ".part", NULL);
    writer->fd = -1;
    writer->buffer = g_new(char, BUFFER_BYTES);
    writer->table = g_array_new(FALSE, TRUE, sizeof(SectionEntry));
    writer->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    writer->hash = XXH3_createState();
    g_assert(writer->hash);
    if (!create_part(writer, error))
        return NULL;
    return g_steal_pointer(&writer);
}

void sections_writer_free(SectionsWriter *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->part);
    } else if (writer->has_failed && !writer->is_published) {
        unlink(writer->part);
    }
    g_free(writer->path);
    g_free(writer->part);
    g_free(writer->buffer);
    g_array_unref(writer->table);
    g_hash_table_unref(writer->names);
    XXH3_freeState(writer->hash);
    g_free(writer);
}

bool sections_write(SectionsWriter *writer, const char *name, const void *elements,
                    size_t element_size, uint64_t count, GError **error)
{
    return sections_begin(writer, name, element_size, error) &&
           sections_append(writer, elements, count, error) && sections_end(writer, error);
}

void sections_writer_set_prefix(SectionsWriter *writer, const char *prefix)
{
    g_assert(strlen(prefix) < sizeof writer->prefix);
    g_strlcpy(writer->prefix, prefix, sizeof writer->prefix);
}

bool sections_begin(SectionsWriter *writer, const char *plain_name, size_t element_size,
                    GError **error)
{
    g_autofree char *name = g_strconcat(writer->prefix, plain_name, NULL);
    size_t length = *plain_name ? strlen(name) : 0;
    if (writer->has_failed || writer->is_open || writer->is_published)
        return misuse(writer, "the file takes no section now", name, error);
    if (length == 0 || length > SECTION_NAME_MAX || element_size == 0 || element_size > UINT32_MAX)
        return misuse(writer, "a name of 1 to 47 bytes and an element size are needed", name,
                      error);
    if (!g_hash_table_add(writer->names, g_strdup(name)))
        return misuse(writer, "it is in the file already", name, error);
    if (!align(writer, error))
        return false;
    writer->current =
        (SectionEntry){.element_size = (uint32_t)element_size, .offset = writer->position};
    memcpy(writer->current.name, name, length);
    XXH3_64bits_reset(writer->hash);
    writer->is_open = true;
    return true;
}

bool sections_append(SectionsWriter *writer, const void *elements, uint64_t count, GError **error)
{
    SectionEntry *current = &writer->current;
    if (writer->has_failed || !writer->is_open)
        return misuse(writer, "no section is open", current->name, error);
    uint64_t length;
    if (__builtin_mul_overflow(count, (uint64_t)current->element_size, &length))
        return misuse(writer, "it is too large", current->name, error);
    if (length > 0)
        XXH3_64bits_update(writer->hash, elements, length);
    current->count += count;
    return append_bytes(writer, elements, length, error);
}

bool sections_end(SectionsWriter *writer, GError **error)
{
    if (writer->has_failed || !writer->is_open)
        return misuse(writer, "no section is open", writer->current.name, error);
    writer->current.hash = XXH3_64bits_digest(writer->hash);
    g_array_append_val(writer->table, writer->current);
    writer->is_open = false;
    return true;
}

uint64_t sections_writer_hash(const SectionsWriter *writer)
{
    return writer->current.hash;
}

bool sections_finish(SectionsWriter *writer, GError **error)
{
    if (writer->has_failed || writer->is_open || writer->is_published)
        return misuse(writer, "the file cannot be finished now", writer->current.name, error);
    GArray *table = writer->table;
    return align(writer, error) &&
           append_bytes(writer, table->data, table->len * sizeof(SectionEntry), error) &&
           flush(writer, error) && write_header(writer, error) && publish(writer, error);
}
