#include "jobs/train.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "data/split.h"
#include "details.h"
#include "index/builder.h"
#include "index/snapshot.h"
#include "publish.h"
#include "store/output.h"
#include "store/versions.h"
#include "training.h"
#include "value_levels.h"

typedef enum StageNumber {
    STAGE_READING = TRAINING_READING,
    STAGE_CHOOSING = TRAINING_CHOOSING,
    STAGE_FITTING,
    STAGE_BUILDING,
    STAGE_PUBLISHING,
    STAGE_ACTIVATING,
    STAGES
} StageNumber;

static const TrainingStage STAGE_SCALE[STAGES] = {
    // clang-format off
    {"reading",     1, 25},
    {"choosing",   25, 65},
    {"fitting",    65, 75},
    {"building",   75, 85},
    {"publishing", 85, 97},
    {"activating", 97, 100},
    // clang-format on
};

/* The calibration of the choice, at the level of what is expected from now on. */
static bool aim_probabilities(Training *training, GError **error)
{
    if (!training->choice->calibration)
        return true;
    CalibrateMoment now = {
        .fitted = training->fitted, .view = training->view, .scope = training->scope};
    CalibrateOptions options = {.raw = training->raw,
                                .rules = training->choice->rules,
                                .horizon = training_horizon_days(training) * US_PER_DAY,
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
                             .horizon = training_horizon_days(training) * US_PER_DAY,
                             .seed = training->seed,
                             .threads = training->context->settings->training_threads,
                             .cancel = training->run->cancel};
    return value_levels_fit(training->run, training->raw, &options, &training->choice->report,
                            &training->levels, error);
}

static bool find_details(Training *training, GError **error)
{
    training->details =
        details_write(training->view, training->fitted,
                      training->context->settings->training_threads, training->run->cancel, error);
    return training->details != NULL;
}

static bool stage_fit(Training *training, GError **error)
{
    training_enter(training, STAGE_FITTING);
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
                          .horizon = training_horizon_days(training) * US_PER_DAY,
                          .signals = &training->choice->signals,
                          .shared = training->shared,
                          .spare = training->spare,
                          .params = training->choice->params};
    training->fitted = training->choice->learner->fit(training->view, &context, error);
    g_clear_pointer(&training->shared, fit_shared_free);
    bool good = training->fitted && aim_probabilities(training, error) &&
                fit_levels(training, error) && find_details(training, error);
    training_leave(training);
    return good;
}

static char *tell_facts(const Training *training)
{
    CardFacts facts = {.job = training->run->job,
                       .prediction = training->prediction,
                       .raw = training->raw,
                       .view = training->view,
                       .scope = training->scope,
                       .choice = training->choice,
                       .fitted = training->fitted,
                       .seed = training->seed,
                       .built_at = training->built_at};
    return card_facts(&facts);
}

/* As of now: `n_timings` stages are over. What was estimated is told once the training is. */
static void write_card(Training *training, size_t n_timings, bool is_over)
{
    peak_look(&training->peak);
    CardCourse course = {.timings = training->timings,
                         .n_timings = n_timings,
                         .peak = &training->peak,
                         .estimate = is_over ? &training->estimate : NULL,
                         .seconds = (double)(clock_ticks_ns() - training->began) / 1e9};
    g_free(training->card);
    training->card = card_write(training->facts, &course);
}

static bool stage_build(Training *training, GError **error)
{
    const Job *job = training->run->job;
    training_enter(training, STAGE_BUILDING);
    training->built_at = clock_now_us();
    training->path = register_path(training->context->reg, training->prediction->id,
                                   (uint32_t)job->version, (uint32_t)job->attempt, error);
    if (!training->path)
        return false;
    training->facts = tell_facts(training);
    write_card(training, STAGE_BUILDING, false);
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
                            .progress = training_fraction,
                            .progress_context = training};
    if (!index_build(training->path, training->fitted, training->view, training->scope, &options,
                     error))
        return false;
    training_forget_data(training);
    training_leave(training);
    return true;
}

static bool stage_publish(Training *training, const Snapshot *snapshot, GError **error)
{
    training_enter(training, STAGE_PUBLISHING);
    PublishOptions options = {.users = training->users,
                              .products = training->products,
                              .n = (uint32_t)training->prediction->n,
                              .run = training->run,
                              .progress = training_fraction,
                              .progress_context = training};
    uint64_t rows = 0;
    if (!publish_write(training->source, snapshot, &options, &rows, error))
        return false;
    training_leave(training);
    g_autofree char *view = output_view_name(training->source, training->prediction->id);
    job_run_log(training->run, "%" PRIu64 " rows for %s", rows, view);
    return true;
}

/* After this the version exists, whatever happens to us. */
static bool save_version(Training *training, GError **error)
{
    g_autofree char *file = g_path_get_basename(training->path);
    char grade[2] = {training->choice->grade, '\0'};
    write_card(training, STAGE_ACTIVATING, true);
    Version version = {.prediction = training->prediction->id,
                       .version = training->run->job->version,
                       .job = training->run->job->id,
                       .learner = (char *)training->choice->learner->name,
                       .grade = grade,
                       .card = training->card,
                       .report = training->choice->report,
                       .details = training->details,
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
    training_enter(training, STAGE_ACTIVATING);
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

static bool read_rows(Training *training, GError **error)
{
    if (!training_read(training, NULL, error))
        return false;
    if (dataset_align_visits(training->raw))
        job_run_log(training->run, "the times only number each user's visits: a day stands for a "
                                   "visit, and what is predicted is the next one");
    return true;
}

/* Everything up to a version that is whole but that nobody was told of. */
static Snapshot *train_until_published(Training *training, GError **error)
{
    if (!read_rows(training, error) || !training_choose(training, training->raw, error) ||
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
    g_auto(Training) training;
    training_init(&training, run, STAGE_SCALE);
    g_autoptr(cJSON) params = training_job_params(run, error);
    if (!params || !training_configure(&training, params, error))
        return false;
    g_autoptr(Version) saved = saved_before(&training, &training.path);
    return saved ? finish_saved(&training, saved, result, error)
                 : train_anew(&training, result, error);
}

Job *train_enqueue(Store *store, const char *prediction, int64_t seed, GError **error)
{
    g_autoptr(cJSON) params = training_params(store, prediction, seed, error);
    if (!params)
        return NULL;
    g_autofree char *text = json_print(params);
    return jobs_enqueue(store, "training", prediction, text, error);
}
