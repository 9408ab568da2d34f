/* The model card: what a version was made from, by what, and how long each stage took. */
#pragma once

#include <stdint.h>

#include "data/dataset.h"
#include "data/split.h"
#include "jobs/estimate.h"
#include "learn/choose.h"
#include "learn/learner.h"
#include "peak.h"
#include "spec/prediction.h"
#include "store/jobs.h"

typedef struct CardTiming {
    const char *stage;
    double seconds;
} CardTiming;

typedef struct Card {
    const Job *job;
    const Prediction *prediction;
    const Dataset *raw;
    const Dataset *view;
    const Scope *scope;
    const Choice *choice;
    const Fitted *fitted;
    uint64_t seed;
    int64_t built_at;
    const CardTiming *timings;
    size_t n_timings;
    const Peak *peak;
    const Estimate *estimate; /* told beside what was needed; NULL: not yet */
    double seconds;           /* since the attempt began */
} Card;

/* A JSON object, for g_free(). */
char *card_write(const Card *card);
