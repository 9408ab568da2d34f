/* Paths are split before they are decoded; everything decoded is UTF-8 without NUL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/target.h"

typedef struct Case {
    const char *raw;
    const char *segments;  /* joined by '|', NULL: refused */
    const char *arguments; /* name=value joined by '|' */
} Case;

// clang-format off
static const Case CASES[] = {
    {"/",                          "",                  ""},
    {"/v1/models",                 "v1|models",         ""},
    {"/v1/models/",                "v1|models|",        ""},
    {"//a",                        "|a",                ""},
    {"/a%2Fb/c",                   "a/b|c",             ""},
    {"/a%2fb",                     "a/b",               ""},
    {"/%25",                       "%",                 ""},
    {"/%2525",                     "%25",               ""},
    {"/a%0Ab",                     "a\nb",              ""},
    {"/%22'%5C",                   "\"'\\",             ""},
    {"/%F0%9F%98%80",              "\xF0\x9F\x98\x80",  ""},
    {"/\xF0\x9F\x98\x80",          "\xF0\x9F\x98\x80",  ""},
    {"/../a",                      "..|a",              ""},
    {"/a+b",                       "a+b",               ""},
    {"/a;b=c",                     "a;b=c",             ""},
    {"http://host:80/a?b=c",       "a",                 "b=c"},
    {"HTTPS://host/a",             "a",                 ""},
    {"/a?",                        "a",                 ""},
    {"/a?b",                       "a",                 "b="},
    {"/a?b=",                      "a",                 "b="},
    {"/a?b=c=d",                   "a",                 "b=c=d"},
    {"/a?b=c&d=e",                 "a",                 "b=c|d=e"},
    {"/a?&&b=c&",                  "a",                 "b=c"},
    {"/a?b=1+2",                   "a",                 "b=1+2"},
    {"/a?b=%26%3D%2B",             "a",                 "b=&=+"},
    {"/a?b=c?d/e",                 "a",                 "b=c?d/e"},
    {"/a?%62=c",                   "a",                 "b=c"},
    {"/a/b%3Fc",                   "a|b?c",             ""},
    {"",                           NULL,                NULL},
    {"*",                          NULL,                NULL},
    {"a",                          NULL,                NULL},
    {"host:80",                    NULL,                NULL},
    {"http://host",                NULL,                NULL},
    {"/%",                         NULL,                NULL},
    {"/%2",                        NULL,                NULL},
    {"/%zz",                       NULL,                NULL},
    {"/% 2",                       NULL,                NULL},
    {"/%-1",                       NULL,                NULL},
    {"/a%00b",                     NULL,                NULL},
    {"/%ff",                       NULL,                NULL},
    {"/%C0%AF",                    NULL,                NULL},
    {"/%ED%A0%80",                 NULL,                NULL},
    {"/%E2%82",                    NULL,                NULL},
    {"/%E2/%82%AC",                NULL,                NULL},
    {"/a b",                       NULL,                NULL},
    {"/a\x01",                     NULL,                NULL},
    {"/a\x7f",                     NULL,                NULL},
    {"/a?b=%",                     NULL,                NULL},
    {"/a?b=%00",                   NULL,                NULL},
    {"/a?b=%ff",                   NULL,                NULL},
    {"/a?=c",                      NULL,                NULL},
    {"/a?b=c&=d",                  NULL,                NULL},
};
// clang-format on

static char *join(const Target *target, bool segments)
{
    GString *text = g_string_new("");
    size_t n = segments ? target->n_segments : target->n_arguments;
    for (size_t i = 0; i < n; i++) {
        g_string_append(text, i ? "|" : "");
        if (segments)
            g_string_append(text, target->segments[i].bytes);
        else
            g_string_append_printf(text, "%s=%s", target->arguments[i].name.bytes,
                                   target->arguments[i].value.bytes);
    }
    return g_string_free(text, FALSE);
}

static void target_reads_what_it_should_and_refuses_the_rest(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
        const Case *one = &CASES[i];
        size_t length = strlen(one->raw);
        g_autofree char *raw = g_memdup2(one->raw, length); /* no NUL: a sanitizer sees overruns */
        g_autofree char *scratch = g_malloc(length + 2);
        g_autoptr(GError) error = NULL;
        Target target;
        bool read = target_parse(&target, raw, length, scratch, &error);
        if (read != (one->segments != NULL))
            fail_msg("%s: %s", one->raw, error ? error->message : "was read");
        if (!read) {
            assert_int_equal(error_code(error), ERR_MALFORMED);
            continue;
        }
        g_autofree char *segments = join(&target, true);
        g_autofree char *arguments = join(&target, false);
        assert_string_equal(segments, one->segments);
        assert_string_equal(arguments, one->arguments);
    }
}

static void a_path_of_many_segments_is_counted_but_not_kept(void **state)
{
    char raw[101];
    char scratch[102];
    memset(raw, '/', 100);
    raw[100] = '\0';
    Target target;
    assert_true(target_parse(&target, raw, 100, scratch, NULL));
    assert_int_equal(target.n_segments, 100);
}

static void a_query_of_many_arguments_is_refused(void **state)
{
    g_autoptr(GString) raw = g_string_new("/?a=1");
    for (int i = 1; i < TARGET_ARGUMENTS_MAX; i++)
        g_string_append(raw, "&a=1");
    g_autofree char *scratch = g_malloc(raw->len + 10);
    Target target;
    assert_true(target_parse(&target, raw->str, raw->len, scratch, NULL));
    assert_int_equal(target.n_arguments, TARGET_ARGUMENTS_MAX);
    g_string_append(raw, "&a=1");
    assert_false(target_parse(&target, raw->str, raw->len, scratch, NULL));
}

static void an_argument_is_found_by_its_whole_name(void **state)
{
    const char *raw = "/?ab=1&a=2";
    char scratch[32];
    Target target;
    assert_true(target_parse(&target, raw, strlen(raw), scratch, NULL));
    assert_string_equal(target_argument(&target, "a")->value.bytes, "2");
    assert_null(target_argument(&target, "b"));
}

static bool is_refused(unsigned char c)
{
    return c <= ' ' || c >= 0x7f; /* above ASCII: no UTF-8 on its own */
}

static void every_byte_is_judged_wherever_it_stands(void **state)
{
    for (size_t length = 1; length <= 20; length++) {
        for (size_t at = 0; at < length; at++) {
            for (unsigned c = 1; c < 256; c++) {
                char raw[] = "/xxxxxxxxxxxxxxxxxxxx", scratch[sizeof raw + 2];
                Target target;
                if (strchr("/?%", (int)c))
                    continue;
                raw[1 + at] = (char)c;
                bool good = target_parse(&target, raw, 1 + length, scratch, NULL);
                if (good == is_refused((unsigned char)c))
                    fail_msg("byte 0x%02x at %zu of %zu", c, at, length);
                if (good)
                    assert_memory_equal(target.segments[0].bytes, raw + 1, length);
            }
        }
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_reads_what_it_should_and_refuses_the_rest),
        cmocka_unit_test(a_path_of_many_segments_is_counted_but_not_kept),
        cmocka_unit_test(a_query_of_many_arguments_is_refused),
        cmocka_unit_test(an_argument_is_found_by_its_whole_name),
        cmocka_unit_test(every_byte_is_judged_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
