#include "store/doctor.h"

#include "doctor_checks.h"
#include "doctor_excluded.h"
#include "source_session.h"

#define EXACT_ROWS 5e6 /* more are not counted but taken from the planner */

static bool examine(Examination *examination, GError **error)
{
    return examination_measure(examination, error) && check_rows(examination, MODEL_USERS, error) &&
           check_rows(examination, MODEL_PRODUCTS, error) &&
           check_rows(examination, MODEL_EVENTS, error) && check_sets(examination, error) &&
           check_shape(examination, error) && check_excluded(examination, error) &&
           check_columns(examination, MODEL_USERS, error) &&
           check_columns(examination, MODEL_PRODUCTS, error) &&
           check_columns(examination, MODEL_EVENTS, error);
}

/* Rows, orphans and duplicates of one event type beside the target. */
static bool examine_signal(Examination *examination, GError **error)
{
    return examination_measure(examination, error) &&
           check_rows(examination, MODEL_EVENTS, error) && check_signal_sets(examination, error);
}

static void report_event_types(Examination *examination, size_t n)
{
    bool few = n < PREDICTION_EVENT_TYPES_LOW;
    if (!few && n <= PREDICTION_EVENT_TYPES_TOP)
        return;
    g_autofree char *message = g_strdup_printf(
        "%zu event type%s: %d to %d work best%s", n, n == 1 ? "" : "s", PREDICTION_EVENT_TYPES_LOW,
        PREDICTION_EVENT_TYPES_TOP,
        few ? "; what people put into carts, view or search goes into models.signals"
            : "; more take time and memory, and learn little");
    g_autofree char *sql = examination_expand(
        examination, "SELECT count(*), min({e.time}), max({e.time}) FROM {events};");
    Finding finding = {.code = "event_types",
                       .level = FINDING_WARNING,
                       .model = MODEL_EVENTS,
                       .count = n,
                       .message = message,
                       .sql = sql ? sql : ""};
    examination_report(examination, &finding, NULL);
}

bool doctor_examine(const SourceSettings *source, const Model *users, const Model *events,
                    const Model *products, Model *const *signals, const Prediction *prediction,
                    JsonWriter *writer, unsigned *errors, const Cancel *cancel, GError **error)
{
    g_autoptr(PGconn) connection = session_open(source, error);
    if (connection == NULL)
        return false;
    Examination examination = {.connection = connection, .cancel = cancel, .writer = writer};
    bool done = examination_init(&examination, users, events, products, prediction, error);
    json_begin_array(writer);
    done = done && examine(&examination, error);
    if (done)
        report_event_types(&examination, 1 + prediction->models.n_signals);
    examination.is_signal = true;
    for (size_t s = 0; done && s < prediction->models.n_signals; s++) {
        examination_clear(&examination);
        done = examination_init(&examination, users, signals[s], products, prediction, error) &&
               examine_signal(&examination, error);
    }
    json_end_array(writer);
    *errors = examination.errors;
    examination_clear(&examination);
    return done;
}

/* Counts small queries, and asks the planner about large ones. */
static bool count_rows(Examination *examination, const char *from, uint64_t *count, bool *exact,
                       GError **error)
{
    g_autofree char *template = g_strconcat("SELECT 1 FROM ", from, NULL);
    g_autofree char *rows = examination_expand(examination, template);
    double expected;
    if (!session_estimate(examination->connection, rows, &expected, error))
        return false;
    *count = (uint64_t)expected;
    if (expected > EXACT_ROWS) {
        *exact = false;
        return true;
    }
    g_autofree char *sql = g_strdup_printf("SELECT count(*) AS n FROM (%s) AS rows", rows);
    g_autoptr(PGresult) found =
        session_query(examination->connection, sql, "counting", examination->cancel, error);
    if (found == NULL)
        return false;
    *count = (uint64_t)db_int(found, 0, "n");
    return true;
}

static bool count_model(Examination *examination, int model, const char *from, uint64_t *count,
                        bool *exact, GError **error)
{
    if (count_rows(examination, from, count, exact, error))
        return true;
    g_prefix_error(error, "model \"%s\": ", examination->models[model].model->id);
    return false;
}

/* Of the model that stands as the events. */
static bool count_events(Examination *examination, uint64_t *count, bool *exact, GError **error)
{
    return count_model(examination, MODEL_EVENTS, "{events} WHERE {period}", count, exact, error);
}

static bool count_signal(Examination *examination, SourceCounts *counts, GError **error)
{
    uint64_t rows = 0;
    if (!count_events(examination, &rows, &counts->exact, error))
        return false;
    counts->signal_rows += rows;
    counts->n_signals++;
    return true;
}

bool doctor_count(const SourceSettings *source, const Model *users, const Model *events,
                  const Model *products, Model *const *signals, const Prediction *prediction,
                  const Cancel *cancel, SourceCounts *counts, GError **error)
{
    g_autoptr(PGconn) connection = session_open(source, error);
    if (connection == NULL)
        return false;
    Examination examination = {.connection = connection, .cancel = cancel};
    *counts = (SourceCounts){.exact = true};
    bool done =
        examination_init(&examination, users, events, products, prediction, error) &&
        count_model(&examination, MODEL_USERS, "{users}", &counts->users, &counts->exact, error) &&
        count_model(&examination, MODEL_PRODUCTS, "{products}", &counts->products, &counts->exact,
                    error) &&
        count_events(&examination, &counts->rows, &counts->exact, error);
    for (size_t s = 0; done && s < prediction->models.n_signals; s++) {
        examination_clear(&examination);
        done = examination_init(&examination, users, signals[s], products, prediction, error) &&
               count_signal(&examination, counts, error);
    }
    examination_clear(&examination);
    return done;
}
