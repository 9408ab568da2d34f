#include "jobs/backtest.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "learn/backtest.h"
#include "store/backtests.h"
#include "training.h"
#include "value_levels.h"

enum { STAGE_COMPARING = TRAINING_CHOOSING + 1, STAGES };

static const TrainingStage STAGE_SCALE[STAGES] = {
    // clang-format off
    {"reading",   1,  25},
    {"choosing",  25, 70},
    {"comparing", 70, 99},
    // clang-format on
};

static uint64_t past_bytes(const SourceCounts *counts)
{
    return backtest_bytes(counts->rows, (uint32_t)MIN(counts->users, UINT32_MAX));
}

/* The moment looked back from, and the end of its horizon. */
typedef struct Window {
    int64_t as_of, until;
    int days;
} Window;

static bool read_window(const cJSON *params, const Training *training, Window *window,
                        GError **error)
{
    const char *as_of = json_member_string(params, "as_of");
    if (!as_of || !clock_parse(as_of, &window->as_of)) {
        error_set(error, ERR_INVALID, "\"as_of\" of this job can no longer be read");
        return false;
    }
    window->days = (int)training->prediction->horizon_days;
    window->until = window->as_of + window->days * US_PER_DAY;
    return true;
}

static bool check_first(const Dataset *raw, const Window *window, GError **error)
{
    char as_of[CLOCK_TEXT_MAX], first[CLOCK_TEXT_MAX];
    if (raw->rows.n > 0 && raw->first < window->as_of)
        return true;
    if (raw->rows.n == 0)
        error_set(error, ERR_INVALID, "no row of the events counts, so no day can be looked at");
    else
        error_set(error, ERR_INVALID, "as_of %s is before the data, which begins at %s",
                  clock_format(window->as_of, as_of), clock_format(raw->first, first));
    return false;
}

/* The horizon speaks of days that the data has seen to their end. */
static bool check_over(const Dataset *raw, const Window *window, GError **error)
{
    char until[CLOCK_TEXT_MAX], last[CLOCK_TEXT_MAX], latest[CLOCK_TEXT_MAX];
    if (window->until <= raw->last + 1)
        return true;
    error_set(error, ERR_INVALID,
              "the horizon of %d days is not over in the data: it ends at %s and the data at %s; "
              "as_of can be %s at the latest",
              window->days, clock_format(window->until, until), clock_format(raw->last, last),
              clock_format(raw->last + 1 - window->days * US_PER_DAY, latest));
    return false;
}

/* As much as a choice by time needs. */
static bool check_history(const Dataset *past, const Window *window, GError **error)
{
    char as_of[CLOCK_TEXT_MAX], first[CLOCK_TEXT_MAX];
    Windows plan = windows_plan(past->first, past->last, (unsigned)window->days);
    if (past->rows.n > 0 && !plan.none)
        return true;
    error_set(
        error, ERR_INVALID,
        "there is too little history to choose by before as_of %s: the data begins at %s, and "
        "at least four days are needed",
        clock_format(window->as_of, as_of), clock_format(past->first, first));
    return false;
}

static Dataset *take_past(const Training *training, const Window *window, GError **error)
{
    if (!check_first(training->raw, window, error) || !check_over(training->raw, window, error))
        return NULL;
    g_autoptr(Dataset) past = dataset_as_of(training->raw, window->as_of, error);
    if (!past || !check_history(past, window, error))
        return NULL;
    job_run_log(training->run, "%" PRIu64 " of %" PRIu64 " order lines are from before that day",
                past->rows.n, training->raw->rows.n);
    return g_steal_pointer(&past);
}

/* The report of levels as of the end of the horizon is about those made at its beginning. */
static bool compare_levels(Training *training, const Window *window, Hindsight *hindsight,
                           GError **error)
{
    LevelsOptions options = {.as_of = window->until,
                             .horizon = window->days * US_PER_DAY,
                             .seed = training->seed,
                             .threads = training->context->settings->training_threads,
                             .cancel = training->run->cancel};
    return value_levels_fit(training->run, training->raw, &options, &hindsight->report,
                            &training->levels, error);
}

static Hindsight *stage_compare(Training *training, const Dataset *past, const Window *window,
                                GError **error)
{
    training_enter(training, STAGE_COMPARING);
    ChooseOptions options = training_choosing(training);
    g_autoptr(Hindsight) hindsight =
        backtest_compare(training->raw, past, training->choice, window->as_of, &options, error);
    g_clear_pointer(&training->shared, fit_shared_free); /* of the fits, done with */
    if (!hindsight || !compare_levels(training, window, hindsight, error))
        return NULL;
    training_leave(training);
    job_run_log(training->run, "what happened: grade %c: %s", hindsight->grade, hindsight->reason);
    return g_steal_pointer(&hindsight);
}

static bool save(const Training *training, const Window *window, const Hindsight *hindsight,
                 GError **error)
{
    char grade[2] = {hindsight->grade, '\0'};
    Backtest backtest = {.prediction = training->prediction->id,
                         .as_of = window->as_of,
                         .horizon_days = window->days,
                         .learner = (char *)training->choice->learner->name,
                         .grade = grade,
                         .choice = training->choice->report,
                         .outcome = hindsight->report};
    return job_run_still_ours(training->run, error) &&
           backtests_save(training->context->store, training->run->job, &backtest, error);
}

static char *result_write(const char *id, const char *learner, const char *grade)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_key(&json, "backtest");
    json_string(&json, id);
    json_key(&json, "learner");
    json_string(&json, learner);
    json_key(&json, "grade");
    json_string(&json, grade);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}

static bool look_back(Training *training, const Window *window, char **result, GError **error)
{
    if (!training_read(training, past_bytes, error))
        return false;
    g_autoptr(Dataset) past = take_past(training, window, error);
    if (!past || !training_choose(training, past, error))
        return false;
    g_autoptr(Hindsight) hindsight = stage_compare(training, past, window, error);
    if (!hindsight || !save(training, window, hindsight, error))
        return false;
    char grade[2] = {hindsight->grade, '\0'};
    *result = result_write(training->run->job->id, training->choice->learner->name, grade);
    return true;
}

/* *result stays NULL unless an earlier attempt came as far as saving. */
static bool find_saved(const JobRun *run, char **result, GError **error)
{
    const TrainContext *context = run->context;
    g_autoptr(Backtest) saved = NULL;
    if (!backtests_find(context->store, run->job->id, &saved, error))
        return false;
    if (saved)
        *result = result_write(saved->id, saved->learner, saved->grade);
    return true;
}

bool backtest_run(JobRun *run, char **result, GError **error)
{
    if (!find_saved(run, result, error))
        return false;
    if (*result)
        return true;
    g_auto(Training) training;
    training_init(&training, run, STAGE_SCALE);
    g_autoptr(cJSON) params = training_job_params(run, error);
    Window window;
    return params && training_configure(&training, params, error) &&
           read_window(params, &training, &window, error) &&
           look_back(&training, &window, result, error);
}

Job *backtest_enqueue(Store *store, const char *prediction, int64_t as_of, int horizon_days,
                      GError **error)
{
    g_autoptr(cJSON) params = training_params(store, prediction, -1, error);
    if (!params)
        return NULL;
    char text[CLOCK_TEXT_MAX];
    cJSON_AddStringToObject(params, "as_of", clock_format(as_of, text));
    if (horizon_days > 0) {
        cJSON *spec = cJSON_GetObjectItemCaseSensitive(params, "prediction");
        cJSON_DeleteItemFromObjectCaseSensitive(spec, "horizon_days");
        cJSON_AddNumberToObject(spec, "horizon_days", horizon_days);
    }
    g_autofree char *json = json_print(params);
    return jobs_enqueue(store, BACKTEST_KIND, prediction, json, error);
}
