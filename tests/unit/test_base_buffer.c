/* base/buffer */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buffer.h"

static void appends_follow_each_other(void **state)
{
    g_auto(Buffer) buffer = {0};
    buffer_init(&buffer);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_append(&buffer, "ab\0c", 4);
    buffer_append_text(&buffer, "de");
    buffer_printf(&buffer, "%d-%s", 42, "x");
    assert_int_equal(buffer.length, 10);
    assert_memory_equal(buffer_text(&buffer), "ab\0cde42-x", 11);
}

static void it_grows_and_keeps_its_content(void **state)
{
    g_auto(Buffer) buffer = {0};
    for (unsigned i = 0; i < 100000; i++)
        buffer_append(&buffer, &(char){(char)('a' + i % 26)}, 1);
    assert_int_equal(buffer.length, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(buffer.data[i], 'a' + i % 26);
}

static void text_ends_with_nul_when_the_buffer_is_exactly_full(void **state)
{
    g_auto(Buffer) buffer = {0};
    assert_true(buffer_reserve(&buffer, 1));
    while (buffer.length < buffer.capacity)
        buffer_append(&buffer, "x", 1);
    assert_int_equal(strlen(buffer_text(&buffer)), buffer.length);
}

static void a_reset_keeps_the_memory(void **state)
{
    g_auto(Buffer) buffer = {0};
    buffer_append_text(&buffer, "hello");
    const char *data = buffer.data;
    buffer_reset(&buffer);
    buffer_append_text(&buffer, "ho");
    assert_ptr_equal(buffer.data, data);
    assert_string_equal(buffer_text(&buffer), "ho");
}

static void a_failed_reservation_is_remembered_and_frees_nothing(void **state)
{
    g_auto(Buffer) buffer = {0};
    buffer_append_text(&buffer, "kept");
    assert_false(buffer_reserve(&buffer, SIZE_MAX - 2));
    assert_true(buffer.failed);
    buffer_append_text(&buffer, " lost");
    buffer_printf(&buffer, "%d", 1);
    assert_string_equal(buffer_text(&buffer), "kept");
    buffer_reset(&buffer);
    buffer_append_text(&buffer, "again");
    assert_false(buffer.failed);
    assert_string_equal(buffer_text(&buffer), "again");
}

static void an_extension_is_the_callers_to_write(void **state)
{
    g_auto(Buffer) buffer = {0};
    buffer_append_text(&buffer, "a");
    char *place = buffer_extend(&buffer, 2);
    memcpy(place, "bc", 2);
    assert_string_equal(buffer_text(&buffer), "abc");
    assert_null(buffer_extend(&buffer, SIZE_MAX - 2));
    assert_true(buffer.failed);
    assert_string_equal(buffer_text(&buffer), "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_follow_each_other),
        cmocka_unit_test(it_grows_and_keeps_its_content),
        cmocka_unit_test(text_ends_with_nul_when_the_buffer_is_exactly_full),
        cmocka_unit_test(a_reset_keeps_the_memory),
        cmocka_unit_test(a_failed_reservation_is_remembered_and_frees_nothing),
        cmocka_unit_test(an_extension_is_the_callers_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
