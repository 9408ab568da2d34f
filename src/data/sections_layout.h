/* What a file of sections looks like on disk; little-endian. */
#pragma once

#include <stdint.h>

#include "data/sections.h"

#define SECTIONS_MAGIC     "SHORTLST"
#define SECTIONS_VERSION   1
#define SECTIONS_ALIGNMENT 64

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little-endian and mapped as they are"
#endif

typedef struct SectionsHeader {
    char magic[8];
    uint32_t version;
    uint32_t n_sections;
    uint64_t file_size;  /* the table is the file's end */
    uint64_t table_hash; /* XXH3 of the table */
    uint64_t zero[4];
} SectionsHeader;

typedef struct SectionEntry {
    char name[SECTION_NAME_MAX + 1]; /* NUL-terminated, not empty */
    uint32_t element_size;
    uint32_t zero;
    uint64_t count;
    uint64_t offset; /* from the file's begin, a multiple of SECTIONS_ALIGNMENT */
    uint64_t hash;   /* XXH3 of the elements */
} SectionEntry;

/* Of the section that ended last. */
uint64_t sections_writer_hash(const SectionsWriter *writer);

_Static_assert(sizeof(SectionsHeader) == SECTIONS_ALIGNMENT, "the first section follows at once");
_Static_assert(sizeof(SectionEntry) == 80, "no padding in a file");
