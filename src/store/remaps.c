#include "store/remaps.h"

#include "base/error.h"
#include "documents_replace.h"
#include "remaps_queue.h"
#include "state.h"
#include "versions_lock.h"

static void set_no_version(const char *prediction, GError **error)
{
    error_set(error, ERR_NOT_READY, "prediction \"%s\" has no version yet", prediction);
}

/* The id of the job that waits now, for g_free(). A conflict is written to, so that nobody takes
 * that job before what it is to see is committed. */
static char *queue(PGconn *connection, const char *prediction, GError **error)
{
    static const char sql[] =
        "WITH waiting AS (INSERT INTO job (kind, prediction, params) "
        "VALUES ('" REMAP_KIND "', $1, '{}') "
        "ON CONFLICT (prediction) WHERE kind = 'remap' AND state = 'queued' AND attempt = 0 "
        "DO UPDATE SET params = job.params RETURNING id) "
        "SELECT id, pg_notify('shortlist_jobs', '') FROM waiting";
    g_autoptr(PGresult) result = db_query(connection, sql, 1, &prediction, error);
    return result ? g_strdup(db_text(result, 0, "id")) : NULL;
}

/* Predictions whose active version is mapped by another text of its products model than the stored
 * one: of one prediction, or all of one model. What neither maps nor finds a column does not count.
 */
static PGresult *find_behind(PGconn *connection, const char *prediction, const char *model,
                             GError **error)
{
    static const char sql[] =
        "SELECT v.prediction FROM version AS v JOIN document AS m ON m.kind = 'model' "
        "AND m.id = v.mapping ->> 'id' WHERE v.active "
        "AND ($1::text IS NULL OR v.prediction = $1) AND ($2::text IS NULL OR m.id = $2) "
        "AND v.mapping - '{name,description}'::text[] <> m.body - '{name,description}'::text[] "
        "ORDER BY v.prediction";
    return db_query(connection, sql, 2, (const char *[]){prediction, model}, error);
}

/* Whoever changes the model waits for us and then finds our version, or we see the change. */
static bool hold_model(PGconn *connection, const char *prediction, GError **error)
{
    static const char sql[] = "SELECT 1 FROM document WHERE kind = 'model' AND id IN (SELECT "
                              "mapping ->> 'id' FROM version WHERE prediction = $1 AND active) "
                              "FOR SHARE";
    g_autoptr(PGresult) held = db_query(connection, sql, 1, &prediction, error);
    return held != NULL;
}

bool remaps_queue_behind(PGconn *connection, const char *prediction, GError **error)
{
    if (!hold_model(connection, prediction, error))
        return false;
    g_autoptr(PGresult) behind = find_behind(connection, prediction, NULL, error);
    if (!behind || PQntuples(behind) == 0)
        return behind != NULL;
    g_autofree char *job = queue(connection, prediction, error);
    return job != NULL;
}

/* ---- a change of the model ---- */

typedef struct Change {
    const char *id, *body;
    int64_t revision;
    Document *changed; /* NULL: no row of that revision */
    Remaps *remaps;
} Change;

static bool change_model(PGconn *connection, void *context, GError **error)
{
    Change *change = context;
    g_autoptr(GError) failure = NULL;
    change->changed = documents_replace_row(connection, DOCUMENT_MODEL, change->id,
                                            change->revision, change->body, &failure);
    if (!change->changed) {
        if (failure)
            g_propagate_error(error, g_steal_pointer(&failure));
        return !failure;
    }
    g_autoptr(PGresult) behind = find_behind(connection, NULL, change->id, error);
    if (!behind)
        return false;
    Remaps *remaps = change->remaps = g_new0(Remaps, 1);
    remaps->list = g_new0(Remap, (size_t)PQntuples(behind));
    for (int row = 0; row < PQntuples(behind); row++) {
        Remap *remap = &remaps->list[remaps->n++];
        remap->prediction = g_strdup(db_text(behind, row, "prediction"));
        remap->job = queue(connection, remap->prediction, error);
        if (!remap->job)
            return false;
    }
    return true;
}

Document *remaps_replace_model(Store *store, const char *id, int64_t revision, const char *body,
                               Remaps **remaps, GError **error)
{
    Change change = {.id = id, .body = body, .revision = revision};
    if (state_transaction(store, change_model, &change, error) && change.changed) {
        *remaps = change.remaps;
        return change.changed;
    }
    document_free(change.changed);
    remaps_free(change.remaps);
    if (error && !*error)
        documents_set_missed(store, DOCUMENT_MODEL, id, error);
    return NULL;
}

/* ---- on request ---- */

typedef struct Request {
    const char *prediction;
    char *job;
} Request;

static bool request(PGconn *connection, void *context, GError **error)
{
    static const char sql[] = "SELECT 1 FROM version WHERE prediction = $1 AND active";
    Request *of = context;
    g_autoptr(PGresult) active = db_query(connection, sql, 1, &of->prediction, error);
    if (active && PQntuples(active) == 0)
        set_no_version(of->prediction, error);
    of->job = active && PQntuples(active) == 1 ? queue(connection, of->prediction, error) : NULL;
    return of->job != NULL;
}

Job *remaps_request(Store *store, const char *prediction, GError **error)
{
    Request of = {.prediction = prediction};
    bool queued = state_transaction(store, request, &of, error);
    g_autofree char *job = of.job;
    return queued ? jobs_get(store, job, error) : NULL;
}

/* ---- what the job does ---- */

typedef struct Beginning {
    const Job *job;
    RemapTask *task;
} Beginning;

static void set_no_task(PGconn *connection, const char *prediction, GError **error)
{
    static const char sql[] =
        "SELECT version, mapping ->> 'id' AS model FROM version WHERE prediction = $1 AND active";
    g_autoptr(PGresult) active = db_query(connection, sql, 1, &prediction, error);
    if (!active)
        return;
    if (PQntuples(active) == 0) {
        set_no_version(prediction, error);
        return;
    }
    const char *model = db_text(active, 0, "model");
    error_set(error, ERR_NOT_READY,
              "the products model%s%s%s that version %s of prediction \"%s\" was made from is gone:"
              " train it again",
              model ? " \"" : "", model ? model : "", model ? "\"" : "",
              db_text(active, 0, "version"), prediction);
}

static bool begin(PGconn *connection, void *context, GError **error)
{
    static const char sql[] =
        "UPDATE version AS v SET revision = v.revision + 1 FROM document AS m "
        "WHERE v.prediction = $1 AND v.active AND m.kind = 'model' AND m.id = v.mapping ->> 'id' "
        "RETURNING v.version, v.revision, m.id AS model, m.body";
    Beginning *beginning = context;
    const char *prediction = beginning->job->prediction;
    if (!versions_lock_job(connection, beginning->job, error))
        return false;
    g_autoptr(PGresult) result = db_query(connection, sql, 1, &prediction, error);
    if (!result)
        return false;
    if (PQntuples(result) == 0) {
        set_no_task(connection, prediction, error);
        return false;
    }
    RemapTask *task = beginning->task = g_new0(RemapTask, 1);
    task->version = (uint32_t)db_int(result, 0, "version");
    task->revision = (uint32_t)db_int(result, 0, "revision");
    task->model = g_strdup(db_text(result, 0, "model"));
    task->mapping = g_strdup(db_text(result, 0, "body"));
    return true;
}

RemapTask *remaps_begin(Store *store, const Job *job, GError **error)
{
    Beginning beginning = {.job = job};
    if (state_transaction(store, begin, &beginning, error))
        return beginning.task;
    remap_task_free(beginning.task);
    return NULL;
}

typedef struct Saving {
    const Job *job;
    const RemapTask *task;
    const char *file;
} Saving;

static bool save(PGconn *connection, void *context, GError **error)
{
    static const char sql[] =
        "WITH hit AS (UPDATE version SET file = $3, mapping = $4 WHERE prediction = $1 "
        "AND version = $2 AND active RETURNING 1) SELECT pg_notify('shortlist_jobs', '') FROM hit";
    const Saving *saving = context;
    const char *prediction = saving->job->prediction;
    char version[16];
    g_snprintf(version, sizeof version, "%u", saving->task->version);
    const char *values[] = {prediction, version, saving->file, saving->task->mapping};
    if (!versions_lock_job(connection, saving->job, error) ||
        !versions_lock_active(connection, prediction, error))
        return false;
    g_autoptr(PGresult) result = db_query(connection, sql, 4, values, error);
    if (result && PQntuples(result) == 0)
        error_set(error, ERR_CONFLICT, "version %s of prediction \"%s\" is no longer active",
                  version, prediction);
    return result && PQntuples(result) == 1 && remaps_queue_behind(connection, prediction, error);
}

bool remaps_save(Store *store, const Job *job, const RemapTask *task, const char *file,
                 GError **error)
{
    return state_transaction(store, save, &(Saving){job, task, file}, error);
}

void remaps_free(Remaps *remaps)
{
    if (!remaps)
        return;
    for (size_t i = 0; i < remaps->n; i++) {
        g_free(remaps->list[i].job);
        g_free(remaps->list[i].prediction);
    }
    g_free(remaps->list);
    g_free(remaps);
}

void remap_task_free(RemapTask *task)
{
    if (!task)
        return;
    g_free(task->model);
    g_free(task->mapping);
    g_free(task);
}
