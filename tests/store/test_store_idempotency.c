#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/idempotency.h"

static IdempotencyState begin(Fixture *fixture, const char *fingerprint, KeptAnswer **answer)
{
    g_autoptr(GError) error = NULL;
    IdempotencyState state = IDEMPOTENCY_NEW;
    idempotency_begin(fixture->store, "key", "once", fingerprint, &state, answer, &error);
    assert_no_error(error);
    return state;
}

static void keep(Fixture *fixture, const char *headers, const char *body, size_t length)
{
    g_autoptr(GError) error = NULL;
    KeptAnswer answer = {201, (char *)headers, (char *)body, length};
    assert_true(idempotency_keep(fixture->store, "key", "once", &answer, &error));
}

static void a_repeat_gets_the_first_answer(void **state)
{
    static const char body[] = "{\"a\":\"ü\\u0000\"}\0\\x'";
    Fixture *fixture = *state;
    g_autoptr(KeptAnswer) answer = NULL;
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_NEW);
    assert_null(answer);
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_BUSY);
    keep(fixture, "{\"Location\":\"/v1/models/x\"}", body, sizeof body);
    assert_int_equal(begin(fixture, "g", &answer), IDEMPOTENCY_OTHER);
    assert_null(answer);
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_REPLAY);
    assert_int_equal(answer->status, 201);
    assert_string_equal(answer->headers, "{\"Location\":\"/v1/models/x\"}");
    assert_int_equal(answer->length, sizeof body);
    assert_memory_equal(answer->body, body, sizeof body);
}

static void an_empty_answer_without_headers_is_kept(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(KeptAnswer) answer = NULL;
    begin(fixture, "f", &answer);
    keep(fixture, NULL, NULL, 0);
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_REPLAY);
    assert_null(answer->headers);
    assert_int_equal(answer->length, 0);
}

static void a_dropped_reservation_is_free_again_and_a_kept_answer_stays(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(KeptAnswer) answer = NULL;
    begin(fixture, "f", &answer);
    assert_true(idempotency_drop(fixture->store, "key", "once", &error));
    assert_int_equal(begin(fixture, "g", &answer), IDEMPOTENCY_NEW);
    keep(fixture, NULL, "x", 1);
    assert_true(idempotency_drop(fixture->store, "key", "once", &error));
    assert_int_equal(begin(fixture, "g", &answer), IDEMPOTENCY_REPLAY);
}

static void callers_do_not_share_keys(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(KeptAnswer) answer = NULL;
    IdempotencyState found = IDEMPOTENCY_BUSY;
    begin(fixture, "f", &answer);
    assert_true(idempotency_begin(fixture->store, "other", "once", "f", &found, &answer, &error));
    assert_int_equal(found, IDEMPOTENCY_NEW);
}

static void an_abandoned_reservation_is_taken_over_after_five_minutes(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(KeptAnswer) answer = NULL;
    begin(fixture, "f", &answer);
    run_sql(fixture, "UPDATE idempotency SET reserved_at = now() - interval '299 seconds'");
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_BUSY);
    run_sql(fixture, "UPDATE idempotency SET reserved_at = now() - interval '301 seconds'");
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_NEW);
    assert_int_equal(begin(fixture, "f", &answer), IDEMPOTENCY_BUSY);
}

static void an_answer_is_forgotten_after_a_day(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(KeptAnswer) answer = NULL;
    begin(fixture, "f", &answer);
    keep(fixture, NULL, "x", 1);
    run_sql(fixture, "UPDATE idempotency SET reserved_at = now() - interval '25 hours'");
    assert_int_equal(begin(fixture, "g", &answer), IDEMPOTENCY_NEW);
}

typedef struct Race {
    Fixture *fixture;
    atomic_int winners;
} Race;

static void *race(void *context)
{
    Race *shared = context;
    g_autoptr(KeptAnswer) answer = NULL;
    IdempotencyState found = IDEMPOTENCY_BUSY;
    if (idempotency_begin(shared->fixture->store, "key", "race", "f", &found, &answer, NULL) &&
        found == IDEMPOTENCY_NEW)
        atomic_fetch_add(&shared->winners, 1);
    return NULL;
}

static void of_requests_at_once_one_is_first(void **state)
{
    Race shared = {.fixture = *state};
    pthread_t threads[6];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_create(&threads[i], NULL, race, &shared);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.winners, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_repeat_gets_the_first_answer),
        FRESH(an_empty_answer_without_headers_is_kept),
        FRESH(a_dropped_reservation_is_free_again_and_a_kept_answer_stays),
        FRESH(callers_do_not_share_keys),
        FRESH(an_abandoned_reservation_is_taken_over_after_five_minutes),
        FRESH(an_answer_is_forgotten_after_a_day),
        FRESH(of_requests_at_once_one_is_first),
    };
    error_init();
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("idempotency", tests, NULL, NULL);
}
