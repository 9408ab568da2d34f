#include "job_json.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "resource.h"

static void write_time(JsonWriter *json, const char *name, int64_t us)
{
    json_key(json, name);
    if (us)
        json_time(json, us);
    else
        json_null(json);
}

static void write_error(const Job *job, JsonWriter *json)
{
    json_key(json, "error");
    if (!job->error_code) {
        json_null(json);
        return;
    }
    json_begin_object(json);
    json_key(json, "code");
    json_string(json, job->error_code);
    json_key(json, "message");
    json_string(json, job->error_message ? job->error_message : "");
    json_end_object(json);
}

static void write_log(const Job *job, JsonWriter *json)
{
    json_key(json, "log");
    json_begin_array(json);
    for (size_t i = 0; i < job->n_log; i++) {
        json_begin_object(json);
        json_key(json, "at");
        json_time(json, job->log[i].at);
        json_key(json, "text");
        json_string(json, job->log[i].text);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_progress(const Job *job, JsonWriter *json)
{
    json_key(json, "state");
    json_string(json, job_state_name(job->state));
    json_key(json, "stage");
    json_string(json, job->stage);
    json_key(json, "percent");
    json_number(json, job->percent);
    json_key(json, "eta_seconds");
    json_number(json, job_has_ended(job) ? NAN : job->eta_seconds);
    json_key(json, "attempt");
    json_int(json, job->attempt);
    json_key(json, "version");
    if (job->version)
        json_int(json, job->version);
    else
        json_null(json);
    json_key(json, "cancel_requested");
    json_bool(json, job->cancel_requested);
}

void job_json_write(const Job *job, JobParts parts, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "id");
    json_string(json, job->id);
    json_key(json, "kind");
    json_string(json, job->kind);
    json_key(json, "prediction");
    json_string(json, job->prediction);
    write_progress(job, json);
    write_time(json, "created_at", job->created_at);
    write_time(json, "started_at", job->started_at);
    write_time(json, "finished_at", job->finished_at);
    write_error(job, json);
    json_key(json, "result");
    if (job->result)
        json_raw(json, job->result, strlen(job->result));
    else
        json_null(json);
    if (parts == JOB_WITH_LOG)
        write_log(job, json);
    json_end_object(json);
}

void job_json_accept(const Job *job, Response *response)
{
    g_autofree char *location = g_strconcat("/v1/jobs/", job->id, NULL);
    response_status(response, 202);
    response_header(response, "Location", location);
    job_json_write(job, JOB_WITHOUT_LOG, response_json(response));
}

void job_json_refuse(Api *api, const char *prediction, GError *takes_error, Response *response)
{
    ErrorCode code = error_code(takes_error);
    resource_fail(&PREDICTIONS, api, prediction, takes_error, response);
    if (code == ERR_CONFLICT)
        response_hint(response, "wait for it, or cancel it: POST /v1/jobs/{job}/cancel");
    else if (code == ERR_NOT_READY)
        response_hint(response, "name the missing models: PATCH the prediction");
}

bool job_has_ended(const Job *job)
{
    return job->state == JOB_SUCCEEDED || job->state == JOB_FAILED || job->state == JOB_CANCELLED;
}
