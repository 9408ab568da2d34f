/* A version as it serves: a mapped file, immutable, shared by reference count. Everything here is
 * thread-safe, and safe whatever a damaged file holds: every index is checked where it is used. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "data/attributes.h"
#include "data/ids.h"
#include "data/split.h"

typedef struct Snapshot Snapshot;

/* Opens without reading the bulk of the file (sections_open). ERR_DAMAGED, ERR_NOT_FOUND. */
Snapshot *snapshot_open(const char *path, GError **error);

/* Checks every checksum, and that what audiences are ranked by fits together. ERR_DAMAGED,
 * ERR_CANCELLED, ERR_NO_MEMORY. */
bool snapshot_verify(const Snapshot *snapshot, const Cancel *cancel, GError **error);

Snapshot *snapshot_ref(Snapshot *snapshot);
void snapshot_unref(Snapshot *snapshot);

const char *snapshot_prediction(const Snapshot *snapshot);
uint32_t snapshot_version(const Snapshot *snapshot);
const char *snapshot_path(const Snapshot *snapshot);
const char *snapshot_card(const Snapshot *snapshot, size_t *length);   /* JSON, not terminated */
const char *snapshot_report(const Snapshot *snapshot, size_t *length); /* JSON, not terminated */
int64_t snapshot_built_at(const Snapshot *snapshot);
uint64_t snapshot_bytes(const Snapshot *snapshot);

/* Which mapping of its columns the version has: 0 as trained, growing with each one after that. */
uint32_t snapshot_revision(const Snapshot *snapshot);
uint32_t snapshot_predictable_users(const Snapshot *snapshot);

/* Items in an answer when the caller does not say how many: 1 to RECOMMEND_MAX. */
uint32_t snapshot_default_n(const Snapshot *snapshot);

const Ids *snapshot_users(const Snapshot *snapshot);
const Ids *snapshot_items(const Snapshot *snapshot);
const Attributes *snapshot_item_attributes(const Snapshot *snapshot);

/* Asks memory for what a user's list begins with, without waiting for it. */
void snapshot_prefetch_user(const Snapshot *snapshot, const char *user, size_t length);

/* USER_… of a user number. */
UserScope snapshot_user_scope(const Snapshot *snapshot, uint32_t user);

/* Distinct items the user has bought, newest first; borrowed. */
const uint32_t *snapshot_history(const Snapshot *snapshot, uint32_t user, uint32_t *n);

/* Whether the item is predictable (bought in the last year). */
bool snapshot_item_predictable(const Snapshot *snapshot, uint32_t item);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Snapshot, snapshot_unref)
