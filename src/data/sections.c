#include "data/sections.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sections_layout.h"

#include "base/error.h"

/* What is hashed between two looks at the Cancel: a few milliseconds of a cold disk. */
#define VERIFY_BYTES (4u << 20)

struct Sections {
    const char *data;          /* the whole file */
    uint64_t size, arrays_end; /* the table follows the arrays */
    SectionEntry *table; /* a copy: what is named and where stays known, whatever the disk does */
    uint32_t n_sections;
    GHashTable *by_name; /* to entries of table */
    bool is_part;        /* data and entries are another's */
};

static bool damaged(const char *what, GError **error)
{
    error_set(error, ERR_DAMAGED, "the file of sections is damaged: %s", what);
    return false;
}

static bool map_file(Sections *sections, int fd, GError **error)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return damaged("it is no regular file", error);
    if (status.st_size < (off_t)sizeof(SectionsHeader))
        return damaged("it is shorter than its header", error);
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        error_set(error, ERR_NO_MEMORY, "mapping a file of sections failed: %s", g_strerror(errno));
        return false;
    }
    /* A look-up needs a page here and there: reading ahead around each would make the first ones
     * after a restart wait for megabytes. */
    madvise(data, (size_t)status.st_size, MADV_RANDOM);
    sections->data = data;
    sections->size = (uint64_t)status.st_size;
    return true;
}

static bool check_header(Sections *sections, GError **error)
{
    static const uint64_t zero[G_N_ELEMENTS(((SectionsHeader *)NULL)->zero)];
    const SectionsHeader *header = (const SectionsHeader *)sections->data;
    if (memcmp(header->magic, SECTIONS_MAGIC, sizeof header->magic) != 0)
        return damaged("it does not begin as one", error);
    if (header->version != SECTIONS_VERSION)
        return damaged("its format is of another version", error);
    if (header->file_size != sections->size)
        return damaged("its size is not what was written", error);
    if (memcmp(header->zero, zero, sizeof zero) != 0)
        return damaged("its header has unknown members", error);
    uint64_t table_size = (uint64_t)header->n_sections * sizeof(SectionEntry);
    uint64_t offset = sections->size - table_size;
    if (table_size > sections->size - sizeof *header || offset % SECTIONS_ALIGNMENT != 0)
        return damaged("its table does not fit", error);
    if (XXH3_64bits(sections->data + offset, table_size) != header->table_hash)
        return damaged("its table is not what was written", error);
    sections->arrays_end = offset;
    sections->n_sections = header->n_sections;
    return true;
}

static bool entry_fits(const Sections *sections, const SectionEntry *entry)
{
    uint64_t length, end;
    return entry->name[0] != '\0' && memchr(entry->name, '\0', sizeof entry->name) &&
           entry->element_size > 0 && entry->zero == 0 && entry->offset >= sizeof(SectionsHeader) &&
           entry->offset % SECTIONS_ALIGNMENT == 0 &&
           !__builtin_mul_overflow(entry->count, (uint64_t)entry->element_size, &length) &&
           !__builtin_add_overflow(entry->offset, length, &end) && end <= sections->arrays_end;
}

static bool read_table(Sections *sections, GError **error)
{
    sections->table = g_try_new(SectionEntry, MAX(sections->n_sections, 1));
    if (!sections->table) {
        error_set(error, ERR_NO_MEMORY, "no memory for a table of %u sections",
                  sections->n_sections);
        return false;
    }
    memcpy(sections->table, sections->data + sections->arrays_end,
           sections->n_sections * sizeof *sections->table);
    for (uint32_t i = 0; i < sections->n_sections; i++) {
        SectionEntry *entry = &sections->table[i];
        if (!entry_fits(sections, entry))
            return damaged("a section lies outside of it", error);
        if (!g_hash_table_insert(sections->by_name, entry->name, entry))
            return damaged("two sections have one name", error);
    }
    return true;
}

Sections *sections_open(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int number = errno;
        bool is_absent = number == ENOENT || number == ENOTDIR;
        error_set(error, is_absent ? ERR_NOT_FOUND : ERR_INTERNAL, "opening \"%s\" failed: %s",
                  path, g_strerror(number));
        return NULL;
    }
    g_autoptr(Sections) sections = g_new0(Sections, 1);
    sections->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    bool is_mapped = map_file(sections, fd, error);
    close(fd);
    if (!is_mapped)
        return NULL;
    if (!check_header(sections, error) || !read_table(sections, error))
        return NULL;
    return g_steal_pointer(&sections);
}

static int advise(const char *bytes, uint64_t length, int advice)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t before = (uintptr_t)bytes & (page - 1);
    return madvise((char *)bytes - before, before + length, advice);
}

/* Maps a piece of what is left, while the disk reads the next one. False when the disk cannot
 * deliver it, where touching it would end the process; true on kernels that cannot tell. */
static bool populate(const char *bytes, uint64_t piece, uint64_t left)
{
    advise(bytes, MIN(left, 2 * piece), MADV_WILLNEED);
#ifdef MADV_POPULATE_READ
    if (advise(bytes, piece, MADV_POPULATE_READ) != 0)
        return errno != EFAULT && errno != EHWPOISON;
#endif
    return true;
}

static bool hash_section(const char *bytes, uint64_t length, XXH3_state_t *state,
                         const Cancel *cancel, GError **error)
{
    XXH3_64bits_reset(state);
    while (length > 0) {
        uint64_t piece = MIN(length, VERIFY_BYTES);
        if (!cancel_check(cancel, error))
            return false;
        if (!populate(bytes, piece, length))
            return damaged("it cannot be read", error);
        XXH3_64bits_update(state, bytes, piece);
        bytes += piece;
        length -= piece;
    }
    return true;
}

static bool not_as_written(const SectionEntry *entry, GError **error)
{
    error_set(error, ERR_DAMAGED, "section \"%s\" is not what was written", entry->name);
    return false;
}

/* Between the end of a section and the next multiple of the alignment stand zeros. */
static bool padding_is_zero(const Sections *sections, const SectionEntry *entry)
{
    static const char zeros[SECTIONS_ALIGNMENT];
    uint64_t end = entry->offset + entry->count * entry->element_size;
    uint64_t over = end % SECTIONS_ALIGNMENT;
    return over == 0 || memcmp(sections->data + end, zeros, SECTIONS_ALIGNMENT - over) == 0;
}

static bool verify_all(const Sections *sections, XXH3_state_t *state, const Cancel *cancel,
                       GError **error)
{
    for (uint32_t i = 0; i < sections->n_sections; i++) {
        const SectionEntry *entry = &sections->table[i];
        const char *bytes = sections->data + entry->offset;
        if (!hash_section(bytes, entry->count * entry->element_size, state, cancel, error))
            return false;
        if (XXH3_64bits_digest(state) != entry->hash || !padding_is_zero(sections, entry))
            return not_as_written(entry, error);
    }
    return true;
}

bool sections_verify(const Sections *sections, const Cancel *cancel, GError **error)
{
    XXH3_state_t *state = XXH3_createState();
    g_assert(state);
    bool is_whole = cancel_check(cancel, error) && verify_all(sections, state, cancel, error);
    XXH3_freeState(state);
    return is_whole;
}

static bool copy_elements(const SectionEntry *entry, const char *bytes, SectionsWriter *writer,
                          const Cancel *cancel, GError **error)
{
    uint64_t at_once = MAX(VERIFY_BYTES / entry->element_size, 1);
    for (uint64_t left = entry->count; left > 0;) {
        uint64_t n = MIN(left, at_once);
        if (!cancel_check(cancel, error))
            return false;
        if (!populate(bytes, n * entry->element_size, left * entry->element_size))
            return damaged("it cannot be read", error);
        if (!sections_append(writer, bytes, n, error))
            return false;
        bytes += n * entry->element_size;
        left -= n;
    }
    return true;
}

bool sections_copy(const Sections *sections, SectionsWriter *writer,
                   bool (*leave_out)(const char *name), const Cancel *cancel, GError **error)
{
    for (uint32_t i = 0; i < sections->n_sections; i++) {
        const SectionEntry *entry = &sections->table[i];
        if (leave_out(entry->name))
            continue;
        if (!sections_begin(writer, entry->name, entry->element_size, error) ||
            !copy_elements(entry, sections->data + entry->offset, writer, cancel, error) ||
            !sections_end(writer, error))
            return false;
        if (sections_writer_hash(writer) != entry->hash)
            return not_as_written(entry, error);
    }
    return true;
}

const void *sections_get(const Sections *sections, const char *name, size_t element_size,
                         uint64_t *count, GError **error)
{
    const SectionEntry *entry = g_hash_table_lookup(sections->by_name, name);
    if (!entry || entry->element_size != element_size) {
        error_set(error, ERR_DAMAGED, "section \"%s\" %s", name,
                  entry ? "has elements of another size" : "is missing");
        return NULL;
    }
    *count = entry->count;
    return sections->data + entry->offset;
}

Sections *sections_under(const Sections *sections, const char *prefix)
{
    Sections *part = g_new0(Sections, 1);
    GHashTableIter entries;
    gpointer name, entry;
    *part = (Sections){.data = sections->data,
                       .size = sections->size,
                       .by_name = g_hash_table_new(g_str_hash, g_str_equal),
                       .is_part = true};
    g_hash_table_iter_init(&entries, sections->by_name);
    while (g_hash_table_iter_next(&entries, &name, &entry)) {
        if (g_str_has_prefix(name, prefix))
            g_hash_table_insert(part->by_name, (char *)name + strlen(prefix), entry);
    }
    return part;
}

bool sections_has(const Sections *sections, const char *name)
{
    return g_hash_table_contains(sections->by_name, name);
}

uint64_t sections_bytes(const Sections *sections)
{
    return sections->size;
}

void sections_free(Sections *sections)
{
    if (!sections)
        return;
    if (sections->data && !sections->is_part)
        munmap((void *)sections->data, sections->size);
    g_hash_table_unref(sections->by_name);
    g_free(sections->table);
    g_free(sections);
}
