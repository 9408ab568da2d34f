#include "jobs/audience_table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "index/audience.h"
#include "jobs/train.h"
#include "spec/audience.h"
#include "spec/model.h"
#include "spec/prediction.h"
#include "store/audience_output.h"
#include "store/audience_tables.h"
#include "store/documents.h"
#include "store/versions.h"

#define BLOCK 1024 /* members that go to the table at once */

/* Where the stages begin on the job's scale of 0 to 100. */
#define AT_RANKING    1
#define AT_PUBLISHING 40
#define AT_ACTIVATING 95

/* What one attempt has in hand. */
typedef struct Building {
    JobRun *run;
    const TrainContext *context;
    Audience *audience;
    Model *users;
    const SourceSettings *source;
    Snapshot *snapshot;
    Members *members;
    AudienceOutput *output;
    AudienceTable table;
} Building;

static void building_clear(Building *building)
{
    audience_free(building->audience);
    model_free(building->users);
    snapshot_unref(building->snapshot);
    members_free(building->members);
    audience_output_free(building->output);
    g_free(building->table.name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Building, building_clear)

/* ---- what is configured now ---- */

static cJSON *load_body(Store *store, DocumentKind kind, const char *id, GError **error)
{
    g_autoptr(Document) document = documents_get(store, kind, id, error);
    return document ? json_parse(document->body, strlen(document->body), error) : NULL;
}

static void set_unreadable(const char *what, const Faults *faults, GError **error)
{
    error_set(error, ERR_INVALID, "the %s can no longer be read: %s", what,
              faults->n ? faults->list[0].detail : "not an object");
}

static bool load_audience(Building *building, GError **error)
{
    g_autoptr(cJSON) params =
        json_parse(building->run->job->params, strlen(building->run->job->params), error);
    if (!params)
        return false;
    const char *id = json_member_string(params, "audience");
    g_autoptr(cJSON) body =
        load_body(building->context->store, DOCUMENT_AUDIENCE, id ? id : "", error);
    if (!body)
        return false;
    g_autoptr(Faults) faults = faults_new();
    building->audience = audience_read(body, faults);
    if (!building->audience)
        set_unreadable("audience", faults, error);
    return building->audience != NULL;
}

static Prediction *load_prediction(Building *building, GError **error)
{
    g_autoptr(cJSON) body = load_body(building->context->store, DOCUMENT_PREDICTION,
                                      building->audience->prediction, error);
    if (!body)
        return NULL;
    g_autoptr(Faults) faults = faults_new();
    g_autoptr(Prediction) prediction = prediction_read(body, faults);
    if (!prediction)
        set_unreadable("prediction", faults, error);
    else if (!prediction->models.users)
        error_set(error, ERR_NOT_READY, "prediction \"%s\" names no users model", prediction->id);
    else
        return g_steal_pointer(&prediction);
    return NULL;
}

/* All models of a prediction are of one source; the users' tells the type of their key too. */
static bool load_users(Building *building, GError **error)
{
    g_autoptr(Prediction) prediction = load_prediction(building, error);
    g_autoptr(cJSON) body = prediction ? load_body(building->context->store, DOCUMENT_MODEL,
                                                   prediction->models.users, error)
                                       : NULL;
    if (!body)
        return false;
    g_autoptr(Faults) faults = faults_new();
    building->users = model_read(body, faults);
    if (!building->users) {
        set_unreadable("users model", faults, error);
        return false;
    }
    building->source = settings_find_source(building->context->settings, building->users->source);
    if (!building->source)
        error_set(error, ERR_INVALID, "source \"%s\" is no longer in the configuration",
                  building->users->source);
    return building->source != NULL;
}

/* The active version as it serves here, or else from its file. */
static bool open_version(Building *building, GError **error)
{
    const TrainContext *context = building->context;
    const char *prediction = building->audience->prediction;
    g_autoptr(Version) active = versions_active(context->store, prediction, error);
    if (!active)
        return false;
    g_autoptr(Snapshot) serving = register_acquire(context->reg, prediction);
    if (serving && snapshot_version(serving) == (uint32_t)active->version) {
        building->snapshot = g_steal_pointer(&serving);
        return true;
    }
    g_autofree char *path = register_find_file(context->reg, prediction, (uint32_t)active->version);
    if (path)
        building->snapshot = snapshot_open(path, error);
    else
        error_set(error, ERR_NOT_FOUND,
                  "the file of version %d of prediction \"%s\" is not in this daemon's data folder",
                  active->version, prediction);
    return building->snapshot != NULL;
}

/* ---- building ---- */

/* The audience is of another source's prediction now: its table there goes. */
static bool drop_elsewhere(const Building *building, GError **error)
{
    const TrainContext *context = building->context;
    const char *audience = building->audience->id;
    g_autoptr(AudienceTable) before = NULL;
    if (!audience_tables_find(context->store, audience, &before, error))
        return false;
    if (!before || strcmp(before->source, building->source->name) == 0)
        return true;
    const SourceSettings *source = settings_find_source(context->settings, before->source);
    if (source)
        return audience_output_drop(source, audience, error);
    job_run_log(building->run,
                "source \"%s\" is no longer in the configuration: the table stays there",
                before->source);
    return true;
}

static bool rank(Building *building, GError **error)
{
    job_run_progress(building->run, "ranking", AT_RANKING);
    building->members = audience_members(building->snapshot, building->audience, error);
    if (building->members && building->members->short_because)
        job_run_log(building->run, "%u members: %s", building->members->n,
                    building->members->short_because);
    return building->members && cancel_check(building->run->cancel, error);
}

static bool still_ours(void *run, GError **error)
{
    return job_run_still_ours(run, error);
}

static bool begin(Building *building, GError **error)
{
    AudienceOutputOptions options = {.audience = building->audience->id,
                                     .users = building->users,
                                     .version = snapshot_version(building->snapshot),
                                     .last_update = building->table.updated_at,
                                     .cancel = building->run->cancel,
                                     .fence = still_ours,
                                     .fence_context = building->run};
    job_run_progress(building->run, "publishing", AT_PUBLISHING);
    if (!audience_tables_begin(building->context->store, building->run->job, building->audience->id,
                               building->source->name, error))
        return false;
    building->output = audience_output_begin(building->source, &options, error);
    return building->output != NULL;
}

static bool write_members(const Building *building, GError **error)
{
    const Members *members = building->members;
    g_autofree MemberRow *rows = g_new(MemberRow, BLOCK);
    for (uint32_t at = 0; at < members->n; at += BLOCK) {
        uint32_t n = MIN(BLOCK, members->n - at);
        for (uint32_t i = 0; i < n; i++) {
            size_t length = 0;
            float probability = members->probability[at + i];
            rows[i].user =
                ids_get(snapshot_users(building->snapshot), members->user[at + i], &length);
            rows[i].user_length = (uint32_t)length;
            rows[i].rank = at + i + 1;
            rows[i].score = members->score[at + i];
            rows[i].probability = probability > 0 ? probability : NAN;
        }
        if (!audience_output_write(building->output, rows, n, error))
            return false;
        job_run_progress(building->run, "publishing",
                         AT_PUBLISHING +
                             (AT_ACTIVATING - AT_PUBLISHING) * 0.9 * (at + n) / members->n);
    }
    return true;
}

/* The build is whole: it is read from now on, also when somebody asked to cancel meanwhile. */
static bool publish(Building *building, GError **error)
{
    AudienceTable *table = &building->table;
    job_run_progress(building->run, "activating", AT_ACTIVATING);
    if (!job_run_may_finish(building->run, error) ||
        !audience_output_publish(building->output, error))
        return false;
    table->name = audience_output_name(building->source, building->audience->id);
    table->version = snapshot_version(building->snapshot);
    table->members = building->members->n;
    job_run_log(building->run, "%" PRIu64 " members in %s", table->members, table->name);
    return audience_tables_save(building->context->store, building->run->job,
                                building->audience->id, table, error);
}

static char *result_write(const Building *building)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_key(&json, "audience");
    json_string(&json, building->audience->id);
    json_key(&json, "table");
    json_string(&json, building->table.name);
    json_key(&json, "version");
    json_uint(&json, building->table.version);
    json_key(&json, "members");
    json_uint(&json, building->table.members);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}

bool audience_table_run(JobRun *run, char **result, GError **error)
{
    g_auto(Building) building = {.run = run, .context = run->context};
    building.table.updated_at = clock_now_us();
    if (!load_audience(&building, error) || !load_users(&building, error) ||
        !open_version(&building, error) || !rank(&building, error) ||
        !drop_elsewhere(&building, error) || !begin(&building, error) ||
        !write_members(&building, error) || !audience_output_finish(building.output, error) ||
        !publish(&building, error))
        return false;
    *result = result_write(&building);
    return true;
}
