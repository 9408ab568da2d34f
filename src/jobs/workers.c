#include "jobs/workers.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "lives.h"
#include "slot.h"

#define BACKOFF_MIN_MS  250
#define BACKOFF_MAX_MS  5000
/* A job that PostgreSQL went away from is tried so often, the pause doubling from the first. */
#define OUTAGES_MAX     6
#define OUTAGE_PAUSE_MS 1000

typedef enum Outcome { SUCCEEDED, FAILED, CANCELLED, RELEASED, LOST, N_OUTCOMES } Outcome;

static const char *const outcome_names[] = {"succeeded", "failed", "cancelled", "given back",
                                            "lost"};

typedef struct Worker {
    Workers *workers;
    pthread_t thread;
    Slot slot;
    char *owner;
} Worker;

struct Workers {
    Store *store;
    const JobKind *kinds;
    size_t n_kinds;
    void *context;
    uint32_t lease_ms, poll_ms, tick_ms;
    int stop_fd; /* readable once the daemon drains */
    atomic_bool stopping;
    Worker *list;
    unsigned n;
    pthread_t heartbeat, watch;
    pthread_mutex_t burial; /* guards the dead among them */
    Lives *lives;
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* busy or resting did */
    unsigned busy;
    bool resting; /* no worker is left: heartbeat and watch may end */
    uint64_t outcomes[N_OUTCOMES];
};

static void pause_ms(const Workers *workers, int timeout_ms)
{
    struct pollfd stop = {.fd = workers->stop_fd, .events = POLLIN};
    poll(&stop, 1, timeout_ms);
}

static const JobKind *find_kind(const Workers *workers, const char *name)
{
    for (size_t i = 0; i < workers->n_kinds; i++)
        if (g_str_equal(workers->kinds[i].name, name))
            return &workers->kinds[i];
    return NULL;
}

static bool run_kind(JobRun *run, const Workers *workers, char **result, GError **error)
{
    const JobKind *kind = find_kind(workers, run->job->kind);
    if (kind)
        return kind->run(run, result, error);
    error_set(error, ERR_INTERNAL, "no worker knows jobs of kind \"%s\"", run->job->kind);
    return false;
}

/* A cancel that nobody here asked for came from a write whose lease was lost before the heartbeat
 * knew: nothing is written, and the job is taken up again when its lease runs out. */
static Outcome judge(SlotReasons reasons, bool again, const GError *failure)
{
    if (reasons.lost)
        return LOST;
    if (!failure)
        return SUCCEEDED;
    if (again)
        return reasons.requested ? CANCELLED : RELEASED;
    if (error_code(failure) != ERR_CANCELLED)
        return FAILED;
    if (reasons.requested)
        return CANCELLED;
    return reasons.stopping ? RELEASED : LOST;
}

static bool write_failure(Store *store, const Job *job, const GError *failure, GError **error)
{
    ErrorCode code = error_code(failure);
    const char *message =
        code == ERR_INTERNAL ? "an internal error: the daemon's log names it" : failure->message;
    return jobs_fail(store, job, JOB_FAILED, error_slug(code), message, error);
}

static bool write_end(Store *store, const Job *job, Outcome outcome, const char *result,
                      const GError *failure, GError **error)
{
    switch (outcome) {
    case SUCCEEDED:
        return jobs_succeed(store, job, result, error);
    case FAILED:
        return write_failure(store, job, failure, error);
    case CANCELLED:
        return jobs_fail(store, job, JOB_CANCELLED, NULL, NULL, error);
    case RELEASED:
        return jobs_release(store, job, error);
    default:
        return true;
    }
}

static bool is_passing(const GError *failure)
{
    ErrorCode code = error_code(failure);
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT || code == ERR_NO_SPACE;
}

/* Writes the end; while PostgreSQL is away again and again, as long as the lease is surely ours. A
 * result that PostgreSQL refuses is a failure of the job. */
static Outcome settle(Worker *worker, const Job *job, Outcome outcome, const char *result,
                      GError **failure)
{
    Workers *workers = worker->workers;
    for (;;) {
        bool last = atomic_load(&workers->stopping);
        g_autoptr(GError) refused = NULL;
        if (write_end(workers->store, job, outcome, result, *failure, &refused))
            return outcome;
        if (outcome == SUCCEEDED && error_code(refused) == ERR_INVALID) {
            error_set(failure, ERR_INTERNAL, "the job's result is no JSON: %s", refused->message);
            outcome = FAILED;
            continue;
        }
        if (!is_passing(refused) || last || !slot_has_lease(&worker->slot)) {
            log_failure("the end of a job could not be written", refused);
            return LOST;
        }
        pause_ms(workers, BACKOFF_MIN_MS);
    }
}

static void count_busy(Workers *workers, int change)
{
    pthread_mutex_lock(&workers->lock);
    workers->busy += (unsigned)change;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
}

static void log_end(const Job *job, Outcome outcome, int64_t began_ns, const GError *failure)
{
    log_event(outcome == LOST ? LOG_WARNING : LOG_INFO, "job ended", "job", LOG_STRING(job->id),
              "kind", LOG_STRING(job->kind), "prediction", LOG_STRING(job->prediction), "attempt",
              LOG_INT(job->attempt), "outcome", LOG_STRING(outcome_names[outcome]), "seconds",
              LOG_NUMBER((double)(clock_ticks_ns() - began_ns) / 1e9), NULL);
    if (outcome == FAILED)
        log_failure("job failed", failure);
}

/* Whether the job failed only because PostgreSQL went away, and is to be given back for another
 * attempt. Waits while the lease still is renewed, so that nobody takes the job up at once. */
static bool waits_for_another(JobRun *run, const Workers *workers, const GError *failure)
{
    int attempt = run->job->attempt;
    if (!failure || error_code(failure) != ERR_UNAVAILABLE || attempt >= OUTAGES_MAX)
        return false;
    job_run_log(run, "%s: attempt %d of %d follows", failure->message, attempt + 1, OUTAGES_MAX);
    for (int left = OUTAGE_PAUSE_MS << (attempt - 1); left > 0; left -= BACKOFF_MIN_MS)
        if (!cancel_is_raised(run->cancel))
            pause_ms(workers, BACKOFF_MIN_MS);
    return true;
}

static void run_job(Worker *worker, const Job *job, int64_t claimed_ns)
{
    Workers *workers = worker->workers;
    g_autofree char *result = NULL;
    g_autoptr(GError) failure = NULL;
    JobRun run = {job, &worker->slot.cancel, workers->context, &worker->slot};
    log_event(LOG_INFO, "job started", "job", LOG_STRING(job->id), "kind", LOG_STRING(job->kind),
              "prediction", LOG_STRING(job->prediction), "attempt", LOG_INT(job->attempt), NULL);
    slot_open(&worker->slot, job, claimed_ns);
    count_busy(workers, 1);
    if (!run_kind(&run, workers, &result, &failure) && !failure)
        error_set(&failure, ERR_INTERNAL, "a job of kind \"%s\" failed without saying why",
                  job->kind);
    bool again = waits_for_another(&run, workers, failure);
    slot_close(&worker->slot);
    Outcome outcome = judge(slot_reasons(&worker->slot), again, failure);
    outcome = settle(worker, job, outcome, result, &failure);
    log_end(job, outcome, claimed_ns, failure);
    pthread_mutex_lock(&workers->lock);
    workers->outcomes[outcome]++;
    pthread_mutex_unlock(&workers->lock);
    count_busy(workers, -1);
}

/* What processes of this data folder ran that are dead need not wait for its leases to run out.
 * The lock is held over the queries: no other worker is to claim before they are through, and
 * nobody else ever waits for it. */
static bool end_dead_leases(Workers *workers, GError **error)
{
    bool ended = true;
    const char *dead;
    pthread_mutex_lock(&workers->burial);
    lives_look(workers->lives);
    while (ended && (dead = lives_dead(workers->lives))) {
        size_t n = 0;
        ended = jobs_end_leases(workers->store, dead, &n, error);
        if (n > 0)
            log_event(LOG_INFO, "jobs of a process that died are taken up again", "jobs",
                      LOG_INT((int64_t)n), NULL);
        if (ended)
            lives_bury(workers->lives);
    }
    pthread_mutex_unlock(&workers->burial);
    return ended;
}

static Job *claim(Worker *worker, GError **error)
{
    Workers *workers = worker->workers;
    return end_dead_leases(workers, error)
               ? jobs_claim(workers->store, worker->owner, workers->lease_ms, error)
               : NULL;
}

/* One look at the queue. *backoff_ms: 0 while PostgreSQL answers. */
static void take_turn(Worker *worker, JobsListener *listener, int *backoff_ms)
{
    Workers *workers = worker->workers;
    g_autoptr(GError) failure = NULL;
    int64_t asked_ns = clock_ticks_ns();
    g_autoptr(Job) job = claim(worker, &failure);
    if (failure) {
        if (*backoff_ms == 0)
            log_failure("the job queue does not answer", failure);
        *backoff_ms = CLAMP(*backoff_ms * 2, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
        pause_ms(workers, *backoff_ms);
        return;
    }
    if (*backoff_ms > 0)
        log_event(LOG_INFO, "the job queue answers again", NULL);
    *backoff_ms = 0;
    if (job)
        run_job(worker, job, asked_ns);
    else
        jobs_listener_wait(listener, workers->poll_ms, workers->stop_fd);
}

static void *work(void *argument)
{
    Worker *worker = argument;
    background_enter(); /* with all threads that jobs start; leases are renewed by another */
    g_autoptr(JobsListener) listener = jobs_listener_new(worker->workers->store);
    int backoff_ms = 0;
    while (!atomic_load(&worker->workers->stopping))
        take_turn(worker, listener, &backoff_ms);
    return NULL;
}

/* Sleeps one tick, or as long as nothing runs. False when it is time to end. */
static bool sleep_tick(Workers *workers)
{
    struct timespec until;
    pthread_mutex_lock(&workers->lock);
    while (workers->busy == 0 && !workers->resting)
        pthread_cond_wait(&workers->changed, &workers->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)workers->tick_ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    if (!workers->resting)
        pthread_cond_timedwait(&workers->changed, &workers->lock, &until);
    bool goes_on = !workers->resting;
    pthread_mutex_unlock(&workers->lock);
    return goes_on;
}

static void *beat(void *argument)
{
    Workers *workers = argument;
    while (sleep_tick(workers))
        for (unsigned i = 0; i < workers->n; i++)
            slot_attend(&workers->list[i].slot);
    return NULL;
}

static void *watch(void *argument)
{
    Workers *workers = argument;
    while (sleep_tick(workers))
        for (unsigned i = 0; i < workers->n; i++)
            slot_watch(&workers->list[i].slot);
    return NULL;
}

static void start_thread(pthread_t *thread, const char *name, void *(*body)(void *), void *argument)
{
    int failed = pthread_create(thread, NULL, body, argument);
    if (failed)
        g_error("no thread for jobs: %s", g_strerror(failed));
    pthread_setname_np(*thread, name);
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* No two threads of any daemon on any machine have the same. */
static char *make_owner(const Lives *lives, unsigned index)
{
    return g_strdup_printf("%s:%s:%d:%u", lives_id(lives), g_get_host_name(), (int)getpid(), index);
}

Workers *workers_start(Store *store, const Settings *settings, const JobKind *kinds, size_t n_kinds,
                       void *context)
{
    Workers *workers = g_new0(Workers, 1);
    workers->store = store;
    workers->kinds = kinds;
    workers->n_kinds = n_kinds;
    workers->context = context;
    workers->lease_ms = settings->lease_ms;
    workers->poll_ms = settings->poll_ms;
    workers->tick_ms = CLAMP(settings->lease_ms / 8, 10, 250);
    workers->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    workers->n = settings->workers;
    workers->list = g_new0(Worker, workers->n);
    /* Who runs no jobs has none to give up, and no business with those of others. */
    workers->lives = lives_begin(workers->n > 0 ? settings->data_dir : NULL);
    pthread_mutex_init(&workers->burial, NULL);
    pthread_mutex_init(&workers->lock, NULL);
    init_condition(&workers->changed);
    for (unsigned i = 0; i < workers->n; i++) {
        workers->list[i].workers = workers;
        workers->list[i].owner = make_owner(workers->lives, i);
        slot_init(&workers->list[i].slot, store, workers->lease_ms);
    }
    start_thread(&workers->heartbeat, "job-heartbeat", beat, workers);
    start_thread(&workers->watch, "job-watch", watch, workers);
    for (unsigned i = 0; i < workers->n; i++)
        start_thread(&workers->list[i].thread, "job-worker", work, &workers->list[i]);
    return workers;
}

static void join_all(Workers *workers)
{
    for (unsigned i = 0; i < workers->n; i++)
        pthread_join(workers->list[i].thread, NULL);
    pthread_mutex_lock(&workers->lock);
    workers->resting = true;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    pthread_join(workers->heartbeat, NULL);
    pthread_join(workers->watch, NULL);
}

void workers_stop(Workers *workers)
{
    if (!workers)
        return;
    atomic_store(&workers->stopping, true);
    eventfd_write(workers->stop_fd, 1);
    for (unsigned i = 0; i < workers->n; i++)
        slot_stop(&workers->list[i].slot);
    join_all(workers);
    for (unsigned i = 0; i < workers->n; i++) {
        slot_clear(&workers->list[i].slot);
        g_free(workers->list[i].owner);
    }
    close(workers->stop_fd);
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->lock);
    pthread_mutex_destroy(&workers->burial);
    lives_end(workers->lives);
    g_free(workers->list);
    g_free(workers);
}

WorkersStatus workers_status(Workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    WorkersStatus status = {.threads = workers->n,
                            .busy = workers->busy,
                            .succeeded = workers->outcomes[SUCCEEDED],
                            .failed = workers->outcomes[FAILED],
                            .cancelled = workers->outcomes[CANCELLED],
                            .lost = workers->outcomes[LOST]};
    pthread_mutex_unlock(&workers->lock);
    return status;
}
