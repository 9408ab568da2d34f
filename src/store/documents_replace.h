/* Replacing a document together with what belongs to that. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "db.h"
#include "store/documents.h"

/* The statement of documents_replace() alone; NULL without an error when no row has that revision.
 */
Document *documents_replace_row(PGconn *connection, DocumentKind kind, const char *id,
                                int64_t revision, const char *body, GError **error);

/* Sets ERR_NOT_FOUND or ERR_PRECONDITION_FAILED, whichever it was. */
void documents_set_missed(Store *store, DocumentKind kind, const char *id, GError **error);
