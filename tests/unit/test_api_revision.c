#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/revision.h"
#include "base/error.h"

static void tag_holds_revision_and_version(void **state)
{
    char tag[REVISION_TAG_MAX];
    assert_string_equal(revision_tag(3, 0, tag), "3");
    assert_string_equal(revision_tag(3, 7, tag), "3.7");
    assert_string_equal(revision_tag(INT64_MAX, UINT32_MAX, tag), "9223372036854775807.4294967295");
}

/* If-Match compares strongly (RFC 9110, 13.1.1); the version after the dot does not count. */
static void if_match_allows_only_its_revision(void **state)
{
    static const struct {
        const char *header;
        bool matches;
    } cases[] = {
        {"\"3\"", true},
        {"*", true},
        {"\"3.7\"", true},
        {" \"3\" ", true},
        {"\"2\", \"3\"", true},
        {"\"2\",*", true},
        {"\"2\"", false},
        {"\"33\"", false},
        {"3", false},
        {"W/\"3\"", false},
        {"\"\"", false},
        {"\"3", false},
        {"3\"", false},
        {"\"3x\"", false},
        {"\"3.x\"", false},
        {"\"x3\"", false},
        {"\"+3\"", false},
        {"\" 3\"", false},
        {"", false},
        {",", false},
        {"\"3.7.1\"", false},
        {"\"-3\"", false},
        {"**", false},
        {"\"99999999999999999999999\"", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (revision_matches(cases[i].header, 3) != cases[i].matches)
            fail_msg("If-Match: %s", cases[i].header);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tag_holds_revision_and_version),
        cmocka_unit_test(if_match_allows_only_its_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
