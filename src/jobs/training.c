#include "training.h"

#include <inttypes.h>
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "store/doctor.h"
#include "store/documents.h"
#include "store/reader.h"

void training_init(Training *training, JobRun *run, const TrainingStage *scale)
{
    *training = (Training){.run = run, .context = run->context, .scale = scale};
    training->began = clock_ticks_ns();
    peak_begin(&training->peak);
}

void training_forget_data(Training *training)
{
    g_clear_pointer(&training->fitted, fitted_free);
    g_clear_pointer(&training->levels, levels_free);
    g_clear_pointer(&training->shared, fit_shared_free);
    g_clear_pointer(&training->scope, scope_free);
    g_clear_pointer(&training->view, dataset_unref);
    g_clear_pointer(&training->raw, dataset_unref);
    malloc_trim(0);
}

void training_clear(Training *training)
{
    peak_end(&training->peak);
    training_forget_data(training);
    estimate_clear(&training->estimate);
    prediction_free(training->prediction);
    model_free(training->users);
    model_free(training->events);
    model_free(training->products);
    for (size_t s = 0; training->signals && training->signals[s]; s++)
        model_free(training->signals[s]);
    g_free(training->signals);
    choice_free(training->choice);
    g_free(training->path);
    g_free(training->facts);
    g_free(training->card);
    g_free(training->details);
}

void training_fraction(void *context, double fraction)
{
    Training *training = context;
    const TrainingStage *stage = &training->scale[training->stage];
    job_run_progress(training->run, stage->name,
                     stage->from + (stage->to - stage->from) * CLAMP(fraction, 0.0, 1.0));
}

void training_enter(Training *training, size_t stage)
{
    training->stage = stage;
    training->stage_began = clock_ticks_ns();
    training_fraction(training, 0);
}

void training_leave(Training *training)
{
    double seconds = (double)(clock_ticks_ns() - training->stage_began) / 1e9;
    training->timings[training->stage] =
        (CardTiming){training->scale[training->stage].name, seconds};
}

/* A configuration that was valid when it was stored is no longer: say which fault comes first. */
static void *unreadable(const char *what, const Faults *faults, GError **error)
{
    error_set(error, ERR_INVALID, "%s of this job can no longer be read: %s", what,
              faults->n ? faults->list[0].detail : "not an object");
    return NULL;
}

static Model *read_model(const cJSON *models, const char *role, GError **error)
{
    g_autoptr(Faults) faults = faults_new();
    Model *model = model_read(json_member(models, role), faults);
    return model ? model : unreadable(role, faults, error);
}

static bool read_signals(Training *training, const cJSON *models, GError **error)
{
    size_t n = training->prediction->models.n_signals;
    training->signals = g_new0(Model *, n + 1);
    const cJSON *list = json_member(models, "signals"), *sent = list ? list->child : NULL;
    for (size_t s = 0; s < n; s++, sent = sent ? sent->next : NULL) {
        g_autoptr(Faults) faults = faults_new();
        training->signals[s] = model_read(sent, faults);
        if (!training->signals[s])
            return unreadable("a signal", faults, error) != NULL;
    }
    return true;
}

cJSON *training_job_params(const JobRun *run, GError **error)
{
    const char *text = run->job->params;
    return json_parse(text, strlen(text), error);
}

bool training_configure(Training *training, const cJSON *params, GError **error)
{
    g_autoptr(Faults) faults = faults_new();
    training->prediction = prediction_read(json_member(params, "prediction"), faults);
    if (!training->prediction)
        return unreadable("the prediction", faults, error) != NULL;
    const cJSON *models = json_member(params, "models");
    if (!(training->users = read_model(models, "users", error)) ||
        !(training->events = read_model(models, "events", error)) ||
        !(training->products = read_model(models, "products", error)) ||
        !read_signals(training, models, error))
        return false;
    training->seed =
        (uint64_t)json_member_number(params, "seed", (double)training->prediction->seed);
    training->source = settings_find_source(training->context->settings, training->events->source);
    if (!training->source)
        error_set(error, ERR_INVALID, "source \"%s\" is no longer in the configuration",
                  training->events->source);
    return training->source != NULL;
}

static void reading_progress(void *context, double fraction, uint64_t rows)
{
    training_fraction(context, fraction);
}

/* Refuses before a row is read what would not fit. */
static bool check_budget(Training *training, uint64_t (*more_bytes)(const SourceCounts *counts),
                         GError **error)
{
    const Settings *settings = training->context->settings;
    SourceCounts counts;
    if (!doctor_count(training->source, training->users, training->events, training->products,
                      training->signals, training->prediction, training->run->cancel, &counts,
                      error))
        return false;
    if (!estimate_training(training->context->store, settings, training->prediction->id, &counts,
                           &training->estimate, error))
        return false;
    /* of a whole training; a backtest leans on it too */
    job_run_expect(training->run, training->estimate.seconds);
    uint64_t budget = training->estimate.memory_budget_bytes;
    uint64_t need = training->estimate.memory_bytes + (more_bytes ? more_bytes(&counts) : 0);
    job_run_log(training->run,
                "%s%" PRIu64 " order lines, %" PRIu64 " users, %" PRIu64 " products: about %.0f MB",
                counts.exact ? "" : "about ", counts.rows, counts.users, counts.products,
                (double)need / 1e6);
    training->spare = estimate_spare(settings, &counts);
    if (training->spare > 0 && need <= budget)
        job_run_log(training->run,
                    "memory_budget leaves %.0f MB less than wanted: the ranker learns from fewer "
                    "pairs",
                    (double)training->spare / 1e6);
    if (need <= budget)
        return true;
    error_set(error, ERR_INVALID,
              "this needs about %.0f MB and memory_budget allows %.0f MB: raise it, or "
              "shorten the period",
              (double)need / 1e6, (double)budget / 1e6);
    return false;
}

bool training_read(Training *training, uint64_t (*more_bytes)(const SourceCounts *counts),
                   GError **error)
{
    training_enter(training, TRAINING_READING);
    if (!check_budget(training, more_bytes, error))
        return false;
    ReaderOptions options = {.signals = training->signals,
                             .now = clock_now_us(),
                             .threads = training->context->settings->training_threads,
                             .cancel = training->run->cancel,
                             .progress = reading_progress,
                             .progress_context = training};
    training->raw = reader_load(training->source, training->users, training->events,
                                training->products, training->prediction, &options, error);
    if (!training->raw)
        return false;
    training_leave(training);
    for (uint32_t s = 0; s < training->raw->n_signals; s++)
        job_run_log(training->run, "read %" PRIu64 " events of %s",
                    training->raw->signal[s]->rows.n, training->raw->signal_kinds[s].name);
    job_run_log(training->run, "read %" PRIu64 " order lines of %u users and %u products",
                training->raw->rows.n, training->raw->n_users, training->raw->n_items);
    return true;
}

static void choosing_progress(void *context, double fraction, const char *what)
{
    training_fraction(context, fraction);
}

static void rules_configured(const Prediction *prediction, ChooseOptions *options)
{
    options->purchased_auto = prediction->purchased_items == PURCHASED_ITEMS_AUTO;
    if (prediction->purchased_items == PURCHASED_ITEMS_EXCLUDE)
        options->rules.purchased = PURCHASED_EXCLUDE;
    if (prediction->purchased_items == PURCHASED_ITEMS_EXCLUDE_WITHIN)
        options->rules =
            (ListRules){PURCHASED_EXCLUDE_WITHIN, (unsigned)prediction->exclude_within_days};
}

unsigned training_horizon_days(const Training *training)
{
    return dataset_horizon_days(training->raw, (unsigned)training->prediction->horizon_days);
}

ChooseOptions training_choosing(Training *training)
{
    ChooseOptions options = {.horizon_days = training_horizon_days(training),
                             .k = 10,
                             .seed = training->seed,
                             .threads = training->context->settings->training_threads,
                             .cancel = training->run->cancel,
                             .progress = choosing_progress,
                             .progress_context = training,
                             .shared = training->shared,
                             .spare = training->spare};
    rules_configured(training->prediction, &options);
    return options;
}

bool training_choose(Training *training, const Dataset *raw, GError **error)
{
    training_enter(training, TRAINING_CHOOSING);
    training->shared = fit_shared_new();
    ChooseOptions options = training_choosing(training);
    training->choice = choose_learner(raw, &options, error);
    if (!training->choice)
        return false;
    training_leave(training);
    for (uint32_t s = 0; s < raw->n_signals; s++)
        job_run_log(training->run, "one event of %s counts %g, %s", raw->signal_kinds[s].name,
                    training->choice->signals.weight[s],
                    training->choice->signals.weight_learned[s] ? "learned" : "as given");
    job_run_log(training->run, "chosen: %s, grade %c: %s", training->choice->learner->title,
                training->choice->grade, training->choice->reason);
    return true;
}

/* Adds a stored document's body to `into` under `name`. */
static bool add_document(Store *store, DocumentKind kind, const char *id, cJSON *into,
                         const char *name, GError **error)
{
    g_autoptr(Document) document = documents_get(store, kind, id, error);
    cJSON *body = document ? json_parse(document->body, strlen(document->body), error) : NULL;
    if (body)
        cJSON_AddItemToObject(into, name, body);
    return body != NULL;
}

static bool add_signals(Store *store, const PredictionModels *models, cJSON *into, GError **error)
{
    cJSON *list = cJSON_AddArrayToObject(into, "signals");
    for (size_t s = 0; s < models->n_signals; s++) {
        g_autoptr(cJSON) holder = cJSON_CreateObject();
        if (!add_document(store, DOCUMENT_MODEL, models->signals[s].model, holder, "model", error))
            return false;
        cJSON_AddItemToArray(list, cJSON_DetachItemFromObjectCaseSensitive(holder, "model"));
    }
    return true;
}

cJSON *training_params(Store *store, const char *prediction, int64_t seed, GError **error)
{
    g_autoptr(cJSON) params = cJSON_CreateObject();
    if (!add_document(store, DOCUMENT_PREDICTION, prediction, params, "prediction", error))
        return NULL;
    g_autoptr(Faults) faults = faults_new();
    g_autoptr(Prediction) spec = prediction_read(json_member(params, "prediction"), faults);
    if (!spec)
        return unreadable("the prediction", faults, error);
    if (!prediction_check_complete(spec, error))
        return NULL;
    cJSON *models = cJSON_AddObjectToObject(params, "models");
    if (!add_document(store, DOCUMENT_MODEL, spec->models.users, models, "users", error) ||
        !add_document(store, DOCUMENT_MODEL, spec->models.events, models, "events", error) ||
        !add_document(store, DOCUMENT_MODEL, spec->models.products, models, "products", error) ||
        !add_signals(store, &spec->models, models, error))
        return NULL;
    cJSON_AddNumberToObject(params, "seed", (double)(seed < 0 ? spec->seed : seed));
    return g_steal_pointer(&params);
}
