#include "data_files.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "data/sections_layout.h"

#define N_LARGE 1000000

static const uint32_t numbers[] = {3, 1, 4, 1, 5};

static void write_example(const char *path)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(sections_write(writer, "numbers", numbers, sizeof *numbers, 5, NULL));
    assert_true(sections_write(writer, "empty", NULL, 8, 0, NULL));
    assert_true(sections_begin(writer, "text", 1, NULL));
    assert_true(sections_append(writer, "short", 5, NULL));
    assert_true(sections_append(writer, NULL, 0, NULL));
    assert_true(sections_append(writer, "list", 4, NULL));
    assert_true(sections_end(writer, NULL));
    assert_true(sections_finish(writer, NULL));
}

static void arrays_come_back_as_written(void **state)
{
    g_auto(DataFile) file = data_file_new();
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_non_null(sections);
    assert_true(sections_verify(sections, NULL, NULL));
    uint64_t n;
    const uint32_t *back = sections_get(sections, "numbers", sizeof *numbers, &n, NULL);
    assert_int_equal(n, 5);
    assert_memory_equal(back, numbers, sizeof numbers);
    const char *text = sections_get(sections, "text", 1, &n, NULL);
    assert_int_equal(n, 9);
    assert_memory_equal(text, "shortlist", 9);
    assert_non_null(sections_get(sections, "empty", 8, &n, NULL));
    assert_int_equal(n, 0);
    assert_true(sections_has(sections, "empty"));
    assert_false(sections_has(sections, "Empty"));
    assert_false(data_file_exists(file.part));
}

static void every_array_is_aligned_for_vectors(void **state)
{
    g_auto(DataFile) file = data_file_new();
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    const char *names[] = {"numbers", "text"};
    const size_t sizes[] = {4, 1};
    uint64_t n;
    for (int i = 0; i < 2; i++)
        assert_int_equal((uintptr_t)sections_get(sections, names[i], sizes[i], &n, NULL) % 64, 0);
}

static void a_missing_section_or_another_element_size_is_damage(void **state)
{
    g_auto(DataFile) file = data_file_new();
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    g_autoptr(GError) missing = NULL, other = NULL;
    uint64_t n;
    assert_null(sections_get(sections, "number", 4, &n, &missing));
    expect_error(missing, ERR_DAMAGED);
    assert_null(sections_get(sections, "numbers", 8, &n, &other));
    expect_error(other, ERR_DAMAGED);
}

static void arrays_larger_than_the_buffer_survive_in_pieces_of_any_size(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autofree uint32_t *large = g_new(uint32_t, N_LARGE);
    for (uint32_t i = 0; i < N_LARGE; i++)
        large[i] = i * 2654435761u;
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    assert_true(sections_write(writer, "at_once", large, 4, N_LARGE, NULL));
    assert_true(sections_begin(writer, "pieces", 4, NULL));
    for (uint64_t at = 0, piece = 1; at < N_LARGE;
         at += piece, piece = MIN(piece * 3, N_LARGE - at))
        assert_true(sections_append(writer, large + at, piece, NULL));
    assert_true(sections_end(writer, NULL));
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_true(sections_verify(sections, NULL, NULL));
    uint64_t n_whole, n_pieces;
    const void *whole = sections_get(sections, "at_once", 4, &n_whole, NULL);
    const void *pieces = sections_get(sections, "pieces", 4, &n_pieces, NULL);
    assert_int_equal(n_whole, N_LARGE);
    assert_int_equal(n_pieces, N_LARGE);
    assert_int_equal(memcmp(whole, large, 4 * N_LARGE), 0);
    assert_int_equal(memcmp(pieces, large, 4 * N_LARGE), 0);
    assert_true(sections_bytes(sections) > 8 * N_LARGE);
}

/* F48: a killed or failed training leaves nothing that could be taken for a version. */
static void a_writer_freed_without_finish_leaves_no_file(void **state)
{
    g_auto(DataFile) file = data_file_new();
    SectionsWriter *writer = sections_writer_new(file.path, NULL);
    assert_true(sections_write(writer, "numbers", numbers, 4, 5, NULL));
    assert_true(data_file_exists(file.part));
    assert_false(data_file_exists(file.path));
    sections_writer_free(writer);
    assert_false(data_file_exists(file.part));
    assert_false(data_file_exists(file.path));
}

static void finishing_replaces_an_old_file_and_what_a_killed_writer_left(void **state)
{
    g_auto(DataFile) file = data_file_new();
    data_file_write(&file, "old", 3);
    assert_int_equal(symlink("/dev/null", file.part), 0);
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_non_null(sections);
    assert_true(sections_verify(sections, NULL, NULL));
}

/* Files of this process may not grow beyond `bytes`: the write that crosses it is cut short, the
 * next one fails as on a full disk. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* F48: disk full while writing the snapshot. */
static void a_full_disk_is_reported_and_leaves_no_file(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autofree uint8_t *large = g_malloc0(3 << 20);
    g_autoptr(GError) error = NULL, later = NULL;
    signal(SIGXFSZ, SIG_IGN);
    SectionsWriter *writer = sections_writer_new(file.path, NULL);
    limit_files(1000001);
    bool is_written = sections_write(writer, "large", large, 1, 3 << 20, &error);
    limit_files(RLIM_INFINITY);
    assert_false(is_written);
    expect_error(error, ERR_NO_SPACE);
    /* Once something is lost, nothing may be published. */
    assert_false(sections_finish(writer, &later));
    assert_non_null(later);
    sections_writer_free(writer);
    assert_false(data_file_exists(file.part));
    assert_false(data_file_exists(file.path));
}

static void a_disk_that_fills_up_at_the_very_end_is_reported_too(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autoptr(GError) error = NULL;
    signal(SIGXFSZ, SIG_IGN);
    SectionsWriter *writer = sections_writer_new(file.path, NULL);
    assert_true(sections_write(writer, "numbers", numbers, 4, 5, NULL));
    limit_files(100);
    bool is_finished = sections_finish(writer, &error);
    limit_files(RLIM_INFINITY);
    assert_false(is_finished);
    expect_error(error, ERR_NO_SPACE);
    sections_writer_free(writer);
    assert_false(data_file_exists(file.part));
    assert_false(data_file_exists(file.path));
}

static void a_folder_that_does_not_exist_is_an_error(void **state)
{
    g_autoptr(GError) create = NULL, open = NULL;
    assert_null(sections_writer_new("/nonexistent/folder/file", &create));
    expect_error(create, ERR_INTERNAL);
    assert_null(sections_open("/nonexistent/folder/file", &open));
    expect_error(open, ERR_NOT_FOUND);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autoptr(GError) folder = NULL, pipe = NULL;
    assert_null(sections_open(file.folder, &folder));
    assert_non_null(folder);
    assert_int_equal(mkfifo(file.path, 0600), 0);
    assert_null(sections_open(file.path, &pipe));
    expect_error(pipe, ERR_DAMAGED);
}

static void names_are_unique_and_fit(void **state)
{
    const char *bad[] = {"", "numbers", "123456789012345678901234567890123456789012345678"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(DataFile) file = data_file_new();
        g_autoptr(GError) error = NULL;
        g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
        assert_true(sections_write(writer, "numbers", numbers, 4, 5, NULL));
        assert_false(sections_write(writer, bad[i], numbers, 4, 5, &error));
        expect_error(error, ERR_INTERNAL);
        assert_false(sections_finish(writer, NULL));
    }
}

/* F21: every byte is changed in turn, also those between the sections. */
static void no_changed_byte_goes_unnoticed(void **state)
{
    g_auto(DataFile) file = data_file_new();
    write_example(file.path);
    size_t length;
    g_autofree uint8_t *bytes = data_file_read(&file, &length);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x41;
        data_file_write(&file, bytes, length);
        g_autoptr(GError) error = NULL;
        g_autoptr(Sections) sections = sections_open(file.path, &error);
        assert_false(sections && sections_verify(sections, NULL, &error));
        expect_error(error, ERR_DAMAGED);
        bytes[i] ^= 0x41;
    }
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    g_auto(DataFile) file = data_file_new();
    write_example(file.path);
    size_t length;
    g_autofree uint8_t *bytes = data_file_read(&file, &length);
    for (size_t cut = 0; cut < length; cut++) {
        g_autoptr(GError) error = NULL;
        data_file_write(&file, bytes, cut);
        assert_null(sections_open(file.path, &error));
        expect_error(error, ERR_DAMAGED);
    }
}

/* A table that says what it wants with a hash that fits: as a fault of ours or an attack would. */
typedef void (*Forge)(SectionEntry *entry);

static void beyond_the_end(SectionEntry *entry)
{
    entry->count = 1 << 20;
}

static void overflowing(SectionEntry *entry)
{
    entry->count = UINT64_MAX / 2;
}

static void into_the_header(SectionEntry *entry)
{
    entry->offset = 0;
}

static void offset_overflowing(SectionEntry *entry)
{
    entry->offset = UINT64_MAX - 63;
    entry->count = 1000;
}

static void misaligned(SectionEntry *entry)
{
    entry->offset += 4;
}

static void elements_of_no_size(SectionEntry *entry)
{
    entry->element_size = 0;
}

static void endless_name(SectionEntry *entry)
{
    memset(entry->name, 'x', sizeof entry->name);
}

static void no_name(SectionEntry *entry)
{
    entry->name[0] = '\0';
}

static void name_of_another(SectionEntry *entry)
{
    strcpy(entry->name, "empty");
}

static void a_forged_table_is_refused(void **state)
{
    const Forge forges[] = {beyond_the_end,     overflowing, into_the_header,
                            offset_overflowing, misaligned,  elements_of_no_size,
                            endless_name,       no_name,     name_of_another};
    for (size_t i = 0; i < G_N_ELEMENTS(forges); i++) {
        g_auto(DataFile) file = data_file_new();
        write_example(file.path);
        size_t length;
        g_autofree uint8_t *bytes = data_file_read(&file, &length);
        SectionsHeader *header = (SectionsHeader *)bytes;
        size_t table_size = header->n_sections * sizeof(SectionEntry);
        SectionEntry *table = (SectionEntry *)(bytes + length - table_size);
        forges[i](&table[0]);
        header->table_hash = XXH3_64bits(table, table_size);
        data_file_write(&file, bytes, length);
        g_autoptr(GError) error = NULL;
        assert_null(sections_open(file.path, &error));
        expect_error(error, ERR_DAMAGED);
    }
}

static void verifying_can_be_cancelled(void **state)
{
    g_auto(DataFile) file = data_file_new();
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    assert_true(sections_verify(sections, &cancel, NULL));
    cancel_raise(&cancel);
    assert_false(sections_verify(sections, &cancel, &error));
    expect_error(error, ERR_CANCELLED);
}

/* Linux has it since 5.14. */
static bool kernel_can_populate(void)
{
    g_autofree char *page = g_malloc0(1 << 16);
    uintptr_t begin = ((uintptr_t)page + 4095) & ~(uintptr_t)4095;
    return madvise((void *)begin, 4096, MADV_POPULATE_READ) == 0;
}

static void a_file_cut_while_it_is_mapped_does_not_end_the_process(void **state)
{
    if (!kernel_can_populate())
        skip();
    g_auto(DataFile) file = data_file_new();
    g_autofree uint8_t *large = g_malloc0(1 << 20);
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    assert_true(sections_write(writer, "large", large, 1, 1 << 20, NULL));
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_int_equal(truncate(file.path, 4096), 0);
    g_autoptr(GError) error = NULL;
    assert_false(sections_verify(sections, NULL, &error));
    expect_error(error, ERR_DAMAGED);
}

static void a_file_of_no_sections_is_one_too(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_non_null(sections);
    assert_true(sections_verify(sections, NULL, NULL));
}

static bool is_text(const char *name)
{
    return strcmp(name, "text") == 0;
}

static bool is_nothing(const char *name)
{
    return false;
}

static bool copy_to(const char *path, const Sections *from, bool (*leave_out)(const char *name),
                    const Cancel *cancel, GError **error)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, error);
    return sections_copy(from, writer, leave_out, cancel, error) && sections_finish(writer, error);
}

static void a_copy_has_the_sections_that_are_not_left_out(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_auto(DataFile) copied = data_file_new();
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_true(copy_to(copied.path, sections, is_text, NULL, NULL));
    g_autoptr(Sections) copy = sections_open(copied.path, NULL);
    assert_true(sections_verify(copy, NULL, NULL));
    assert_false(sections_has(copy, "text"));
    uint64_t n;
    assert_memory_equal(sections_get(copy, "numbers", sizeof *numbers, &n, NULL), numbers,
                        sizeof numbers);
    assert_int_equal(n, 5);
    assert_non_null(sections_get(copy, "empty", 8, &n, NULL));
    assert_int_equal(n, 0);
}

static void a_copy_of_large_arrays_is_the_file_again(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_auto(DataFile) copied = data_file_new();
    g_autofree uint32_t *large = g_new(uint32_t, 3 * N_LARGE);
    for (uint32_t i = 0; i < 3 * N_LARGE; i++)
        large[i] = i * 2654435761U;
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    assert_true(sections_write(writer, "large", large, sizeof *large, 3 * N_LARGE, NULL));
    assert_true(sections_write(writer, "wide", large, 12, N_LARGE, NULL));
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_true(copy_to(copied.path, sections, is_nothing, NULL, NULL));
    gsize one_length, other_length;
    g_autofree char *one = NULL;
    g_autofree char *other = NULL;
    assert_true(g_file_get_contents(file.path, &one, &one_length, NULL));
    assert_true(g_file_get_contents(copied.path, &other, &other_length, NULL));
    assert_int_equal(one_length, other_length);
    assert_memory_equal(one, other, one_length);
}

static void a_damaged_section_is_not_copied_with_a_good_checksum(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_auto(DataFile) copied = data_file_new();
    write_example(file.path);
    gsize length;
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    assert_true(g_file_get_contents(file.path, &bytes, &length, NULL));
    bytes[sizeof(SectionsHeader)] ^= 1;
    assert_true(g_file_set_contents(file.path, bytes, (gssize)length, NULL));
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_false(copy_to(copied.path, sections, is_nothing, NULL, &error));
    expect_error(error, ERR_DAMAGED);
    assert_non_null(strstr(error->message, "numbers"));
    assert_false(data_file_exists(copied.path) || data_file_exists(copied.part));
}

static void copying_can_be_cancelled(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_auto(DataFile) copied = data_file_new();
    write_example(file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    assert_false(copy_to(copied.path, sections, is_nothing, &cancel, &error));
    expect_error(error, ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_come_back_as_written),
        cmocka_unit_test(every_array_is_aligned_for_vectors),
        cmocka_unit_test(a_missing_section_or_another_element_size_is_damage),
        cmocka_unit_test(arrays_larger_than_the_buffer_survive_in_pieces_of_any_size),
        cmocka_unit_test(a_writer_freed_without_finish_leaves_no_file),
        cmocka_unit_test(finishing_replaces_an_old_file_and_what_a_killed_writer_left),
        cmocka_unit_test(a_full_disk_is_reported_and_leaves_no_file),
        cmocka_unit_test(a_disk_that_fills_up_at_the_very_end_is_reported_too),
        cmocka_unit_test(a_folder_that_does_not_exist_is_an_error),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(names_are_unique_and_fit),
        cmocka_unit_test(no_changed_byte_goes_unnoticed),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_forged_table_is_refused),
        cmocka_unit_test(verifying_can_be_cancelled),
        cmocka_unit_test(a_file_cut_while_it_is_mapped_does_not_end_the_process),
        cmocka_unit_test(a_file_of_no_sections_is_one_too),
        cmocka_unit_test(a_copy_has_the_sections_that_are_not_left_out),
        cmocka_unit_test(a_copy_of_large_arrays_is_the_file_again),
        cmocka_unit_test(a_damaged_section_is_not_copied_with_a_good_checksum),
        cmocka_unit_test(copying_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
