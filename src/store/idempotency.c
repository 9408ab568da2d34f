#include "store/idempotency.h"

#include <string.h>

#include "base/error.h"
#include "state.h"

#define RACES_MAX 8

/* Few at a time, and never waiting for another request that does the same. */
static bool forget_old(Store *store, GError **error)
{
    static const char sql[] =
        "DELETE FROM idempotency WHERE (key_id, idempotency_key) IN (SELECT key_id, "
        "idempotency_key FROM idempotency WHERE reserved_at < now() - interval '24 hours' "
        "LIMIT 100 FOR UPDATE SKIP LOCKED)";
    g_autoptr(PGresult) result = state_query(store, sql, 0, NULL, error);
    return result != NULL;
}

static bool reserve(Store *store, const char *const *values, bool *reserved, GError **error)
{
    static const char sql[] =
        "INSERT INTO idempotency AS kept (key_id, idempotency_key, fingerprint) "
        "VALUES ($1, $2, $3) ON CONFLICT (key_id, idempotency_key) DO UPDATE "
        "SET fingerprint = excluded.fingerprint, reserved_at = now(), status = NULL, "
        "headers = NULL, body = NULL "
        "WHERE kept.reserved_at < now() - interval '24 hours' "
        "OR (kept.status IS NULL AND kept.reserved_at < now() - interval '5 minutes') "
        "RETURNING 1";
    g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
    if (!result)
        return false;
    *reserved = PQntuples(result) == 1;
    return true;
}

static KeptAnswer *read_answer(const PGresult *result)
{
    KeptAnswer *answer = g_new0(KeptAnswer, 1);
    answer->status = (int)db_int(result, 0, "status");
    answer->headers = g_strdup(db_text(result, 0, "headers"));
    size_t length = 0;
    const char *escaped = db_text(result, 0, "body");
    unsigned char *body = PQunescapeBytea((const unsigned char *)(escaped ? escaped : ""), &length);
    answer->body = g_try_malloc(length + 1);
    if (body && answer->body) {
        memcpy(answer->body, body, length);
        answer->body[length] = '\0';
        answer->length = length;
    }
    PQfreemem(body);
    return answer;
}

static bool read_state(const PGresult *result, IdempotencyState *state, KeptAnswer **answer,
                       GError **error)
{
    *state = IDEMPOTENCY_REPLAY;
    if (!db_int(result, 0, "same"))
        *state = IDEMPOTENCY_OTHER;
    else if (!db_text(result, 0, "status"))
        *state = IDEMPOTENCY_BUSY;
    if (*state != IDEMPOTENCY_REPLAY)
        return true;
    g_autoptr(KeptAnswer) read = read_answer(result);
    if (!read->body) {
        error_set(error, ERR_NO_MEMORY, "no memory for the kept answer");
        return false;
    }
    *answer = g_steal_pointer(&read);
    return true;
}

bool idempotency_begin(Store *store, const char *key_id, const char *idempotency_key,
                       const char *fingerprint, IdempotencyState *state, KeptAnswer **answer,
                       GError **error)
{
    static const char sql[] =
        "SELECT (fingerprint = $3)::int AS same, status, headers, body FROM idempotency "
        "WHERE key_id = $1 AND idempotency_key = $2";
    const char *values[] = {key_id, idempotency_key, fingerprint};
    *answer = NULL;
    if (!forget_old(store, error))
        return false;
    /* A row that was in the way may be gone when we read it: its request failed. Then try again. */
    for (int i = 0; i < RACES_MAX; i++) {
        bool reserved = false;
        if (!reserve(store, values, &reserved, error))
            return false;
        *state = IDEMPOTENCY_NEW;
        if (reserved)
            return true;
        g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
        if (!result)
            return false;
        if (PQntuples(result) == 1)
            return read_state(result, state, answer, error);
    }
    *state = IDEMPOTENCY_BUSY;
    return true;
}

/* "\x4142": how PostgreSQL reads bytes as text. NULL when memory is short. */
static char *hex_of(const char *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = length < G_MAXSIZE / 4 ? g_try_malloc(2 * length + 3) : NULL;
    if (!hex)
        return NULL;
    char *out = hex;
    *out++ = '\\';
    *out++ = 'x';
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[(unsigned char)bytes[i] >> 4];
        *out++ = digits[(unsigned char)bytes[i] & 15];
    }
    *out = '\0';
    return hex;
}

bool idempotency_keep(Store *store, const char *key_id, const char *idempotency_key,
                      const KeptAnswer *answer, GError **error)
{
    static const char sql[] = "UPDATE idempotency SET status = $3, headers = $4, body = $5 "
                              "WHERE key_id = $1 AND idempotency_key = $2 AND status IS NULL";
    g_autofree char *body = hex_of(answer->body, answer->length);
    if (!body) {
        error_set(error, ERR_NO_MEMORY, "no memory to keep an answer of %zu bytes", answer->length);
        return false;
    }
    g_autofree char *status = g_strdup_printf("%d", answer->status);
    const char *values[] = {key_id, idempotency_key, status, answer->headers, body};
    g_autoptr(PGresult) result = state_query(store, sql, 5, values, error);
    return result != NULL;
}

bool idempotency_drop(Store *store, const char *key_id, const char *idempotency_key, GError **error)
{
    static const char sql[] = "DELETE FROM idempotency WHERE key_id = $1 AND idempotency_key = $2 "
                              "AND status IS NULL";
    const char *values[] = {key_id, idempotency_key};
    g_autoptr(PGresult) result = state_query(store, sql, 2, values, error);
    return result != NULL;
}

void kept_answer_free(KeptAnswer *answer)
{
    if (!answer)
        return;
    g_free(answer->headers);
    g_free(answer->body);
    g_free(answer);
}
