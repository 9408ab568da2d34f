/* What callers configure, kept as JSON documents: one table, one row per (kind, id), a revision
 * that grows with every change (the ETag). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/store.h"

typedef enum DocumentKind { DOCUMENT_MODEL, DOCUMENT_PREDICTION, DOCUMENT_AUDIENCE } DocumentKind;

typedef struct Document {
    char *id;
    char *body;                     /* JSON object */
    int64_t revision;               /* 1, 2, … */
    int64_t created_at, updated_at; /* µs */
} Document;

typedef struct Documents {
    Document *list;
    size_t n;
    bool more; /* there are rows after the last one */
} Documents;

/* ERR_CONFLICT when the id exists. */
Document *documents_create(Store *store, DocumentKind kind, const char *id, const char *body,
                           GError **error);
/* ERR_NOT_FOUND. */
Document *documents_get(Store *store, DocumentKind kind, const char *id, GError **error);

/* By id after `after` (NULL: from the start), at most limit. `holding` NULL, or a JSON object that
 * a row's body must contain (jsonb @>): {"models":{"users":"x"}} finds what refers to model x. */
Documents *documents_list(Store *store, DocumentKind kind, const char *after, size_t limit,
                          const char *holding, GError **error);

/* Replaces the body when the revision still is `revision`: ERR_PRECONDITION_FAILED, ERR_NOT_FOUND.
 */
Document *documents_replace(Store *store, DocumentKind kind, const char *id, int64_t revision,
                            const char *body, GError **error);
bool documents_remove(Store *store, DocumentKind kind, const char *id, int64_t revision,
                      GError **error);

void document_free(Document *document);
void documents_free(Documents *documents);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Document, document_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Documents, documents_free)
