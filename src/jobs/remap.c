#include "jobs/remap.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "index/builder.h"
#include "index/snapshot.h"
#include "jobs/train.h"
#include "spec/model.h"
#include "store/reader.h"
#include "store/remaps.h"
#include "store/versions.h"

/* How often another version may become active under the job. */
#define TRIES_MAX 5

/* Where the stages begin on the job's scale of 0 to 100. */
#define AT_READING    1
#define AT_BUILDING   60
#define AT_ACTIVATING 95

/* What one try has in hand. */
typedef struct Mapping {
    JobRun *run;
    const TrainContext *context;
    RemapTask *task;
    Model *model;
    const SourceSettings *source;
    Snapshot *before, *after;
    ReadColumns read;
    int64_t read_at;
    char *path; /* of the new file */
} Mapping;

static void mapping_clear(Mapping *mapping)
{
    remap_task_free(mapping->task);
    model_free(mapping->model);
    snapshot_unref(mapping->before);
    snapshot_unref(mapping->after);
    read_columns_clear(&mapping->read);
    g_free(mapping->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Mapping, mapping_clear)

static Model *read_model(const RemapTask *task, GError **error)
{
    g_autoptr(cJSON) body = json_parse(task->mapping, strlen(task->mapping), error);
    if (!body)
        return NULL;
    g_autoptr(Faults) faults = faults_new();
    Model *model = model_read(body, faults);
    if (!model)
        error_set(error, ERR_INVALID, "model \"%s\" can no longer be read: %s", task->model,
                  faults->n ? faults->list[0].detail : "not an object");
    return model;
}

/* The version as it serves, or else from its file. */
static Snapshot *open_version(const Mapping *mapping, GError **error)
{
    Register *reg = mapping->context->reg;
    const char *prediction = mapping->run->job->prediction;
    g_autoptr(Snapshot) serving = register_acquire(reg, prediction);
    if (serving && snapshot_version(serving) == mapping->task->version)
        return g_steal_pointer(&serving);
    g_autofree char *path = register_find_file(reg, prediction, mapping->task->version);
    if (path)
        return snapshot_open(path, error);
    error_set(error, ERR_NOT_FOUND,
              "the file of version %u of prediction \"%s\" is not in this daemon's data folder",
              mapping->task->version, prediction);
    return NULL;
}

static bool prepare(Mapping *mapping, GError **error)
{
    const TrainContext *context = mapping->context;
    mapping->task = remaps_begin(context->store, mapping->run->job, error);
    mapping->model = mapping->task ? read_model(mapping->task, error) : NULL;
    if (!mapping->model)
        return false;
    mapping->source = settings_find_source(context->settings, mapping->model->source);
    if (!mapping->source) {
        error_set(error, ERR_INVALID, "source \"%s\" is no longer in the configuration",
                  mapping->model->source);
        return false;
    }
    mapping->before = open_version(mapping, error);
    return mapping->before != NULL;
}

static void reading_progress(void *context, double fraction, uint64_t rows)
{
    job_run_progress(context, "reading", AT_READING + (AT_BUILDING - AT_READING) * fraction);
}

/* Nobody means to lose every column at once: the table is empty, or its key is another one. */
static bool check_found(const Mapping *mapping, GError **error)
{
    if (mapping->read.found > 0 || ids_count(snapshot_items(mapping->before)) == 0)
        return true;
    error_set(error, ERR_INVALID,
              "none of the %" PRIu64 " products of model \"%s\" is a product of version %u: its "
              "columns stay as they were",
              mapping->read.unknown, mapping->model->id, mapping->task->version);
    return false;
}

static bool read_columns(Mapping *mapping, GError **error)
{
    const Ids *items = snapshot_items(mapping->before);
    mapping->read_at = clock_now_us();
    ReaderOptions options = {.now = mapping->read_at,
                             .cancel = mapping->run->cancel,
                             .progress = reading_progress,
                             .progress_context = mapping->run};
    job_run_progress(mapping->run, "reading", AT_READING);
    if (!reader_load_columns(mapping->source, mapping->model, items, &options, &mapping->read,
                             error) ||
        !check_found(mapping, error))
        return false;
    const ReadColumns *found = &mapping->read;
    job_run_log(mapping->run,
                "read %zu columns of %u of the %u products of version %u; %" PRIu64
                " other products are not in it",
                found->attributes->n_columns, found->found, ids_count(items),
                mapping->task->version, found->unknown);
    return true;
}

static Snapshot *open_checked(const char *path, const Cancel *cancel, GError **error)
{
    g_autoptr(Snapshot) snapshot = snapshot_open(path, error);
    if (!snapshot || !snapshot_verify(snapshot, cancel, error))
        return NULL;
    return g_steal_pointer(&snapshot);
}

static bool build(Mapping *mapping, GError **error)
{
    const RemapTask *task = mapping->task;
    const Cancel *cancel = mapping->run->cancel;
    job_run_progress(mapping->run, "building", AT_BUILDING);
    mapping->path = register_path(mapping->context->reg, mapping->run->job->prediction,
                                  task->version, task->revision, error);
    RemapOptions options = {
        .revision = task->revision, .mapped_at = mapping->read_at, .cancel = cancel};
    if (!mapping->path ||
        !index_remap(mapping->path, mapping->before, mapping->read.attributes, &options, error))
        return false;
    mapping->after = open_checked(mapping->path, cancel, error);
    if (!mapping->after)
        unlink(mapping->path);
    return mapping->after != NULL;
}

/* After this the version has the new columns, whatever happens to us. */
static bool save(const Mapping *mapping, GError **error)
{
    g_autofree char *file = g_path_get_basename(mapping->path);
    job_run_progress(mapping->run, "activating", AT_ACTIVATING);
    return job_run_still_ours(mapping->run, error) &&
           remaps_save(mapping->context->store, mapping->run->job, mapping->task, file, error);
}

/* Files of mappings before this one go now, or when a later job ends. */
static void prune(const Mapping *mapping)
{
    const char *prediction = mapping->run->job->prediction;
    g_autoptr(GError) failure = NULL;
    g_autoptr(Versions) versions =
        versions_list(mapping->context->store, prediction, 0, INT32_MAX, &failure);
    if (!versions) {
        log_failure("files of earlier mappings are still there", failure);
        return;
    }
    g_autofree uint32_t *kept = g_new(uint32_t, versions->n + 1);
    for (size_t i = 0; i < versions->n; i++)
        kept[i] = (uint32_t)versions->list[i]->version;
    register_prune(mapping->context->reg, prediction, kept, versions->n);
}

/* The names of columns that `of` has and `other` has not. */
static void write_difference(JsonWriter *json, const char *name, const Snapshot *of,
                             const Snapshot *other)
{
    const Attributes *mine = snapshot_item_attributes(of);
    const Attributes *others = snapshot_item_attributes(other);
    json_key(json, name);
    json_begin_array(json);
    for (size_t i = 0; i < mine->n_columns; i++)
        if (!attributes_find(others, mine->columns[i].name))
            json_string(json, mine->columns[i].name);
    json_end_array(json);
}

static char *result_write(const Mapping *mapping)
{
    uint32_t n_items = ids_count(snapshot_items(mapping->after));
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_key(&json, "version");
    json_uint(&json, mapping->task->version);
    json_key(&json, "columns");
    json_uint(&json, mapping->read.attributes->n_columns);
    write_difference(&json, "added", mapping->after, mapping->before);
    write_difference(&json, "removed", mapping->before, mapping->after);
    json_key(&json, "products");
    json_uint(&json, mapping->read.found);
    json_key(&json, "vanished_products");
    json_uint(&json, n_items - mapping->read.found);
    json_key(&json, "new_products");
    json_uint(&json, mapping->read.unknown);
    json_key(&json, "left_out_rows");
    json_uint(&json, mapping->read.left_out);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}

/* Of a file that was surely not saved. Where PostgreSQL went away before it said so, the file may
 * be the version's, and stays. */
static void discard(const Mapping *mapping, const GError *failure)
{
    ErrorCode code = error_code(failure);
    if (code == ERR_CONFLICT || code == ERR_CANCELLED)
        unlink(mapping->path);
}

/* One try. ERR_CONFLICT, with nothing published: another version became active. */
static bool map_active(JobRun *run, char **result, GError **error)
{
    g_auto(Mapping) mapping = {.run = run, .context = run->context};
    if (!prepare(&mapping, error) || !read_columns(&mapping, error) || !build(&mapping, error))
        return false;
    GError *failure = NULL;
    if (!save(&mapping, &failure)) {
        discard(&mapping, failure);
        g_propagate_error(error, failure);
        return false;
    }
    if (!register_publish(mapping.context->reg, snapshot_ref(mapping.after), error))
        return false;
    prune(&mapping);
    *result = result_write(&mapping);
    return true;
}

bool remap_run(JobRun *run, char **result, GError **error)
{
    for (int tries = 1;; tries++) {
        g_autoptr(GError) failure = NULL;
        if (map_active(run, result, &failure))
            return true;
        if (error_code(failure) != ERR_CONFLICT || tries == TRIES_MAX) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        job_run_log(run, "%s: beginning again", failure->message);
    }
}
