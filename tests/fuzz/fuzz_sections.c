/* A version's file of any bytes: sections, dictionary and columns are opened and walked. The input
 * is tried as it is, then once more under a header and hash that fit, or no mutation would ever get
 * past the check of the table. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "data/attributes.h"
#include "data/sections_layout.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void walk_ids(const Ids *ids)
{
    uint64_t sum = 0;
    for (uint32_t number = 0; number < ids_count(ids) && number < 1000; number++) {
        size_t length;
        const char *bytes = ids_get(ids, number, &length);
        for (size_t i = 0; i < length && i < 1000; i++)
            sum += (uint8_t)bytes[i];
        sum += ids_find(ids, bytes, MIN(length, 100));
    }
    const char *bytes[] = {"", "a", "red", "unknown"};
    const size_t lengths[] = {0, 1, 3, 7};
    uint32_t numbers[4];
    ids_find_batch(ids, 4, bytes, lengths, numbers);
    sink += sum + numbers[0];
}

static void walk_column(const Column *column)
{
    uint64_t sum = strlen(column->name);
    for (uint32_t row = 0; row < column->n_rows; row++) {
        uint32_t n;
        const uint32_t *values = column_values(column, row, &n);
        for (uint32_t i = 0; i < n; i++) {
            size_t length;
            const char *bytes = ids_get(column->values, values[i], &length);
            sum += length > 0 ? (uint8_t)bytes[length - 1] : values[i];
        }
        if (column->number)
            sum += column->number[row] > 0;
    }
    sink += sum;
    walk_ids(column->values);
}

static void walk(const Sections *sections)
{
    sections_verify(sections, NULL, NULL);
    g_autoptr(Ids) ids = ids_map(sections, "users", NULL);
    if (ids)
        walk_ids(ids);
    g_autoptr(Attributes) attributes = attributes_map(sections, "items", NULL);
    if (!attributes)
        return;
    for (size_t i = 0; i < attributes->n_columns; i++)
        walk_column(&attributes->columns[i]);
}

static void try_file(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("sections", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    g_autoptr(Sections) sections = sections_open(path, NULL);
    close(fd);
    if (sections)
        walk(sections);
}

/* Header and hashes that fit, the table's and those of the sections that lie within the file. */
static void repair(uint8_t *data, size_t size)
{
    SectionsHeader *header = (SectionsHeader *)data;
    uint64_t n = header->n_sections % 32;
    uint64_t table_size = n * sizeof(SectionEntry);
    if (table_size > size - sizeof *header || (size - table_size) % SECTIONS_ALIGNMENT != 0)
        return;
    *header =
        (SectionsHeader){.version = SECTIONS_VERSION, .n_sections = (uint32_t)n, .file_size = size};
    memcpy(header->magic, SECTIONS_MAGIC, sizeof header->magic);
    SectionEntry *table = (SectionEntry *)(data + size - table_size);
    for (uint64_t i = 0; i < n; i++) {
        SectionEntry *entry = &table[i];
        uint64_t length;
        if (!__builtin_mul_overflow(entry->count, (uint64_t)entry->element_size, &length) &&
            length <= size && entry->offset <= size - length)
            entry->hash = XXH3_64bits(data + entry->offset, length);
    }
    header->table_hash = XXH3_64bits(table, table_size);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_file(data, size);
    if (size < sizeof(SectionsHeader))
        return 0;
    g_autofree uint8_t *copy = g_memdup2(data, size);
    repair(copy, size);
    try_file(copy, size);
    return 0;
}
