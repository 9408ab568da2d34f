#include "handlers.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cursor.h"
#include "job_json.h"
#include "jobs/backtest.h"
#include "resource.h"
#include "spec/fields.h"
#include "spec/prediction.h"
#include "store/backtests.h"

/* ---- starting one ---- */

typedef struct BacktestInput {
    int64_t as_of;        /* µs */
    int64_t horizon_days; /* 0: the prediction's */
} BacktestInput;

static const Field BACKTEST_FIELDS[] = {
    {.name = "as_of",
     .type = FIELD_TIME,
     .offset = offsetof(BacktestInput, as_of),
     .required = true,
     .hint = "a day (\"2011-11-10\") or a moment (\"2011-11-10T08:00:00Z\") of the past"},
    {.name = "horizon_days",
     .type = FIELD_INT,
     .offset = offsetof(BacktestInput, horizon_days),
     .min = 15,
     .max = 90,
     .absent = 0},
};
static const FieldTable BACKTEST_INPUT = {"BacktestInput", sizeof(BacktestInput), BACKTEST_FIELDS,
                                          G_N_ELEMENTS(BACKTEST_FIELDS)};

static void check_past(const BacktestInput *input, int64_t days, Faults *faults)
{
    int64_t now = clock_now_us(), latest = now - days * US_PER_DAY;
    char until[CLOCK_TEXT_MAX], text[CLOCK_TEXT_MAX];
    if (input->as_of > now) {
        faults_add(faults, "/as_of", "out_of_range", "name a day of the past", NULL,
                   "%s has not come yet", clock_format(input->as_of, until));
    } else if (input->as_of > latest) {
        g_autofree char *hint =
            g_strdup_printf("as_of can be %s at the latest", clock_format(latest, text));
        faults_add(faults, "/as_of", "out_of_range", hint, NULL,
                   "its horizon of %d days is not over before %s", (int)days,
                   clock_format(input->as_of + days * US_PER_DAY, until));
    }
}

/* False when the answer was given. `prediction` is NULL when there is none. */
static bool read_input(Request *request, const Prediction *prediction, BacktestInput *input,
                       Response *response)
{
    GError *error = NULL;
    const cJSON *body = request_json(request, &error);
    if (!body) {
        response_error(response, error);
        return false;
    }
    g_autoptr(Faults) faults = faults_new();
    if (fields_read(&BACKTEST_INPUT, body, "", input, faults))
        check_past(input, input->horizon_days > 0 ? input->horizon_days : prediction->horizon_days,
                   faults);
    return !response_faults(response, faults);
}

/* F24 */
HANDLER(backtests_start)
{
    Api *api = context;
    const char *id = request_param(request, "prediction", NULL);
    GError *error = NULL;
    Prediction *prediction = resource_load(&PREDICTIONS, api, id, &error);
    BacktestInput input = {0};
    if (!prediction) {
        job_json_refuse(api, id, error, response);
        return;
    }
    bool is_read = read_input(request, prediction, &input, response);
    prediction_free(prediction);
    if (!is_read)
        return;
    g_autoptr(Job) job =
        backtest_enqueue(api->store, id, input.as_of, (int)input.horizon_days, &error);
    if (job)
        job_json_accept(job, response);
    else
        job_json_refuse(api, id, error, response);
}

/* ---- reading them ---- */

static void write_summary(const Backtest *backtest, JsonWriter *json)
{
    json_key(json, "id");
    json_string(json, backtest->id);
    json_key(json, "prediction");
    json_string(json, backtest->prediction);
    json_key(json, "as_of");
    json_time(json, backtest->as_of);
    json_key(json, "until");
    json_time(json, backtest->as_of + backtest->horizon_days * US_PER_DAY);
    json_key(json, "horizon_days");
    json_int(json, backtest->horizon_days);
    json_key(json, "learner");
    json_string(json, backtest->learner);
    json_key(json, "grade");
    json_string(json, backtest->grade);
    json_key(json, "created_at");
    json_time(json, backtest->created_at);
}

HANDLER(backtests_get_one)
{
    Api *api = context;
    GError *error = NULL;
    g_autoptr(Backtest) backtest =
        backtests_get(api->store, request_param(request, "backtest", NULL), &error);
    if (!backtest) {
        response_error(response, error);
        return;
    }
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    write_summary(backtest, json);
    json_key(json, "choice");
    json_raw(json, backtest->choice, strlen(backtest->choice));
    json_key(json, "outcome");
    json_raw(json, backtest->outcome, strlen(backtest->outcome));
    json_end_object(json);
}

static void write_page(const Backtests *backtests, const Page *page, JsonWriter *json)
{
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (size_t i = 0; i < backtests->n; i++) {
        json_begin_object(json);
        write_summary(backtests->list[i], json);
        json_end_object(json);
    }
    json_end_array(json);
    page_write_next(page, backtests->more ? backtests->list[backtests->n - 1]->id : NULL, json);
    json_end_object(json);
}

HANDLER(backtests_list_all)
{
    Api *api = context;
    const char *prediction = request_param(request, "prediction", NULL);
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "backtests", request, faults);
    if (page.after && !g_uuid_string_is_valid(page.after))
        faults_add(faults, "?cursor", "invalid", NULL, NULL,
                   "\"cursor\" is not one that this list gave");
    if (response_faults(response, faults))
        return;
    GError *error = NULL;
    g_autoptr(Document) document =
        documents_get(api->store, DOCUMENT_PREDICTION, prediction, &error);
    g_autoptr(Backtests) backtests =
        document ? backtests_list(api->store, prediction, page.after, page.limit, &error) : NULL;
    if (backtests)
        write_page(backtests, &page, response_json(response));
    else
        resource_fail(&PREDICTIONS, api, prediction, error, response);
}
