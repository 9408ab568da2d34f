#include "served.h"

#include "base/error.h"
#include "resource.h"
#include "store/versions.h"

void served_hint(const char *prediction, Response *response)
{
    g_autofree char *hint =
        g_strdup_printf("train it: POST /v1/predictions/%s/trainings", prediction);
    response_hint(response, hint);
}

Snapshot *served_inline(Api *api, Request *request, Response *response)
{
    const char *prediction = request_param(request, "prediction", NULL);
    Snapshot *snapshot = register_acquire(api->reg, prediction);
    if (snapshot)
        return snapshot;
    response_fail(response, ERR_NOT_READY,
                  "no version serves prediction \"%s\": it is unknown, or not trained yet",
                  prediction);
    served_hint(prediction, response);
    return NULL;
}

Snapshot *served_find(Api *api, const char *prediction, GError **error)
{
    Snapshot *snapshot = register_acquire(api->reg, prediction);
    if (snapshot)
        return snapshot;
    g_autoptr(Document) document =
        documents_get(api->store, DOCUMENT_PREDICTION, prediction, error);
    if (document)
        error_set(error, ERR_NOT_READY, "prediction \"%s\" has no version yet", prediction);
    return NULL;
}

void served_fail(Api *api, const char *prediction, GError *takes_error, Response *response)
{
    bool not_ready = error_code(takes_error) == ERR_NOT_READY;
    resource_fail(&PREDICTIONS, api, prediction, takes_error, response);
    if (not_ready)
        served_hint(prediction, response);
}

uint32_t served_stamp(const Snapshot *snapshot)
{
    return snapshot_version(snapshot) ^ snapshot_revision(snapshot) * 2654435761U;
}

bool served_version(Api *api, const char *prediction, uint32_t *version, GError **error)
{
    *version = 0;
    g_autoptr(Snapshot) snapshot = register_acquire(api->reg, prediction);
    if (snapshot) {
        *version = snapshot_version(snapshot);
        return true;
    }
    g_autoptr(GError) failure = NULL;
    g_autoptr(Version) active = versions_active(api->store, prediction, &failure);
    if (active)
        *version = (uint32_t)active->version;
    if (active || error_code(failure) == ERR_NOT_READY)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}
