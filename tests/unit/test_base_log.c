/* base/log */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

/* What `speak` writes to standard error, for g_free(). */
static char *heard(void (*speak)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    speak();
    dup2(saved, STDERR_FILENO);
    close(saved);
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *text = g_malloc0((size_t)length + 1);
    assert_int_equal(fread(text, 1, (size_t)length, file), length);
    fclose(file);
    return text;
}

static void speak_event(void)
{
    log_set_request("r-1");
    log_event(LOG_INFO, "training \"a\"\nended", "job", LOG_STRING("j1"), "rows", LOG_INT(-3),
              "seconds", LOG_NUMBER(3.25), "nothing", LOG_STRING(NULL), NULL);
    log_set_request(NULL);
}

static void a_line_is_one_json_object(void **state)
{
    g_autofree char *text = heard(speak_event);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    g_autoptr(cJSON) line = json_parse(text, strlen(text), NULL);
    assert_non_null(line);
    assert_string_equal(json_member_string(line, "level"), "info");
    assert_string_equal(json_member_string(line, "message"), "training \"a\"\nended");
    assert_string_equal(json_member_string(line, "request_id"), "r-1");
    assert_string_equal(json_member_string(line, "job"), "j1");
    assert_true(json_member_number(line, "rows", 0) == -3);
    assert_true(json_member_number(line, "seconds", 0) == 3.25);
    assert_true(cJSON_IsNull(json_member(line, "nothing")));
    assert_non_null(json_member_string(line, "time"));
}

static void speak_levels(void)
{
    log_event(LOG_DEBUG, "hidden", NULL);
    log_set_level(LOG_ERROR);
    log_event(LOG_WARNING, "hidden", NULL);
    log_event(LOG_ERROR, "shown", NULL);
    log_set_level(LOG_INFO);
}

static void lines_below_the_level_are_dropped(void **state)
{
    g_autofree char *text = heard(speak_levels);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "shown"));
    assert_null(strstr(text, "request_id"));
}

static void speak_failures(void)
{
    g_autoptr(GError) failed = NULL, cancelled = NULL;
    error_set(&failed, ERR_UNAVAILABLE, "away");
    error_set(&cancelled, ERR_CANCELLED, "stopped");
    log_failure("job failed", failed);
    log_failure("job ended", cancelled);
}

static void failures_carry_slug_and_message_and_a_cancel_is_no_error(void **state)
{
    g_autofree char *text = heard(speak_failures);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 3);
    g_autoptr(cJSON) first = json_parse(lines[0], strlen(lines[0]), NULL);
    g_autoptr(cJSON) second = json_parse(lines[1], strlen(lines[1]), NULL);
    assert_string_equal(json_member_string(first, "level"), "error");
    assert_string_equal(json_member_string(first, "code"), "unavailable");
    assert_string_equal(json_member_string(first, "error"), "away");
    assert_string_equal(json_member_string(second, "level"), "info");
}

static void *speak_much(void *name)
{
    log_set_request(name);
    for (int i = 0; i < 200; i++)
        log_event(LOG_INFO, "x", "who", LOG_STRING(name), NULL);
    log_set_request(NULL);
    return NULL;
}

static void speak_in_threads(void)
{
    static const char *const names[] = {"one", "two", "three"};
    pthread_t threads[G_N_ELEMENTS(names)];
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        pthread_create(&threads[i], NULL, speak_much, (void *)names[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        pthread_join(threads[i], NULL);
}

static void threads_write_whole_lines_with_their_own_request(void **state)
{
    g_autofree char *text = heard(speak_in_threads);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    assert_int_equal(g_strv_length(lines), 3 * 200 + 1);
    for (size_t i = 0; i < 600; i++) {
        g_autoptr(cJSON) line = json_parse(lines[i], strlen(lines[i]), NULL);
        assert_non_null(line);
        assert_string_equal(json_member_string(line, "request_id"),
                            json_member_string(line, "who"));
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(failures_carry_slug_and_message_and_a_cancel_is_no_error),
        cmocka_unit_test(threads_write_whole_lines_with_their_own_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
