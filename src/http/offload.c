#include "offload.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/error.h"

#define NS_PER_SECOND INT64_C(1000000000)

struct Offload {
    pthread_mutex_t lock; /* guards everything below but `threads` */
    pthread_cond_t changed;
    OffloadTask *first, *last; /* ready, in order of arrival */
    OffloadTask *later;        /* by due_ns */
    size_t n_ready, waiting_max, busy;
    bool hurry, stopping;
    pthread_t *threads;
    size_t n_threads;
};

static void push_ready(Offload *offload, OffloadTask *task)
{
    task->next = NULL;
    if (offload->last)
        offload->last->next = task;
    else
        offload->first = task;
    offload->last = task;
    offload->n_ready++;
    pthread_cond_signal(&offload->changed);
}

static OffloadTask *pop_ready(Offload *offload)
{
    OffloadTask *task = offload->first;
    offload->first = task->next;
    if (!offload->first)
        offload->last = NULL;
    offload->n_ready--;
    return task;
}

static void push_later(Offload *offload, OffloadTask *task)
{
    OffloadTask **at = &offload->later;
    while (*at && (*at)->due_ns <= task->due_ns)
        at = &(*at)->next;
    task->next = *at;
    *at = task;
    pthread_cond_signal(&offload->changed);
}

static void promote_due(Offload *offload)
{
    int64_t now = offload->later ? clock_ticks_ns() : 0;
    while (offload->later &&
           (offload->hurry || offload->stopping || offload->later->due_ns <= now)) {
        OffloadTask *task = offload->later;
        offload->later = task->next;
        push_ready(offload, task);
    }
}

static void wait_for_work(Offload *offload)
{
    if (!offload->later) {
        pthread_cond_wait(&offload->changed, &offload->lock);
        return;
    }
    int64_t due = offload->later->due_ns;
    struct timespec until = {due / NS_PER_SECOND, due % NS_PER_SECOND};
    pthread_cond_timedwait(&offload->changed, &offload->lock, &until);
}

static void run_one(Offload *offload)
{
    OffloadTask *task = pop_ready(offload);
    bool cancelled = offload->stopping;
    offload->busy++;
    pthread_mutex_unlock(&offload->lock);
    task->run(task, cancelled);
    pthread_mutex_lock(&offload->lock);
    offload->busy--;
}

static void *work(void *pointer)
{
    Offload *offload = pointer;
    pthread_mutex_lock(&offload->lock);
    while (true) {
        promote_due(offload);
        if (offload->first)
            run_one(offload);
        else if (offload->stopping)
            break;
        else
            wait_for_work(offload);
    }
    pthread_mutex_unlock(&offload->lock);
    return NULL;
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

Offload *offload_new(size_t threads, size_t waiting_max, GError **error)
{
    Offload *offload = g_new0(Offload, 1);
    pthread_mutex_init(&offload->lock, NULL);
    init_condition(&offload->changed);
    offload->waiting_max = waiting_max;
    offload->threads = g_new0(pthread_t, threads);
    while (offload->n_threads < threads) {
        int fault = pthread_create(&offload->threads[offload->n_threads], NULL, work, offload);
        if (fault != 0) {
            error_set(error, ERR_INTERNAL, "cannot make a thread: %s", g_strerror(fault));
            offload_stop(offload);
            offload_free(offload);
            return NULL;
        }
        offload->n_threads++;
    }
    return offload;
}

bool offload_submit(Offload *offload, OffloadTask *task)
{
    pthread_mutex_lock(&offload->lock);
    bool taken = !offload->stopping && offload->n_ready < offload->waiting_max;
    if (taken)
        push_ready(offload, task);
    pthread_mutex_unlock(&offload->lock);
    return taken;
}

bool offload_submit_at(Offload *offload, OffloadTask *task, int64_t due_ns)
{
    pthread_mutex_lock(&offload->lock);
    bool taken = !offload->stopping;
    task->due_ns = due_ns;
    if (taken && (due_ns == 0 || offload->hurry))
        push_ready(offload, task);
    else if (taken)
        push_later(offload, task);
    pthread_mutex_unlock(&offload->lock);
    return taken;
}

void offload_hurry(Offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    offload->hurry = true;
    pthread_cond_broadcast(&offload->changed);
    pthread_mutex_unlock(&offload->lock);
}

void offload_cancel(Offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->changed);
    pthread_mutex_unlock(&offload->lock);
}

void offload_stop(Offload *offload)
{
    offload_cancel(offload);
    for (size_t i = 0; i < offload->n_threads; i++)
        pthread_join(offload->threads[i], NULL);
}

void offload_free(Offload *offload)
{
    if (!offload)
        return;
    pthread_cond_destroy(&offload->changed);
    pthread_mutex_destroy(&offload->lock);
    g_free(offload->threads);
    g_free(offload);
}

void offload_load(Offload *offload, size_t *waiting, size_t *busy)
{
    pthread_mutex_lock(&offload->lock);
    *waiting = offload->n_ready;
    *busy = offload->busy;
    pthread_mutex_unlock(&offload->lock);
}
