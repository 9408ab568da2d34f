/* Threads for what must not run on an HTTP thread: a bounded queue and tasks that wait for a moment
 * without holding a thread. Tasks are the caller's memory: submitting allocates nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct OffloadTask {
    /* Runs once per submission; the pool does not touch the task from then on. `cancelled`: the
     * pool stops, only clean up. */
    void (*run)(struct OffloadTask *task, bool cancelled);
    int64_t due_ns;
    struct OffloadTask *next;
} OffloadTask;

typedef struct Offload Offload;

/* NULL with ERR_INTERNAL when a thread cannot be made. */
Offload *offload_new(size_t threads, size_t waiting_max, GError **error);

/* False when `waiting_max` tasks wait already, or it stops. Thread-safe, as all below. */
bool offload_submit(Offload *offload, OffloadTask *task);

/* Runs it at the monotonic moment `due_ns` (0: soon), whatever the queue's length: for tasks whose
 * number is bounded elsewhere. False when it stops. */
bool offload_submit_at(Offload *offload, OffloadTask *task, int64_t due_ns);

/* From now on no task waits for its moment. */
void offload_hurry(Offload *offload);

/* Refuses new tasks and runs those that wait as cancelled. */
void offload_cancel(Offload *offload);

/* The same, and joins the threads once their running tasks have returned. */
void offload_stop(Offload *offload);

/* After offload_stop(). */
void offload_free(Offload *offload);

void offload_load(Offload *offload, size_t *waiting, size_t *busy);
