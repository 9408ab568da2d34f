#include "handlers.h"

#include "base/clock.h"
#include "base/error.h"
#include "cursor.h"
#include "job_json.h"
#include "jobs/train.h"
#include "resource.h"
#include "served.h"
#include "spec/fields.h"
#include "state.h"

/* ---- starting one ---- */

#define SEED_MAX 9007199254740991.0 /* 2⁵³ - 1: what JSON carries exactly */

typedef struct TrainingInput {
    int64_t seed; /* -1: the prediction's */
} TrainingInput;

static const Field TRAINING_FIELDS[] = {
    {.name = "seed",
     .type = FIELD_INT,
     .offset = offsetof(TrainingInput, seed),
     .min = 0,
     .max = SEED_MAX,
     .absent = -1},
};
static const FieldTable TRAINING_INPUT = {"TrainingInput", sizeof(TrainingInput), TRAINING_FIELDS,
                                          G_N_ELEMENTS(TRAINING_FIELDS)};

/* False when the answer was given. No body at all means no wishes. */
static bool read_training(Request *request, TrainingInput *input, Response *response)
{
    size_t length = 0;
    *input = (TrainingInput){.seed = -1};
    request_body(request, &length);
    if (length == 0)
        return true;
    GError *error = NULL;
    const cJSON *body = request_json(request, &error);
    if (!body) {
        response_error(response, error);
        return false;
    }
    g_autoptr(Faults) faults = faults_new();
    fields_read(&TRAINING_INPUT, body, "", input, faults);
    return !response_faults(response, faults);
}

HANDLER(trainings_start)
{
    Api *api = context;
    const char *prediction = request_param(request, "prediction", NULL);
    TrainingInput input;
    if (!read_training(request, &input, response))
        return;
    GError *error = NULL;
    g_autoptr(Job) job = train_enqueue(api->store, prediction, input.seed, &error);
    if (job)
        job_json_accept(job, response);
    else
        job_json_refuse(api, prediction, error, response);
}

/* F5: the mapped columns of what serves, read again. */
HANDLER(columns_refresh)
{
    Api *api = context;
    const char *prediction = request_param(request, "prediction", NULL);
    GError *error = NULL;
    g_autoptr(Document) document =
        documents_get(api->store, DOCUMENT_PREDICTION, prediction, &error);
    g_autoptr(Job) job = document ? remaps_request(api->store, prediction, &error) : NULL;
    if (job)
        job_json_accept(job, response);
    else
        served_fail(api, prediction, error, response);
}

/* ---- reading them ---- */

/* The job of the path; NULL with ERR_NOT_FOUND, also for what cannot be an id. */
static Job *job_of_path(const Api *api, Request *request, GError **error)
{
    const char *id = request_param(request, "job", NULL);
    if (g_uuid_string_is_valid(id))
        return jobs_get(api->store, id, error);
    error_set(error, ERR_NOT_FOUND, "there is no job \"%s\"", id);
    return NULL;
}

HANDLER(jobs_get_one)
{
    GError *error = NULL;
    g_autoptr(Job) job = job_of_path(context, request, &error);
    if (job)
        job_json_write(job, JOB_WITH_LOG, response_json(response));
    else
        response_error(response, error);
}

static const char *state_filter(Request *request, Faults *faults)
{
    const char *names[JOB_CANCELLED + 2] = {NULL};
    for (int state = JOB_QUEUED; state <= JOB_CANCELLED; state++)
        names[state] = job_state_name(state);
    const char *state = request_query(request, "state", NULL);
    if (state && !g_strv_contains(names, state))
        faults_add(faults, "?state", "unknown_value", NULL, names, "there is no state \"%s\"",
                   state);
    return state;
}

static void write_page(const Jobs *jobs, const Page *page, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (size_t i = 0; i < jobs->n; i++)
        job_json_write(jobs->list[i], JOB_WITHOUT_LOG, json);
    json_end_array(json);
    page_write_next(page, jobs->more ? jobs->list[jobs->n - 1]->id : NULL, json);
    json_end_object(json);
}

HANDLER(jobs_list_all)
{
    Api *api = context;
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "jobs", request, faults);
    const char *state = state_filter(request, faults);
    if (page.after && !g_uuid_string_is_valid(page.after))
        faults_add(faults, "?cursor", "invalid", NULL, NULL,
                   "\"cursor\" is not one that this list gave");
    if (response_faults(response, faults))
        return;
    GError *error = NULL;
    g_autoptr(Jobs) jobs = jobs_list(api->store, request_query(request, "prediction", NULL), state,
                                     page.after, page.limit, &error);
    if (jobs)
        write_page(jobs, &page, response_json(response));
    else
        response_error(response, error);
}

HANDLER(jobs_cancel_one)
{
    Api *api = context;
    GError *error = NULL;
    g_autoptr(Job) job = job_of_path(api, request, &error);
    g_autoptr(Job) cancelled = job ? jobs_cancel(api->store, job->id, &error) : NULL;
    if (cancelled)
        job_json_accept(cancelled, response);
    else
        response_error(response, error);
}

/* ---- watching one ---- */

#define WATCH_MS      300
#define KEEP_ALIVE_NS (INT64_C(15) * 1000000000)
#define RECONNECT_MS  2000

typedef struct Watch {
    Api *api;
    char *id;
    char *said;      /* the last state told, as JSON */
    int64_t told_at; /* ticks */
} Watch;

static void watch_free(void *state)
{
    Watch *watch = state;
    g_free(watch->id);
    g_free(watch->said);
    g_free(watch);
}

static char *state_of(const Job *job)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    job_json_write(job, JOB_WITHOUT_LOG, &json);
    return g_strdup(buffer_text(&text));
}

static void tell(Watch *watch, const char *event, Buffer *out)
{
    buffer_printf(out, "event: %s\ndata: ", event);
    buffer_append_text(out, watch->said);
    buffer_append_text(out, "\n\n");
    watch->told_at = clock_ticks_ns();
}

static StreamStep keep_waiting(Watch *watch, Buffer *out, uint32_t *wait_ms)
{
    if (clock_ticks_ns() - watch->told_at > KEEP_ALIVE_NS) {
        buffer_append_text(out, ": still here\n\n");
        watch->told_at = clock_ticks_ns();
    }
    *wait_ms = WATCH_MS;
    return STREAM_WAIT;
}

/* While PostgreSQL is away the watcher stays connected: the job may go on. When the service stops
 * it is sent away, to come back to the next one. */
static StreamStep watch_next(void *state, Buffer *out, uint32_t *wait_ms)
{
    Watch *watch = state;
    if (!state_server(watch->api))
        return STREAM_END;
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = jobs_get(watch->api->store, watch->id, &error);
    if (!job && error_code(error) == ERR_UNAVAILABLE)
        return keep_waiting(watch, out, wait_ms);
    if (!job)
        return STREAM_END;
    if (!watch->said)
        buffer_printf(out, "retry: %d\n", RECONNECT_MS);
    char *now = state_of(job);
    bool changed = g_strcmp0(watch->said, now) != 0;
    g_free(watch->said);
    watch->said = now;
    if (changed)
        tell(watch, "progress", out);
    if (!job_has_ended(job))
        return keep_waiting(watch, out, wait_ms);
    tell(watch, "end", out);
    return STREAM_END;
}

HANDLER(jobs_stream)
{
    GError *error = NULL;
    g_autoptr(Job) job = job_of_path(context, request, &error);
    if (!job) {
        response_error(response, error);
        return;
    }
    Watch *watch = g_new0(Watch, 1);
    watch->api = context;
    watch->id = g_strdup(job->id);
    response_stream(response, "text/event-stream", watch_next, watch, watch_free);
}
