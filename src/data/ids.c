#include "data/ids.h"

#include <stdio.h>
#include <string.h>

#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"

#include "key_bytes.h"

#define SLOTS_MIN       64
#define BYTES_MIN       4096
#define PAGE_BYTES      4096
/* The least that may span a large page. */
#define HUGE_PAGE_BYTES (UINT64_C(4) << 20)
/* About a cache line of slots: beyond it, guessing would wait for memory itself. */
#define GUESS_PROBES    8
/* A slot holds number + 1 in 32 bits, and IDS_NONE is no number. */
#define COUNT_MAX       (UINT32_MAX - 1)

/* Slots are at most half full. A slot is the upper half of the hash over number + 1, or 0 when
 * empty; the lower half of the hash says where the search begins. */
struct Ids {
    uint64_t *slots;
    uint64_t n_slots; /* a power of two */
    uint64_t *starts; /* count + 1: where each id begins in bytes */
    uint64_t starts_capacity;
    char *bytes;
    uint64_t n_bytes, bytes_capacity;
    uint32_t count;
    bool is_mapped; /* the arrays belong to a file */
};

typedef struct Key {
    const char *bytes;
    size_t length;
    uint64_t hash;
} Key;

static bool no_memory(GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for the dictionary of ids");
    return false;
}

static uint64_t grown(uint64_t capacity, uint64_t wanted)
{
    while (capacity < wanted)
        capacity *= 2;
    return capacity;
}

static uint64_t hash_of(const char *bytes, size_t length)
{
    return XXH3_64bits(length > 0 ? bytes : "", length);
}

static bool slot_matches(uint64_t slot, uint64_t hash)
{
    return slot >> 32 == hash >> 32;
}

/* Number in a used slot; beyond count only in a damaged file. */
static uint32_t slot_number(uint64_t slot)
{
    return (uint32_t)slot - 1;
}

/* The bytes of an id; a damaged file gives an empty id. */
static const char *get_checked(const Ids *ids, uint32_t number, size_t *length)
{
    *length = 0;
    if (number >= ids->count)
        return "";
    uint64_t begin = ids->starts[number], end = ids->starts[number + (size_t)1];
    if (begin > end || end > ids->n_bytes)
        return "";
    *length = end - begin;
    return ids->bytes + begin;
}

static bool is_id(const Ids *ids, uint32_t number, const Key *key)
{
    size_t length;
    const char *bytes = get_checked(ids, number, &length);
    return number < ids->count && length == key->length && bytes_equal(bytes, key->bytes, length);
}

/* The slot of the key, or the empty one where it belongs. n_slots when there is neither, which only
 * a damaged file can bring about. */
static uint64_t find_slot(const Ids *ids, const Key *key)
{
    uint64_t mask = ids->n_slots - 1;
    uint64_t at = key->hash & mask;
    for (uint64_t probes = 0; probes < ids->n_slots; probes++, at = (at + 1) & mask) {
        uint64_t slot = ids->slots[at];
        if (slot == 0)
            return at;
        if (slot_matches(slot, key->hash) && is_id(ids, slot_number(slot), key))
            return at;
    }
    return ids->n_slots;
}

/* Slots are looked up all over: on large pages, where the system gives them, the addresses of
 * 10⁶ ids are at hand. Advice only. */
static void advise(uint64_t *slots, uint64_t n_slots)
{
    uint64_t bytes = n_slots * sizeof *slots, skipped = -(uintptr_t)slots % PAGE_BYTES;
    if (bytes >= HUGE_PAGE_BYTES)
        madvise((char *)slots + skipped, (bytes - skipped) / PAGE_BYTES * PAGE_BYTES,
                MADV_HUGEPAGE);
}

static void rehash(const Ids *ids, uint64_t *slots, uint64_t n_slots)
{
    uint64_t mask = n_slots - 1;
    for (uint32_t number = 0; number < ids->count; number++) {
        uint64_t begin = ids->starts[number];
        uint64_t hash = hash_of(ids->bytes + begin, ids->starts[number + (size_t)1] - begin);
        uint64_t at = hash & mask;
        while (slots[at] != 0)
            at = (at + 1) & mask;
        slots[at] = hash >> 32 << 32 | (number + 1);
    }
}

static bool reserve_slots(Ids *ids, uint64_t count, GError **error)
{
    if (2 * count <= ids->n_slots)
        return true;
    uint64_t n_slots = grown(ids->n_slots, 2 * count);
    uint64_t *slots = g_try_new0(uint64_t, n_slots);
    if (!slots)
        return no_memory(error);
    advise(slots, n_slots);
    rehash(ids, slots, n_slots);
    g_free(ids->slots);
    ids->slots = slots;
    ids->n_slots = n_slots;
    return true;
}

static bool reserve_starts(Ids *ids, uint64_t count, GError **error)
{
    if (count < ids->starts_capacity)
        return true;
    uint64_t capacity = grown(ids->starts_capacity, count + 1);
    uint64_t *starts = g_try_renew(uint64_t, ids->starts, capacity);
    if (!starts)
        return no_memory(error);
    ids->starts = starts;
    ids->starts_capacity = capacity;
    return true;
}

static bool reserve_bytes(Ids *ids, uint64_t n_bytes, GError **error)
{
    if (n_bytes <= ids->bytes_capacity)
        return true;
    uint64_t capacity = grown(ids->bytes_capacity, n_bytes);
    char *bytes = g_try_renew(char, ids->bytes, capacity);
    if (!bytes)
        return no_memory(error);
    ids->bytes = bytes;
    ids->bytes_capacity = capacity;
    return true;
}

/* Room for n more ids, so that adding them cannot fail halfway. */
static bool reserve(Ids *ids, size_t n, const size_t *lengths, GError **error)
{
    uint64_t n_bytes = ids->n_bytes;
    for (size_t i = 0; i < n; i++)
        n_bytes += lengths[i];
    uint64_t count = (uint64_t)ids->count + n;
    if (count > COUNT_MAX)
        return no_memory(error);
    return reserve_slots(ids, count, error) && reserve_starts(ids, count, error) &&
           reserve_bytes(ids, n_bytes, error);
}

/* The number that the key most likely has, without looking at its bytes; may be beyond count. */
static uint32_t guess_number(const Ids *ids, uint64_t hash)
{
    uint64_t mask = ids->n_slots - 1;
    for (uint64_t probe = 0; probe < GUESS_PROBES; probe++) {
        uint64_t slot = ids->slots[(hash + probe) & mask];
        if (slot == 0 || slot_matches(slot, hash))
            return slot_number(slot);
    }
    return IDS_NONE;
}

/* A damaged file may point beyond the bytes. */
static void prefetch_bytes(const Ids *ids, uint32_t number)
{
    if (number < ids->count && ids->starts[number] < ids->n_bytes)
        __builtin_prefetch(ids->bytes + ids->starts[number]);
}

/* Three dependent loads lead to an id (slot, start, bytes). Each pass asks for the next of them for
 * the whole batch, so that the batch waits for memory three times and not each id. The guessed
 * numbers are for is_id() to confirm. */
static void guess_batch(const Ids *ids, size_t n, const char *const *bytes, const size_t *lengths,
                        Key *keys, uint32_t *numbers)
{
    uint64_t mask = ids->n_slots - 1;
    for (size_t i = 0; i < n; i++) {
        keys[i] = (Key){bytes[i], lengths[i], hash_of(bytes[i], lengths[i])};
        __builtin_prefetch(&ids->slots[keys[i].hash & mask]);
    }
    for (size_t i = 0; i < n; i++) {
        numbers[i] = guess_number(ids, keys[i].hash);
        if (numbers[i] < ids->count)
            __builtin_prefetch(&ids->starts[numbers[i]]);
    }
    for (size_t i = 0; i < n; i++)
        prefetch_bytes(ids, numbers[i]);
}

static uint32_t find_key(const Ids *ids, const Key *key)
{
    uint64_t at = find_slot(ids, key);
    if (at == ids->n_slots || ids->slots[at] == 0)
        return IDS_NONE;
    return slot_number(ids->slots[at]);
}

static uint32_t add_key(Ids *ids, const Key *key)
{
    uint64_t at = find_slot(ids, key);
    if (ids->slots[at] != 0)
        return slot_number(ids->slots[at]);
    uint32_t number = ids->count++;
    ids->slots[at] = key->hash >> 32 << 32 | (number + 1);
    if (key->length > 0)
        memcpy(ids->bytes + ids->n_bytes, key->bytes, key->length);
    ids->n_bytes += key->length;
    ids->starts[number + (size_t)1] = ids->n_bytes;
    return number;
}

Ids *ids_new(void)
{
    Ids *ids = g_new0(Ids, 1);
    ids->n_slots = SLOTS_MIN;
    ids->slots = g_new0(uint64_t, SLOTS_MIN);
    ids->starts_capacity = SLOTS_MIN;
    ids->starts = g_new0(uint64_t, SLOTS_MIN);
    ids->bytes_capacity = BYTES_MIN;
    ids->bytes = g_new(char, BYTES_MIN);
    return ids;
}

void ids_free(Ids *ids)
{
    if (!ids)
        return;
    if (!ids->is_mapped) {
        g_free(ids->slots);
        g_free(ids->starts);
        g_free(ids->bytes);
    }
    g_free(ids);
}

bool ids_add_batch(Ids *ids, size_t n, const char *const *bytes, const size_t *lengths,
                   uint32_t *numbers, GError **error)
{
    g_assert(n <= IDS_BATCH && !ids->is_mapped);
    if (!reserve(ids, n, lengths, error))
        return false;
    Key keys[IDS_BATCH];
    guess_batch(ids, n, bytes, lengths, keys, numbers);
    for (size_t i = 0; i < n; i++)
        if (!is_id(ids, numbers[i], &keys[i]))
            numbers[i] = add_key(ids, &keys[i]);
    return true;
}

uint32_t ids_add(Ids *ids, const char *bytes, size_t length, GError **error)
{
    g_assert(!ids->is_mapped);
    if (!reserve(ids, 1, &length, error))
        return IDS_NONE;
    Key key = {bytes, length, hash_of(bytes, length)};
    return add_key(ids, &key);
}

uint32_t ids_find(const Ids *ids, const char *bytes, size_t length)
{
    Key key = {bytes, length, hash_of(bytes, length)};
    return find_key(ids, &key);
}

void ids_find_batch(const Ids *ids, size_t n, const char *const *bytes, const size_t *lengths,
                    uint32_t *numbers)
{
    g_assert(n <= IDS_BATCH);
    Key keys[IDS_BATCH];
    guess_batch(ids, n, bytes, lengths, keys, numbers);
    for (size_t i = 0; i < n; i++)
        if (!is_id(ids, numbers[i], &keys[i]))
            numbers[i] = find_key(ids, &keys[i]);
}

const char *ids_get(const Ids *ids, uint32_t number, size_t *length)
{
    return get_checked(ids, number, length);
}

void ids_prefetch(const Ids *ids, const uint32_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] < ids->count)
            __builtin_prefetch(&ids->starts[numbers[i]]);
    for (size_t i = 0; i < n; i++)
        prefetch_bytes(ids, numbers[i]);
}

uint32_t ids_guess(const Ids *ids, const char *bytes, size_t length)
{
    uint32_t number = guess_number(ids, hash_of(bytes, length));
    if (number < ids->count)
        __builtin_prefetch(&ids->starts[number]);
    return number;
}

uint32_t ids_count(const Ids *ids)
{
    return ids->count;
}

static void section_name(char name[SECTION_NAME_MAX + 1], const char *prefix, const char *part)
{
    int length = snprintf(name, SECTION_NAME_MAX + 1, "%s.%s", prefix, part);
    g_assert(length <= SECTION_NAME_MAX);
}

static bool save_part(SectionsWriter *writer, const char *prefix, const char *part,
                      const void *elements, size_t element_size, uint64_t count, GError **error)
{
    char name[SECTION_NAME_MAX + 1];
    section_name(name, prefix, part);
    return sections_write(writer, name, elements, element_size, count, error);
}

static const void *map_part(const Sections *sections, const char *prefix, const char *part,
                            size_t element_size, uint64_t *count, GError **error)
{
    char name[SECTION_NAME_MAX + 1];
    section_name(name, prefix, part);
    return sections_get(sections, name, element_size, count, error);
}

bool ids_save(const Ids *ids, SectionsWriter *writer, const char *prefix, GError **error)
{
    return save_part(writer, prefix, "slots", ids->slots, sizeof *ids->slots, ids->n_slots,
                     error) &&
           save_part(writer, prefix, "starts", ids->starts, sizeof *ids->starts,
                     (uint64_t)ids->count + 1, error) &&
           save_part(writer, prefix, "bytes", ids->bytes, 1, ids->n_bytes, error);
}

Ids *ids_map(const Sections *sections, const char *prefix, GError **error)
{
    uint64_t n_slots, n_starts, n_bytes;
    const uint64_t *slots = map_part(sections, prefix, "slots", sizeof *slots, &n_slots, error);
    if (!slots)
        return NULL;
    const uint64_t *starts = map_part(sections, prefix, "starts", sizeof *starts, &n_starts, error);
    if (!starts)
        return NULL;
    const char *bytes = map_part(sections, prefix, "bytes", 1, &n_bytes, error);
    if (!bytes)
        return NULL;
    bool is_power = n_slots > 0 && (n_slots & (n_slots - 1)) == 0;
    if (!is_power || n_starts == 0 || n_starts - 1 > COUNT_MAX || n_starts > n_slots) {
        error_set(error, ERR_DAMAGED, "the sizes of dictionary \"%s\" do not fit", prefix);
        return NULL;
    }
    Ids *ids = g_new0(Ids, 1);
    /* Nothing writes to them: add is refused on a mapped dictionary. */
    ids->slots = (uint64_t *)slots;
    ids->n_slots = n_slots;
    ids->starts = (uint64_t *)starts;
    ids->bytes = (char *)bytes;
    ids->n_bytes = n_bytes;
    ids->count = (uint32_t)(n_starts - 1);
    ids->is_mapped = true;
    return ids;
}

uint64_t ids_bytes(const Ids *ids)
{
    uint64_t slots = ids->n_slots * sizeof *ids->slots;
    if (ids->is_mapped)
        return sizeof *ids + slots + (ids->count + (uint64_t)1) * sizeof *ids->starts +
               ids->n_bytes;
    return sizeof *ids + slots + ids->starts_capacity * sizeof *ids->starts + ids->bytes_capacity;
}
