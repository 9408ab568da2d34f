#include "store/jobs.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "state.h"

#define LINES_KEPT    "200"
#define ATTEMPTS_MAX  "5" /* lost ones */
#define FINISHERS_MAX 5
#define TEXT_MAX      2000
#define RACES_MAX     8

// clang-format off
#define COLUMNS                                                                                    \
    "id, kind, prediction, params, state, stage, percent, eta_seconds, attempt, version, owner, "  \
    "cancel_requested::int AS cancel_requested, error_code, error_message, result, "               \
    STATE_TIME("created_at") ", " STATE_TIME("started_at") ", " STATE_TIME("finished_at")

/* In the transaction of the change: nobody is woken for what was not committed. */
#define NOTIFY "pg_notify('shortlist_jobs', '')"

/* The job's version exists: it is too late to cancel, what is left is for some attempt to finish. */
#define IS_SAVED                                                                                   \
    "EXISTS (SELECT FROM version AS saved WHERE saved.prediction = job.prediction "                \
    "AND saved.version = job.version AND saved.job = job.id)"
#define IS_STOPPED "(cancel_requested AND NOT " IS_SAVED ")"

/* $1 to $3: the fence of every write by a worker. */
#define MINE "id = $1 AND owner = $2 AND attempt = $3::integer AND state = 'running'"
// clang-format on

static const char *const states[] = {
    [JOB_QUEUED] = "queued", [JOB_RUNNING] = "running",     [JOB_SUCCEEDED] = "succeeded",
    [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
};

const char *job_state_name(int state)
{
    return states[state];
}

static int find_state(const char *name)
{
    int state = 0;
    while (!g_str_equal(states[state], name))
        state++;
    return state;
}

static Job *read_job(const PGresult *result, int row)
{
    Job *job = g_new0(Job, 1);
    job->id = g_strdup(db_text(result, row, "id"));
    job->kind = g_strdup(db_text(result, row, "kind"));
    job->prediction = g_strdup(db_text(result, row, "prediction"));
    job->params = g_strdup(db_text(result, row, "params"));
    job->state = find_state(db_text(result, row, "state"));
    job->stage = g_strdup(db_text(result, row, "stage"));
    job->percent = db_number(result, row, "percent");
    job->eta_seconds = db_number(result, row, "eta_seconds");
    job->attempt = (int)db_int(result, row, "attempt");
    job->version = (int)db_int(result, row, "version");
    job->owner = g_strdup(db_text(result, row, "owner"));
    job->cancel_requested = db_int(result, row, "cancel_requested");
    job->created_at = db_int(result, row, "created_at");
    job->started_at = db_int(result, row, "started_at");
    job->finished_at = db_int(result, row, "finished_at");
    job->error_code = g_strdup(db_text(result, row, "error_code"));
    job->error_message = g_strdup(db_text(result, row, "error_message"));
    job->result = g_strdup(db_text(result, row, "result"));
    return job;
}

static void set_not_found(const char *id, GError **error)
{
    error_set(error, ERR_NOT_FOUND, "there is no job \"%s\"", id);
}

Job *jobs_enqueue(Store *store, const char *kind, const char *prediction, const char *params,
                  GError **error)
{
    static const char sql[] = "WITH made AS (INSERT INTO job (kind, prediction, params) "
                              "VALUES ($1, $2, coalesce($3, '{}')::json) "
                              "ON CONFLICT DO NOTHING RETURNING *) "
                              "SELECT " COLUMNS ", " NOTIFY " FROM made";
    const char *values[] = {kind, prediction, params};
    g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 0) {
        error_set(error, ERR_CONFLICT, "a %s of prediction \"%s\" is queued or running already",
                  kind, prediction);
        return NULL;
    }
    return read_job(result, 0);
}

static bool read_log(Store *store, Job *job, GError **error)
{
    static const char sql[] =
        "SELECT " STATE_TIME("at") ", text FROM (SELECT n, at, text "
                                   "FROM job_line WHERE job = $1 ORDER BY n DESC LIMIT " LINES_KEPT
                                   ") AS line ORDER BY n";
    g_autoptr(PGresult) result = state_query(store, sql, 1, (const char *[]){job->id}, error);
    if (!result)
        return false;
    job->n_log = (size_t)PQntuples(result);
    job->log = g_new0(JobLine, job->n_log);
    for (size_t i = 0; i < job->n_log; i++) {
        job->log[i].at = db_int(result, (int)i, "at");
        job->log[i].text = g_strdup(db_text(result, (int)i, "text"));
    }
    return true;
}

Job *jobs_get(Store *store, const char *id, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM job WHERE id = $1";
    if (!g_uuid_string_is_valid(id)) {
        set_not_found(id, error);
        return NULL;
    }
    g_autoptr(PGresult) result = state_query(store, sql, 1, &id, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 0) {
        set_not_found(id, error);
        return NULL;
    }
    g_autoptr(Job) job = read_job(result, 0);
    return read_log(store, job, error) ? g_steal_pointer(&job) : NULL;
}

Jobs *jobs_list(Store *store, const char *prediction, const char *state, const char *after,
                size_t limit, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM job WHERE ($1::text IS NULL OR prediction = $1) "
        "AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR (job.created_at, id) < "
        "(SELECT last.created_at, last.id FROM job AS last WHERE last.id = $3)) "
        "ORDER BY job.created_at DESC, id DESC LIMIT $4::bigint + 1";
    if (after && !g_uuid_string_is_valid(after)) {
        error_set(error, ERR_INVALID, "\"%s\" is not the id of a job", after);
        return NULL;
    }
    g_autofree char *rows = g_strdup_printf("%zu", limit);
    const char *values[] = {prediction, state, after, rows};
    g_autoptr(PGresult) result = state_query(store, sql, 4, values, error);
    if (!result)
        return NULL;
    Jobs *jobs = g_new0(Jobs, 1);
    jobs->n = MIN((size_t)PQntuples(result), limit);
    jobs->more = (size_t)PQntuples(result) > limit;
    jobs->list = g_new0(Job *, jobs->n);
    for (size_t i = 0; i < jobs->n; i++)
        jobs->list[i] = read_job(result, (int)i);
    return jobs;
}

Job *jobs_cancel(Store *store, const char *id, GError **error)
{
    static const char sql[] =
        "WITH hit AS (UPDATE job SET cancel_requested = true, "
        "state = CASE WHEN state = 'queued' AND NOT " IS_SAVED " THEN 'cancelled' ELSE state END, "
        "finished_at = CASE WHEN state = 'queued' AND NOT " IS_SAVED " THEN now() END "
        "WHERE id = $1 AND state IN ('queued', 'running') RETURNING *) "
        "SELECT " COLUMNS ", " NOTIFY " FROM hit";
    if (!g_uuid_string_is_valid(id)) {
        set_not_found(id, error);
        return NULL;
    }
    g_autoptr(PGresult) result = state_query(store, sql, 1, &id, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 1)
        return read_job(result, 0);
    g_autoptr(Job) ended = jobs_get(store, id, error);
    if (ended)
        error_set(error, ERR_CONFLICT, "job \"%s\" has ended: it is %s", id, states[ended->state]);
    return NULL;
}

/* Ends what no worker is to take up again: too many attempts were lost, or somebody asked to stop.
 */
static bool end_abandoned(Store *store, GError **error)
{
    static const char sql[] =
        "WITH abandoned AS (SELECT id FROM job WHERE state = 'running' AND lease_until <= now() "
        "AND (" IS_STOPPED " OR lost + 1 >= " ATTEMPTS_MAX ") FOR UPDATE SKIP LOCKED), "
        "ended AS (UPDATE job SET lost = lost + 1, finished_at = now(), eta_seconds = NULL, "
        "state = CASE WHEN " IS_STOPPED " THEN 'cancelled' ELSE 'failed' END, "
        "error_code = CASE WHEN NOT " IS_STOPPED " THEN 'worker_lost' END, "
        "error_message = CASE WHEN NOT " IS_STOPPED " THEN 'the worker stopped in each "
        "of " ATTEMPTS_MAX " attempts' END "
        "WHERE id IN (SELECT id FROM abandoned) RETURNING id) SELECT " NOTIFY " FROM ended";
    g_autoptr(PGresult) result = state_query(store, sql, 0, NULL, error);
    return result != NULL;
}

static PGresult *claim_oldest(Store *store, const char *owner, uint32_t lease_ms, GError **error)
{
    static const char sql[] =
        "WITH oldest AS (SELECT id FROM job AS open "
        "WHERE (state = 'queued' OR (state = 'running' AND lease_until <= now())) "
        "AND NOT EXISTS (SELECT 1 FROM job AS other WHERE other.prediction = open.prediction "
        "AND other.state = 'running' AND other.id <> open.id) "
        "ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) "
        "UPDATE job SET state = 'running', owner = $1, attempt = attempt + 1, "
        "lost = lost + (state = 'running')::int, stage = 'starting', eta_seconds = NULL, "
        "cancel_requested = " IS_STOPPED ", "
        "lease_until = now() + $2::bigint * interval '1 millisecond', "
        "started_at = coalesce(started_at, now()), "
        "version = CASE WHEN version IS NULL AND kind = 'training' THEN 1 + greatest("
        "(SELECT coalesce(max(v.version), 0) FROM version AS v WHERE v.prediction = "
        "job.prediction), "
        "(SELECT coalesce(max(j.version), 0) FROM job AS j WHERE j.prediction = job.prediction)) "
        "ELSE version END "
        "WHERE id = (SELECT id FROM oldest) RETURNING " COLUMNS;
    g_autofree char *lease = g_strdup_printf("%" G_GUINT32_FORMAT, lease_ms);
    return state_query(store, sql, 2, (const char *[]){owner, lease}, error);
}

Job *jobs_claim(Store *store, const char *owner, uint32_t lease_ms, GError **error)
{
    if (!end_abandoned(store, error))
        return NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(PGresult) result = claim_oldest(store, owner, lease_ms, &failure);
    /* Another worker took another job of the same prediction at this moment: look again. */
    for (int i = 0; i < RACES_MAX && !result && error_code(failure) == ERR_CONFLICT; i++) {
        g_clear_error(&failure);
        result = claim_oldest(store, owner, lease_ms, &failure);
    }
    if (result)
        return PQntuples(result) == 1 ? read_job(result, 0) : NULL;
    if (error_code(failure) != ERR_CONFLICT)
        g_propagate_error(error, g_steal_pointer(&failure));
    return NULL;
}

bool jobs_end_leases(Store *store, const char *life, size_t *ended, GError **error)
{
    static const char sql[] =
        "WITH ended AS (UPDATE job SET lease_until = now() WHERE state = 'running' "
        "AND lease_until > now() AND starts_with(owner, $1::text || ':') RETURNING id) "
        "SELECT " NOTIFY " FROM ended";
    *ended = 0;
    g_autoptr(PGresult) result = state_query(store, sql, 1, &life, error);
    if (!result)
        return false;
    *ended = (size_t)PQntuples(result);
    return true;
}

static void set_lost(const Job *job, GError **error)
{
    error_set(error, ERR_CANCELLED, "the lease of job \"%s\", attempt %d, was lost", job->id,
              job->attempt);
}

/* A fenced statement: $1 to $3 are the fence, then `n` values. It must give one row. */
static PGresult *write_mine(Store *store, const Job *job, const char *sql, int n,
                            const char *const *values, GError **error)
{
    char attempt[16];
    g_snprintf(attempt, sizeof attempt, "%d", job->attempt);
    const char *all[8] = {job->id, job->owner, attempt};
    for (int i = 0; i < n; i++)
        all[3 + i] = values[i];
    g_autoptr(PGresult) result = state_query(store, sql, 3 + n, all, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 1)
        return g_steal_pointer(&result);
    set_lost(job, error);
    return NULL;
}

bool jobs_renew(Store *store, const Job *job, uint32_t lease_ms, bool *cancel_requested,
                GError **error)
{
    static const char sql[] =
        "UPDATE job SET lease_until = now() + $4::bigint * interval '1 millisecond' WHERE " MINE
        " RETURNING cancel_requested::int AS cancel_requested";
    g_autofree char *lease = g_strdup_printf("%" G_GUINT32_FORMAT, lease_ms);
    g_autoptr(PGresult) result = write_mine(store, job, sql, 1, (const char *[]){lease}, error);
    if (!result)
        return false;
    *cancel_requested = db_int(result, 0, "cancel_requested");
    return true;
}

bool jobs_look(Store *store, const Job *job, bool *cancel_requested, GError **error)
{
    static const char sql[] =
        "SELECT cancel_requested::int AS cancel_requested FROM job WHERE " MINE;
    g_autoptr(PGresult) result = write_mine(store, job, sql, 0, NULL, error);
    if (!result)
        return false;
    *cancel_requested = db_int(result, 0, "cancel_requested");
    return true;
}

bool jobs_progress(Store *store, const Job *job, const char *stage, double percent,
                   double eta_seconds, GError **error)
{
    static const char sql[] =
        "UPDATE job SET stage = $4, percent = greatest(percent, $5::double precision), "
        "eta_seconds = $6::double precision WHERE " MINE " RETURNING id";
    char percent_text[G_ASCII_DTOSTR_BUF_SIZE], eta_text[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *stage_text = state_text(stage, TEXT_MAX);
    g_ascii_dtostr(percent_text, sizeof percent_text,
                   isfinite(percent) ? CLAMP(percent, 0.0, 100.0) : 0.0);
    g_ascii_dtostr(eta_text, sizeof eta_text, eta_seconds);
    const char *values[] = {stage_text, percent_text, isfinite(eta_seconds) ? eta_text : NULL};
    g_autoptr(PGresult) result = write_mine(store, job, sql, 3, values, error);
    return result != NULL;
}

bool jobs_log(Store *store, const Job *job, const char *text, GError **error)
{
    /* The lock holds a claim by another worker back until the line is in. The rows counted are
     * those before this one: with the 199 newest of them there are 200. */
    static const char sql[] =
        "WITH mine AS MATERIALIZED (SELECT id FROM job WHERE " MINE " FOR NO KEY UPDATE), "
        "added AS (INSERT INTO job_line (job, text) SELECT id, $4 FROM mine RETURNING n), "
        "trimmed AS (DELETE FROM job_line WHERE job = (SELECT id FROM mine) AND n < "
        "(SELECT n FROM job_line WHERE job = $1 ORDER BY n DESC OFFSET " LINES_KEPT
        " - 2 LIMIT 1)) "
        "SELECT n FROM added";
    g_autofree char *line = state_text(text, TEXT_MAX);
    g_autoptr(PGresult) result = write_mine(store, job, sql, 1, (const char *[]){line}, error);
    return result != NULL;
}

/* $4: the new state. A row that has it already is written again, so that a worker may repeat what
 * it got no answer to. */
#define END                                                                                        \
    "WITH ended AS (UPDATE job SET state = $4, finished_at = coalesce(finished_at, now()), "       \
    "eta_seconds = NULL, "
#define END_OF_MINE                                                                                \
    " WHERE id = $1 AND owner = $2 AND attempt = $3::integer AND state IN ('running', $4) "        \
    "RETURNING id) SELECT " NOTIFY " FROM ended"

bool jobs_succeed(Store *store, const Job *job, const char *result, GError **error)
{
    static const char sql[] =
        END "stage = 'done', percent = 100, result = coalesce($5, '{}')::json" END_OF_MINE;
    const char *values[] = {states[JOB_SUCCEEDED], result};
    g_autoptr(PGresult) done = write_mine(store, job, sql, 2, values, error);
    return done != NULL;
}

bool jobs_release(Store *store, const Job *job, GError **error)
{
    static const char sql[] =
        "WITH given AS (UPDATE job SET owner = NULL, lease_until = NULL, eta_seconds = NULL, "
        "state = CASE WHEN " IS_STOPPED " THEN 'cancelled' ELSE 'queued' END, "
        "stage = CASE WHEN " IS_STOPPED " THEN stage ELSE 'queued' END, "
        "finished_at = CASE WHEN " IS_STOPPED " THEN now() END WHERE " MINE
        " RETURNING id) SELECT " NOTIFY " FROM given";
    g_autoptr(PGresult) result = write_mine(store, job, sql, 0, NULL, error);
    return result != NULL;
}

/* *saved: the version of the job exists. */
static bool find_saved(Store *store, const Job *job, bool *saved, GError **error)
{
    static const char sql[] = "SELECT (" IS_SAVED ")::int AS saved FROM job WHERE id = $1";
    g_autoptr(PGresult) result = state_query(store, sql, 1, (const char *[]){job->id}, error);
    *saved = result && PQntuples(result) == 1 && db_int(result, 0, "saved");
    return result != NULL;
}

/* A cancel that came too late gives the job back, but not for ever: where the version's file is not
 * to be found an attempt is a whole training, and somebody wants that to end. */
static bool is_given_back(Store *store, const Job *job, JobState state, bool *given, GError **error)
{
    *given = false;
    return state != JOB_CANCELLED || job->attempt >= FINISHERS_MAX ||
           find_saved(store, job, given, error);
}

bool jobs_fail(Store *store, const Job *job, JobState state, const char *code, const char *message,
               GError **error)
{
    bool given;
    if (!is_given_back(store, job, state, &given, error))
        return false;
    if (given)
        return jobs_release(store, job, error);
    static const char sql[] = END "error_code = $5, error_message = $6" END_OF_MINE;
    g_autofree char *text = state_text(message, TEXT_MAX);
    bool failed = state == JOB_FAILED;
    const char *values[] = {states[state], failed ? code : NULL, failed ? text : NULL};
    g_autoptr(PGresult) result = write_mine(store, job, sql, 3, values, error);
    return result != NULL;
}

void job_free(Job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->n_log; i++)
        g_free(job->log[i].text);
    g_free(job->log);
    g_free(job->id);
    g_free(job->kind);
    g_free(job->prediction);
    g_free(job->params);
    g_free(job->stage);
    g_free(job->owner);
    g_free(job->error_code);
    g_free(job->error_message);
    g_free(job->result);
    g_free(job);
}

void jobs_free(Jobs *jobs)
{
    if (!jobs)
        return;
    for (size_t i = 0; i < jobs->n; i++)
        job_free(jobs->list[i]);
    g_free(jobs->list);
    g_free(jobs);
}
