#include "data_files.h"

static void write_number(SectionsWriter *writer, uint32_t number)
{
    assert_true(sections_write(writer, "learner.rank", &number, sizeof number, 1, NULL));
}

static uint32_t read_number(const Sections *sections)
{
    uint64_t count;
    const uint32_t *number = sections_get(sections, "learner.rank", sizeof *number, &count, NULL);
    assert_non_null(number);
    assert_int_equal(count, 1);
    return *number;
}

static void one_name_is_written_under_several_prefixes(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    for (uint32_t part = 0; part < 2; part++) {
        sections_writer_set_prefix(writer, part ? "b." : "a.");
        write_number(writer, 10 + part);
    }
    sections_writer_set_prefix(writer, "");
    write_number(writer, 7);
    assert_true(sections_finish(writer, NULL));

    g_autoptr(Sections) whole = sections_open(file.path, NULL);
    assert_non_null(whole);
    g_autoptr(Sections) first = sections_under(whole, "a.");
    g_autoptr(Sections) second = sections_under(whole, "b.");
    g_autoptr(Sections) none = sections_under(whole, "c.");
    assert_int_equal(read_number(whole), 7);
    assert_int_equal(read_number(first), 10);
    assert_int_equal(read_number(second), 11);
    assert_false(sections_has(none, "learner.rank"));
    assert_true(sections_has(whole, "a.learner.rank"));
}

static void a_name_too_long_with_its_prefix_is_refused(void **state)
{
    g_auto(DataFile) file = data_file_new();
    g_autoptr(SectionsWriter) writer = sections_writer_new(file.path, NULL);
    g_autofree char *name = g_strnfill(SECTION_NAME_MAX - 3, 'x');
    sections_writer_set_prefix(writer, "long");
    assert_false(sections_write(writer, name, "x", 1, 1, NULL));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_is_written_under_several_prefixes),
        cmocka_unit_test(a_name_too_long_with_its_prefix_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
