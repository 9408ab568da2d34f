/* base/error, base/cancel */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cancel.h"
#include "base/error.h"

static void every_code_has_its_own_slug_and_a_status_of_failure(void **state)
{
    g_autoptr(GHashTable) slugs = g_hash_table_new(g_str_hash, g_str_equal);
    for (int code = ERR_MALFORMED; code <= ERR_INTERNAL; code++) {
        g_autoptr(GError) error = NULL;
        error_set(&error, (ErrorCode)code, "x");
        assert_non_null(error_slug((ErrorCode)code));
        assert_non_null(error_title((ErrorCode)code));
        assert_true(g_hash_table_add(slugs, (char *)error_slug((ErrorCode)code)));
        assert_in_range(error_status(error), 400, 599);
        assert_int_equal(error_code(error), code);
    }
}

static void codes_have_the_statuses_that_callers_rely_on(void **state)
{
    static const struct {
        ErrorCode code;
        unsigned status;
        const char *slug;
    } cases[] = {
        {ERR_MALFORMED, 400, "malformed"},
        {ERR_INVALID, 422, "invalid"},
        {ERR_UNAUTHENTICATED, 401, "unauthenticated"},
        {ERR_FORBIDDEN, 403, "forbidden"},
        {ERR_NOT_FOUND, 404, "not_found"},
        {ERR_CONFLICT, 409, "conflict"},
        {ERR_NOT_READY, 409, "not_ready"},
        {ERR_PRECONDITION_FAILED, 412, "precondition_failed"},
        {ERR_PRECONDITION_REQUIRED, 428, "precondition_required"},
        {ERR_TOO_LARGE, 413, "too_large"},
        {ERR_RATE_LIMITED, 429, "rate_limited"},
        {ERR_UNAVAILABLE, 503, "unavailable"},
        {ERR_INTERNAL, 500, "internal"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        error_set(&error, cases[i].code, "x");
        assert_int_equal(error_status(error), cases[i].status);
        assert_string_equal(error_slug(cases[i].code), cases[i].slug);
    }
}

static void a_foreign_error_and_a_foreign_code_are_internal(void **state)
{
    g_autoptr(GError) foreign = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "x");
    g_autoptr(GError) beyond = g_error_new(ERROR_DOMAIN, ERR_INTERNAL + 1, "x");
    assert_int_equal(error_code(foreign), ERR_INTERNAL);
    assert_int_equal(error_status(foreign), 500);
    assert_int_equal(error_status(beyond), 500);
    assert_int_equal(error_status(NULL), 500);
    assert_string_equal(error_slug((ErrorCode)0), "internal");
}

static void an_error_is_formatted_and_nobody_has_to_want_it(void **state)
{
    g_autoptr(GError) error = NULL;
    error_set(NULL, ERR_INVALID, "nobody looks");
    error_set(&error, ERR_INVALID, "\"%s\" must be at least %d", "n", 3);
    assert_string_equal(error->message, "\"n\" must be at least 3");
}

static void a_raised_cancel_is_seen_and_stays(void **state)
{
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    assert_false(cancel_is_raised(&cancel));
    assert_true(cancel_check(&cancel, &error));
    assert_true(cancel_check(NULL, &error));
    cancel_raise(&cancel);
    assert_true(cancel_is_raised(&cancel));
    assert_false(cancel_check(&cancel, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    assert_false(cancel_check(&cancel, NULL));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_slug_and_a_status_of_failure),
        cmocka_unit_test(codes_have_the_statuses_that_callers_rely_on),
        cmocka_unit_test(a_foreign_error_and_a_foreign_code_are_internal),
        cmocka_unit_test(an_error_is_formatted_and_nobody_has_to_want_it),
        cmocka_unit_test(a_raised_cancel_is_seen_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
