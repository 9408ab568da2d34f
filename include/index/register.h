/* Which snapshot serves each prediction. Readers take a reference and no lock; publishing replaces
 * the table and drops what it held when they have left. The register's manifest, CURRENT in the
 * data folder, is what a restart serves from, without PostgreSQL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "index/snapshot.h"

typedef struct Register Register;

/* `data_dir` is made when it is not there. ERR_NO_SPACE, ERR_INTERNAL. */
Register *register_new(const char *data_dir, GError **error);
void register_free(Register *reg);

/* Serves what CURRENT names; when CURRENT cannot be read, it is made anew from the newest file of
 * each prediction. What a process that ended left half written is removed. A file that cannot be
 * opened is logged and its previous one (also in CURRENT) is served. The checksums of what serves
 * are verified afterwards on a thread of the register; a damaged snapshot is withdrawn for its
 * previous one. Returns how many serve. */
size_t register_restore(Register *reg);

/* The path for a version's new file: DATA_DIR/<prediction>/v<version>-<attempt>.snapshot, its
 * folder made; `attempt` is the training's, or the revision of columns that were mapped again,
 * which is above it. For g_free(). */
char *register_path(const Register *reg, const char *prediction, uint32_t version, uint32_t attempt,
                    GError **error);

/* Takes the reference: serves `snapshot` for its prediction from now on and writes CURRENT (the one
 * before stays named as previous); what other processes wrote there meanwhile stays. */
bool register_publish(Register *reg, Snapshot *takes_snapshot, GError **error);

/* A reference for snapshot_unref(), or NULL when the prediction has no version. */
Snapshot *register_acquire(Register *reg, const char *prediction);

/* Stops serving a prediction (it was deleted) and removes its files. */
void register_withdraw(Register *reg, const char *prediction);

/* Removes files of the prediction whose version is not in keep[0 … n-1] nor serving or previous,
 * and those of earlier attempts at a kept one. What is newer than all of these is being made and
 * stays. */
void register_prune(Register *reg, const char *prediction, const uint32_t *keep, size_t n);

/* The newest file of a stored version, NULL when it is gone. For g_free(). */
char *register_find_file(const Register *reg, const char *prediction, uint32_t version);

typedef struct RegisterStatus {
    size_t serving;   /* predictions */
    uint64_t bytes;   /* mapped */
    uint64_t swaps;   /* since the start */
    uint64_t damaged; /* files refused since the start */
    bool verifying;   /* checksums are still being looked at */
} RegisterStatus;

RegisterStatus register_status(Register *reg);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Register, register_free)
