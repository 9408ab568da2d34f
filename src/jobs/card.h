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

/* What there is to tell of once a learner is fitted. */
typedef struct CardFacts {
    const Job *job;
    const Prediction *prediction;
    const Dataset *raw;
    const Dataset *view;
    const Scope *scope;
    const Choice *choice;
    const Fitted *fitted;
    uint64_t seed;
    int64_t built_at;
} CardFacts;

/* How the attempt went so far. */
typedef struct CardCourse {
    const CardTiming *timings;
    size_t n_timings;
    const Peak *peak;
    const Estimate *estimate; /* told beside what was needed; NULL: not yet */
    double seconds;           /* since the attempt began */
} CardCourse;

/* The facts as members of a JSON object, for g_free(): they outlive what they tell of. */
char *card_facts(const CardFacts *facts);

/* The card: a JSON object, for g_free(). */
char *card_write(const char *facts, const CardCourse *course);
