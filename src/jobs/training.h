/* One attempt at learning from the shop's data: what a training and a backtest do alike, from the
 * job's configuration to the choice between learners. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"
#include "base/json.h"
#include "card.h"
#include "data/dataset.h"
#include "jobs/estimate.h"
#include "jobs/train.h"
#include "jobs/workers.h"
#include "learn/choose.h"
#include "learn/levels.h"
#include "peak.h"
#include "spec/model.h"
#include "spec/prediction.h"

/* Where a stage begins and ends on the job's scale of 0 to 100. */
typedef struct TrainingStage {
    const char *name;
    double from, to;
} TrainingStage;

/* The first two stages of every job that learns. */
#define TRAINING_READING    0
#define TRAINING_CHOOSING   1
#define TRAINING_STAGES_MAX 8

/* What one attempt has in hand. */
typedef struct Training {
    JobRun *run;
    const TrainContext *context;
    const TrainingStage *scale;
    const SourceSettings *source;
    Prediction *prediction;
    Model *users, *events, *products;
    Model **signals;      /* prediction->models.n_signals */
    uint64_t seed, spare; /* spare: bytes to do without */
    int64_t began;        /* ticks of the attempt */
    Peak peak;            /* of its memory */
    Estimate estimate;
    Dataset *raw, *view;
    Scope *scope;
    Choice *choice;
    FitShared *shared;
    Fitted *fitted;
    Levels *levels;
    char *path, *facts, *card, *details; /* facts: of the card */
    int64_t built_at;
    size_t stage;
    int64_t stage_began;
    CardTiming timings[TRAINING_STAGES_MAX];
} Training;

/* `scale` outlives the training. For training_clear(). */
void training_init(Training *training, JobRun *run, const TrainingStage *scale);
void training_clear(Training *training);
/* Lets go of the data and of what was learned from it, and gives the memory back: all that is
 * served is in a file by then, and read again from there. The choice stays. */
void training_forget_data(Training *training);

/* Takes the configuration from the job's parameters. ERR_INVALID when it can no longer be read. */
bool training_configure(Training *training, const cJSON *params, GError **error);
/* The job's parameters, for cJSON_Delete(). */
cJSON *training_job_params(const JobRun *run, GError **error);

void training_enter(Training *training, size_t stage);
void training_leave(Training *training);
/* `context` is the training; `fraction` of the stage it is in. */
void training_fraction(void *context, double fraction);

/* The first stage: refuses before a row is read what would not fit in the memory budget
 * (`more_bytes`: what this job needs on top of a training), then reads the tables into
 * training->raw. */
bool training_read(Training *training, uint64_t (*more_bytes)(const SourceCounts *counts),
                   GError **error);

/* Of the prediction; 1 where a day stands for a visit. */
unsigned training_horizon_days(const Training *training);

/* How the choice is made, by the prediction's settings. */
ChooseOptions training_choosing(Training *training);

/* The second stage: chooses from `raw`, into training->choice. training->shared stays for fits of
 * the same data. */
bool training_choose(Training *training, const Dataset *raw, GError **error);

/* The parameters of a job that is to learn: a copy of the stored prediction and its models, and the
 * seed (< 0: the prediction's own). For cJSON_Delete(). ERR_NOT_FOUND; ERR_NOT_READY naming what is
 * missing. */
cJSON *training_params(Store *store, const char *prediction, int64_t seed, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Training, training_clear)
