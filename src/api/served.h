/* The snapshot that serves a prediction, and the answers when there is none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "http/request.h"
#include "http/response.h"
#include "index/snapshot.h"

/* From memory alone; NULL when 409 was answered: nobody asks PostgreSQL on an HTTP thread, so
 * unknown and not yet trained are one answer. For snapshot_unref(). */
Snapshot *served_inline(Api *api, Request *request, Response *response);

/* NULL with ERR_NOT_FOUND, ERR_NOT_READY or ERR_UNAVAILABLE: asks the store why nothing serves. */
Snapshot *served_find(Api *api, const char *prediction, GError **error);

/* Answers such an error, with what to do about it as a hint. */
void served_fail(Api *api, const char *prediction, GError *takes_error, Response *response);

/* The hint of such an answer: how to train. */
void served_hint(const char *prediction, Response *response);

/* A number that changes with everything the snapshot answers: its version, and the mapping of its
 * columns. */
uint32_t served_stamp(const Snapshot *snapshot);

/* The version that serves or, when this process serves none, the active one in the store; 0: none.
 */
bool served_version(Api *api, const char *prediction, uint32_t *version, GError **error);
