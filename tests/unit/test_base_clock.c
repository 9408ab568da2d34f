/* base/clock */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include <glib.h>

#include "base/clock.h"

static void moments_are_written_and_read_back(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(1320913560) * US_PER_SECOND, "2011-11-10T08:26:00Z"},
        {INT64_C(1320913560) * US_PER_SECOND + 120, "2011-11-10T08:26:00.000120Z"},
        {INT64_C(951782400) * US_PER_SECOND, "2000-02-29T00:00:00Z"},
        {US_1970_TO_2000, "2000-01-01T00:00:00Z"},
        {INT64_C(-62135596800) * US_PER_SECOND, "0001-01-01T00:00:00Z"},
        {INT64_C(253402300799) * US_PER_SECOND, "9999-12-31T23:59:59Z"},
    };
    char text[CLOCK_TEXT_MAX];
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int64_t us = 1;
        assert_string_equal(clock_format(cases[i].us, text), cases[i].text);
        assert_true(clock_parse(cases[i].text, &us));
        assert_int_equal(us, cases[i].us);
    }
}

static void every_day_of_a_thousand_years_agrees_with_the_c_library(void **state)
{
    char text[CLOCK_TEXT_MAX], expected[CLOCK_TEXT_MAX];
    for (int64_t day = -200000; day < 200000; day++) {
        time_t seconds = day * 86400;
        struct tm parts;
        gmtime_r(&seconds, &parts);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &parts);
        assert_string_equal(clock_format(day * US_PER_DAY, text), expected);
    }
}

static void years_that_text_cannot_say_are_clamped(void **state)
{
    char text[CLOCK_TEXT_MAX];
    assert_string_equal(clock_format(INT64_MIN, text), "0001-01-01T00:00:00Z");
    assert_string_equal(clock_format(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
}

static void dates_and_offsets_are_read(void **state)
{
    static const struct {
        const char *text, *same;
    } cases[] = {
        {"2011-11-10", "2011-11-10T00:00:00Z"},
        {"2011-11-10T08:26:00+02:00", "2011-11-10T06:26:00Z"},
        {"2011-11-10T08:26:00-05:30", "2011-11-10T13:56:00Z"},
        {"2011-11-10t08:26:00z", "2011-11-10T08:26:00Z"},
        {"2011-11-10 08:26:00Z", "2011-11-10T08:26:00Z"},
        {"2011-11-10T08:26:00.5Z", "2011-11-10T08:26:00.500000Z"},
        {"2011-11-10T08:26:00.1234567899Z", "2011-11-10T08:26:00.123456Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
    };
    char text[CLOCK_TEXT_MAX];
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int64_t us;
        assert_true(clock_parse(cases[i].text, &us));
        assert_string_equal(clock_format(us, text), cases[i].same);
    }
}

static void what_is_no_moment_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "yesterday",
        "2011",
        "2011-11",
        "2011-13-01",
        "2011-00-01",
        "2011-02-29",
        "1900-02-29",
        "2011-04-31",
        "2011-11-10T",
        "2011-11-10T08:26Z",
        "2011-11-10T08:26:00",
        "2011-11-10T24:00:00Z",
        "2011-11-10T08:60:00Z",
        "2011-11-10T08:26:61Z",
        "2011-11-10T08:26:00.Z",
        "2011-11-10T08:26:00+0200",
        "2011-11-10T08:26:00+24:00",
        "2011-11-10T08:26:00Z ",
        " 2011-11-10",
        "2011-11-10Z",
        "+011-11-10",
        "0000-01-01",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int64_t us = 42;
        if (clock_parse(cases[i], &us))
            fail_msg("%s was read", cases[i]);
        assert_int_equal(us, 42);
    }
}

static void ticks_do_not_run_backwards_and_now_is_now(void **state)
{
    int64_t first = clock_ticks_ns(), before = time(NULL);
    assert_true(clock_ticks_ns() >= first);
    assert_true(clock_now_us() / US_PER_SECOND >= before - 1);
    assert_true(clock_now_us() / US_PER_SECOND <= time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_written_and_read_back),
        cmocka_unit_test(every_day_of_a_thousand_years_agrees_with_the_c_library),
        cmocka_unit_test(years_that_text_cannot_say_are_clamped),
        cmocka_unit_test(dates_and_offsets_are_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(ticks_do_not_run_backwards_and_now_is_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
