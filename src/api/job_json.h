/* A job as callers see it. */
#pragma once

#include <stdbool.h>

#include "api/api.h"
#include "base/json.h"
#include "http/response.h"
#include "store/jobs.h"

typedef enum JobParts { JOB_WITHOUT_LOG, JOB_WITH_LOG } JobParts;

void job_json_write(const Job *job, JobParts parts, JsonWriter *json);

/* 202, with where to look for the job. */
void job_json_accept(const Job *job, Response *response);

/* Why a training or a backtest of the prediction was not queued, and what to do about it. */
void job_json_refuse(Api *api, const char *prediction, GError *takes_error, Response *response);

bool job_has_ended(const Job *job);
