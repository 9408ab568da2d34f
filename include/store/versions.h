/* Versions: what a training made. Immutable but for which one is active and how its columns are
 * mapped. Saving and activating one queues a remap when its columns are behind the products model
 * (store/remaps.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/jobs.h"
#include "store/store.h"

typedef struct Version {
    char *prediction;
    int version;
    char *job; /* UUID */
    char *learner;
    char *grade;   /* "A", "B", "C" */
    char *card;    /* JSON object */
    char *report;  /* JSON object */
    char *details; /* JSON object, the training details; NULL: of before there were any */
    char *file;    /* name of the snapshot file within the data folder's prediction folder; the one
                      thing that changes, when the columns are mapped again */
    bool active;
    int64_t created_at; /* µs */
} Version;

typedef struct Versions {
    Version **list;
    size_t n;
    bool more;
} Versions;

/* Saves the version and makes it the active one, in one transaction that also checks the job's
 * lease and attempt: ERR_CANCELLED when it was lost. Saving it again by the same job changes
 * nothing. */
bool versions_save(Store *store, const Job *job, const Version *version, GError **error);

/* Newest first. `before`: only versions below it (0: all). Card, report and details are NULL in
 * lists. */
Versions *versions_list(Store *store, const char *prediction, int before, size_t limit,
                        GError **error);
Version *versions_get(Store *store, const char *prediction, int version, GError **error);
/* ERR_NOT_READY when the prediction has none. */
Version *versions_active(Store *store, const char *prediction, GError **error);
/* ERR_NOT_FOUND. */
bool versions_activate(Store *store, const char *prediction, int version, GError **error);
/* Forgets all but the newest `keep` and the active one; the numbers kept, for g_free(), into *kept
 * and *n_kept, and those removed into *removed, *n_removed. */
bool versions_prune(Store *store, const char *prediction, unsigned keep, uint32_t **kept,
                    size_t *n_kept, uint32_t **removed, size_t *n_removed, GError **error);

/* Forgets all of a prediction that was deleted. Their numbers are not given again. */
bool versions_forget(Store *store, const char *prediction, GError **error);

/* (prediction, version) of all active versions, for followers that must catch up. */
Versions *versions_all_active(Store *store, GError **error);

void version_free(Version *version);
void versions_free(Versions *versions);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Version, version_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Versions, versions_free)
