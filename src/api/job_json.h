/* A job as callers see it. */
#pragma once

#include <stdbool.h>

#include "base/json.h"
#include "store/jobs.h"

typedef enum JobParts { JOB_WITHOUT_LOG, JOB_WITH_LOG } JobParts;

void job_json_write(const Job *job, JobParts parts, JsonWriter *json);

bool job_has_ended(const Job *job);
