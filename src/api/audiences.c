#include "handlers.h"

#include <string.h>

#include "audience_table.h"
#include "base/error.h"
#include "cursor.h"
#include "members.h"
#include "resource.h"
#include "served.h"
#include "spec/audience.h"
#include "state.h"

#define MEMBERS_LIMIT     100
#define MEMBERS_LIMIT_MAX 1000

static void *read_audience(const cJSON *body, Faults *faults)
{
    return audience_read(body, faults);
}

static void write_audience(const void *spec, JsonWriter *json)
{
    audience_write(spec, json);
}

static void free_audience(void *spec)
{
    audience_free(spec);
}

static const char *audience_id(const void *spec)
{
    return ((const Audience *)spec)->id;
}

/* ---- what it asks for must be there ---- */

static void unknown_prediction(Api *api, const char *id, Faults *faults)
{
    g_auto(GStrv) ids = resource_ids(&PREDICTIONS, api, NULL);
    g_auto(GStrv) near = ids ? near_misses(id, (const char *const *)ids, 3) : NULL;
    faults_add(faults, "/prediction", "unknown_reference", NULL, (const char *const *)near,
               "there is no prediction \"%s\"", id);
}

static bool check_audience(Api *api, const cJSON *body, const void *spec, const void *before,
                           Faults *faults, GError **error)
{
    const Audience *audience = spec;
    if (!audience)
        return true;
    g_autoptr(GError) failure = NULL;
    g_autoptr(Snapshot) snapshot = served_find(api, audience->prediction, &failure);
    if (!snapshot && error_code(failure) == ERR_NOT_FOUND) {
        unknown_prediction(api, audience->prediction, faults);
        return true;
    }
    if (!snapshot) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    audience_check(snapshot, audience, faults);
    return true;
}

static void advise_audience(const void *spec, int code, Response *response)
{
    if (code == ERR_NOT_READY)
        served_hint(((const Audience *)spec)->prediction, response);
}

/* ---- what is computed ---- */

static void write_count(JsonWriter *json, const char *name, bool known, uint32_t count)
{
    json_key(json, name);
    if (known)
        json_uint(json, count);
    else
        json_null(json);
}

static bool describe_audience(Api *api, const void *spec, bool single, JsonWriter *json,
                              GError **error)
{
    const Audience *audience = spec;
    if (!single)
        return true;
    g_autoptr(Snapshot) snapshot = register_acquire(api->reg, audience->prediction);
    g_autoptr(Ranking) ranking =
        snapshot ? rankings_get(&api_state(api)->rankings, snapshot, audience, error) : NULL;
    if (snapshot && !ranking)
        return false;
    const Members *members = ranking ? ranking->members : NULL;
    write_count(json, "size", members, members ? members->n : 0);
    write_count(json, "predictable", members, members ? members->predictable : 0);
    write_count(json, "version", snapshot, snapshot ? snapshot_version(snapshot) : 0);
    json_key(json, "short_because");
    json_string(json, members ? members->short_because : NULL);
    return (!snapshot || audience_describe(snapshot, audience, json, error)) &&
           audience_table_write(api, audience, json, error);
}

static uint32_t version_of(Api *api, const void *spec)
{
    g_autoptr(Snapshot) snapshot = register_acquire(api->reg, ((const Audience *)spec)->prediction);
    return (snapshot ? served_stamp(snapshot) : 0) ^ audience_table_stamp(api, spec);
}

static bool forget_audience(Api *api, const void *spec, int64_t revision, GError **error)
{
    return audience_table_forget(api, spec, revision, error);
}

const Resource AUDIENCES = {
    .kind = DOCUMENT_AUDIENCE,
    .noun = "audience",
    .list = "audiences",
    .read = read_audience,
    .write = write_audience,
    .free = free_audience,
    .id = audience_id,
    .check = check_audience,
    .advise = advise_audience,
    .forget = forget_audience,
    .describe = describe_audience,
    .version = version_of,
};

HANDLER(audiences_create)
{
    resource_create(&AUDIENCES, request, response, context);
}

HANDLER(audiences_list)
{
    g_autoptr(Faults) faults = faults_new();
    resource_list(&AUDIENCES, NULL, request, response, context, faults);
}

HANDLER(audiences_get)
{
    resource_get(&AUDIENCES, request, response, context);
}

HANDLER(audiences_update)
{
    resource_update(&AUDIENCES, request, response, context);
}

HANDLER(audiences_delete)
{
    const char *id = request_param(request, "audience", NULL);
    g_autofree char *table = audience_table_name(context, id);
    resource_delete(&AUDIENCES, request, response, context);
    if (table && response_get_status(response) == 204)
        response_header(response, "Dropped-Table", table);
}

/* ---- members ---- */

/* What a request for members asks for. */
typedef struct MembersAsk {
    MembersFormat format;
    size_t limit;
    char *place; /* of the cursor, or NULL */
} MembersAsk;

static void members_ask_clear(MembersAsk *ask)
{
    g_clear_pointer(&ask->place, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MembersAsk, members_ask_clear)

/* The first format that Accept names, whatever its weight; -1 when it names none of ours. */
static int accepted_format(const char *accept)
{
    static const struct {
        const char *type;
        MembersFormat format;
    } types[] = {{"text/csv", MEMBERS_CSV},
                 {"application/x-ndjson", MEMBERS_NDJSON},
                 {"application/json", MEMBERS_JSON},
                 {"application/*", MEMBERS_JSON},
                 {"*/*", MEMBERS_JSON}};
    g_auto(GStrv) parts = g_strsplit(accept, ",", 50);
    for (size_t i = 0; parts[i]; i++) {
        parts[i][strcspn(parts[i], ";")] = '\0';
        for (size_t k = 0; k < G_N_ELEMENTS(types); k++)
            if (g_ascii_strcasecmp(g_strstrip(parts[i]), types[k].type) == 0)
                return (int)types[k].format;
    }
    return -1;
}

/* False when the answer was given. */
static bool read_format(MembersAsk *ask, Request *request, Faults *faults, Response *response)
{
    static const char *const names[] = {
        [MEMBERS_JSON] = "json", [MEMBERS_CSV] = "csv", [MEMBERS_NDJSON] = "ndjson", NULL};
    const char *name = request_query(request, "format", NULL);
    const char *accept = request_header(request, "Accept");
    if (name) {
        for (size_t i = 0; names[i]; i++)
            if (strcmp(names[i], name) == 0)
                ask->format = (MembersFormat)i;
        if (!g_strv_contains(names, name))
            faults_add(faults, "?format", "unknown_value", NULL, names, "there is no format \"%s\"",
                       name);
        return true;
    }
    int format = accept ? accepted_format(accept) : MEMBERS_JSON;
    if (format < 0) {
        response_fail(response, ERR_NOT_ACCEPTABLE,
                      "members come as application/json, text/csv or application/x-ndjson");
        return false;
    }
    ask->format = (MembersFormat)format;
    return true;
}

static void refuse_paging(const Request *request, const char *name, Faults *faults)
{
    g_autofree char *pointer = g_strconcat("?", name, NULL);
    if (request_query(request, name, NULL))
        faults_add(faults, pointer, "conflict", "leave it out", NULL,
                   "\"%s\" is for JSON; CSV and NDJSON stream all members", name);
}

/* False when the answer was given. */
static bool read_members_ask(MembersAsk *ask, Request *request, Response *response)
{
    g_autoptr(Faults) faults = faults_new();
    if (!read_format(ask, request, faults, response))
        return false;
    ask->limit =
        (size_t)request_query_int(request, "limit", 1, MEMBERS_LIMIT_MAX, MEMBERS_LIMIT, faults);
    const char *cursor = request_query(request, "cursor", NULL);
    ask->place = cursor ? cursor_open("members", cursor) : NULL;
    if (cursor && !ask->place)
        faults_add(faults, "?cursor", "invalid", "send the next_cursor of the page before", NULL,
                   "\"cursor\" is not one that this list gave");
    if (ask->format != MEMBERS_JSON) {
        refuse_paging(request, "limit", faults);
        refuse_paging(request, "cursor", faults);
    }
    return !response_faults(response, faults);
}

static void answer_members(const Audience *audience, const MembersAsk *ask, Snapshot *snapshot,
                           Ranking *ranking, Response *response)
{
    uint32_t first = 0;
    if (ask->format != MEMBERS_JSON)
        members_stream(snapshot, ranking, ask->format, audience->id, response);
    else if (members_read_place(ranking, ask->place, &first))
        members_write_page(snapshot, ranking, first, ask->limit, response_json(response));
    else {
        response_fail(response, ERR_CONFLICT,
                      "the cursor is of another version of the prediction or of the audience");
        response_hint(response, "start again without a cursor");
    }
}

HANDLER(audiences_members)
{
    Api *api = context;
    g_auto(MembersAsk) ask = {0};
    if (!read_members_ask(&ask, request, response))
        return;
    const char *id = request_param(request, "audience", NULL);
    GError *error = NULL;
    g_autoptr(Audience) audience = resource_load(&AUDIENCES, api, id, &error);
    if (!audience) {
        resource_fail(&AUDIENCES, api, id, error, response);
        return;
    }
    g_autoptr(Snapshot) snapshot = served_find(api, audience->prediction, &error);
    g_autoptr(Ranking) ranking =
        snapshot ? rankings_get(&api_state(api)->rankings, snapshot, audience, &error) : NULL;
    if (ranking)
        answer_members(audience, &ask, snapshot, ranking, response);
    else
        served_fail(api, audience->prediction, error, response);
}
