#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/cursor.h"
#include "base/error.h"

static void cursor_gives_its_place_back(void **state)
{
    static const char *const places[] = {"a", "ab",   "abc", "order_lines", "toys.order lines",
                                         "😀", "3.20", "a:b", "~~~~",        "???"};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *cursor = cursor_make("models", places[i]);
        assert_int_equal(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_"),
                         strlen(cursor));
        g_autofree char *place = cursor_open("models", cursor);
        assert_non_null(place);
        assert_string_equal(place, places[i]);
    }
}

static void cursor_of_another_list_opens_nothing(void **state)
{
    g_autofree char *cursor = cursor_make("models", "x");
    assert_null(cursor_open("model", cursor));
    assert_null(cursor_open("modelss", cursor));
    assert_null(cursor_open("jobs", cursor));
}

static void what_is_no_cursor_opens_nothing(void **state)
{
    g_autofree char *made = cursor_make("models", "abcdef");
    g_autofree char *cut = g_strndup(made, 9);
    g_autofree char *empty = cursor_make("models", "");
    g_autofree char *long_one = g_strnfill(5000, 'A');
    const char *const texts[] = {"",      "x",    "=", "====", "bW9kZWxz", "!!!!",
                                 "bW9k.", "\xff", cut, empty,  long_one};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *place = cursor_open("models", texts[i]);
        assert_true(!place || (texts[i] == cut && strlen(place) > 0));
    }
    /* "models:" and bytes that are no UTF-8 */
    g_autofree char *bytes = g_base64_encode((const guchar *)"models:\xff\xfe", 9);
    assert_null(cursor_open("models", bytes));
}

static void last_page_has_no_cursor(void **state)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    Page page = {.list = "models"};
    json_begin_object(&json);
    page_write_next(&page, NULL, &json);
    json_end_object(&json);
    assert_string_equal(buffer_text(&text), "{\"next_cursor\":null}");
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor_gives_its_place_back),
        cmocka_unit_test(cursor_of_another_list_opens_nothing),
        cmocka_unit_test(what_is_no_cursor_opens_nothing),
        cmocka_unit_test(last_page_has_no_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
