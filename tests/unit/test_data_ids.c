#include "data_files.h"

#include <stdio.h>
#include <string.h>

#include "data/ids.h"
#include "math/rng.h"

#define ROWS 60000

/* The id of a draw: few or many, short or long, with bytes of all kinds. */
static size_t make_id(char *id, uint32_t number)
{
    if (number == 0)
        return 0;
    if (number % 97 == 0) {
        memcpy(id, "a\0b/\n\"\xf0\x9f\x98\x80", 10);
        memcpy(id + 10, &number, sizeof number);
        return 14;
    }
    return (size_t)snprintf(id, 64, "%s%u", number % 3 ? "" : "a-rather-long-prefix-of-a-key-",
                            number);
}

/* A batch of drawn ids; with repetition inside of the batch. */
typedef struct Batch {
    char text[IDS_BATCH][64];
    const char *bytes[IDS_BATCH];
    size_t lengths[IDS_BATCH];
    uint32_t numbers[IDS_BATCH];
    size_t n;
} Batch;

static void draw_batch(Batch *batch, Rng *rng, uint32_t distinct)
{
    batch->n = rng_below(rng, IDS_BATCH + 1);
    for (size_t i = 0; i < batch->n; i++) {
        batch->lengths[i] = make_id(batch->text[i], rng_below(rng, distinct));
        batch->bytes[i] = batch->text[i];
    }
}

/* Against GHashTable over the same bytes. */
static void numbers_are_those_of_a_plain_table_in_order_of_appearance(void **state)
{
    g_autoptr(Ids) ids = ids_new();
    g_autoptr(GHashTable) plain =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    Rng rng;
    rng_init(&rng, 1, 0);
    Batch batch;
    for (unsigned rows = 0; rows < ROWS; rows += IDS_BATCH) {
        draw_batch(&batch, &rng, 20000);
        assert_true(ids_add_batch(ids, batch.n, batch.bytes, batch.lengths, batch.numbers, NULL));
        for (size_t i = 0; i < batch.n; i++) {
            g_autoptr(GBytes) key = g_bytes_new(batch.bytes[i], batch.lengths[i]);
            gpointer known = g_hash_table_lookup(plain, key);
            if (!known) {
                known = GUINT_TO_POINTER(g_hash_table_size(plain) + 1);
                g_hash_table_insert(plain, g_bytes_ref(key), known);
            }
            assert_int_equal(batch.numbers[i], GPOINTER_TO_UINT(known) - 1);
        }
    }
    assert_int_equal(ids_count(ids), g_hash_table_size(plain));
}

static void adding_one_by_one_and_in_batches_is_the_same(void **state)
{
    g_autoptr(Ids) single = ids_new();
    g_autoptr(Ids) batched = ids_new();
    Rng rng;
    rng_init(&rng, 2, 0);
    Batch batch;
    for (unsigned rows = 0; rows < ROWS; rows += IDS_BATCH) {
        draw_batch(&batch, &rng, 5000);
        ids_add_batch(batched, batch.n, batch.bytes, batch.lengths, batch.numbers, NULL);
        for (size_t i = 0; i < batch.n; i++)
            assert_int_equal(ids_add(single, batch.bytes[i], batch.lengths[i], NULL),
                             batch.numbers[i]);
    }
    assert_int_equal(ids_count(single), ids_count(batched));
}

/* ids "0" … "n-1" */
static Ids *count_to(uint32_t n)
{
    Ids *ids = ids_new();
    char text[16];
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(ids_add(ids, text, (size_t)snprintf(text, 16, "%u", i), NULL), i);
    return ids;
}

static void expect_counted(const Ids *ids, uint32_t n)
{
    char text[16];
    assert_int_equal(ids_count(ids), n);
    for (uint32_t i = 0; i < n; i++) {
        size_t length = (size_t)snprintf(text, 16, "%u", i), back;
        assert_int_equal(ids_find(ids, text, length), i);
        const char *bytes = ids_get(ids, i, &back);
        assert_int_equal(back, length);
        assert_memory_equal(bytes, text, length);
    }
    for (uint32_t i = n; i < n + 1000; i++)
        assert_int_equal(ids_find(ids, text, (size_t)snprintf(text, 16, "%u", i)), IDS_NONE);
}

static void known_ids_are_found_and_unknown_ones_are_not(void **state)
{
    const uint32_t sizes[] = {0, 1, 31, 32, 33, 5000, 100000};
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Ids) ids = count_to(sizes[i]);
        expect_counted(ids, sizes[i]);
    }
}

static void a_batch_of_known_and_unknown_ids_is_found(void **state)
{
    g_autoptr(Ids) ids = count_to(100);
    const char *bytes[] = {"7", "99", "100", "", "07", "7 "};
    const size_t lengths[] = {1, 2, 3, 0, 2, 2};
    const uint32_t expected[] = {7, 99, IDS_NONE, IDS_NONE, IDS_NONE, IDS_NONE};
    uint32_t numbers[6];
    ids_find_batch(ids, 6, bytes, lengths, numbers);
    for (int i = 0; i < 6; i++)
        assert_int_equal(numbers[i], expected[i]);
    assert_int_equal(ids_count(ids), 100);
}

static void empty_and_very_long_ids_are_ids(void **state)
{
    g_autoptr(Ids) ids = ids_new();
    size_t length = 100000;
    g_autofree char *large = g_malloc0(length);
    assert_int_equal(ids_add(ids, NULL, 0, NULL), 0);
    assert_int_equal(ids_add(ids, large, length, NULL), 1);
    assert_int_equal(ids_add(ids, large, length - 1, NULL), 2);
    assert_int_equal(ids_find(ids, "", 0), 0);
    assert_int_equal(ids_find(ids, large, length), 1);
    assert_int_equal(ids_find(ids, large, length - 1), 2);
}

static void save(const Ids *ids, const char *path)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(ids_save(ids, writer, "users", NULL));
    assert_true(sections_finish(writer, NULL));
}

static void a_mapped_dictionary_finds_what_was_saved(void **state)
{
    const uint32_t sizes[] = {0, 1, 5000};
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_auto(DataFile) file = data_file_new();
        g_autoptr(Ids) ids = count_to(sizes[i]);
        save(ids, file.path);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        g_autoptr(Ids) mapped = ids_map(sections, "users", NULL);
        expect_counted(mapped, sizes[i]);
        assert_true(ids_bytes(mapped) <= ids_bytes(ids));
    }
}

static void walk(const Ids *ids)
{
    uint64_t sum = 0;
    const uint32_t beyond[] = {ids_count(ids), IDS_NONE};
    ids_prefetch(ids, beyond, G_N_ELEMENTS(beyond));
    for (uint32_t number = 0; number < ids_count(ids); number++) {
        size_t length;
        ids_prefetch(ids, &number, 1);
        const char *bytes = ids_get(ids, number, &length);
        for (size_t i = 0; i < length; i++)
            sum += (uint8_t)bytes[i];
    }
    char text[16];
    for (uint32_t i = 0; i < 200; i++) {
        size_t length = (size_t)snprintf(text, sizeof text, "%u", i);
        sum += ids_guess(ids, text, length);
        sum += ids_find(ids, text, length);
    }
    assert_true(sum != 1);
}

/* The sanitizer is the judge: garbage in any place is never followed out of the arrays. */
static void a_dictionary_of_garbage_stays_within_its_arrays(void **state)
{
    Rng rng;
    rng_init(&rng, 3, 0);
    for (int round = 0; round < 200; round++) {
        g_auto(DataFile) file = data_file_new();
        uint64_t slots[16], starts[9];
        for (int i = 0; i < 16; i++)
            slots[i] = rng_next(&rng) % (round % 2 ? 12 : UINT64_MAX);
        for (int i = 0; i < 9; i++)
            starts[i] = rng_next(&rng) % (round % 3 ? 70 : UINT64_MAX);
        g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
        assert_true(sections_write(writer, "x.slots", slots, 8, 16, NULL));
        assert_true(sections_write(writer, "x.starts", starts, 8, 9, NULL));
        assert_true(sections_write(writer, "x.bytes", slots, 1, 64, NULL));
        assert_true(sections_finish(writer, NULL));
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        g_autoptr(Ids) mapped = ids_map(sections, "x", NULL);
        assert_non_null(mapped);
        walk(mapped);
    }
}

static void array_sizes_that_do_not_fit_are_damage(void **state)
{
    /* slots, starts */
    const uint64_t shapes[][2] = {{0, 1}, {3, 1}, {4, 0}, {4, 5}, {12, 4}};
    const uint64_t zeros[16] = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_auto(DataFile) file = data_file_new();
        g_autoptr(GError) error = NULL;
        g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
        assert_true(sections_write(writer, "x.slots", zeros, 8, shapes[i][0], NULL));
        assert_true(sections_write(writer, "x.starts", zeros, 8, shapes[i][1], NULL));
        assert_true(sections_write(writer, "x.bytes", zeros, 1, 1, NULL));
        assert_true(sections_finish(writer, NULL));
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        assert_null(ids_map(sections, "x", &error));
        expect_error(error, ERR_DAMAGED);
    }
}

static void a_number_beyond_the_dictionary_has_no_bytes(void **state)
{
    g_autoptr(Ids) ids = count_to(3);
    size_t length = 1;
    assert_non_null(ids_get(ids, 3, &length));
    assert_int_equal(length, 0);
    assert_non_null(ids_get(ids, IDS_NONE, &length));
    assert_int_equal(length, 0);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_a_plain_table_in_order_of_appearance),
        cmocka_unit_test(adding_one_by_one_and_in_batches_is_the_same),
        cmocka_unit_test(known_ids_are_found_and_unknown_ones_are_not),
        cmocka_unit_test(a_batch_of_known_and_unknown_ids_is_found),
        cmocka_unit_test(empty_and_very_long_ids_are_ids),
        cmocka_unit_test(a_mapped_dictionary_finds_what_was_saved),
        cmocka_unit_test(a_dictionary_of_garbage_stays_within_its_arrays),
        cmocka_unit_test(array_sizes_that_do_not_fit_are_damage),
        cmocka_unit_test(a_number_beyond_the_dictionary_has_no_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
