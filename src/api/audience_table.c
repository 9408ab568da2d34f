#include "audience_table.h"

#include "base/error.h"
#include "base/log.h"
#include "handlers.h"
#include "job_json.h"
#include "resource.h"
#include "served.h"
#include "store/audience_output.h"
#include "store/versions.h"

bool audience_table_write(Api *api, const Audience *audience, JsonWriter *json, GError **error)
{
    g_autoptr(AudienceTable) table = NULL;
    if (!audience_tables_find(api->store, audience->id, &table, error))
        return false;
    json_key(json, "table");
    if (!table || !table->name) {
        json_null(json);
        return true;
    }
    json_begin_object(json);
    json_key(json, "name");
    json_string(json, table->name);
    json_key(json, "version");
    json_uint(json, table->version);
    json_key(json, "members");
    json_uint(json, table->members);
    json_key(json, "updated_at");
    json_time(json, table->updated_at);
    json_end_object(json);
    return true;
}

uint32_t audience_table_stamp(Api *api, const Audience *audience)
{
    g_autoptr(AudienceTable) table = NULL;
    audience_tables_find(api->store, audience->id, &table, NULL);
    return table && table->name ? g_int64_hash(&table->updated_at) : 0;
}

char *audience_table_name(Api *api, const char *audience)
{
    g_autoptr(AudienceTable) table = NULL;
    audience_tables_find(api->store, audience, &table, NULL);
    return table ? g_steal_pointer(&table->name) : NULL;
}

/* The table goes first: what fails here can be asked for again. */
static bool drop(Api *api, const char *audience, const AudienceTable *table, GError **error)
{
    const SourceSettings *source = settings_find_source(api->settings, table->source);
    if (source)
        return audience_output_drop(source, audience, error);
    log_event(LOG_WARNING, "the source of an audience's table is gone: the table stays there",
              "audience", LOG_STRING(audience), "source", LOG_STRING(table->source), NULL);
    return true;
}

bool audience_table_forget(Api *api, const Audience *audience, int64_t revision, GError **error)
{
    g_autoptr(AudienceTable) table = NULL;
    return audience_tables_check_idle(api->store, audience->id, error) &&
           audience_tables_find(api->store, audience->id, &table, error) &&
           (!table || drop(api, audience->id, table, error)) &&
           audience_tables_forget(api->store, audience->id, revision, table, error);
}

static void fail_request(Api *api, const char *id, GError *takes_error, Response *response)
{
    bool conflicts = error_code(takes_error) == ERR_CONFLICT;
    resource_fail(&AUDIENCES, api, id, takes_error, response);
    if (conflicts)
        response_hint(response, "wait for it, or cancel it: POST /v1/jobs/{job}/cancel");
}

HANDLER(audiences_table)
{
    Api *api = context;
    const char *id = request_param(request, "audience", NULL);
    GError *error = NULL;
    g_autoptr(Audience) audience = resource_load(&AUDIENCES, api, id, &error);
    if (!audience) {
        resource_fail(&AUDIENCES, api, id, error, response);
        return;
    }
    /* Of the store: another daemon may have the version's file and run the job. */
    g_autoptr(Version) version = versions_active(api->store, audience->prediction, &error);
    if (!version) {
        served_fail(api, audience->prediction, error, response);
        return;
    }
    g_autoptr(Job) job = audience_tables_request(api->store, id, &error);
    if (job)
        job_json_accept(job, response);
    else
        fail_request(api, id, error, response);
}
