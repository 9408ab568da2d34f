#include "jobs/follow.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "store/output.h"
#include "store/versions.h"

static bool is_named(const char *path, const char *file)
{
    g_autofree char *name = g_path_get_basename(path);
    return strcmp(name, file) == 0;
}

/* Whether nothing newer is to be had here: `newest` is the newest file of the version. A file that
 * is newer than the stored one is being published right now, or was since we asked. */
static bool serves(Register *reg, const Version *version, const char *newest)
{
    g_autoptr(Snapshot) snapshot = register_acquire(reg, version->prediction);
    return snapshot && snapshot_version(snapshot) == (uint32_t)version->version &&
           (is_named(snapshot_path(snapshot), version->file) || !is_named(newest, version->file));
}

/* Opens the file of a version wholly checked. */
static Snapshot *open_version(Register *reg, const char *prediction, int version, GError **error)
{
    g_autofree char *path = register_find_file(reg, prediction, (uint32_t)version);
    if (!path) {
        error_set(error, ERR_CONFLICT, "the file of version %d of prediction \"%s\" is gone",
                  version, prediction);
        return NULL;
    }
    g_autoptr(Snapshot) snapshot = snapshot_open(path, error);
    if (!snapshot || !snapshot_verify(snapshot, NULL, error))
        return NULL;
    return g_steal_pointer(&snapshot);
}

static bool serve_version(Register *reg, const char *prediction, int version, GError **error)
{
    g_autoptr(Snapshot) snapshot = open_version(reg, prediction, version, error);
    return snapshot && register_publish(reg, g_steal_pointer(&snapshot), error);
}

bool follow_active_versions(Store *store, Register *reg, GError **error)
{
    g_autoptr(Versions) active = versions_all_active(store, error);
    if (!active)
        return false;
    for (size_t i = 0; i < active->n; i++) {
        const Version *version = active->list[i];
        g_autofree char *path =
            register_find_file(reg, version->prediction, (uint32_t)version->version);
        g_autoptr(GError) failure = NULL;
        if (!path || serves(reg, version, path))
            continue;
        if (!serve_version(reg, version->prediction, version->version, &failure))
            log_failure("an active version cannot be served", failure);
    }
    return true;
}

bool follow_activate(Store *store, Register *reg, const SourceSettings *source,
                     const char *prediction, int version, GError **error)
{
    g_autoptr(Version) stored = versions_get(store, prediction, version, error);
    if (!stored)
        return false;
    g_autoptr(Snapshot) snapshot = open_version(reg, prediction, version, error);
    return snapshot && output_point(source, prediction, (uint32_t)version, error) &&
           versions_activate(store, prediction, version, error) &&
           register_publish(reg, g_steal_pointer(&snapshot), error);
}
