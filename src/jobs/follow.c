#include "jobs/follow.h"

#include "base/error.h"
#include "base/log.h"
#include "store/output.h"
#include "store/versions.h"

static bool serves(Register *reg, const char *prediction, int version)
{
    g_autoptr(Snapshot) snapshot = register_acquire(reg, prediction);
    return snapshot && snapshot_version(snapshot) == (uint32_t)version;
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
        if (!path || serves(reg, version->prediction, version->version))
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
