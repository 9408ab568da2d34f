#include "store/retention.h"

#include "state.h"

/* $1: days, $2: rows at most. Gives how many went. */
static const char old_jobs[] =
    "WITH old AS (SELECT id FROM job WHERE state IN ('succeeded', 'failed', 'cancelled') "
    "AND finished_at < now() - $1::integer * interval '1 day' "
    "AND NOT EXISTS (SELECT FROM version WHERE version.job = job.id) "
    "AND (version IS NULL OR EXISTS (SELECT FROM job AS newer "
    "WHERE newer.prediction = job.prediction AND newer.version > job.version)) "
    "ORDER BY created_at LIMIT $2::integer FOR UPDATE SKIP LOCKED), "
    "gone AS (DELETE FROM job WHERE id IN (SELECT id FROM old) RETURNING 1) "
    "SELECT count(*) AS n FROM gone";
static const char old_audit[] =
    "WITH old AS (SELECT n FROM audit WHERE at < now() - $1::integer * interval '1 day' "
    "ORDER BY at LIMIT $2::integer FOR UPDATE SKIP LOCKED), "
    "gone AS (DELETE FROM audit WHERE n IN (SELECT n FROM old) RETURNING 1) "
    "SELECT count(*) AS n FROM gone";

static bool remove_old(Store *store, const char *sql, uint32_t keep_days, bool *more,
                       GError **error)
{
    char days[16];
    g_snprintf(days, sizeof days, "%" G_GUINT32_FORMAT, keep_days);
    const char *values[] = {days, G_STRINGIFY(RETENTION_BATCH)};
    g_autoptr(PGresult) result = state_query(store, sql, 2, values, error);
    if (result && db_int(result, 0, "n") == RETENTION_BATCH)
        *more = true;
    return result != NULL;
}

bool retention_apply(Store *store, const Settings *settings, bool *more, GError **error)
{
    *more = false;
    return remove_old(store, old_jobs, settings->jobs_keep_days, more, error) &&
           remove_old(store, old_audit, settings->audit_keep_days, more, error);
}
