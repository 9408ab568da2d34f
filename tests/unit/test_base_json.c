/* base/json, the reading half: what cJSON would let through is refused before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/json.h"

static cJSON *parse(const char *text)
{
    return json_parse(text, strlen(text), NULL);
}

static char *repeat(const char *text, size_t n)
{
    GString *all = g_string_new(NULL);
    for (size_t i = 0; i < n; i++)
        g_string_append(all, text);
    return g_string_free(all, false);
}

static void well_formed_values_come_back_as_they_were(void **state)
{
    static const char *const cases[] = {
        "null",
        "true",
        "-0.5",
        "0",
        "[]",
        "{}",
        "\"\"",
        "[1,2.5,1e+40,-3]",
        "9007199254740992",
        "-9007199254740992",
        "{\"a\":{\"b\":[null,false,\"x\"]},\"A\":1}",
        "\"\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80\"",
        "{\"\":1,\"\\\"\":2}",
        "0.1",
        "0.30000000000000004",
        "1234567890.125",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(cJSON) value = parse(cases[i]);
        g_autofree char *text = value ? json_print(value) : NULL;
        assert_non_null(text);
        assert_string_equal(text, cases[i]);
    }
}

static void space_and_escapes_are_understood(void **state)
{
    g_autoptr(cJSON) value = parse(" \t\r\n{ \"k\\u0041\" : \"\\u00fc\\n\\/\\ud83d\\ude00\" } \n");
    assert_string_equal(json_member_string(value, "kA"), "\xC3\xBC\n/\xF0\x9F\x98\x80");
}

static const struct {
    const char *text;
    size_t at;
    const char *rule;
} malformed[] = {
    {"", 0, "a value is expected"},
    {"  ", 2, "a value is expected"},
    {"nul", 0, "a value is expected"},
    {"nulll", 4, "behind the end"},
    {"{} {}", 3, "behind the end"},
    {"\xEF\xBB\xBF{}", 0, "byte order mark"},
    {"[1,]", 3, "a value is expected"},
    {"[1 2]", 3, "','"},
    {"[1", 2, "','"},
    {"{\"a\" 1}", 5, "':'"},
    {"{\"a\":1,}", 7, "a string is expected"},
    {"{a:1}", 1, "a string is expected"},
    {"{'a':1}", 1, "a string is expected"},
    {"]", 0, "a value is expected"},
    {"0123", 0, "begin with 0"},
    {"-01", 1, "begin with 0"},
    {"1.", 2, "needs a digit"},
    {".5", 0, "a value is expected"},
    {"-", 1, "needs a digit"},
    {"+1", 0, "a value is expected"},
    {"1e", 2, "needs a digit"},
    {"1e+", 3, "needs a digit"},
    {"NaN", 0, "a value is expected"},
    {"0x10", 1, "behind the end"},
    {"1e400", 0, "too large"},
    {"9007199254740993", 0, "2^53"},
    {"[-9007199254740993]", 1, "2^53"},
    {"10000000000000000", 0, "2^53"},
    {"\"abc", 4, "not closed"},
    {"\"a\nb\"", 2, "control character"},
    {"\"a\\x\"", 2, "unknown escape"},
    {"\"a\\", 2, "unknown escape"},
    {"\"\\u12g4\"", 5, "four hexadecimal"},
    {"\"\\u12", 5, "four hexadecimal"},
    {"\"\\u0000\"", 1, "NUL"},
    {"\"\\ud83d\"", 1, "surrogate"},
    {"\"\\ud83dx\"", 1, "surrogate"},
    {"\"\\ud83d\\u0041\"", 1, "surrogate"},
    {"\"\\ude00\"", 1, "surrogate"},
    {"\"\xC0\x80\"", 1, "UTF-8"},
    {"\"a\xFF\"", 2, "UTF-8"},
    {"\"\xC3\"", 1, "UTF-8"},
    {"\"\xE2\x82\"", 1, "UTF-8"},
    {"\"\xED\xA0\x80\"", 1, "UTF-8"},
    {"\"\xF4\x90\x80\x80\"", 1, "UTF-8"},
    {"\"\xF0\x80\x80\x80\"", 1, "UTF-8"},
    {"{\"a\":1,\"a\":2}", 7, "twice"},
    {"{\"a\":1,\"b\":2,\"\\u0061\":2}", 13, "twice"},
    {"{\"\":1,\"\":2}", 6, "twice"},
    {"[{\"x\":{\"a\":1},\"y\":2,\"x\":3}]", 20, "twice"},
};

static void malformed_json_is_refused_with_its_byte_and_rule(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(malformed); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *place = g_strdup_printf(" byte %zu: ", malformed[i].at);
        size_t length = strlen(malformed[i].text);
        /* An exact copy: a step past its end is seen by the sanitizer. */
        g_autofree char *copy = g_memdup2(malformed[i].text, length);
        assert_null(json_parse(copy ? copy : "", length, &error));
        assert_int_equal(error_code(error), ERR_MALFORMED);
        if (!strstr(error->message, place) || !strstr(error->message, malformed[i].rule))
            fail_msg("%s: %s", malformed[i].text, error->message);
    }
}

static void a_raw_nul_is_refused_wherever_it_stands(void **state)
{
    assert_null(json_parse("\"a\0b\"", 5, NULL));
    assert_null(json_parse("{}\0", 3, NULL));
    assert_null(json_parse("\0", 1, NULL));
}

static void a_long_number_is_refused_before_cjson_splits_it(void **state)
{
    g_autofree char *zeros = repeat("0", 60);
    g_autofree char *allowed = g_strconcat("0.", zeros, "1", NULL);
    g_autofree char *refused = g_strconcat("0.", zeros, "11", NULL);
    g_autoptr(cJSON) value = parse(allowed);
    assert_non_null(value);
    assert_null(parse(refused));
}

static void depth_is_limited(void **state)
{
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        g_autofree char *open = repeat("[", depth), *close = repeat("]", depth);
        g_autofree char *text = g_strconcat(open, close, NULL);
        g_autoptr(cJSON) value = parse(text);
        assert_true((value != NULL) == (depth == JSON_DEPTH_MAX));
    }
    g_autofree char *deep = repeat("{\"a\":[", 500000);
    assert_null(parse(deep));
}

static void tokens_are_limited(void **state)
{
    g_autofree char *ones = repeat("1,", JSON_TOKENS_MAX - 2);
    g_autofree char *allowed = g_strconcat("[", ones, "1]", NULL);
    g_autofree char *refused = g_strconcat("[", ones, "1,1]", NULL);
    g_autoptr(cJSON) value = parse(allowed);
    assert_non_null(value);
    g_autoptr(GError) error = NULL;
    assert_null(json_parse(refused, strlen(refused), &error));
    assert_non_null(strstr(error->message, "tokens"));
}

static void a_duplicate_among_very_many_keys_is_found(void **state)
{
    GString *text = g_string_new("{");
    for (unsigned i = 0; i < 40000; i++)
        g_string_append_printf(text, "\"k%u\":1,", i);
    g_autofree char *start = g_string_free(text, false);
    g_autofree char *unique = g_strconcat(start, "\"k\":1}", NULL);
    g_autofree char *twice = g_strconcat(start, "\"k20000\":1}", NULL);
    g_autoptr(cJSON) value = parse(unique);
    assert_non_null(value);
    assert_null(parse(twice));
}

static void members_are_found_by_exact_case(void **state)
{
    g_autoptr(cJSON) value = parse("{\"Name\":\"x\",\"n\":2.5,\"z\":null}");
    assert_null(json_member(value, "name"));
    assert_string_equal(json_member_string(value, "Name"), "x");
    assert_null(json_member_string(value, "n"));
    assert_null(json_member_string(value, "nothing"));
    assert_true(json_member_number(value, "n", 1) == 2.5);
    assert_true(json_member_number(value, "Name", 7) == 7);
    assert_true(json_member_number(NULL, "n", 7) == 7);
}

/* The cases of RFC 7396, appendix A, that have an object as patch or target, and ours. */
static void merge_patch_follows_its_rfc(void **state)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":1}", "{\"A\":null,\"a\":{\"x\":[null]}}", "{\"a\":{\"x\":[null]}}"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(cJSON) patch = parse(cases[i][1]);
        g_autoptr(cJSON) merged = json_merge_patch(parse(cases[i][0]), patch);
        g_autofree char *text = json_print(merged);
        assert_string_equal(text, cases[i][2]);
    }
}

static void merge_patch_onto_nothing_is_the_patch(void **state)
{
    g_autoptr(cJSON) patch = parse("{\"a\":1,\"b\":null}");
    g_autoptr(cJSON) merged = json_merge_patch(NULL, patch);
    g_autofree char *text = json_print(merged);
    assert_string_equal(text, "{\"a\":1}");
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_values_come_back_as_they_were),
        cmocka_unit_test(space_and_escapes_are_understood),
        cmocka_unit_test(malformed_json_is_refused_with_its_byte_and_rule),
        cmocka_unit_test(a_raw_nul_is_refused_wherever_it_stands),
        cmocka_unit_test(a_long_number_is_refused_before_cjson_splits_it),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(tokens_are_limited),
        cmocka_unit_test(a_duplicate_among_very_many_keys_is_found),
        cmocka_unit_test(members_are_found_by_exact_case),
        cmocka_unit_test(merge_patch_follows_its_rfc),
        cmocka_unit_test(merge_patch_onto_nothing_is_the_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
