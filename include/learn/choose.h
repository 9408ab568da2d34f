/* The choice between learners on a time-ordered holdout, and the quality report.
 *
 * First what events of other types count is learned on the validation window, then parameters are
 * searched there (src/learn/search.h). All learners are fitted on rows before the validation window
 * and compared on it (paired bootstrap of NDCG@k). A learner that is no baseline wins only if it
 * beats the best baseline outside the interval; else the baseline is taken and the report says so.
 * All are then fitted again on rows before the test window and reported there; the winner stays
 * only if it beats the baseline outside the interval there as well, or is as good on average and
 * beats it so at products new to the user. The `auto` policy for purchased items is decided on the
 * validation window: repeats are allowed when the best NDCG over all relevant items is higher with
 * them. Where the rows span too little time for windows, a tenth of every user's products is held
 * out by lot for each of the two. When no window holds a user to judge by, nothing is measured:
 * personal frequency is taken where anybody bought a product again, else popularity.
 *
 * The report (openapi QualityReport; <metrics> is what evaluation_write() writes, <interval> is
 * {"mean", "low", "high"}):
 *   {"k", "horizon_days",
 *    "windows": {"learning_from", "validation_from", "test_from", "test_to": times or null (not
 *                measured), "single": one window served for choosing and reporting,
 *                "by_lot": products were held out by lot, not by time},
 *    "evaluated_users": {"any", "new": judged on the test window, at most 20,000 by lot,
 *                        "available_any", "available_new": of so many},
 *    "purchased_items": {"policy": "allow|exclude|exclude_within", "days" (only within),
 *                        "decided": "auto|configured", "reason"},
 *    "chosen", "grade": "A|B|C", "reason",
 *    "candidates": [{"learner", "title", "baseline": bool, "validation": <metrics> or null,
 *                    "test": {"any": <metrics> or null, "new": <metrics> or null},
 *                    "against_best_baseline": null (the best baseline itself, or not measured) or
 *                        {"ndcg_difference": <interval>, "better": bool}}]}
 *
 *   "search": search_write() of src/learn/search.h: what became of the learners' parameters
 *
 *   "calibration": calibration_report() of the chosen learner on the test window, by curves from
 * the validation window; null when there were too few events, or one window
 *
 * Grades: A, measurably better than popularity and than the best baseline on the test window, and
 * at least one list in ten is hit; B, measurably better than popularity, but than the best baseline
 * not, or only at products new to the user; C, not even that, fewer than 100 users to judge by, or
 * nothing measured. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/json.h"
#include "data/split.h"
#include "learn/calibrate.h"
#include "learn/evaluate.h"
#include "learn/learner.h"

/* `fraction` 0 to 1 within choosing. */
typedef void (*ChooseProgress)(void *context, double fraction, const char *what);

typedef struct ChooseOptions {
    unsigned horizon_days;
    unsigned k;
    bool purchased_auto; /* else `rules` is given */
    ListRules rules;
    uint64_t seed;
    unsigned threads;
    const Cancel *cancel;
    ChooseProgress progress; /* or NULL */
    void *progress_context;
    FitShared *shared; /* what the last fit may use again; or NULL */
    uint64_t spare;    /* bytes of choose_bytes() to do without, at most choose_spare_bytes() */
} ChooseOptions;

typedef struct Choice {
    const Learner *learner;
    ListRules rules;
    Windows windows;
    SignalWeights signals; /* given, or learned on the validation window by one cheap learner */
    char grade;            /* 'A', 'B', 'C' */
    char *reason;          /* plain words, one or two sentences */
    char *report;   /* the quality report, a JSON object (members as in openapi QualityReport) */
    Params *params; /* to fit by */
    Calibration *calibration; /* fitted on the test window, to be aimed; NULL: too few events */
} Choice;

/* `raw` still holds its returns. ERR_INVALID when nothing can be learned (no purchases), with a
 * message for the person who configured it; ERR_NO_MEMORY; ERR_CANCELLED. For choice_free(). */
Choice *choose_learner(const Dataset *raw, const ChooseOptions *options, GError **error);
void choice_free(Choice *choice);

/* Peak bytes of a whole choice and fit over a data set of this size. */
uint64_t choose_bytes(const FitSize *size);
/* Of those, bytes that a choice and fit can do without when memory is short. */
uint64_t choose_spare_bytes(const FitSize *size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Choice, choice_free)
