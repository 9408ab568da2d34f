#include "index/register.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/background.h"
#include "base/error.h"
#include "base/grace.h"
#include "base/log.h"
#include "files.h"
#include "manifest.h"

/* What a prediction serves. The one before is kept until the next swap, so that its unmapping,
 * which takes milliseconds for a large file, never falls to the request that drops its last
 * reference. */
typedef struct Serving {
    Snapshot *now;
    Snapshot *retired; /* or NULL */
} Serving;

struct Register {
    char *data_dir;
    /* Prediction → Serving; never changed once it is here, but replaced. Who asks for a snapshot
     * looks under `readers` and takes no lock. */
    _Atomic(GHashTable *) table;
    Grace readers;
    /* One change at a time: guards CURRENT and its copy, held while they are written, and the
     * replacing of the table. Requests never take it. */
    pthread_mutex_t change;
    GPtrArray *manifest; /* CURRENT as last seen, NULL before it was looked at */
    atomic_uint_fast64_t swaps, damaged;
    atomic_bool verifying;
    bool has_verifier;
    pthread_t verifier;
    Cancel stop;
    GPtrArray *unverified; /* the verifier's own */
};

static void serving_clear(Serving *serving)
{
    snapshot_unref(serving->now);
    snapshot_unref(serving->retired);
}

static GHashTable *table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

/* Another of the same, whose references are those of the first. */
static GHashTable *table_copy(GHashTable *table)
{
    GHashTable *copy = table_new();
    GHashTableIter iter;
    void *key, *value;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_hash_table_insert(copy, g_strdup(key), g_memdup2(value, sizeof(Serving)));
    return copy;
}

Register *register_new(const char *data_dir, GError **error)
{
    if (!files_make_folder(data_dir, error))
        return NULL;
    Register *reg = g_new0(Register, 1);
    reg->data_dir = g_strdup(data_dir);
    pthread_mutex_init(&reg->change, NULL);
    grace_init(&reg->readers);
    atomic_init(&reg->table, table_new());
    reg->unverified = g_ptr_array_new_with_free_func((GDestroyNotify)snapshot_unref);
    cancel_init(&reg->stop);
    return reg;
}

void register_free(Register *reg)
{
    if (!reg)
        return;
    cancel_raise(&reg->stop);
    if (reg->has_verifier)
        pthread_join(reg->verifier, NULL);
    g_ptr_array_unref(reg->unverified);
    g_clear_pointer(&reg->manifest, g_ptr_array_unref);
    GHashTable *table = atomic_load(&reg->table);
    GHashTableIter iter;
    void *serving;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &serving))
        serving_clear(serving);
    g_hash_table_unref(table);
    pthread_mutex_destroy(&reg->change);
    g_free(reg->data_dir);
    g_free(reg);
}

/* Serves `takes_snapshot` from now on (NULL: nothing) and gives what nobody needs any more. Under
 * `change`. */
static Serving swap(Register *reg, const char *prediction, Snapshot *takes_snapshot)
{
    GHashTable *before = atomic_load(&reg->table), *after = table_copy(before);
    const Serving *serving = g_hash_table_lookup(before, prediction);
    Serving dropped = {0}, fresh = {.now = takes_snapshot};
    if (serving && takes_snapshot) {
        dropped.retired = serving->retired;
        fresh.retired = serving->now;
    } else if (serving) {
        dropped = *serving;
    }
    if (takes_snapshot)
        g_hash_table_replace(after, g_strdup(prediction), g_memdup2(&fresh, sizeof fresh));
    else
        g_hash_table_remove(after, prediction);
    atomic_store(&reg->table, after);
    grace_wait(&reg->readers);
    g_hash_table_unref(before);
    return dropped;
}

Snapshot *register_acquire(Register *reg, const char *prediction)
{
    unsigned entered = grace_enter(&reg->readers);
    const Serving *serving = g_hash_table_lookup(atomic_load(&reg->table), prediction);
    Snapshot *snapshot = serving ? snapshot_ref(serving->now) : NULL;
    grace_leave(&reg->readers, entered);
    return snapshot;
}

/* A snapshot's file as CURRENT names it, or NULL when it lies elsewhere. */
static const char *relative_file(const Register *reg, const Snapshot *snapshot)
{
    const char *path = snapshot_path(snapshot);
    size_t length = strlen(reg->data_dir);
    if (strncmp(path, reg->data_dir, length) != 0)
        return NULL;
    path += length;
    while (*path == '/')
        path++;
    uint32_t version;
    return files_is_of(path, snapshot_prediction(snapshot), &version) ? path : NULL;
}

static void save_current(Register *reg)
{
    g_autoptr(GError) error = NULL;
    if (!manifest_write(reg->data_dir, reg->manifest, &error))
        log_failure("the list of served versions could not be written", error);
}

/* Begins a change of CURRENT with what it says now: another process may have changed it since we
 * looked, and nothing that it names may get lost. A lost or unreadable one is made anew from what
 * we know, or else from what the folders hold. Returns the lock for end_change(). Under `change`.
 */
static int begin_change(Register *reg)
{
    int lock = manifest_lock(reg->data_dir);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) fresh = manifest_read(reg->data_dir, &error);
    if (fresh && (fresh->len > 0 || !reg->manifest)) {
        g_clear_pointer(&reg->manifest, g_ptr_array_unref);
        reg->manifest = g_steal_pointer(&fresh);
    }
    if (!error)
        return lock;
    log_failure("the list of served versions is made anew", error);
    atomic_fetch_add(&reg->damaged, 1);
    if (!reg->manifest)
        reg->manifest = manifest_rebuild(reg->data_dir);
    save_current(reg);
    return lock;
}

static void end_change(int lock)
{
    if (lock >= 0)
        close(lock);
}

/* Changes CURRENT, on the disk first: when that fails nothing has changed. Under `change`. */
static bool rename_current(Register *reg, const char *prediction, const char *file,
                           const char *previous, GError **error)
{
    ManifestEntry *old = manifest_find(reg->manifest, prediction);
    g_autofree char *old_file = old ? g_strdup(old->file) : NULL;
    g_autofree char *old_previous = old ? g_strdup(old->previous) : NULL;
    g_autofree char *new_file = g_strdup(file);
    g_autofree char *new_previous = g_strdup(previous);
    if (new_file)
        manifest_set(reg->manifest, prediction, new_file, new_previous);
    else
        manifest_remove(reg->manifest, prediction);
    if (manifest_write(reg->data_dir, reg->manifest, error))
        return true;
    if (old_file)
        manifest_set(reg->manifest, prediction, old_file, old_previous);
    else
        manifest_remove(reg->manifest, prediction);
    return false;
}

/* What CURRENT is to name as previous when `file` begins to serve. */
static char *previous_file(Register *reg, const char *prediction, const char *file)
{
    g_autoptr(Snapshot) serving = register_acquire(reg, prediction);
    const char *now = serving ? relative_file(reg, serving) : NULL;
    if (now && strcmp(now, file) != 0)
        return g_strdup(now);
    const ManifestEntry *entry = manifest_find(reg->manifest, prediction);
    return now && entry ? g_strdup(entry->previous) : NULL;
}

bool register_publish(Register *reg, Snapshot *takes_snapshot, GError **error)
{
    g_autoptr(Snapshot) snapshot = takes_snapshot;
    const char *prediction = snapshot_prediction(snapshot);
    const char *file = relative_file(reg, snapshot);
    if (!file || !files_is_safe(prediction)) {
        error_set(error, ERR_INTERNAL, "the snapshot is not a file of the data folder");
        return false;
    }
    pthread_mutex_lock(&reg->change);
    int lock = begin_change(reg);
    g_autofree char *previous = previous_file(reg, prediction, file);
    bool written = rename_current(reg, prediction, file, previous, error);
    end_change(lock);
    Serving dropped = {0};
    if (written)
        dropped = swap(reg, prediction, snapshot_ref(snapshot));
    pthread_mutex_unlock(&reg->change);
    serving_clear(&dropped);
    if (written)
        atomic_fetch_add(&reg->swaps, 1);
    return written;
}

/* Out of the way, so that nobody finds it as a version again; its mapping stays good. */
static void set_aside(const char *path)
{
    g_autofree char *aside = g_strconcat(path, ".damaged", NULL);
    if (rename(path, aside) != 0)
        log_event(LOG_WARNING, "a damaged snapshot could not be set aside", "file",
                  LOG_STRING(path), "reason", LOG_STRING(g_strerror(errno)), NULL);
}

/* Logs why a file is not served; a damaged one is counted and set aside. */
static void refuse(Register *reg, const char *path, const GError *error)
{
    log_event(LOG_ERROR, "snapshot refused", "file", LOG_STRING(path), "reason",
              LOG_STRING(error->message), NULL);
    if (!g_error_matches(error, ERROR_DOMAIN, ERR_DAMAGED))
        return;
    atomic_fetch_add(&reg->damaged, 1);
    set_aside(path);
}

/* NULL (refused) when the file is not to be served; `verify`: with its checksums. */
static Snapshot *open_file(Register *reg, const char *prediction, const char *file, bool verify)
{
    g_autofree char *path = g_build_filename(reg->data_dir, file, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Snapshot) snapshot = snapshot_open(path, &error);
    if (snapshot && strcmp(snapshot_prediction(snapshot), prediction) != 0) {
        g_clear_pointer(&snapshot, snapshot_unref);
        error_set(&error, ERR_DAMAGED, "it belongs to another prediction");
    }
    if (snapshot && verify && !snapshot_verify(snapshot, &reg->stop, &error))
        g_clear_pointer(&snapshot, snapshot_unref);
    if (!snapshot && !g_error_matches(error, ERROR_DOMAIN, ERR_CANCELLED))
        refuse(reg, path, error);
    return g_steal_pointer(&snapshot);
}

/* A serving snapshot was found damaged: its previous one serves instead, or nothing. */
static void withdraw_damaged(Register *reg, Snapshot *damaged, const GError *reason)
{
    const char *prediction = snapshot_prediction(damaged);
    refuse(reg, snapshot_path(damaged), reason);
    pthread_mutex_lock(&reg->change);
    const ManifestEntry *entry = manifest_find(reg->manifest, prediction);
    g_autofree char *previous = entry ? g_strdup(entry->previous) : NULL;
    pthread_mutex_unlock(&reg->change);
    Snapshot *healthy = previous ? open_file(reg, prediction, previous, true) : NULL;

    pthread_mutex_lock(&reg->change);
    g_autoptr(Snapshot) serving = register_acquire(reg, prediction);
    Serving dropped = {0};
    if (serving == damaged) {
        int lock = begin_change(reg);
        manifest_remove(reg->manifest, prediction);
        if (healthy)
            manifest_set(reg->manifest, prediction, previous, NULL);
        save_current(reg);
        end_change(lock);
        dropped = swap(reg, prediction, g_steal_pointer(&healthy));
    }
    pthread_mutex_unlock(&reg->change);
    snapshot_unref(healthy);
    serving_clear(&dropped);
}

static void *verify_all(void *context)
{
    Register *reg = context;
    background_enter();
    for (guint i = 0; i < reg->unverified->len && !cancel_is_raised(&reg->stop); i++) {
        Snapshot *snapshot = reg->unverified->pdata[i];
        g_autoptr(GError) error = NULL;
        if (!snapshot_verify(snapshot, &reg->stop, &error) &&
            !g_error_matches(error, ERROR_DOMAIN, ERR_CANCELLED))
            withdraw_damaged(reg, snapshot, error);
    }
    g_ptr_array_set_size(reg->unverified, 0);
    atomic_store(&reg->verifying, false);
    return NULL;
}

static void start_verifier(Register *reg)
{
    atomic_store(&reg->verifying, true);
    reg->has_verifier = pthread_create(&reg->verifier, NULL, verify_all, reg) == 0;
    if (!reg->has_verifier) {
        atomic_store(&reg->verifying, false);
        log_event(LOG_ERROR, "snapshots are served unverified: no thread to verify them", NULL);
    }
}

/* Opens what an entry names, else its previous one; NULL when neither opens. */
static Snapshot *restore_entry(Register *reg, const ManifestEntry *entry, const char **served)
{
    *served = entry->file;
    Snapshot *snapshot = open_file(reg, entry->prediction, entry->file, false);
    if (snapshot || !entry->previous)
        return snapshot;
    *served = entry->previous;
    return open_file(reg, entry->prediction, entry->previous, false);
}

static void restore_all(Register *reg, const GPtrArray *named)
{
    for (guint i = 0; i < named->len; i++) {
        const ManifestEntry *entry = named->pdata[i];
        const char *served;
        Snapshot *snapshot = restore_entry(reg, entry, &served);
        manifest_set(reg->manifest, entry->prediction, snapshot ? served : entry->file,
                     served == entry->file ? entry->previous : NULL);
        if (!snapshot)
            continue;
        g_ptr_array_add(reg->unverified, snapshot_ref(snapshot));
        Serving dropped = swap(reg, entry->prediction, snapshot);
        serving_clear(&dropped);
    }
}

size_t register_restore(Register *reg)
{
    files_remove_parts(reg->data_dir);
    pthread_mutex_lock(&reg->change);
    int lock = begin_change(reg);
    g_autoptr(GPtrArray) named = g_steal_pointer(&reg->manifest);
    reg->manifest = manifest_new();
    restore_all(reg, named);
    end_change(lock);
    pthread_mutex_unlock(&reg->change);
    size_t serving = reg->unverified->len;
    if (serving > 0)
        start_verifier(reg);
    return serving;
}

char *register_path(const Register *reg, const char *prediction, uint32_t version, uint32_t attempt,
                    GError **error)
{
    if (!files_is_safe(prediction)) {
        error_set(error, ERR_INVALID, "a prediction's id must be a slug");
        return NULL;
    }
    g_autofree char *folder = g_build_filename(reg->data_dir, prediction, NULL);
    if (!files_make_folder(folder, error))
        return NULL;
    return g_strdup_printf("%s/v%u-%u.snapshot", folder, version, attempt);
}

static void remove_file(const Register *reg, const char *prediction, const char *name)
{
    g_autofree char *path = g_build_filename(reg->data_dir, prediction, name, NULL);
    if (unlink(path) != 0 && errno != ENOENT)
        log_event(LOG_WARNING, "an old snapshot could not be removed", "file", LOG_STRING(path),
                  "reason", LOG_STRING(g_strerror(errno)), NULL);
}

void register_withdraw(Register *reg, const char *prediction)
{
    if (!files_is_safe(prediction))
        return;
    pthread_mutex_lock(&reg->change);
    int lock = begin_change(reg);
    manifest_remove(reg->manifest, prediction);
    save_current(reg);
    end_change(lock);
    Serving dropped = swap(reg, prediction, NULL);
    pthread_mutex_unlock(&reg->change);
    serving_clear(&dropped);
    g_autoptr(GArray) files = files_list(reg->data_dir, prediction);
    for (guint i = 0; i < files->len; i++)
        remove_file(reg, prediction, g_array_index(files, VersionFile, i).name);
    g_autofree char *folder = g_build_filename(reg->data_dir, prediction, NULL);
    rmdir(folder);
}

static bool is_kept(uint32_t version, const uint32_t *keep, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (keep[i] == version)
            return true;
    }
    return false;
}

/* The newest version that is known: kept, serving or previous. Under `change`. */
static uint32_t newest_version(const Register *reg, const char *prediction, const uint32_t *keep,
                               size_t n)
{
    const ManifestEntry *entry = manifest_find(reg->manifest, prediction);
    uint32_t newest = 0, version;
    if (entry && files_is_of(entry->file, prediction, &version))
        newest = version;
    if (entry && entry->previous && files_is_of(entry->previous, prediction, &version))
        newest = MAX(newest, version);
    for (size_t i = 0; i < n; i++)
        newest = MAX(newest, keep[i]);
    return newest;
}

static uint32_t last_attempt(const GArray *files, uint32_t version)
{
    uint32_t last = 0;
    for (guint i = 0; i < files->len; i++) {
        const VersionFile *file = &g_array_index(files, VersionFile, i);
        if (file->version == version && file->kind == FILE_SNAPSHOT)
            last = MAX(last, file->attempt);
    }
    return last;
}

/* Whether CURRENT names it. Under `change`. */
static bool is_named(const Register *reg, const char *prediction, const char *name)
{
    const ManifestEntry *entry = manifest_find(reg->manifest, prediction);
    g_autofree char *file = g_strdup_printf("%s/%s", prediction, name);
    return entry && (strcmp(entry->file, file) == 0 || g_strcmp0(entry->previous, file) == 0);
}

void register_prune(Register *reg, const char *prediction, const uint32_t *keep, size_t n)
{
    if (!files_is_safe(prediction))
        return;
    g_autoptr(GArray) files = files_list(reg->data_dir, prediction);
    pthread_mutex_lock(&reg->change);
    int lock = begin_change(reg);
    uint32_t newest = newest_version(reg, prediction, keep, n);
    for (guint i = 0; i < files->len; i++) {
        const VersionFile *file = &g_array_index(files, VersionFile, i);
        bool stays = file->kind == FILE_SNAPSHOT && is_kept(file->version, keep, n) &&
                     file->attempt == last_attempt(files, file->version);
        /* What is newer than everything known is being made right now. */
        if (!stays && file->version <= newest && !is_named(reg, prediction, file->name))
            remove_file(reg, prediction, file->name);
    }
    end_change(lock);
    pthread_mutex_unlock(&reg->change);
}

char *register_find_file(const Register *reg, const char *prediction, uint32_t version)
{
    if (!files_is_safe(prediction))
        return NULL;
    g_autoptr(GArray) files = files_list(reg->data_dir, prediction);
    uint32_t attempt = last_attempt(files, version);
    for (guint i = 0; i < files->len; i++) {
        const VersionFile *file = &g_array_index(files, VersionFile, i);
        if (file->kind == FILE_SNAPSHOT && file->version == version && file->attempt == attempt)
            return g_build_filename(reg->data_dir, prediction, file->name, NULL);
    }
    return NULL;
}

RegisterStatus register_status(Register *reg)
{
    RegisterStatus status = {.swaps = atomic_load(&reg->swaps),
                             .damaged = atomic_load(&reg->damaged),
                             .verifying = atomic_load(&reg->verifying)};
    unsigned entered = grace_enter(&reg->readers);
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, atomic_load(&reg->table));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        status.serving++;
        status.bytes += snapshot_bytes(((Serving *)value)->now);
    }
    grace_leave(&reg->readers, entered);
    return status;
}
