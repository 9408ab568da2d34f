#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/copy_binary.h"

#define FIELD(bytes) ((CopyField){bytes, sizeof(bytes) - 1})

static const CopyField null_field = {NULL, -1};

static void assert_text(CopyType type, CopyField field, const char *expected)
{
    char scratch[COPY_TEXT_MAX];
    const char *text;
    size_t length;
    assert_true(copy_text(type, field, scratch, &text, &length));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(text, expected, length);
}

static void equal_keys_of_different_types_have_equal_text(void **state)
{
    const struct {
        CopyType type;
        CopyField field;
    } keys[] = {
        {COPY_TEXT, FIELD("17850")},
        {COPY_BPCHAR, FIELD("17850   ")},
        {COPY_INT2, FIELD("\x45\xba")},
        {COPY_INT4, FIELD("\0\0\x45\xba")},
        {COPY_INT8, FIELD("\0\0\0\0\0\0\x45\xba")},
        {COPY_FLOAT4, FIELD("\x46\x8b\x74\0")},
        {COPY_FLOAT8, FIELD("\x40\xd1\x6e\x80\0\0\0\0")},
        {COPY_NUMERIC, FIELD("\0\2\0\1\0\0\0\1\0\1\x1e\xaa")},     /* 17850.0: dscale 1 */
        {COPY_NUMERIC, FIELD("\0\3\0\1\0\0\0\2\0\1\x1e\xaa\0\0")}, /* with a group of zeros */
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_text(keys[i].type, keys[i].field, "17850");
}

static void numerics_are_printed_without_trailing_zeros(void **state)
{
    assert_text(COPY_NUMERIC, FIELD("\0\2\0\0\0\0\0\2\0\2\x15\x7c"), "2.55");
    assert_text(COPY_NUMERIC, FIELD("\0\1\xff\xff\x40\0\0\4\0\5"), "-0.0005");
    assert_text(COPY_NUMERIC, FIELD("\0\1\xff\xfe\0\0\0\x08\0\x64"), "0.000001");
    assert_text(COPY_NUMERIC, FIELD("\0\1\0\2\0\0\0\0\0\7"), "700000000");
    assert_text(COPY_NUMERIC, FIELD("\0\0\0\0\0\0\0\0"), "0");
    assert_text(COPY_NUMERIC, FIELD("\0\0\0\0\xc0\0\0\0"), "NaN");
    assert_text(COPY_NUMERIC, FIELD("\0\0\0\0\xd0\0\0\0"), "Infinity");
    assert_text(COPY_NUMERIC, FIELD("\0\0\0\0\xf0\0\0\0"), "-Infinity");
}

static void numerics_become_the_nearest_double(void **state)
{
    assert_true(copy_number(COPY_NUMERIC, FIELD("\0\2\0\0\0\0\0\2\0\2\x15\x7c")) == 2.55);
    assert_true(copy_number(COPY_NUMERIC, FIELD("\0\1\xff\xff\x40\0\0\4\0\5")) == -0.0005);
    assert_true(copy_number(COPY_NUMERIC, FIELD("\0\1\0\2\0\0\0\0\0\7")) == 7e8);
    assert_true(copy_number(COPY_NUMERIC, FIELD("\0\0\0\0\0\0\0\0")) == 0);
    assert_true(isnan(copy_number(COPY_NUMERIC, FIELD("\0\0\0\0\xc0\0\0\0"))));
    assert_true(isinf(copy_number(COPY_NUMERIC, FIELD("\0\0\0\0\xd0\0\0\0"))));
}

static void integers_reach_both_ends(void **state)
{
    assert_text(COPY_INT8, FIELD("\x80\0\0\0\0\0\0\0"), "-9223372036854775808");
    assert_text(COPY_INT8, FIELD("\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807");
    assert_text(COPY_INT4, FIELD("\xff\xff\xff\xff"), "-1");
    assert_text(COPY_INT2, FIELD("\x80\0"), "-32768");
    assert_text(COPY_INT4, FIELD("\0\0\0\0"), "0");
}

static void floats_are_printed_as_short_as_they_can(void **state)
{
    assert_text(COPY_FLOAT4, FIELD("\x3d\xcc\xcc\xcd"), "0.1");
    assert_text(COPY_FLOAT8, FIELD("\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1");
    assert_text(COPY_FLOAT8, FIELD("\x7f\xf8\0\0\0\0\0\0"), "NaN");
    assert_text(COPY_FLOAT8, FIELD("\xff\xf0\0\0\0\0\0\0"), "-Infinity");
}

static void uuids_booleans_and_text_are_canonical(void **state)
{
    assert_text(COPY_UUID,
                FIELD("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"),
                "01234567-89ab-cdef-0123-456789abcdef");
    assert_text(COPY_BOOL, FIELD("\1"), "true");
    assert_text(COPY_BOOL, FIELD("\0"), "false");
    assert_text(COPY_TEXT, FIELD("a b "), "a b ");
    assert_text(COPY_TEXT, FIELD(""), "");
    assert_text(COPY_BPCHAR, FIELD("    "), "");
}

static void times_count_from_1970(void **state)
{
    assert_true(copy_time(COPY_TIMESTAMP, FIELD("\0\0\0\0\0\0\0\0")) == US_1970_TO_2000);
    assert_true(copy_time(COPY_DATE, FIELD("\0\0\0\1")) == US_1970_TO_2000 + US_PER_DAY);
    assert_true(copy_number(COPY_DATE, FIELD("\0\0\0\0")) == 946684800);
    assert_text(COPY_DATE, FIELD("\xff\xff\xff\xff"), "1999-12-31");
    assert_text(COPY_TIMESTAMP, FIELD("\0\0\0\0\0\0\0\0"), "2000-01-01T00:00:00Z");
}

static void infinite_times_are_nulls(void **state)
{
    assert_true(copy_time(COPY_TIMESTAMP, FIELD("\x7f\xff\xff\xff\xff\xff\xff\xff")) == INT64_MIN);
    assert_true(copy_time(COPY_TIMESTAMP, FIELD("\x80\0\0\0\0\0\0\0")) == INT64_MIN);
    assert_true(copy_time(COPY_DATE, FIELD("\x7f\xff\xff\xff")) == INT64_MIN);
    assert_text(COPY_DATE, FIELD("\x80\0\0\0"), "-infinity");
    assert_text(COPY_TIMESTAMP, FIELD("\x7f\xff\xff\xff\xff\xff\xff\xff"), "infinity");
}

static void nulls_are_nothing(void **state)
{
    char scratch[COPY_TEXT_MAX];
    const char *text = "before";
    size_t length = 1;
    assert_true(copy_text(COPY_INT4, null_field, scratch, &text, &length));
    assert_null(text);
    assert_int_equal(length, 0);
    assert_true(isnan(copy_number(COPY_NUMERIC, null_field)));
    assert_true(copy_time(COPY_TIMESTAMP, null_field) == INT64_MIN);
}

static void bytes_of_another_width_are_refused(void **state)
{
    char scratch[COPY_TEXT_MAX];
    const char *text;
    size_t length;
    assert_false(copy_text(COPY_INT8, FIELD("\0\0\0\1"), scratch, &text, &length));
    assert_false(copy_text(COPY_UUID, FIELD("\0"), scratch, &text, &length));
    assert_false(copy_text(COPY_NUMERIC, FIELD("\0\5\0\0\0\0\0\0"), scratch, &text, &length));
    assert_true(isnan(copy_number(COPY_FLOAT8, FIELD("\0\0\0\1"))));
    assert_true(isnan(copy_number(COPY_NUMERIC, FIELD("\0\5"))));
    assert_true(copy_time(COPY_TIMESTAMP, FIELD("\0")) == INT64_MIN);
}

static void a_numeric_too_long_for_a_key_is_refused(void **state)
{
    char scratch[COPY_TEXT_MAX];
    const char *text;
    size_t length;
    assert_false(copy_text(COPY_NUMERIC, FIELD("\0\1\0\x40\0\0\0\0\0\1"), scratch, &text, &length));
    assert_false(
        copy_text(COPY_NUMERIC, FIELD("\0\1\xff\x80\0\0\0\0\0\1"), scratch, &text, &length));
    assert_false(
        copy_text(COPY_NUMERIC, FIELD("\0\1\x7f\xff\0\0\0\0\0\1"), scratch, &text, &length));
    assert_true(copy_text(COPY_NUMERIC, FIELD("\0\1\0\x1f\0\0\0\0\0\1"), scratch, &text, &length));
    assert_int_equal(length, 125);
}

static void rows_are_split_into_fields(void **state)
{
    static const char row[] = "\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0";
    CopyField fields[3];
    assert_true(copy_split(row, sizeof row - 1, 3, fields));
    assert_int_equal(fields[0].length, 2);
    assert_memory_equal(fields[0].bytes, "ab", 2);
    assert_int_equal(fields[1].length, -1);
    assert_int_equal(fields[2].length, 0);
}

static void damaged_rows_are_refused_at_every_length(void **state)
{
    static const char row[] = "\0\2\0\0\0\2ab\0\0\0\1c";
    CopyField fields[2];
    assert_true(copy_split(row, sizeof row - 1, 2, fields));
    for (size_t length = 0; length < sizeof row - 1; length++) {
        char *cut = test_malloc(length + 1);
        memcpy(cut, row, length);
        assert_false(copy_split(cut, length, 2, fields));
        test_free(cut);
    }
    assert_false(copy_split(row, sizeof row, 2, fields));
    assert_false(copy_split(row, sizeof row - 1, 1, fields));
    assert_false(copy_split("\0\1\xff\xff\xff\xfe", 6, 1, fields));
    assert_false(copy_split("\0\1\x7f\xff\xff\xff", 6, 1, fields));
}

static void types_without_a_decoder_are_left_to_the_server(void **state)
{
    CopyType type;
    assert_true(copy_type_of(23, &type));
    assert_int_equal(type, COPY_INT4);
    assert_true(copy_type_of(1042, &type));
    assert_int_equal(type, COPY_BPCHAR);
    assert_false(copy_type_of(114, &type));
    assert_false(copy_type_of(1009, &type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_of_different_types_have_equal_text),
        cmocka_unit_test(numerics_are_printed_without_trailing_zeros),
        cmocka_unit_test(numerics_become_the_nearest_double),
        cmocka_unit_test(integers_reach_both_ends),
        cmocka_unit_test(floats_are_printed_as_short_as_they_can),
        cmocka_unit_test(uuids_booleans_and_text_are_canonical),
        cmocka_unit_test(times_count_from_1970),
        cmocka_unit_test(infinite_times_are_nulls),
        cmocka_unit_test(nulls_are_nothing),
        cmocka_unit_test(bytes_of_another_width_are_refused),
        cmocka_unit_test(a_numeric_too_long_for_a_key_is_refused),
        cmocka_unit_test(rows_are_split_into_fields),
        cmocka_unit_test(damaged_rows_are_refused_at_every_length),
        cmocka_unit_test(types_without_a_decoder_are_left_to_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
