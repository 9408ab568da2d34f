/* base/json, the writing half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

typedef struct Output {
    Buffer buffer;
    JsonWriter writer;
} Output;

static void output_clear(Output *output)
{
    buffer_clear(&output->buffer);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Output, output_clear)

static JsonWriter *begin(Output *output)
{
    buffer_reset(&output->buffer);
    json_writer_init(&output->writer, &output->buffer);
    return &output->writer;
}

static void commas_come_by_themselves(void **state)
{
    g_auto(Output) output = {0};
    JsonWriter *json = begin(&output);
    json_begin_object(json);
    json_key(json, "a");
    json_begin_array(json);
    json_int(json, 1);
    json_begin_object(json);
    json_end_object(json);
    json_begin_array(json);
    json_end_array(json);
    json_null(json);
    json_end_array(json);
    json_key(json, "b");
    json_bool(json, true);
    json_key(json, "c");
    json_raw(json, "[0]", 3);
    json_key(json, "d");
    json_time(json, 0);
    json_key(json, "e");
    json_string(json, NULL);
    json_end_object(json);
    assert_string_equal(buffer_text(&output.buffer), "{\"a\":[1,{},[],null],\"b\":true,\"c\":[0],"
                                                     "\"d\":\"1970-01-01T00:00:00Z\",\"e\":null}");
}

static void strings_are_escaped_and_bad_bytes_replaced(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\v\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u000b\\u001f\x7f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\xC3\xBC\xF0\x9F\x98\x80", 6, "\"\xC3\xBC\xF0\x9F\x98\x80\""},
        {"x\xFFy", 3, "\"x\xEF\xBF\xBDy\""},
        {"\xC3", 1, "\"\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    g_auto(Output) output = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *copy = g_memdup2(cases[i].bytes, cases[i].length);
        json_string_n(begin(&output), copy ? copy : "", cases[i].length);
        assert_string_equal(buffer_text(&output.buffer), cases[i].json);
    }
}

static void integers_are_written_whole(void **state)
{
    g_auto(Output) output = {0};
    JsonWriter *json = begin(&output);
    json_begin_array(json);
    json_int(json, INT64_MIN);
    json_int(json, INT64_MAX);
    json_int(json, 0);
    json_uint(json, UINT64_MAX);
    json_end_array(json);
    assert_string_equal(buffer_text(&output.buffer),
                        "[-9223372036854775808,9223372036854775807,0,18446744073709551615]");
}

static void numbers_have_at_most_six_digits(void **state)
{
    static const struct {
        double value;
        const char *json;
    } cases[] = {
        {0, "0"},           {-0.0, "0"},           {1, "1"},
        {0.1, "0.1"},       {1.0 / 3, "0.333333"}, {1234567, "1.23457e+06"},
        {-2.5, "-2.5"},     {1e-9, "1e-09"},       {NAN, "null"},
        {INFINITY, "null"},
    };
    g_auto(Output) output = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_number(begin(&output), cases[i].value);
        assert_string_equal(buffer_text(&output.buffer), cases[i].json);
    }
}

static void fixed_numbers_lose_their_trailing_zeros(void **state)
{
    static const struct {
        double value;
        unsigned decimals;
        const char *json;
    } cases[] = {
        {0, 4, "0"},
        {1, 4, "1"},
        {0.5, 4, "0.5"},
        {0.12345, 4, "0.1235"},
        {0.99999, 4, "1"},
        {0.0001, 4, "0.0001"},
        {0.00004, 4, "0"},
        {-0.00004, 4, "0"},
        {-1.25, 2, "-1.25"},
        {-0.05, 2, "-0.05"},
        {12.3456789, 6, "12.345679"},
        {7.5, 0, "8"},
        {1.000001, 6, "1.000001"},
        {1000000, 6, "1000000"},
        {10.10, 2, "10.1"},
        {0.5, 99, "0.5"},
        {1e18, 2, "1e+18"},
        {NAN, 3, "null"},
        {-INFINITY, 3, "null"},
    };
    g_auto(Output) output = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_fixed(begin(&output), cases[i].value, cases[i].decimals);
        assert_string_equal(buffer_text(&output.buffer), cases[i].json);
    }
}

static void fixed_numbers_are_within_half_a_step_of_the_value(void **state)
{
    g_auto(Output) output = {0};
    for (unsigned decimals = 0; decimals <= 6; decimals++)
        for (int i = -5000; i < 5000; i++) {
            double value = i * 0.00371, step = pow(10, -(double)decimals);
            json_fixed(begin(&output), value, decimals);
            double read = strtod(buffer_text(&output.buffer), NULL);
            assert_true(fabs(read - value) <= step / 2 * (1 + 1e-9) + 1e-12);
        }
}

static void values_are_written_exactly(void **state)
{
    static const double values[] = {
        0.1,        1.0 / 3, 2.0 / 3, 5e-324, DBL_MAX, 9007199254740991.0, -9007199254740992.0,
        1e15 + 0.5, 1e300};
    g_auto(Output) output = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(cJSON) value = cJSON_CreateNumber(values[i]);
        json_value(begin(&output), value);
        assert_true(strtod(buffer_text(&output.buffer), NULL) == values[i]);
    }
}

static void too_much_depth_fails_the_buffer_instead_of_overrunning(void **state)
{
    g_auto(Output) output = {0};
    JsonWriter *json = begin(&output);
    for (int i = 0; i < 1000; i++)
        json_begin_array(json);
    json_int(json, 1);
    for (int i = 0; i < 1000; i++)
        json_end_array(json);
    assert_true(output.buffer.failed);

    json = begin(&output);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_begin_array(json);
    json_int(json, 1);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_end_array(json);
    assert_false(output.buffer.failed);
    assert_int_equal(output.buffer.length, 2 * JSON_DEPTH_MAX + 1);
}

static void a_special_byte_is_escaped_wherever_it_stands(void **state)
{
    g_auto(Output) output = {0};
    for (size_t length = 1; length <= 20; length++) {
        for (size_t at = 0; at < length; at++) {
            char text[21] = "xxxxxxxxxxxxxxxxxxxx", expected[32];
            text[length] = '\0';
            text[at] = '"';
            snprintf(expected, sizeof expected, "\"%.*s\\\"%s\"", (int)at, text, text + at + 1);
            json_string_n(begin(&output), text, length);
            assert_string_equal(buffer_text(&output.buffer), expected);
        }
    }
}

static void a_raw_value_written_in_place_is_a_value_like_others(void **state)
{
    g_auto(Output) output = {0};
    JsonWriter *json = begin(&output);
    json_begin_object(json);
    JSON_KEY(json, "first");
    json_int(json, 1);
    char *at = json_begin_raw(json, 64);
    assert_non_null(at);
    at = stpcpy(at, "\"raw\":");
    json_end_raw(json, json_put_fixed(at, -0.25, 6));
    JSON_KEY(json, "last");
    at = json_begin_raw(json, JSON_NUMBER_MAX);
    json_end_raw(json, json_put_uint(at, UINT64_MAX));
    json_end_object(json);
    assert_string_equal(buffer_text(&output.buffer),
                        "{\"first\":1,\"raw\":-0.25,\"last\":18446744073709551615}");
}

static void a_text_put_in_place_is_what_a_string_writes(void **state)
{
    g_auto(Output) output = {0};
    static const char *const texts[] = {"",
                                        "a",
                                        "abc",
                                        "abcd",
                                        "21034",
                                        "12345678",
                                        "123456789",
                                        "0123456789abcdef",
                                        "0123456789abcdefg",
                                        "a \"quoted\" one",
                                        "\\",
                                        "\x01\x1f\x7f\n",
                                        "caf\xC3\xA9",
                                        "bad \xC3( \xFF",
                                        "\xE2\x82"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        size_t length = strlen(texts[i]);
        g_autofree char *room = g_malloc(JSON_TEXT_MAX(length));
        char *end = json_put_text(room, texts[i], length);
        assert_true((size_t)(end - room) <= JSON_TEXT_MAX(length));
        json_string_n(begin(&output), texts[i], length);
        assert_int_equal(end - room, output.buffer.length);
        assert_memory_equal(room, output.buffer.data, output.buffer.length);
    }
}

static void a_text_of_nothing_but_escapes_fills_its_room(void **state)
{
    char text[100], room[JSON_TEXT_MAX(sizeof text)];
    memset(text, 1, sizeof text);
    assert_ptr_equal(json_put_text(room, text, sizeof text), room + sizeof room);
    assert_memory_equal(room, "\"\\u0001\\u0001", 13);
}

static void no_memory_leaves_no_place_to_write_at(void **state)
{
    g_auto(Output) output = {0};
    JsonWriter *json = begin(&output);
    json_begin_array(json);
    assert_null(json_begin_raw(json, SIZE_MAX));
    assert_true(output.buffer.failed);
    json_fixed(json, 0.5, 6);
    JSON_KEY(json, "lost");
    assert_string_equal(buffer_text(&output.buffer), "[");
}

static void every_number_put_fits_its_room(void **state)
{
    static const double values[] = {DBL_MAX,           -DBL_MAX, DBL_MIN, -9e15,
                                    8999999999.999999, -0.0,     NAN,     INFINITY};
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        char text[JSON_NUMBER_MAX];
        char *end = json_put_fixed(text, values[i], 6);
        assert_true(end > text && end <= text + sizeof text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(strings_are_escaped_and_bad_bytes_replaced),
        cmocka_unit_test(integers_are_written_whole),
        cmocka_unit_test(numbers_have_at_most_six_digits),
        cmocka_unit_test(fixed_numbers_lose_their_trailing_zeros),
        cmocka_unit_test(fixed_numbers_are_within_half_a_step_of_the_value),
        cmocka_unit_test(values_are_written_exactly),
        cmocka_unit_test(too_much_depth_fails_the_buffer_instead_of_overrunning),
        cmocka_unit_test(a_special_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(a_raw_value_written_in_place_is_a_value_like_others),
        cmocka_unit_test(a_text_put_in_place_is_what_a_string_writes),
        cmocka_unit_test(a_text_of_nothing_but_escapes_fills_its_room),
        cmocka_unit_test(no_memory_leaves_no_place_to_write_at),
        cmocka_unit_test(every_number_put_fits_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
