/* What a reader entered for stays whole until it left. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include "base/grace.h"

#define READERS  3u
#define REPLACED 2000u

typedef struct Shared {
    Grace grace;
    _Atomic(uint64_t *) value; /* two equal numbers; told apart when freed */
    atomic_bool over;
    atomic_ulong reads, torn;
} Shared;

static void *read_on(void *context)
{
    Shared *shared = context;
    while (!atomic_load(&shared->over)) {
        unsigned entered = grace_enter(&shared->grace);
        const uint64_t *value = atomic_load(&shared->value);
        if (value[0] != value[1])
            atomic_fetch_add(&shared->torn, 1);
        grace_leave(&shared->grace, entered);
        atomic_fetch_add(&shared->reads, 1);
    }
    return NULL;
}

static void replace(Shared *shared, uint64_t number)
{
    uint64_t *before = atomic_load(&shared->value), *after = g_new(uint64_t, 2);
    after[0] = after[1] = number;
    atomic_store(&shared->value, after);
    grace_wait(&shared->grace);
    before[0] = ~before[1]; /* a reader that is still there would see it, and sanitizers the free */
    g_free(before);
}

static void nobody_sees_what_was_replaced_and_freed(void **state)
{
    Shared shared = {.value = g_new0(uint64_t, 2)};
    pthread_t reader[READERS];
    grace_init(&shared.grace);
    for (unsigned r = 0; r < READERS; r++)
        assert_int_equal(pthread_create(&reader[r], NULL, read_on, &shared), 0);
    for (unsigned i = 1; i <= REPLACED || atomic_load(&shared.reads) < REPLACED; i++)
        replace(&shared, i);
    atomic_store(&shared.over, true);
    for (unsigned r = 0; r < READERS; r++)
        pthread_join(reader[r], NULL);
    assert_int_equal(atomic_load(&shared.torn), 0);
    g_free(atomic_load(&shared.value));
}

typedef struct Waiting {
    Grace grace;
    atomic_bool is_over;
} Waiting;

static void *wait_for_readers(void *context)
{
    Waiting *waiting = context;
    grace_wait(&waiting->grace);
    atomic_store(&waiting->is_over, true);
    return NULL;
}

/* Whichever counter the reader is in. */
static void a_writer_waits_for_who_entered_before(void **state)
{
    Waiting waiting = {0};
    grace_init(&waiting.grace);
    for (unsigned turn = 0; turn < 3; turn++) {
        pthread_t writer;
        atomic_store(&waiting.is_over, false);
        unsigned entered = grace_enter(&waiting.grace);
        assert_int_equal(pthread_create(&writer, NULL, wait_for_readers, &waiting), 0);
        g_usleep(20000);
        assert_false(atomic_load(&waiting.is_over));
        grace_leave(&waiting.grace, entered);
        pthread_join(writer, NULL);
        assert_true(atomic_load(&waiting.is_over));
        atomic_fetch_add(&waiting.grace.turn, 1); /* the next reader is counted in the other */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sees_what_was_replaced_and_freed),
        cmocka_unit_test(a_writer_waits_for_who_entered_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
