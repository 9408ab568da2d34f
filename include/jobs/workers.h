/* Worker threads that take jobs from the queue and run them, each under a lease that a heartbeat
 * thread renews. A kind of job is one row: name and function.
 *
 * No job ever runs twice at once: it is taken from another only when its lease ran out, or when its
 * owner is dead. Of that only the kernel's word counts: each process holds a file of its own in the
 * data folder locked as long as it lives (src/jobs/lives.h). Whoever starts later over the same
 * folder, on the same machine and since the same boot, and finds the lock free, ends the leases of
 * that process at once. Where the lock can prove nothing (another machine, a copy of the folder,
 * after a reboot) the lease alone decides. And behind both stands the attempt, which every write of
 * a worker names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "store/jobs.h"
#include "store/store.h"

/* One attempt at one job, as its function sees it. */
typedef struct JobRun {
    const Job *job;
    const Cancel *cancel; /* raised on request, on a lost lease and when the daemon drains */
    void *context;        /* of workers_start() */
    struct JobRunPrivate *private;
} JobRun;

/* Says where the job is: writes state at most four times a second. Percent never falls. The ETA
 * comes from the time since the claim and the percent, and from what was expected, the less the
 * more is done. */
void job_run_progress(JobRun *run, const char *stage, double percent);

/* How long the whole attempt is likely to take. */
void job_run_expect(JobRun *run, double seconds);

/* One line for the job's log (and the daemon's). */
void job_run_log(JobRun *run, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* True while the lease is surely ours: asked before anything irreversible. ERR_CANCELLED. */
bool job_run_still_ours(JobRun *run, GError **error);

/* Whether what cannot be taken back any more may be brought to its end, also when somebody asked to
 * cancel. ERR_CANCELLED once the lease is lost or the daemon stops: another attempt ends it. */
bool job_run_may_finish(JobRun *run, GError **error);

typedef struct JobKind {
    const char *name;
    /* *result: a JSON object for g_free(). False with an error: failed, or cancelled when the error
     * is ERR_CANCELLED and somebody asked; given back when the daemon drains or the lease was lost.
     */
    bool (*run)(JobRun *run, char **result, GError **error);
} JobKind;

typedef struct Workers Workers;

/* Starts settings->workers threads. Before the first of them claims anything, the leases of dead
 * processes of settings->data_dir (which may be NULL) are ended: their jobs are taken up again,
 * counted like those whose lease ran out. While PostgreSQL is away they wait and try again. */
Workers *workers_start(Store *store, const Settings *settings, const JobKind *kinds, size_t n_kinds,
                       void *context);

/* Raises every Cancel, gives running jobs back, joins. Waits at most as long as a job takes to
 * notice. */
void workers_stop(Workers *workers);

typedef struct WorkersStatus {
    unsigned threads, busy;
    uint64_t succeeded, failed, cancelled, lost;
} WorkersStatus;

WorkersStatus workers_status(Workers *workers);
