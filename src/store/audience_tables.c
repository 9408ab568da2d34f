#include "store/audience_tables.h"

#include <inttypes.h>

#include "base/error.h"
#include "documents_replace.h"
#include "state.h"
#include "versions_lock.h"

bool audience_tables_find(Store *store, const char *audience, AudienceTable **table, GError **error)
{
    static const char sql[] = "SELECT source, begun, name, version, members, " STATE_TIME(
        "updated_at") " FROM "
                      "audience_table WHERE audience = $1";
    *table = NULL;
    g_autoptr(PGresult) result = state_query(store, sql, 1, &audience, error);
    if (!result || PQntuples(result) == 0)
        return result != NULL;
    AudienceTable *found = *table = g_new0(AudienceTable, 1);
    found->source = g_strdup(db_text(result, 0, "source"));
    found->begun = (int)db_int(result, 0, "begun");
    found->name = g_strdup(db_text(result, 0, "name"));
    found->version = (uint32_t)db_int(result, 0, "version");
    found->members = (uint64_t)db_int(result, 0, "members");
    found->updated_at = db_int(result, 0, "updated_at");
    return true;
}

static void set_no_audience(const char *audience, GError **error)
{
    error_set(error, ERR_NOT_FOUND, "there is no audience \"%s\"", audience);
}

Job *audience_tables_request(Store *store, const char *audience, GError **error)
{
    static const char sql[] =
        "WITH wanted AS (SELECT id, body ->> 'prediction' AS prediction FROM document "
        "WHERE kind = 'audience' AND id = $1 FOR SHARE), "
        "made AS (INSERT INTO job (kind, prediction, params) "
        "SELECT '" AUDIENCE_TABLE_KIND "', prediction, json_build_object('audience', id) "
        "FROM wanted ON CONFLICT DO NOTHING RETURNING id) "
        "SELECT made.id AS job, pg_notify('shortlist_jobs', '') FROM wanted LEFT JOIN made ON true";
    g_autoptr(PGresult) result = state_query(store, sql, 1, &audience, error);
    if (!result)
        return NULL;
    const char *job = PQntuples(result) == 1 ? db_text(result, 0, "job") : NULL;
    if (job)
        return jobs_get(store, job, error);
    if (PQntuples(result) == 0)
        set_no_audience(audience, error);
    else
        error_set(error, ERR_CONFLICT,
                  "a table of audience \"%s\" is queued or being built already", audience);
    return NULL;
}

/* Nobody forgets the audience until the end of the transaction. */
static bool hold_audience(PGconn *connection, const char *audience, GError **error)
{
    static const char sql[] =
        "SELECT 1 FROM document WHERE kind = 'audience' AND id = $1 FOR SHARE";
    g_autoptr(PGresult) held = db_query(connection, sql, 1, &audience, error);
    if (held && PQntuples(held) == 0)
        set_no_audience(audience, error);
    return held && PQntuples(held) == 1;
}

typedef struct Beginning {
    const Job *job;
    const char *audience, *source;
} Beginning;

static bool begin(PGconn *connection, void *context, GError **error)
{
    static const char sql[] = "INSERT INTO audience_table (audience, source) VALUES ($1, $2) "
                              "ON CONFLICT (audience) DO UPDATE "
                              "SET source = excluded.source, begun = audience_table.begun + 1";
    const Beginning *of = context;
    if (!versions_lock_job(connection, of->job, error) ||
        !hold_audience(connection, of->audience, error))
        return false;
    const char *values[] = {of->audience, of->source};
    g_autoptr(PGresult) result = db_query(connection, sql, 2, values, error);
    return result != NULL;
}

bool audience_tables_begin(Store *store, const Job *job, const char *audience, const char *source,
                           GError **error)
{
    return state_transaction(store, begin, &(Beginning){job, audience, source}, error);
}

typedef struct Saving {
    const Job *job;
    const char *audience;
    const AudienceTable *table;
} Saving;

static bool save(PGconn *connection, void *context, GError **error)
{
    static const char sql[] =
        "UPDATE audience_table SET name = $2, version = $3::integer, members = $4::bigint, "
        "updated_at = timestamptz 'epoch' + $5::bigint * interval '1 microsecond' "
        "WHERE audience = $1";
    const Saving *of = context;
    char version[16], members[24], updated_at[24];
    g_snprintf(version, sizeof version, "%" PRIu32, of->table->version);
    g_snprintf(members, sizeof members, "%" PRIu64, of->table->members);
    g_snprintf(updated_at, sizeof updated_at, "%" PRId64, of->table->updated_at);
    const char *values[] = {of->audience, of->table->name, version, members, updated_at};
    if (!versions_lock_job(connection, of->job, error))
        return false;
    g_autoptr(PGresult) result = db_query(connection, sql, 5, values, error);
    return result != NULL;
}

bool audience_tables_save(Store *store, const Job *job, const char *audience,
                          const AudienceTable *table, GError **error)
{
    return state_transaction(store, save, &(Saving){job, audience, table}, error);
}

static const char OPEN_JOB[] = "SELECT id, state FROM job WHERE kind = '" AUDIENCE_TABLE_KIND "' "
                               "AND params ->> 'audience' = $1 AND state IN ('queued', 'running')";

static bool check_idle(const PGresult *result, const char *audience, GError **error)
{
    if (!result || PQntuples(result) == 0)
        return result != NULL;
    error_set(error, ERR_CONFLICT, "job %s, a table of audience \"%s\", is %s: cancel it first",
              db_text(result, 0, "id"), audience, db_text(result, 0, "state"));
    return false;
}

bool audience_tables_check_idle(Store *store, const char *audience, GError **error)
{
    g_autoptr(PGresult) result = state_query(store, OPEN_JOB, 1, &audience, error);
    return check_idle(result, audience, error);
}

typedef struct Forgetting {
    const char *audience;
    int64_t revision;
    const AudienceTable *dropped;
    bool missed; /* there is no such revision */
} Forgetting;

/* Waits for whoever holds the audience, and then sees what they did. */
static bool lock_revision(PGconn *connection, Forgetting *of, GError **error)
{
    static const char sql[] = "SELECT 1 FROM document WHERE kind = 'audience' AND id = $1 "
                              "AND revision = $2::bigint FOR UPDATE";
    char revision[24];
    g_snprintf(revision, sizeof revision, "%" PRId64, of->revision);
    g_autoptr(PGresult) locked =
        db_query(connection, sql, 2, (const char *[]){of->audience, revision}, error);
    of->missed = locked && PQntuples(locked) == 0;
    return locked && PQntuples(locked) == 1;
}

static bool check_as_dropped(PGconn *connection, const Forgetting *of, GError **error)
{
    static const char sql[] = "SELECT begun FROM audience_table WHERE audience = $1";
    g_autoptr(PGresult) found = db_query(connection, sql, 1, &of->audience, error);
    if (!found)
        return false;
    int64_t begun = PQntuples(found) > 0 ? db_int(found, 0, "begun") : 0;
    if (begun == (of->dropped ? of->dropped->begun : 0))
        return true;
    error_set(error, ERR_CONFLICT,
              "a table of audience \"%s\" was built meanwhile: delete it again", of->audience);
    return false;
}

static bool forget(PGconn *connection, void *context, GError **error)
{
    static const char of_table[] = "DELETE FROM audience_table WHERE audience = $1";
    static const char itself[] = "DELETE FROM document WHERE kind = 'audience' AND id = $1";
    Forgetting *of = context;
    if (!lock_revision(connection, of, error))
        return false;
    g_autoptr(PGresult) open = db_query(connection, OPEN_JOB, 1, &of->audience, error);
    if (!check_idle(open, of->audience, error) || !check_as_dropped(connection, of, error))
        return false;
    g_autoptr(PGresult) first = db_query(connection, of_table, 1, &of->audience, error);
    g_autoptr(PGresult) second =
        first ? db_query(connection, itself, 1, &of->audience, error) : NULL;
    return second != NULL;
}

bool audience_tables_forget(Store *store, const char *audience, int64_t revision,
                            const AudienceTable *dropped, GError **error)
{
    Forgetting of = {.audience = audience, .revision = revision, .dropped = dropped};
    if (state_transaction(store, forget, &of, error))
        return true;
    if (of.missed)
        documents_set_missed(store, DOCUMENT_AUDIENCE, audience, error);
    return false;
}

void audience_table_free(AudienceTable *table)
{
    if (!table)
        return;
    g_free(table->source);
    g_free(table->name);
    g_free(table);
}
