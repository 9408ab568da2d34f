#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>

#include "base/background.h"
#include "base/error.h"
#include "math/parallel.h"
#include "math/rng.h"

#define N 10007

/* cmocka's asserts leave by longjmp: only the test's own thread may use them. */
typedef struct Work {
    uint64_t seen[N];  /* how often each index was taken */
    float value[N];    /* drawn from the stream of its block */
    atomic_uint wrong; /* blocks or workers outside of their limits */
    unsigned threads;
    uint64_t block;
    uint64_t fail_at; /* the index whose block fails */
    Cancel *cancel;   /* raised in the first block when not NULL */
    atomic_uint blocks;
    int policy;
} Work;

static Work *work_new(unsigned threads, uint64_t block)
{
    Work *work = g_new0(Work, 1);
    work->threads = threads;
    work->block = block;
    work->fail_at = UINT64_MAX;
    return work;
}

static bool draw(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    Work *work = context;
    Rng rng;
    rng_init(&rng, 1, begin / work->block);
    if (worker >= work->threads || end > N || end - begin > work->block || begin % work->block)
        atomic_fetch_add(&work->wrong, 1);
    for (uint64_t i = begin; i < end; i++) {
        work->seen[i]++;
        work->value[i] = rng_normal(&rng);
    }
    atomic_fetch_add(&work->blocks, 1);
    if (work->cancel)
        cancel_raise(work->cancel);
    if (work->fail_at < begin || work->fail_at >= end)
        return true;
    error_set(error, ERR_INVALID, "row %u is bad", (unsigned)work->fail_at);
    return false;
}

static void every_index_is_taken_once_with_the_same_bytes_on_any_number_of_threads(void **state)
{
    g_autofree Work *alone = work_new(1, 64);
    assert_true(parallel_for(N, 64, 1, draw, alone, NULL, NULL));
    const unsigned threads[] = {2, 3, 8, 0};
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_autofree Work *work = work_new(parallel_threads(threads[i]), 64);
        assert_true(parallel_for(N, 64, threads[i], draw, work, NULL, NULL));
        assert_int_equal(work->wrong, 0);
        for (int index = 0; index < N; index++)
            assert_int_equal(work->seen[index], 1);
        assert_memory_equal(work->value, alone->value, sizeof alone->value);
    }
}

static void no_work_calls_nothing(void **state)
{
    g_autofree Work *work = work_new(4, 64);
    assert_true(parallel_for(0, 64, 4, draw, work, NULL, NULL));
    assert_int_equal(work->blocks, 0);
}

static void an_error_in_one_block_is_the_result(void **state)
{
    for (unsigned threads = 1; threads <= 4; threads++) {
        g_autoptr(GError) error = NULL;
        g_autofree Work *work = work_new(threads, 10);
        work->fail_at = 5000;
        assert_false(parallel_for(N, 10, threads, draw, work, NULL, &error));
        assert_int_equal(error_code(error), ERR_INVALID);
        assert_string_equal(error->message, "row 5000 is bad");
    }
}

static bool always_fail(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    error_set(error, ERR_INVALID, "bad");
    return false;
}

static void many_errors_at_once_leave_one(void **state)
{
    for (int i = 0; i < 50; i++) {
        g_autoptr(GError) error = NULL;
        assert_false(parallel_for(N, 1, 4, always_fail, NULL, NULL, &error));
        assert_int_equal(error_code(error), ERR_INVALID);
    }
    assert_false(parallel_for(N, 1, 4, always_fail, NULL, NULL, NULL));
}

static void a_raised_cancel_stops_before_the_next_block(void **state)
{
    for (unsigned threads = 1; threads <= 4; threads++) {
        Cancel cancel;
        g_autoptr(GError) error = NULL;
        g_autofree Work *work = work_new(threads, 1);
        cancel_init(&cancel);
        work->cancel = &cancel;
        assert_false(parallel_for(N, 1, threads, draw, work, &cancel, &error));
        assert_int_equal(error_code(error), ERR_CANCELLED);
        /* Those under way when it was raised still end. */
        assert_in_range(work->blocks, 1, threads);
    }
}

static bool read_policy(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    Work *work = context;
    work->policy = sched_getscheduler(gettid());
    return true;
}

/* F48: training does not take the cores from serving. */
static void worker_threads_run_behind_those_that_serve_and_the_caller_stays(void **state)
{
    g_autofree Work *work = work_new(2, 1);
    int before = sched_getscheduler(gettid());
    assert_true(parallel_for(1, 1, 2, read_policy, work, NULL, NULL));
    assert_int_equal(work->policy, SCHED_IDLE);
    assert_true(parallel_for(1, 1, 1, read_policy, work, NULL, NULL));
    assert_int_equal(work->policy, before);
}

/* What a thread of our own saw that is behind those that serve. */
typedef struct Behind {
    pid_t caller, of_one_block;
    Work *work;
    bool done;
} Behind;

static bool note_thread(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    Behind *behind = context;
    behind->of_one_block = gettid();
    return true;
}

static void *loop_behind(void *context)
{
    Behind *behind = context;
    background_enter();
    behind->caller = gettid();
    behind->done = parallel_for(1, 1, 8, note_thread, behind, NULL, NULL) &&
                   parallel_for(N, 1, 3, draw, behind->work, NULL, NULL);
    return NULL;
}

static void a_caller_behind_those_that_serve_is_one_of_the_threads(void **state)
{
    pthread_t thread;
    g_autofree Work *work = work_new(3, 1);
    Behind behind = {.work = work};
    assert_int_equal(pthread_create(&thread, NULL, loop_behind, &behind), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(behind.done);
    assert_int_equal(behind.of_one_block, behind.caller);
    assert_int_equal(work->wrong, 0);
    for (int index = 0; index < N; index++)
        assert_int_equal(work->seen[index], 1);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_taken_once_with_the_same_bytes_on_any_number_of_threads),
        cmocka_unit_test(no_work_calls_nothing),
        cmocka_unit_test(an_error_in_one_block_is_the_result),
        cmocka_unit_test(many_errors_at_once_leave_one),
        cmocka_unit_test(a_raised_cancel_stops_before_the_next_block),
        cmocka_unit_test(worker_threads_run_behind_those_that_serve_and_the_caller_stays),
        cmocka_unit_test(a_caller_behind_those_that_serve_is_one_of_the_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
