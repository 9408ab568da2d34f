#include "store/backtests.h"

#include "base/clock.h"
#include "base/error.h"
#include "state.h"
#include "versions_lock.h"

// clang-format off
#define SHORT_COLUMNS                                                                              \
    "id, prediction, horizon_days, learner, grade, " STATE_TIME("as_of") ", "                      \
    STATE_TIME("created_at")
// clang-format on

static Backtest *read_short(const PGresult *result, int row)
{
    Backtest *backtest = g_new0(Backtest, 1);
    backtest->id = g_strdup(db_text(result, row, "id"));
    backtest->prediction = g_strdup(db_text(result, row, "prediction"));
    backtest->as_of = db_int(result, row, "as_of");
    backtest->horizon_days = (int)db_int(result, row, "horizon_days");
    backtest->learner = g_strdup(db_text(result, row, "learner"));
    backtest->grade = g_strdup(db_text(result, row, "grade"));
    backtest->created_at = db_int(result, row, "created_at");
    return backtest;
}

typedef struct Saving {
    const Job *job;
    const Backtest *backtest;
} Saving;

static bool save(PGconn *connection, void *context, GError **error)
{
    static const char sql[] =
        "INSERT INTO backtest (id, prediction, as_of, horizon_days, learner, grade, choice, "
        "outcome) "
        "VALUES ($1, $2, $3, $4::integer, $5, $6, $7::json, $8::json) ON CONFLICT (id) DO NOTHING";
    const Saving *saving = context;
    const Backtest *backtest = saving->backtest;
    char as_of[CLOCK_TEXT_MAX], days[16];
    clock_format(backtest->as_of, as_of);
    g_snprintf(days, sizeof days, "%d", backtest->horizon_days);
    const char *values[] = {
        saving->job->id,  backtest->prediction, as_of, days, backtest->learner, backtest->grade,
        backtest->choice, backtest->outcome};
    if (!versions_lock_job(connection, saving->job, error))
        return false;
    g_autoptr(PGresult) result = db_query(connection, sql, 8, values, error);
    return result != NULL;
}

bool backtests_save(Store *store, const Job *job, const Backtest *backtest, GError **error)
{
    return state_transaction(store, save, &(Saving){job, backtest}, error);
}

bool backtests_find(Store *store, const char *id, Backtest **backtest, GError **error)
{
    static const char sql[] =
        "SELECT " SHORT_COLUMNS ", choice, outcome FROM backtest WHERE id = $1";
    *backtest = NULL;
    if (!g_uuid_string_is_valid(id))
        return true;
    g_autoptr(PGresult) result = state_query(store, sql, 1, &id, error);
    if (!result || PQntuples(result) == 0)
        return result != NULL;
    *backtest = read_short(result, 0);
    (*backtest)->choice = g_strdup(db_text(result, 0, "choice"));
    (*backtest)->outcome = g_strdup(db_text(result, 0, "outcome"));
    return true;
}

Backtest *backtests_get(Store *store, const char *id, GError **error)
{
    Backtest *backtest = NULL;
    if (backtests_find(store, id, &backtest, error) && !backtest)
        error_set(error, ERR_NOT_FOUND, "there is no backtest \"%s\"", id);
    return backtest;
}

Backtests *backtests_list(Store *store, const char *prediction, const char *after, size_t limit,
                          GError **error)
{
    static const char sql[] =
        "SELECT " SHORT_COLUMNS " FROM backtest WHERE prediction = $1 "
        "AND ($2::uuid IS NULL OR (backtest.created_at, id) < "
        "(SELECT last.created_at, last.id FROM backtest AS last WHERE last.id = $2)) "
        "ORDER BY backtest.created_at DESC, id DESC LIMIT $3::bigint + 1";
    g_autofree char *rows = g_strdup_printf("%zu", limit);
    const char *values[] = {prediction, after, rows};
    g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
    if (!result)
        return NULL;
    Backtests *backtests = g_new0(Backtests, 1);
    backtests->n = MIN((size_t)PQntuples(result), limit);
    backtests->more = (size_t)PQntuples(result) > limit;
    backtests->list = g_new0(Backtest *, backtests->n);
    for (size_t i = 0; i < backtests->n; i++)
        backtests->list[i] = read_short(result, (int)i);
    return backtests;
}

bool backtests_forget(Store *store, const char *prediction, GError **error)
{
    static const char sql[] = "DELETE FROM backtest WHERE prediction = $1";
    g_autoptr(PGresult) result = state_query(store, sql, 1, &prediction, error);
    return result != NULL;
}

void backtest_free(Backtest *backtest)
{
    if (!backtest)
        return;
    g_free(backtest->id);
    g_free(backtest->prediction);
    g_free(backtest->learner);
    g_free(backtest->grade);
    g_free(backtest->choice);
    g_free(backtest->outcome);
    g_free(backtest);
}

void backtests_free(Backtests *backtests)
{
    if (!backtests)
        return;
    for (size_t i = 0; i < backtests->n; i++)
        backtest_free(backtests->list[i]);
    g_free(backtests->list);
    g_free(backtests);
}
