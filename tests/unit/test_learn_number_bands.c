/* Numbers and times cut into bands (F6). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "learn/number_bands.h"

static char name_of_column[] = "age";

static NumberBands *bands_of(ColumnKind kind, const float *number, uint32_t n, uint32_t most)
{
    g_autofree float *copy = g_new(float, n);
    const Column column = {.name = name_of_column, .kind = kind};
    memcpy(copy, number, n * sizeof *copy);
    NumberBands *bands = number_bands_new(&column, copy, n, most, NULL);
    assert_non_null(bands);
    assert_string_equal(bands->named.name, "age");
    assert_int_equal(bands->named.kind, COLUMN_CATEGORICAL);
    return bands;
}

static void expect_names(const NumberBands *bands, const char *const *names)
{
    uint32_t n = g_strv_length((char **)names);
    assert_int_equal(ids_count(bands->named.values), n);
    for (uint32_t band = 0; band < n; band++) {
        size_t length;
        const char *name = ids_get(bands->named.values, band, &length);
        g_autofree char *text = g_strndup(name, length);
        assert_string_equal(text, names[band]);
    }
}

static void bands_hold_about_as_many_each(void **state)
{
    enum { N = 1000 };
    float number[N];
    for (uint32_t i = 0; i < N; i++)
        number[i] = (float)(i * 7919 % N) / 4; /* 0 to 249.75 in any order */
    for (uint32_t most = 1; most <= NUMBER_BANDS_MAX; most++) {
        g_autoptr(NumberBands) bands = bands_of(COLUMN_NUMERIC, number, N, most);
        uint32_t in[NUMBER_BANDS_MAX] = {0};
        assert_int_equal(ids_count(bands->named.values), most);
        for (uint32_t i = 0; i < N; i++)
            in[number_bands_find(bands, number[i])]++;
        for (uint32_t band = 0; band < most; band++)
            assert_in_range(in[band], N / most - 1, N / most + 1);
    }
}

static void names_tell_the_edges_and_every_number_has_a_place(void **state)
{
    const float ages[] = {61, 18, 25, 25, 34, 40, 25, 18, 55};
    g_autoptr(NumberBands) bands = bands_of(COLUMN_NUMERIC, ages, G_N_ELEMENTS(ages), 3);
    expect_names(bands, (const char *[]){"up to 25", "over 25 up to 34", "over 34", NULL});
    const struct {
        float number;
        uint32_t band;
    } cases[] = {{-1e30f, 0}, {25, 0}, {25.5f, 1}, {34, 1}, {34.5f, 2}, {1e30f, 2}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_int_equal(number_bands_find(bands, cases[i].number), cases[i].band);
}

static void equal_numbers_are_never_apart(void **state)
{
    float mostly[40] = {0};
    for (uint32_t i = 0; i < 6; i++)
        mostly[i] = (float)(i + 1);
    g_autoptr(NumberBands) bands = bands_of(COLUMN_NUMERIC, mostly, 40, 8);
    expect_names(bands, (const char *[]){"up to 0", "over 0 up to 1", "over 1", NULL});
    const float same[] = {5, 5, 5, 5};
    g_autoptr(NumberBands) one = bands_of(COLUMN_NUMERIC, same, 4, 8);
    expect_names(one, (const char *[]){"any", NULL});
    assert_int_equal(number_bands_find(one, 7), 0);
}

static void numbers_close_together_have_names_of_their_own(void **state)
{
    const float close[] = {16777210, 16777211, 16777212, 0.1f, -0.25f, 16777213};
    g_autoptr(NumberBands) bands = bands_of(COLUMN_NUMERIC, close, G_N_ELEMENTS(close), 6);
    expect_names(bands, (const char *[]){"up to -0.25", "over -0.25 up to 0.1",
                                         "over 0.1 up to 16777210", "over 16777210 up to 16777211",
                                         "over 16777211 up to 16777212", "over 16777212", NULL});
}

/* Seconds, of which a float holds but some minutes. */
static void times_are_told_apart_by_day(void **state)
{
    static const char *const moments[] = {"1899-12-31",           "1957-10-04", "1980-05-01",
                                          "1980-05-01T23:30:00Z", "2011-11-10", "2026-11-22"};
    float seconds[G_N_ELEMENTS(moments)];
    for (size_t i = 0; i < G_N_ELEMENTS(moments); i++) {
        int64_t us;
        assert_true(clock_parse(moments[i], &us));
        seconds[i] = (float)((double)us / US_PER_SECOND);
    }
    g_autoptr(NumberBands) bands = bands_of(COLUMN_TIME, seconds, G_N_ELEMENTS(seconds), 6);
    expect_names(bands,
                 (const char *[]){"up to 1899-12-31", "over 1899-12-31 up to 1957-10-04",
                                  "over 1957-10-04 up to 1980-05-01",
                                  "over 1980-05-01 up to 2011-11-10", "over 2011-11-10", NULL});
    const uint32_t band[] = {0, 1, 2, 2, 3, 4};
    for (size_t i = 0; i < G_N_ELEMENTS(moments); i++)
        assert_int_equal(number_bands_find(bands, seconds[i]), band[i]);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_hold_about_as_many_each),
        cmocka_unit_test(names_tell_the_edges_and_every_number_has_a_place),
        cmocka_unit_test(equal_numbers_are_never_apart),
        cmocka_unit_test(numbers_close_together_have_names_of_their_own),
        cmocka_unit_test(times_are_told_apart_by_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
