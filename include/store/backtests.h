/* Backtests: how a prediction would have done as of a past day. Immutable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/jobs.h"
#include "store/store.h"

typedef struct Backtest {
    char *id; /* UUID, of the job that made it */
    char *prediction;
    int64_t as_of; /* µs */
    int horizon_days;
    char *learner;      /* name of the one a training would have chosen */
    char *grade;        /* "A", "B", "C": of what happened */
    char *choice;       /* JSON object: the quality report of a training on that day */
    char *outcome;      /* JSON object: the quality report of what happened after it */
    int64_t created_at; /* µs */
} Backtest;

typedef struct Backtests {
    Backtest **list;
    size_t n;
    bool more;
} Backtests;

/* In one transaction that checks the job's lease and attempt: ERR_CANCELLED when it was lost.
 * Saving it again changes nothing. */
bool backtests_save(Store *store, const Job *job, const Backtest *backtest, GError **error);

/* *backtest is NULL, without an error, when there is none of that id. */
bool backtests_find(Store *store, const char *id, Backtest **backtest, GError **error);
Backtest *backtests_get(Store *store, const char *id, GError **error); /* ERR_NOT_FOUND */

/* Newest first, after the one with id `after` (or NULL), without choice and outcome. */
Backtests *backtests_list(Store *store, const char *prediction, const char *after, size_t limit,
                          GError **error);

/* Forgets all of a prediction that was deleted. */
bool backtests_forget(Store *store, const char *prediction, GError **error);

void backtest_free(Backtest *backtest);
void backtests_free(Backtests *backtests);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Backtest, backtest_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Backtests, backtests_free)
