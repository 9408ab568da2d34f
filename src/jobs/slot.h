/* The place of one worker thread: the job it runs and the lease it holds. Three threads meet here:
 * the worker runs the job, the heartbeat talks to PostgreSQL for it, the watch looks at the clock.
 * So a job never waits for PostgreSQL to say how far it is, and a lease that may have run out is
 * noticed even while PostgreSQL keeps the heartbeat waiting. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "jobs/workers.h"
#include "store/jobs.h"
#include "store/store.h"

#define SLOT_STAGE_MAX 64

typedef struct JobRunPrivate {
    Store *store;
    uint32_t lease_ms;
    Cancel cancel;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t left;  /* the heartbeat has left the slot */
    const Job *job;       /* borrowed from the worker; NULL: idle */
    bool attended;        /* the heartbeat is at work with it */
    bool stopping;        /* the daemon drains */
    bool requested;       /* somebody asked to stop */
    bool lost;            /* the lease is, or may be, another's */
    int64_t claimed_ns;   /* ticks when this attempt was asked for */
    int64_t renewed_ns;   /* ticks when the last renewal that succeeded was asked for */
    int64_t looked_ns;    /* ticks of the last answer */
    char stage[SLOT_STAGE_MAX];
    double percent;
    double expected;  /* seconds of the attempt; 0: nothing was said */
    bool moved;       /* stage or percent are not written yet */
    GPtrArray *lines; /* of the log, not written yet */
} Slot;

void slot_init(Slot *slot, Store *store, uint32_t lease_ms);
void slot_clear(Slot *slot);

/* The worker holds `job`, claimed at claimed_ns, until slot_close(). */
void slot_open(Slot *slot, const Job *job, int64_t claimed_ns);

/* Waits until the heartbeat has left, and writes what it had not written yet. From now on nobody
 * renews the lease. */
void slot_close(Slot *slot);

/* Heartbeat: renews a lease of which a third is over, looks whether to stop, writes progress. */
void slot_attend(Slot *slot);

/* Watch: raises the cancel once the lease may have run out. */
void slot_watch(Slot *slot);

/* Drain: raises the cancel of this and every later job. */
void slot_stop(Slot *slot);

/* By our own monotonic clock, counted from before the request that gave the lease. */
bool slot_has_lease(Slot *slot);

typedef struct SlotReasons {
    bool stopping, requested, lost;
} SlotReasons;

/* Why the cancel was raised; all false when it was not. */
SlotReasons slot_reasons(Slot *slot);
