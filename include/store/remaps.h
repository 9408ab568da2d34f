/* Jobs of kind "remap": they map the columns of a prediction's active version again, by the
 * products model as it is now. One is queued in the transaction of each change that leaves an
 * active version behind its model: the model is changed, a training that began before is saved, an
 * older version is activated, a remap that read the model before is saved. A job that nobody took
 * yet is enough. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/documents.h"
#include "store/jobs.h"
#include "store/store.h"

#define REMAP_KIND "remap"

/* A job that was queued. */
typedef struct Remap {
    char *job; /* UUID */
    char *prediction;
} Remap;

typedef struct Remaps {
    Remap *list; /* by prediction */
    size_t n;
} Remaps;

/* documents_replace() of a model, and the jobs that this makes necessary into *remaps. */
Document *remaps_replace_model(Store *store, const char *id, int64_t revision, const char *body,
                               Remaps **remaps, GError **error);

/* Queues one though nothing is behind, or gives the one that waits. ERR_NOT_READY when the
 * prediction has no version. */
Job *remaps_request(Store *store, const char *prediction, GError **error);

/* What a job has to do. */
typedef struct RemapTask {
    uint32_t version;  /* the active one */
    uint32_t revision; /* for its file: no other attempt has this number */
    char *model;       /* id of the products model that the version was made from */
    char *mapping;     /* that model as it is now, a JSON object */
} RemapTask;

/* ERR_NOT_READY when there is no active version or its model is gone; ERR_CANCELLED when the lease
 * was lost. For remap_task_free(). */
RemapTask *remaps_begin(Store *store, const Job *job, GError **error);

/* The active version has this file now. ERR_CONFLICT, and nothing is changed, when another version
 * became active; ERR_CANCELLED when the lease was lost. */
bool remaps_save(Store *store, const Job *job, const RemapTask *task, const char *file,
                 GError **error);

void remaps_free(Remaps *remaps);
void remap_task_free(RemapTask *task);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Remaps, remaps_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemapTask, remap_task_free)
