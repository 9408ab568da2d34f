/* Answers kept for 24 hours under (API key id, Idempotency-Key), so that a repeated POST creates
 * nothing twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/store.h"

typedef enum IdempotencyState {
    IDEMPOTENCY_NEW,    /* reserved for this caller: do the work, then keep or drop */
    IDEMPOTENCY_REPLAY, /* the answer is in *answer */
    IDEMPOTENCY_BUSY,   /* the first request is still at work: 409 */
    IDEMPOTENCY_OTHER   /* the key was used with another request: 422 */
} IdempotencyState;

typedef struct KeptAnswer {
    int status;
    char *headers; /* JSON object: Location, ETag */
    char *body;
    size_t length;
} KeptAnswer;

/* `fingerprint`: hash of method, path and body, 64 hex digits. A reservation older than 5 minutes
 * without an answer is taken over. */
bool idempotency_begin(Store *store, const char *key_id, const char *idempotency_key,
                       const char *fingerprint, IdempotencyState *state, KeptAnswer **answer,
                       GError **error);
bool idempotency_keep(Store *store, const char *key_id, const char *idempotency_key,
                      const KeptAnswer *answer, GError **error);
bool idempotency_drop(Store *store, const char *key_id, const char *idempotency_key,
                      GError **error);
void kept_answer_free(KeptAnswer *answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeptAnswer, kept_answer_free)
