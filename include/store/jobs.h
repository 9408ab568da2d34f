/* The job queue: FOR UPDATE SKIP LOCKED, a lease that the worker renews, the attempt number as
 * fencing token in every write of a worker, NOTIFY as a wake-up with a slow poll behind it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/store.h"

typedef enum JobState {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED
} JobState;

typedef struct JobLine {
    int64_t at; /* µs */
    char *text;
} JobLine;

typedef struct Job {
    char *id;           /* UUID */
    char *kind;         /* "training", … */
    char *prediction;   /* id, or NULL */
    char *params;       /* JSON object */
    int state;          /* JobState */
    char *stage;        /* "queued", "reading", … "done" */
    double percent;     /* 0 to 100, never falls, not even with a new attempt */
    double eta_seconds; /* NAN when unknown */
    int attempt;        /* counted at the claim: 0 while never claimed */
    int version; /* number of the version this training makes: given at the first claim; 0 before */
    char *owner; /* of the lease, or NULL */
    bool cancel_requested;
    int64_t created_at, started_at, finished_at; /* µs, 0 when not yet */
    char *error_code, *error_message;            /* of a failed job, else NULL */
    char *result;                                /* JSON object of a succeeded job, else NULL */
    JobLine *log; /* the last 200 lines, oldest first; only from jobs_get() */
    size_t n_log;
} Job;

typedef struct Jobs {
    Job **list;
    size_t n;
    bool more;
} Jobs;

const char *job_state_name(int state);

/* ERR_CONFLICT when the prediction has a queued or running job of this kind already. Not for remaps
 * (store/remaps.h). */
Job *jobs_enqueue(Store *store, const char *kind, const char *prediction, const char *params,
                  GError **error);
Job *jobs_get(Store *store, const char *id, GError **error); /* ERR_NOT_FOUND */

/* Newest first, after the job with id `after` (or NULL); prediction and state NULL or a filter. */
Jobs *jobs_list(Store *store, const char *prediction, const char *state, const char *after,
                size_t limit, GError **error);

/* A queued job is cancelled at once; a running one is asked to stop. ERR_CONFLICT when it has
 * ended. A job whose version was saved is no longer cancelled, by nobody: an attempt that is given
 * back, lost or stopped is followed by one that finishes it. */
Job *jobs_cancel(Store *store, const char *id, GError **error);

/* The oldest job that is queued, or running with a lease that ran out, for `owner`: attempt is
 * raised, the lease set. A job whose 5th attempt was lost is failed instead. NULL without error
 * when there is none. Jobs of one prediction never run two at once. */
Job *jobs_claim(Store *store, const char *owner, uint32_t lease_ms, GError **error);

/* Ends the leases of a life, which is what their owners begin with before a colon; only of one that
 * is surely dead. The next claim finds and counts them like leases that ran out. *ended: how many.
 */
bool jobs_end_leases(Store *store, const char *life, size_t *ended, GError **error);

/* What follows names owner and attempt: when the row no longer is theirs, ERR_CANCELLED ("lease
 * lost") and nothing is written. */
/* *cancel_requested: somebody asked to stop. A lease that ran out, but that nobody took, comes
 * back. */
bool jobs_renew(Store *store, const Job *job, uint32_t lease_ms, bool *cancel_requested,
                GError **error);
/* Only looks: ERR_CANCELLED when the lease was lost. */
bool jobs_look(Store *store, const Job *job, bool *cancel_requested, GError **error);
bool jobs_progress(Store *store, const Job *job, const char *stage, double percent,
                   double eta_seconds, GError **error);
bool jobs_log(Store *store, const Job *job, const char *text, GError **error);
/* An end may be written again, when the answer to the first try was lost. */
bool jobs_succeed(Store *store, const Job *job, const char *result, GError **error);
/* Gives it back for another attempt at once (the daemon is draining). */
bool jobs_release(Store *store, const Job *job, GError **error);
/* state: JOB_FAILED or JOB_CANCELLED, which gives a job back whose version was saved. */
bool jobs_fail(Store *store, const Job *job, JobState state, const char *code, const char *message,
               GError **error);

/* Waits until NOTIFY tells of a job that is new, asked to stop, given back or ended, or of another
 * active version; or until timeout_ms passed, or until wake_fd
 * (an eventfd, or -1) is readable. A connection of its own per caller thread. Returns early on any
 * trouble; never an error. */
typedef struct JobsListener JobsListener;
JobsListener *jobs_listener_new(Store *store);
void jobs_listener_wait(JobsListener *listener, uint32_t timeout_ms, int wake_fd);
void jobs_listener_free(JobsListener *listener);

void job_free(Job *job);
void jobs_free(Jobs *jobs);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Job, job_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Jobs, jobs_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobsListener, jobs_listener_free)
