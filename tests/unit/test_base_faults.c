/* base/faults */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/faults.h"

static const char *const columns[] = {"colour",    "category", "price_band", "description",
                                      "UnitPrice", "id",       NULL};

static void assert_misses(const char *name, size_t limit, const char *expected)
{
    g_auto(GStrv) near = near_misses(name, columns, limit);
    g_autofree char *joined = near ? g_strjoinv(" ", near) : g_strdup("");
    assert_string_equal(joined, expected);
}

static void near_misses_are_typing_errors_and_prefixes(void **state)
{
    assert_misses("color", 3, "colour");
    assert_misses("coluor", 3, "colour");
    assert_misses("COLOUR", 3, "colour");
    assert_misses("unitprice", 3, "UnitPrice");
    assert_misses("desc", 3, "description");
    assert_misses("descritpion", 3, "description");
    assert_misses("price", 3, "price_band");
    assert_misses("material", 3, "");
    assert_misses("", 3, "");
    assert_misses("colour", 0, "");
    assert_misses("xy", 3, "");
}

static void near_misses_come_nearest_first_and_are_limited(void **state)
{
    static const char *const known[] = {"carts", "card", "cart", "chart", NULL};
    g_auto(GStrv) near = near_misses("cart", known, 3);
    assert_string_equal(near[0], "cart");
    assert_string_equal(near[1], "carts");
    assert_string_equal(near[2], "card");
    assert_null(near[3]);
}

static void near_misses_count_characters_not_bytes(void **state)
{
    static const char *const known[] = {"größe", "Straße", NULL};
    g_auto(GStrv) near = near_misses("grösse", known, 3);
    assert_non_null(near);
    assert_string_equal(near[0], "größe");
}

static void absurd_names_have_no_near_misses(void **state)
{
    g_autofree char *endless = g_strnfill(100000, 'c');
    assert_misses(endless, 3, "");
    assert_misses("\xFF\xFE", 3, "");
    static const char *const known[] = {"\xFF", "", NULL};
    assert_null(near_misses("a", known, 3));
}

static void faults_copy_what_they_are_given(void **state)
{
    g_autoptr(Faults) faults = faults_new();
    assert_true(faults_is_empty(faults));
    char pointer[] = "/a";
    const char *candidates[] = {"x", "y", NULL};
    faults_add(faults, pointer, "unknown_value", "try", candidates, "no %d", 3);
    faults_add(faults, "?n", "required", NULL, NULL, "needed");
    pointer[1] = 'b';
    candidates[0] = "z";
    assert_int_equal(faults->n, 2);
    assert_string_equal(faults->list[0].pointer, "/a");
    assert_string_equal(faults->list[0].detail, "no 3");
    assert_string_equal(faults->list[0].hint, "try");
    assert_string_equal(faults->list[0].candidates[0], "x");
    assert_null(faults->list[1].hint);
    assert_null(faults->list[1].candidates);
}

static void no_more_than_a_hundred_are_kept(void **state)
{
    g_autoptr(Faults) faults = faults_new();
    for (int i = 0; i < 500; i++)
        faults_add(faults, "", "x", NULL, NULL, "%d", i);
    assert_int_equal(faults->n, 100);
    assert_string_equal(faults->list[99].detail, "99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_misses_are_typing_errors_and_prefixes),
        cmocka_unit_test(near_misses_come_nearest_first_and_are_limited),
        cmocka_unit_test(near_misses_count_characters_not_bytes),
        cmocka_unit_test(absurd_names_have_no_near_misses),
        cmocka_unit_test(faults_copy_what_they_are_given),
        cmocka_unit_test(no_more_than_a_hundred_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
