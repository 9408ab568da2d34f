#include "jobs/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "card.h"
#include "data/split.h"
#include "index/builder.h"
#include "index/snapshot.h"
#include "jobs/estimate.h"
#include "learn/choose.h"
#include "publish.h"
#include "spec/model.h"
#include "spec/prediction.h"
#include "store/doctor.h"
#include "store/documents.h"
#include "store/output.h"
#include "store/reader.h"
#include "store/versions.h"
#include "value_levels.h"

typedef enum StageNumber {
    STAGE_READING,
    STAGE_CHOOSING,
    STAGE_FITTING,
    STAGE_BUILDING,
    STAGE_PUBLISHING,
    STAGE_ACTIVATING,
    STAGES
} StageNumber;

/* Where each stage begins and ends on the job's scale of 0 to 100. */
static const struct {
    const char *name;
    double from, to;
} STAGE_SCALE[STAGES] = {
    // clang-format off
    {"reading",     1, 25},
    {"choosing",   25, 65},
    {"fitting",    65, 75},
    {"building",   75, 85},
    {"publishing", 85, 97},
    {"activating", 97, 100},
    // clang-format on
};

/* What one attempt has in hand. */
typedef struct Training {
    JobRun *run;
    const TrainContext *context;
    const SourceSettings *source;
    Prediction *prediction;
    Model *users, *events, *products;
    Model **signals;      /* prediction->models.n_signals */
    uint64_t seed, spare; /* spare: bytes to do without */
    Dataset *raw, *view;
    Scope *scope;
    Choice *choice;
    FitShared *shared;
    Fitted *fitted;
    Levels *levels;
    char *path, *card;
    int64_t built_at;
    StageNumber stage;
    int64_t stage_began;
    CardTiming timings[STAGES];
} Training;

static void training_clear(Training *training)
{
    prediction_free(training->prediction);
    model_free(training->users);
    model_free(training->events);
    model_free(training->products);
    for (size_t s = 0; training->signals && training->signals[s]; s++)
        model_free(training->signals[s]);
    g_free(training->signals);
    fitted_free(training->fitted);
    levels_free(training->levels);
    fit_shared_free(training->shared);
    choice_free(training->choice);
    scope_free(training->scope);
    dataset_unref(training->view);
    dataset_unref(training->raw);
    g_free(training->path);
    g_free(training->card);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Training, training_clear)

static void stage_fraction(void *context, double fraction)
{
    Training *training = context;
    double from = STAGE_SCALE[training->stage].from, to = STAGE_SCALE[training->stage].to;
    job_run_progress(training->run, STAGE_SCALE[training->stage].name,
                     from + (to - from) * CLAMP(fraction, 0.0, 1.0));
}

static void stage_enter(Training *training, StageNumber stage)
{
    training->stage = stage;
    training->stage_began = clock_ticks_ns();
    stage_fraction(training, 0);
}

static void stage_leave(Training *training)
{
    double seconds = (double)(clock_ticks_ns() - training->stage_began) / 1e9;
    training->timings[training->stage] = (CardTiming){STAGE_SCALE[training->stage].name, seconds};
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

static bool training_configure(Training *training, GError **error)
{
    const char *text = training->run->job->params;
    g_autoptr(cJSON) params = json_parse(text, strlen(text), error);
    if (!params)
        return false;
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
    stage_fraction(context, fraction);
}

/* Refuses before a row is read what would not fit. */
static bool check_budget(Training *training, GError **error)
{
    const Settings *settings = training->context->settings;
    SourceCounts counts;
    if (!doctor_count(training->source, training->users, training->events, training->products,
                      training->signals, training->prediction, training->run->cancel, &counts,
                      error))
        return false;
    uint64_t budget = estimate_budget(settings), need = estimate_bytes(settings, &counts);
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
              "this training needs about %.0f MB and memory_budget allows %.0f MB: raise it, or "
              "shorten the period",
              (double)need / 1e6, (double)budget / 1e6);
    return false;
}

static bool stage_read(Training *training, GError **error)
{
    stage_enter(training, STAGE_READING);
    if (!check_budget(training, error))
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
    bool counts_visits = dataset_align_visits(training->raw);
    stage_leave(training);
    if (counts_visits)
        job_run_log(training->run, "the times only number each user's visits: a day stands for a "
                                   "visit, and what is predicted is the next one");
    for (uint32_t s = 0; s < training->raw->n_signals; s++)
        job_run_log(training->run, "read %" PRIu64 " events of %s",
                    training->raw->signal[s]->rows.n, training->raw->signal_kinds[s].name);
    job_run_log(training->run, "read %" PRIu64 " order lines of %u users and %u products",
                training->raw->rows.n, training->raw->n_users, training->raw->n_items);
    return true;
}

static unsigned horizon_days(const Training *training)
{
    return dataset_horizon_days(training->raw, (unsigned)training->prediction->horizon_days);
}

static void choosing_progress(void *context, double fraction, const char *what)
{
    stage_fraction(context, fraction);
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

static bool stage_choose(Training *training, GError **error)
{
    stage_enter(training, STAGE_CHOOSING);
    training->shared = fit_shared_new();
    ChooseOptions options = {.horizon_days = horizon_days(training),
                             .k = 10,
                             .seed = training->seed,
                             .threads = training->context->settings->training_threads,
                             .cancel = training->run->cancel,
                             .progress = choosing_progress,
                             .progress_context = training,
                             .shared = training->shared,
                             .spare = training->spare};
    rules_configured(training->prediction, &options);
    training->choice = choose_learner(training->raw, &options, error);
    if (!training->choice)
        return false;
    stage_leave(training);
    for (uint32_t s = 0; s < training->raw->n_signals; s++)
        job_run_log(training->run, "one event of %s counts %g, %s",
                    training->raw->signal_kinds[s].name, training->choice->signals.weight[s],
                    training->choice->signals.weight_learned[s] ? "learned" : "as given");
    job_run_log(training->run, "chosen: %s, grade %c: %s", training->choice->learner->title,
                training->choice->grade, training->choice->reason);
    return true;
}

/* The calibration of the choice, at the level of what is expected from now on. */
static bool aim_probabilities(Training *training, GError **error)
{
    if (!training->choice->calibration)
        return true;
    CalibrateMoment now = {
        .fitted = training->fitted, .view = training->view, .scope = training->scope};
    CalibrateOptions options = {.raw = training->raw,
                                .rules = training->choice->rules,
                                .horizon = horizon_days(training) * US_PER_DAY,
                                .seed = training->seed,
                                .threads = training->context->settings->training_threads,
                                .cancel = training->run->cancel};
    g_autoptr(Samples) samples = samples_new(&now, &options, error);
    return samples &&
           calibration_aim(training->choice->calibration, &now, samples, &options, error);
}

static bool fit_levels(Training *training, GError **error)
{
    LevelsOptions options = {.as_of = training->scope->anchor,
                             .horizon = horizon_days(training) * US_PER_DAY,
                             .seed = training->seed,
                             .threads = training->context->settings->training_threads,
                             .cancel = training->run->cancel};
    return value_levels_fit(training->run, training->raw, &options, training->choice,
                            &training->levels, error);
}

static bool stage_fit(Training *training, GError **error)
{
    stage_enter(training, STAGE_FITTING);
    training->view = dataset_before(training->raw, INT64_MAX, error);
    if (!training->view)
        return false;
    int64_t anchor = training->view->last + 1;
    training->scope = scope_new(training->view, anchor, error);
    if (!training->scope)
        return false;
    FitContext context = {.as_of = anchor,
                          .seed = training->seed,
                          .threads = training->context->settings->training_threads,
                          .cancel = training->run->cancel,
                          .raw = training->raw,
                          .horizon = horizon_days(training) * US_PER_DAY,
                          .signals = &training->choice->signals,
                          .shared = training->shared,
                          .spare = training->spare,
                          .params = training->choice->params};
    training->fitted = training->choice->learner->fit(training->view, &context, error);
    g_clear_pointer(&training->shared, fit_shared_free);
    bool good =
        training->fitted && aim_probabilities(training, error) && fit_levels(training, error);
    stage_leave(training);
    return good;
}

static bool stage_build(Training *training, GError **error)
{
    const Job *job = training->run->job;
    stage_enter(training, STAGE_BUILDING);
    training->built_at = clock_now_us();
    training->path = register_path(training->context->reg, training->prediction->id,
                                   (uint32_t)job->version, (uint32_t)job->attempt, error);
    if (!training->path)
        return false;
    Card card = {.job = job,
                 .prediction = training->prediction,
                 .raw = training->raw,
                 .view = training->view,
                 .scope = training->scope,
                 .choice = training->choice,
                 .fitted = training->fitted,
                 .seed = training->seed,
                 .built_at = training->built_at,
                 .timings = training->timings,
                 .n_timings = STAGE_BUILDING};
    training->card = card_write(&card);
    BuildOptions options = {.prediction = training->prediction->id,
                            .version = (uint32_t)job->version,
                            .n = (uint32_t)training->prediction->n,
                            .list_length = 2 * (uint32_t)training->prediction->n,
                            .rules = training->choice->rules,
                            .calibration = training->choice->calibration,
                            .levels = training->levels,
                            .card = training->card,
                            .report = training->choice->report,
                            .built_at = training->built_at,
                            .threads = training->context->settings->training_threads,
                            .cancel = training->run->cancel,
                            .progress = stage_fraction,
                            .progress_context = training};
    if (!index_build(training->path, training->fitted, training->view, training->scope, &options,
                     error))
        return false;
    stage_leave(training);
    return true;
}

static bool stage_publish(Training *training, const Snapshot *snapshot, GError **error)
{
    stage_enter(training, STAGE_PUBLISHING);
    PublishOptions options = {.users = training->users,
                              .products = training->products,
                              .n = (uint32_t)training->prediction->n,
                              .run = training->run,
                              .progress = stage_fraction,
                              .progress_context = training};
    uint64_t rows = 0;
    if (!publish_write(training->source, snapshot, &options, &rows, error))
        return false;
    stage_leave(training);
    g_autofree char *view = output_view_name(training->source, training->prediction->id);
    job_run_log(training->run, "%" PRIu64 " rows for %s", rows, view);
    return true;
}

/* After this the version exists, whatever happens to us. */
static bool save_version(Training *training, GError **error)
{
    g_autofree char *file = g_path_get_basename(training->path);
    char grade[2] = {training->choice->grade, '\0'};
    Version version = {.prediction = training->prediction->id,
                       .version = training->run->job->version,
                       .job = training->run->job->id,
                       .learner = (char *)training->choice->learner->name,
                       .grade = grade,
                       .card = training->card,
                       .report = training->choice->report,
                       .file = file};
    return job_run_still_ours(training->run, error) &&
           versions_save(training->context->store, training->run->job, &version, error);
}

/* Old versions are of no use to the result: what cannot be removed now goes after a later one. */
static void prune(Training *training)
{
    const TrainContext *context = training->context;
    g_autofree uint32_t *kept = NULL, *removed = NULL;
    size_t n_kept = 0, n_removed = 0;
    g_autoptr(GError) failure = NULL;
    if (versions_prune(context->store, training->prediction->id, context->settings->versions_kept,
                       &kept, &n_kept, &removed, &n_removed, &failure)) {
        register_prune(context->reg, training->prediction->id, kept, n_kept);
        output_prune(training->source, training->prediction->id, kept, n_kept, &failure);
    }
    if (failure)
        log_failure("old versions are still there", failure);
}

/* The version exists: giving up would leave table and service apart, so a locked pointer is waited
 * for, also when a cancel comes now. */
static bool point_output(Training *training, GError **error)
{
    for (;;) {
        g_autoptr(GError) failure = NULL;
        if (output_point(training->source, training->prediction->id,
                         (uint32_t)training->run->job->version, &failure))
            return true;
        if (error_code(failure) != ERR_TIMEOUT) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        if (!job_run_may_finish(training->run, error))
            return false;
    }
}

/* Also what a new attempt does when the one before died after saving the version. */
static bool stage_activate(Training *training, Snapshot *takes_snapshot, GError **error)
{
    g_autoptr(Snapshot) snapshot = takes_snapshot;
    stage_enter(training, STAGE_ACTIVATING);
    if (!point_output(training, error) ||
        !register_publish(training->context->reg, g_steal_pointer(&snapshot), error))
        return false;
    prune(training);
    return true;
}

static char *result_write(const Training *training, const char *learner, const char *grade)
{
    g_autofree char *view = output_view_name(training->source, training->prediction->id);
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_key(&json, "version");
    json_int(&json, training->run->job->version);
    json_key(&json, "learner");
    json_string(&json, learner);
    json_key(&json, "grade");
    json_string(&json, grade);
    json_key(&json, "output_table");
    json_string(&json, view);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}

static Snapshot *open_checked(const char *path, const Cancel *cancel, GError **error)
{
    g_autoptr(Snapshot) snapshot = snapshot_open(path, error);
    if (!snapshot || !snapshot_verify(snapshot, cancel, error))
        return NULL;
    return g_steal_pointer(&snapshot);
}

/* The version an earlier attempt of this job saved, when its file is here; else NULL. */
static Version *saved_before(Training *training, char **path)
{
    const Job *job = training->run->job;
    if (job->attempt < 2)
        return NULL;
    g_autoptr(Version) version =
        versions_get(training->context->store, training->prediction->id, job->version, NULL);
    if (!version || g_strcmp0(version->job, job->id) != 0)
        return NULL;
    *path = register_find_file(training->context->reg, training->prediction->id,
                               (uint32_t)job->version);
    return *path ? g_steal_pointer(&version) : NULL;
}

static bool finish_saved(Training *training, const Version *version, char **result, GError **error)
{
    job_run_log(training->run, "version %d was saved by an earlier attempt: serving it",
                version->version);
    Snapshot *snapshot = open_checked(training->path, training->run->cancel, error);
    if (!snapshot || !stage_activate(training, snapshot, error))
        return false;
    *result = result_write(training, version->learner, version->grade);
    return true;
}

/* Everything up to a version that is whole but that nobody was told of. */
static Snapshot *train_until_published(Training *training, GError **error)
{
    if (!stage_read(training, error) || !stage_choose(training, error) ||
        !stage_fit(training, error) || !stage_build(training, error))
        return NULL;
    g_autoptr(Snapshot) snapshot = open_checked(training->path, training->run->cancel, error);
    if (snapshot && stage_publish(training, snapshot, error))
        return g_steal_pointer(&snapshot);
    unlink(training->path);
    return NULL;
}

static bool train_anew(Training *training, char **result, GError **error)
{
    Snapshot *snapshot = train_until_published(training, error);
    if (!snapshot)
        return false;
    if (!save_version(training, error)) {
        snapshot_unref(snapshot);
        return false;
    }
    if (!stage_activate(training, snapshot, error))
        return false;
    char grade[2] = {training->choice->grade, '\0'};
    *result = result_write(training, training->choice->learner->name, grade);
    return true;
}

bool train_run(JobRun *run, char **result, GError **error)
{
    g_auto(Training) training = {.run = run, .context = run->context};
    if (!training_configure(&training, error))
        return false;
    g_autoptr(Version) saved = saved_before(&training, &training.path);
    return saved ? finish_saved(&training, saved, result, error)
                 : train_anew(&training, result, error);
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

static bool check_complete(const Prediction *prediction, GError **error)
{
    const char *missing[4] = {NULL};
    if (prediction_is_complete(prediction, missing))
        return true;
    g_autofree char *list = g_strjoinv(", ", (char **)missing);
    error_set(error, ERR_NOT_READY, "prediction \"%s\" is a draft: %s still missing",
              prediction->id, list);
    return false;
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

Job *train_enqueue(Store *store, const char *prediction, int64_t seed, GError **error)
{
    g_autoptr(cJSON) params = cJSON_CreateObject();
    if (!add_document(store, DOCUMENT_PREDICTION, prediction, params, "prediction", error))
        return NULL;
    g_autoptr(Faults) faults = faults_new();
    g_autoptr(Prediction) spec = prediction_read(json_member(params, "prediction"), faults);
    if (!spec)
        return unreadable("the prediction", faults, error);
    if (!check_complete(spec, error))
        return NULL;
    cJSON *models = cJSON_AddObjectToObject(params, "models");
    if (!add_document(store, DOCUMENT_MODEL, spec->models.users, models, "users", error) ||
        !add_document(store, DOCUMENT_MODEL, spec->models.events, models, "events", error) ||
        !add_document(store, DOCUMENT_MODEL, spec->models.products, models, "products", error) ||
        !add_signals(store, &spec->models, models, error))
        return NULL;
    cJSON_AddNumberToObject(params, "seed", (double)(seed < 0 ? spec->seed : seed));
    g_autofree char *text = json_print(params);
    return jobs_enqueue(store, "training", prediction, text, error);
}
