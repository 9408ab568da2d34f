#include "slot.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#define LOOK_NS   INT64_C(400000000)
#define LINES_MAX 200

void slot_init(Slot *slot, Store *store, uint32_t lease_ms)
{
    *slot = (Slot){.store = store, .lease_ms = lease_ms};
    cancel_init(&slot->cancel);
    pthread_mutex_init(&slot->lock, NULL);
    pthread_cond_init(&slot->left, NULL);
    slot->lines = g_ptr_array_new_with_free_func(g_free);
}

void slot_clear(Slot *slot)
{
    g_ptr_array_unref(slot->lines);
    pthread_cond_destroy(&slot->left);
    pthread_mutex_destroy(&slot->lock);
}

void slot_open(Slot *slot, const Job *job, int64_t claimed_ns)
{
    pthread_mutex_lock(&slot->lock);
    cancel_init(&slot->cancel);
    slot->requested = slot->lost = slot->moved = false;
    slot->claimed_ns = slot->renewed_ns = slot->looked_ns = claimed_ns;
    slot->percent = slot->expected = 0;
    slot->stage[0] = '\0';
    g_ptr_array_set_size(slot->lines, 0);
    slot->job = job;
    if (slot->stopping)
        cancel_raise(&slot->cancel);
    pthread_mutex_unlock(&slot->lock);
}

/* With the lock held. */
static bool has_lease(const Slot *slot)
{
    return clock_ticks_ns() - slot->renewed_ns < (int64_t)slot->lease_ms * 1000000;
}

/* With the lock held. */
static void lose(Slot *slot)
{
    slot->lost = true;
    cancel_raise(&slot->cancel);
}

bool slot_has_lease(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    bool has = !slot->lost && has_lease(slot);
    pthread_mutex_unlock(&slot->lock);
    return has;
}

SlotReasons slot_reasons(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    SlotReasons reasons = {slot->stopping, slot->requested, slot->lost};
    pthread_mutex_unlock(&slot->lock);
    return reasons;
}

void slot_stop(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->stopping = true;
    cancel_raise(&slot->cancel);
    pthread_mutex_unlock(&slot->lock);
}

void slot_watch(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    if (slot->job && !slot->lost && !has_lease(slot))
        lose(slot);
    pthread_mutex_unlock(&slot->lock);
}

/* What PostgreSQL said of the lease, asked at asked_ns. */
static void take_answer(Slot *slot, int64_t asked_ns, bool renewed, bool requested,
                        const GError *failure)
{
    pthread_mutex_lock(&slot->lock);
    if (!failure) {
        slot->looked_ns = asked_ns;
        if (renewed)
            slot->renewed_ns = asked_ns;
        if (requested) {
            slot->requested = true;
            cancel_raise(&slot->cancel);
        }
    } else if (error_code(failure) == ERR_CANCELLED) {
        lose(slot);
    }
    pthread_mutex_unlock(&slot->lock);
}

static bool renew(Slot *slot, const Job *job, GError **error)
{
    bool requested = false;
    g_autoptr(GError) failure = NULL;
    int64_t asked_ns = clock_ticks_ns();
    jobs_renew(slot->store, job, slot->lease_ms, &requested, &failure);
    take_answer(slot, asked_ns, true, requested, failure);
    if (!failure)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static void look(Slot *slot, const Job *job)
{
    bool requested = false;
    g_autoptr(GError) failure = NULL;
    int64_t asked_ns = clock_ticks_ns();
    jobs_look(slot->store, job, &requested, &failure);
    take_answer(slot, asked_ns, false, requested, failure);
}

/* Percent falls back to the start with each attempt, so time is counted from its claim. */
static double estimate_seconds(const Slot *slot)
{
    if (slot->percent < 1)
        return NAN;
    double elapsed = (double)(clock_ticks_ns() - slot->claimed_ns) / 1e9;
    double done = slot->percent / 100, by_percent = elapsed * (1 - done) / done;
    if (slot->expected <= 0)
        return by_percent;
    double by_estimate = MAX(slot->expected - elapsed, slot->expected * (1 - done));
    return done * by_percent + (1 - done) * by_estimate;
}

static void write_progress(Slot *slot, const Job *job)
{
    char stage[SLOT_STAGE_MAX];
    pthread_mutex_lock(&slot->lock);
    bool moved = slot->moved;
    double percent = slot->percent;
    double seconds = estimate_seconds(slot);
    g_strlcpy(stage, slot->stage, sizeof stage);
    slot->moved = false;
    pthread_mutex_unlock(&slot->lock);
    if (!moved || jobs_progress(slot->store, job, stage, percent, seconds, NULL))
        return;
    /* PostgreSQL is away: the next tick tries again, with what is newest then. */
    pthread_mutex_lock(&slot->lock);
    slot->moved = true;
    pthread_mutex_unlock(&slot->lock);
}

static char *take_line(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    char *line = slot->lines->len ? g_ptr_array_steal_index(slot->lines, 0) : NULL;
    pthread_mutex_unlock(&slot->lock);
    return line;
}

static void write_lines(Slot *slot, const Job *job)
{
    for (char *line; (line = take_line(slot)) != NULL; g_free(line)) {
        if (jobs_log(slot->store, job, line, NULL))
            continue;
        pthread_mutex_lock(&slot->lock);
        g_ptr_array_insert(slot->lines, 0, line);
        pthread_mutex_unlock(&slot->lock);
        return;
    }
}

/* NULL when there is nothing to attend to. */
static const Job *enter(Slot *slot, bool *renews, bool *looks)
{
    pthread_mutex_lock(&slot->lock);
    const Job *job = slot->lost ? NULL : slot->job;
    int64_t now = clock_ticks_ns();
    slot->attended = job != NULL;
    *renews = now - slot->renewed_ns >= (int64_t)slot->lease_ms * 1000000 / 3;
    *looks = now - slot->looked_ns >= LOOK_NS;
    pthread_mutex_unlock(&slot->lock);
    return job;
}

static void leave(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->attended = false;
    pthread_cond_broadcast(&slot->left);
    pthread_mutex_unlock(&slot->lock);
}

void slot_attend(Slot *slot)
{
    bool renews = false, looks = false;
    const Job *job = enter(slot, &renews, &looks);
    if (!job)
        return;
    if (renews)
        renew(slot, job, NULL);
    else if (looks)
        look(slot, job);
    write_progress(slot, job);
    write_lines(slot, job);
    leave(slot);
}

void slot_close(Slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    const Job *job = slot->job;
    slot->job = NULL;
    while (slot->attended)
        pthread_cond_wait(&slot->left, &slot->lock);
    bool lost = slot->lost;
    pthread_mutex_unlock(&slot->lock);
    if (lost)
        return;
    write_progress(slot, job);
    write_lines(slot, job);
}

void job_run_expect(JobRun *run, double seconds)
{
    Slot *slot = run->private;
    pthread_mutex_lock(&slot->lock);
    slot->expected = seconds;
    pthread_mutex_unlock(&slot->lock);
}

void job_run_progress(JobRun *run, const char *stage, double percent)
{
    Slot *slot = run->private;
    pthread_mutex_lock(&slot->lock);
    g_strlcpy(slot->stage, stage, sizeof slot->stage);
    if (percent > slot->percent)
        slot->percent = MIN(percent, 100.0);
    slot->moved = true;
    pthread_mutex_unlock(&slot->lock);
}

void job_run_log(JobRun *run, const char *format, ...)
{
    Slot *slot = run->private;
    va_list arguments;
    va_start(arguments, format);
    char *line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    log_event(LOG_INFO, "job log", "job", LOG_STRING(run->job->id), "text", LOG_STRING(line), NULL);
    pthread_mutex_lock(&slot->lock);
    if (slot->lines->len == LINES_MAX)
        g_ptr_array_remove_index(slot->lines, 0);
    g_ptr_array_add(slot->lines, line);
    pthread_mutex_unlock(&slot->lock);
}

/* A renewal asks PostgreSQL and gives what follows a whole lease. While PostgreSQL is away our own
 * clock still says for how long nobody else can have it. */
bool job_run_still_ours(JobRun *run, GError **error)
{
    Slot *slot = run->private;
    g_autoptr(GError) failure = NULL;
    if (!cancel_check(&slot->cancel, error))
        return false;
    if (!renew(slot, run->job, &failure) && error_code(failure) == ERR_CANCELLED) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (slot_has_lease(slot))
        return cancel_check(&slot->cancel, error);
    error_set(error, ERR_CANCELLED, "the lease of job \"%s\" may have run out", run->job->id);
    return false;
}

bool job_run_may_finish(JobRun *run, GError **error)
{
    Slot *slot = run->private;
    if (slot_has_lease(slot) && !slot_reasons(slot).stopping)
        return true;
    error_set(error, ERR_CANCELLED, "another attempt has to finish job \"%s\"", run->job->id);
    return false;
}
