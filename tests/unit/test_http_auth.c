/* F47: keys are known by id, compared by hash, expire, and are replaced as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/auth.h"
#include "http/limiter.h"

#define NS_PER_SECOND INT64_C(1000000000)

static AuthKey make_key(const char *id, const char *text, unsigned scopes, int64_t expires_at)
{
    AuthKey key = {.scopes = scopes, .expires_at = expires_at};
    g_strlcpy(key.id, id, sizeof key.id);
    auth_hash(text, key.hash);
    return key;
}

static void only_the_right_text_of_a_living_key_gets_in(void **state)
{
    static const struct {
        const char *authorization;
        unsigned scopes; /* 0: refused */
    } cases[] = {
        {"Bearer sl_bob_secret", 2},
        {"bearer sl_bob_secret", 2},
        {"Bearer sl_ann_s_with_underscores", 1},
        {"Bearer sl_later_x", 4},
        {"Bearer sl_bob_Secret", 0},
        {"Bearer sl_bob_secre", 0},
        {"Bearer sl_bob_secret ", 0},
        {"Bearer  sl_bob_secret", 0},
        {"Bearer sl_ann_secret", 0},
        {"Bearer sl_gone_x", 0},
        {"Bearer sl_nobody_x", 0},
        {"Bearer sl__", 0},
        {"Bearer sl_bob", 0},
        {"Bearer bob_secret", 0},
        {"Bearer ", 0},
        {"Bearer", 0},
        {"Basic Ym9iOnNlY3JldA==", 0},
        {"", 0},
        {NULL, 0},
        {"Bearer sl_123456789012345678901234567890123_x", 0},
    };
    int64_t now = clock_now_us();
    const AuthKey keys[] = {
        make_key("bob", "sl_bob_secret", 2, 0),
        make_key("ann", "sl_ann_s_with_underscores", 1, 0),
        make_key("later", "sl_later_x", 4, now + 3600 * US_PER_SECOND),
        make_key("gone", "sl_gone_x", 4, now - 1),
    };
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, keys, G_N_ELEMENTS(keys));
    AuthMemory memory = {0}; /* of whoever was let in before */
    for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        const char *authorization = cases[i / 2].authorization;
        unsigned expected = cases[i / 2].scopes;
        char id[AUTH_ID_MAX + 1] = "";
        unsigned scopes = 99;
        g_autoptr(GError) error = NULL;
        bool in = auth_check(auth, &memory, authorization, id, &scopes, &error);
        if (in != (expected > 0) || scopes != expected)
            fail_msg("%s: %d", authorization, in);
        if (!in)
            assert_int_equal(error_code(error), ERR_UNAUTHENTICATED);
    }
}

static void an_empty_set_lets_nobody_in(void **state)
{
    g_autoptr(Auth) auth = auth_new();
    char id[AUTH_ID_MAX + 1];
    unsigned scopes;
    AuthMemory memory = {0};
    g_autoptr(GError) error = NULL;
    assert_false(auth_check(auth, &memory, "Bearer sl_a_b", id, &scopes, &error));
}

static void the_id_of_the_key_is_given(void **state)
{
    const AuthKey key = make_key("bob", "sl_bob_x", 1, 0);
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, &key, 1);
    char id[AUTH_ID_MAX + 1];
    unsigned scopes;
    AuthMemory memory = {0};
    assert_true(auth_check(auth, &memory, "Bearer sl_bob_x", id, &scopes, NULL));
    assert_string_equal(id, "bob");
    auth_replace(auth, NULL, 0);
    g_autoptr(GError) error = NULL;
    assert_false(auth_check(auth, &memory, "Bearer sl_bob_x", id, &scopes, &error));
}

static bool lets_in(Auth *auth, AuthMemory *memory, const char *authorization, const char *as)
{
    char id[AUTH_ID_MAX + 1] = "";
    unsigned scopes = 0;
    bool in = auth_check(auth, memory, authorization, id, &scopes, NULL);
    if (in)
        assert_string_equal(id, as);
    return in;
}

static void a_remembered_key_lets_in_no_other_text(void **state)
{
    const AuthKey keys[] = {make_key("ann", "sl_ann_x", 1, 0),
                            make_key("bob", "sl_bob_0123456789", 1, 0)};
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, keys, 2);
    AuthMemory memory = {0};
    char text[] = "Bearer sl_bob_0123456789";
    assert_true(lets_in(auth, &memory, text, "bob"));
    for (size_t i = strlen("Bearer "); i < strlen(text); i++) {
        text[i] ^= 1;
        assert_false(lets_in(auth, &memory, text, ""));
        text[i] ^= 1;
        assert_true(lets_in(auth, &memory, text, "bob"));
    }
    assert_false(lets_in(auth, &memory, "Bearer sl_bob_012345678", ""));
    assert_false(lets_in(auth, &memory, "Bearer sl_bob_01234567890", ""));
    assert_true(lets_in(auth, &memory, "Bearer sl_ann_x", "ann"));
    assert_true(lets_in(auth, &memory, text, "bob"));
}

static void a_remembered_key_is_refused_once_it_is_revoked(void **state)
{
    const AuthKey keys[] = {make_key("bob", "sl_bob_x", 1, 0), make_key("ann", "sl_ann_x", 1, 0)};
    g_autoptr(Auth) auth = auth_new();
    AuthMemory memory = {0};
    for (int i = 0; i < 3; i++) {
        auth_replace(auth, keys, 2);
        assert_true(lets_in(auth, &memory, "Bearer sl_bob_x", "bob"));
        auth_replace(auth, &keys[1], 1);
        assert_false(lets_in(auth, &memory, "Bearer sl_bob_x", ""));
    }
}

static void a_remembered_key_is_refused_once_it_has_expired(void **state)
{
    int64_t now = clock_now_us();
    const AuthKey living = make_key("bob", "sl_bob_x", 1, now + 3600 * US_PER_SECOND);
    const AuthKey expired = make_key("bob", "sl_bob_x", 1, now - 1);
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, &living, 1);
    AuthMemory memory = {0};
    assert_true(lets_in(auth, &memory, "Bearer sl_bob_x", "bob"));
    auth_replace(auth, &expired, 1);
    memory.generation++; /* as when the hour had passed */
    memory.key.expires_at = expired.expires_at;
    assert_false(lets_in(auth, &memory, "Bearer sl_bob_x", ""));
}

static void the_longest_key_is_remembered_and_a_longer_one_refused(void **state)
{
    char text[AUTH_VALUE_MAX + 1] = "Bearer sl_bob_";
    memset(text + strlen(text), 'x', AUTH_VALUE_MAX - strlen(text));
    text[AUTH_VALUE_MAX - 1] = '\0';
    const AuthKey key = make_key("bob", text + strlen("Bearer "), 1, 0);
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, &key, 1);
    AuthMemory memory = {0};
    assert_true(lets_in(auth, &memory, text, "bob"));
    assert_true(lets_in(auth, &memory, text, "bob"));
    text[AUTH_VALUE_MAX - 1] = 'x';
    assert_false(lets_in(auth, &memory, text, ""));
}

static void a_forgotten_memory_holds_nothing(void **state)
{
    const AuthKey key = make_key("bob", "sl_bob_x", 1, 0);
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, &key, 1);
    AuthMemory memory = {0};
    static const AuthMemory nothing;
    assert_true(lets_in(auth, &memory, "Bearer sl_bob_x", "bob"));
    auth_forget(&memory);
    assert_memory_equal(&memory, &nothing, sizeof memory);
}

typedef struct Checker {
    Auth *auth;
    atomic_bool stop;
    atomic_uint failures, checks;
} Checker;

static void *check_all_the_time(void *pointer)
{
    Checker *checker = pointer;
    AuthMemory memory = {0};
    while (!atomic_load(&checker->stop)) {
        char id[AUTH_ID_MAX + 1];
        unsigned scopes;
        if (!auth_check(checker->auth, &memory, "Bearer sl_bob_x", id, &scopes, NULL))
            atomic_fetch_add(&checker->failures, 1);
        atomic_fetch_add(&checker->checks, 1);
    }
    return NULL;
}

static void replacing_the_set_disturbs_no_check(void **state)
{
    const AuthKey keys[] = {make_key("bob", "sl_bob_x", 1, 0), make_key("ann", "sl_ann_x", 1, 0)};
    g_autoptr(Auth) auth = auth_new();
    auth_replace(auth, keys, 2);
    Checker checker = {.auth = auth};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_all_the_time, &checker), 0);
    for (int i = 0; i < 2000 || atomic_load(&checker.checks) < 100; i++)
        auth_replace(auth, keys, (size_t)(1 + i % 2));
    atomic_store(&checker.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&checker.failures), 0);
}

static void a_bucket_empties_and_fills_again(void **state)
{
    g_autoptr(Limiter) limiter = limiter_new(3);
    int64_t now = 5 * NS_PER_SECOND;
    for (int i = 0; i < 3; i++)
        assert_true(limiter_take(limiter, "a", now));
    assert_false(limiter_take(limiter, "a", now));
    assert_true(limiter_take(limiter, "b", now));
    assert_false(limiter_take(limiter, "a", now + NS_PER_SECOND / 4));
    assert_true(limiter_take(limiter, "a", now + NS_PER_SECOND / 2));
    assert_false(limiter_take(limiter, "a", now + NS_PER_SECOND / 2));
    now += 100 * NS_PER_SECOND;
    for (int i = 0; i < 3; i++)
        assert_true(limiter_take(limiter, "a", now));
    assert_false(limiter_take(limiter, "a", now));
    assert_false(limiter_take(limiter, "a", now - NS_PER_SECOND));
}

static void a_rate_of_zero_is_no_limit(void **state)
{
    g_autoptr(Limiter) limiter = limiter_new(0);
    for (int i = 0; i < 10000; i++)
        assert_true(limiter_take(limiter, "a", 0));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_text_of_a_living_key_gets_in),
        cmocka_unit_test(an_empty_set_lets_nobody_in),
        cmocka_unit_test(the_id_of_the_key_is_given),
        cmocka_unit_test(a_remembered_key_lets_in_no_other_text),
        cmocka_unit_test(a_remembered_key_is_refused_once_it_is_revoked),
        cmocka_unit_test(a_remembered_key_is_refused_once_it_has_expired),
        cmocka_unit_test(the_longest_key_is_remembered_and_a_longer_one_refused),
        cmocka_unit_test(a_forgotten_memory_holds_nothing),
        cmocka_unit_test(replacing_the_set_disturbs_no_check),
        cmocka_unit_test(a_bucket_empties_and_fills_again),
        cmocka_unit_test(a_rate_of_zero_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
