/* What a choice has seen, its grade, and how both are written down. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "learn/choose.h"
#include "search.h"

/* One learner in the competition. */
typedef struct Candidate {
    const Learner *learner;
    /* NULL when nothing could be measured */
    Evaluation *validation; /* by the rules that were decided */
    Evaluation *other_way;  /* while `auto` is open: with purchased products left out */
    Evaluation *test_any, *test_new;
    Interval against; /* NDCG minus the best baseline's, on test_any */
    bool absent;      /* it cannot learn from this data */
} Candidate;

typedef struct QualityReport {
    const ChooseOptions *options;
    const Windows *windows;
    int64_t learning_from;
    bool only_test; /* no window was there to choose on */
    Candidate *candidates;
    size_t n_candidates;
    const Candidate *chosen, *best_baseline, *popularity;
    ListRules rules;
    const char *rules_reason;
    bool measured;
    const Search *search;     /* or NULL: nothing was searched */
    const char *calibration;  /* JSON, or NULL */
    Interval over_popularity; /* of the chosen one, NDCG on test_any */
} QualityReport;

/* 'A', 'B' or 'C'; its reason in plain words into *reason, for g_free(). */
char quality_grade(const QualityReport *report, char **reason);

/* The JSON object of choose.h, for g_free(); NULL with ERR_NO_MEMORY. */
char *quality_write(const QualityReport *report, char grade, const char *reason, GError **error);
