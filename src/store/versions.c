#include "store/versions.h"

#include "base/error.h"
#include "remaps_queue.h"
#include "state.h"
#include "versions_lock.h"

// clang-format off
#define SHORT_COLUMNS                                                                              \
    "prediction, version, job, learner, grade, file, active::int AS active, "                      \
    STATE_TIME("created_at")
// clang-format on

static Version *read_short(const PGresult *result, int row)
{
    Version *version = g_new0(Version, 1);
    version->prediction = g_strdup(db_text(result, row, "prediction"));
    version->version = (int)db_int(result, row, "version");
    version->job = g_strdup(db_text(result, row, "job"));
    version->learner = g_strdup(db_text(result, row, "learner"));
    version->grade = g_strdup(db_text(result, row, "grade"));
    version->file = g_strdup(db_text(result, row, "file"));
    version->active = db_int(result, row, "active");
    version->created_at = db_int(result, row, "created_at");
    return version;
}

static Version *read_whole(const PGresult *result)
{
    Version *version = read_short(result, 0);
    version->card = g_strdup(db_text(result, 0, "card"));
    version->report = g_strdup(db_text(result, 0, "report"));
    version->details = g_strdup(db_text(result, 0, "details"));
    return version;
}

static Versions *read_list(const PGresult *result, size_t limit)
{
    Versions *versions = g_new0(Versions, 1);
    versions->n = MIN((size_t)PQntuples(result), limit);
    versions->more = (size_t)PQntuples(result) > limit;
    versions->list = g_new0(Version *, versions->n);
    for (size_t i = 0; i < versions->n; i++)
        versions->list[i] = read_short(result, (int)i);
    return versions;
}

static bool run(PGconn *connection, const char *sql, int n, const char *const *values,
                GError **error)
{
    g_autoptr(PGresult) result = db_query(connection, sql, n, values, error);
    return result != NULL;
}

static void set_not_found(const char *prediction, int version, GError **error)
{
    error_set(error, ERR_NOT_FOUND, "prediction \"%s\" has no version %d", prediction, version);
}

bool versions_lock_active(PGconn *connection, const char *prediction, GError **error)
{
    static const char sql[] =
        "SELECT pg_advisory_xact_lock(hashtextextended('shortlist active ' || $1, 0))";
    return run(connection, sql, 1, &prediction, error);
}

static bool retire_active(PGconn *connection, const char *prediction, GError **error)
{
    static const char sql[] = "UPDATE version SET active = false WHERE prediction = $1 AND active";
    return run(connection, sql, 1, &prediction, error);
}

bool versions_lock_job(PGconn *connection, const Job *job, GError **error)
{
    static const char sql[] =
        "SELECT 1 FROM job WHERE id = $1 AND owner = $2 AND attempt = $3::integer "
        "AND state = 'running' AND lease_until > now() FOR UPDATE";
    char attempt[16];
    g_snprintf(attempt, sizeof attempt, "%d", job->attempt);
    const char *values[] = {job->id, job->owner, attempt};
    g_autoptr(PGresult) result = db_query(connection, sql, 3, values, error);
    if (result && PQntuples(result) == 0)
        error_set(error, ERR_CANCELLED, "the lease of job \"%s\", attempt %d, was lost", job->id,
                  job->attempt);
    return result && PQntuples(result) == 1;
}

/* *saved: by this job, in an earlier try. ERR_CONFLICT when another job has the number. */
static bool find_saved(PGconn *connection, const Job *job, const Version *version,
                       const char *number, bool *saved, GError **error)
{
    static const char sql[] = "SELECT job FROM version WHERE prediction = $1 AND version = $2";
    const char *values[] = {version->prediction, number};
    g_autoptr(PGresult) result = db_query(connection, sql, 2, values, error);
    if (!result)
        return false;
    *saved = PQntuples(result) == 1;
    if (!*saved || g_str_equal(db_text(result, 0, "job"), job->id))
        return true;
    error_set(error, ERR_CONFLICT, "version %d of prediction \"%s\" is another job's",
              version->version, version->prediction);
    return false;
}

static bool insert_active(PGconn *connection, const Job *job, const Version *version,
                          const char *number, GError **error)
{
    static const char sql[] =
        "WITH made AS (INSERT INTO version (prediction, version, job, learner, grade, card, "
        "report, file, active, mapping, revision, details) SELECT $1, $2::integer, $3::uuid, $4, "
        "$5, $6::json, $7::json, $8, true, params::jsonb #> '{models,products}', attempt, "
        "$9::json FROM job WHERE id = $3::uuid RETURNING 1) "
        "SELECT pg_notify('shortlist_jobs', '') FROM made";
    const char *values[] = {version->prediction, number,         job->id,
                            version->learner,    version->grade, version->card,
                            version->report,     version->file,  version->details};
    return run(connection, sql, 9, values, error);
}

typedef struct Saving {
    const Job *job;
    const Version *version;
} Saving;

static bool save(PGconn *connection, void *context, GError **error)
{
    const Saving *saving = context;
    const Version *version = saving->version;
    char number[16];
    g_snprintf(number, sizeof number, "%d", version->version);
    bool saved = false;
    if (!versions_lock_job(connection, saving->job, error) ||
        !versions_lock_active(connection, version->prediction, error) ||
        !find_saved(connection, saving->job, version, number, &saved, error))
        return false;
    return saved || (retire_active(connection, version->prediction, error) &&
                     insert_active(connection, saving->job, version, number, error) &&
                     remaps_queue_behind(connection, version->prediction, error));
}

bool versions_save(Store *store, const Job *job, const Version *version, GError **error)
{
    return state_transaction(store, save, &(Saving){job, version}, error);
}

Versions *versions_list(Store *store, const char *prediction, int before, size_t limit,
                        GError **error)
{
    static const char sql[] = "SELECT " SHORT_COLUMNS " FROM version WHERE prediction = $1 "
                              "AND ($2::integer = 0 OR version < $2::integer) "
                              "ORDER BY version DESC LIMIT $3::bigint + 1";
    g_autofree char *below = g_strdup_printf("%d", before);
    g_autofree char *rows = g_strdup_printf("%zu", limit);
    const char *values[] = {prediction, below, rows};
    g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
    return result ? read_list(result, limit) : NULL;
}

Version *versions_get(Store *store, const char *prediction, int version, GError **error)
{
    static const char sql[] = "SELECT " SHORT_COLUMNS ", card, report, details FROM version "
                              "WHERE prediction = $1 AND version = $2";
    g_autofree char *number = g_strdup_printf("%d", version);
    const char *values[] = {prediction, number};
    g_autoptr(PGresult) result = state_query(store, sql, 2, values, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 1)
        return read_whole(result);
    set_not_found(prediction, version, error);
    return NULL;
}

Version *versions_active(Store *store, const char *prediction, GError **error)
{
    static const char sql[] = "SELECT " SHORT_COLUMNS ", card, report, details FROM version "
                              "WHERE prediction = $1 AND active";
    g_autoptr(PGresult) result = state_query(store, sql, 1, &prediction, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 1)
        return read_whole(result);
    error_set(error, ERR_NOT_READY, "prediction \"%s\" has no version yet", prediction);
    return NULL;
}

typedef struct Activation {
    const char *prediction;
    int version;
} Activation;

static bool activate(PGconn *connection, void *context, GError **error)
{
    static const char sql[] =
        "WITH chosen AS (UPDATE version SET active = true WHERE prediction = $1 AND version = $2 "
        "RETURNING 1) SELECT pg_notify('shortlist_jobs', '') FROM chosen";
    const Activation *activation = context;
    char number[16];
    g_snprintf(number, sizeof number, "%d", activation->version);
    const char *values[] = {activation->prediction, number};
    if (!versions_lock_active(connection, activation->prediction, error) ||
        !retire_active(connection, activation->prediction, error))
        return false;
    g_autoptr(PGresult) result = db_query(connection, sql, 2, values, error);
    if (result && PQntuples(result) == 0)
        set_not_found(activation->prediction, activation->version, error);
    return result && PQntuples(result) == 1 &&
           remaps_queue_behind(connection, activation->prediction, error);
}

bool versions_activate(Store *store, const char *prediction, int version, GError **error)
{
    return state_transaction(store, activate, &(Activation){prediction, version}, error);
}

bool versions_prune(Store *store, const char *prediction, unsigned keep, uint32_t **kept,
                    size_t *n_kept, uint32_t **removed, size_t *n_removed, GError **error)
{
    static const char sql[] =
        "WITH removed AS (DELETE FROM version WHERE prediction = $1 AND NOT active "
        "AND version NOT IN (SELECT version FROM version WHERE prediction = $1 "
        "ORDER BY version DESC LIMIT $2::bigint) RETURNING version) "
        "SELECT version, (version IN (SELECT version FROM removed))::int AS gone FROM version "
        "WHERE prediction = $1 ORDER BY version";
    g_autofree char *newest = g_strdup_printf("%u", keep);
    const char *values[] = {prediction, newest};
    g_autoptr(PGresult) result = state_query(store, sql, 2, values, error);
    if (!result)
        return false;
    size_t n = (size_t)PQntuples(result);
    *kept = g_new0(uint32_t, n + 1);
    *removed = g_new0(uint32_t, n + 1);
    *n_kept = *n_removed = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t version = (uint32_t)db_int(result, (int)i, "version");
        if (db_int(result, (int)i, "gone"))
            (*removed)[(*n_removed)++] = version;
        else
            (*kept)[(*n_kept)++] = version;
    }
    return true;
}

bool versions_forget(Store *store, const char *prediction, GError **error)
{
    static const char sql[] = "DELETE FROM version WHERE prediction = $1";
    g_autoptr(PGresult) result = state_query(store, sql, 1, &prediction, error);
    return result != NULL;
}

Versions *versions_all_active(Store *store, GError **error)
{
    static const char sql[] =
        "SELECT " SHORT_COLUMNS " FROM version WHERE active ORDER BY prediction";
    g_autoptr(PGresult) result = state_query(store, sql, 0, NULL, error);
    return result ? read_list(result, SIZE_MAX) : NULL;
}

void version_free(Version *version)
{
    if (!version)
        return;
    g_free(version->prediction);
    g_free(version->job);
    g_free(version->learner);
    g_free(version->grade);
    g_free(version->card);
    g_free(version->report);
    g_free(version->details);
    g_free(version->file);
    g_free(version);
}

void versions_free(Versions *versions)
{
    if (!versions)
        return;
    for (size_t i = 0; i < versions->n; i++)
        version_free(versions->list[i]);
    g_free(versions->list);
    g_free(versions);
}
