/* What models, predictions and audiences have in common: a JSON document with a revision that is
 * created, listed, read, changed by merge patch and forgotten. One Resource is one kind of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "base/faults.h"
#include "base/json.h"
#include "http/request.h"
#include "http/response.h"
#include "store/documents.h"
#include "store/remaps.h"

typedef struct Resource {
    DocumentKind kind;
    const char *noun; /* "model"; also the name of its path parameter */
    const char *list; /* "models": in paths, and the name of the list for cursors */

    /* Of spec/: reading with faults, writing the members, freeing; the id of what was read. */
    void *(*read)(const cJSON *body, Faults *faults);
    void (*write)(const void *spec, JsonWriter *json);
    void (*free)(void *spec);
    const char *(*id)(const void *spec);

    /* What reading could not know: faults of the body are added; an error is the whole answer.
     * `before` is what it replaces, NULL for a new one. `body` was read into `spec`, which is NULL
     * when that had faults. */
    bool (*check)(Api *api, const cJSON *body, const void *spec, const void *before, Faults *faults,
                  GError **error);

    /* Adds a hint to the answer of an error of check(). May be NULL. */
    void (*advise)(const void *spec, int error_code, Response *response);

    /* Stores a change and gives the jobs that this set going: a member "jobs" of the answer. NULL:
     * documents_replace(), and no such member. */
    Document *(*replace)(Api *api, const char *id, int64_t revision, const char *body,
                         Remaps **jobs, GError **error);

    /* May it be forgotten? Then does what belongs to forgetting. NULL: nothing. */
    bool (*forget)(Api *api, const void *spec, int64_t revision, GError **error);

    /* Members beyond the specification, in single answers and in lists. May be NULL. */
    bool (*describe)(Api *api, const void *spec, bool single, JsonWriter *json, GError **error);

    /* The version that a single answer depends on, 0 when none. May be NULL. */
    uint32_t (*version)(Api *api, const void *spec);
} Resource;

void resource_create(const Resource *resource, Request *request, Response *response, Api *api);
void resource_get(const Resource *resource, Request *request, Response *response, Api *api);
void resource_update(const Resource *resource, Request *request, Response *response, Api *api);
void resource_delete(const Resource *resource, Request *request, Response *response, Api *api);

/* `holding` as in documents_list(); `page` was read by the caller, who may add faults first. */
void resource_list(const Resource *resource, const char *holding, Request *request,
                   Response *response, Api *api, Faults *faults);

/* The stored one, for resource->free(). ERR_NOT_FOUND, ERR_UNAVAILABLE; ERR_INTERNAL when it can no
 * longer be read. */
void *resource_load(const Resource *resource, Api *api, const char *id, GError **error);

/* Answers `error`, with near misses as a hint when the id is not found. */
void resource_fail(const Resource *resource, Api *api, const char *id, GError *takes_error,
                   Response *response);

/* Ids of the stored ones (at most 1,000), NULL-terminated, for g_strfreev(); NULL when they cannot
 * be had. */
char **resource_ids(const Resource *resource, Api *api, const char *holding);

extern const Resource MODELS, PREDICTIONS, AUDIENCES;
