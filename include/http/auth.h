/* Bearer keys: looked up by their id, hashes compared in constant time. The set is replaced as a
 * whole whenever the store's keys change. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define AUTH_HASH_BYTES 32
#define AUTH_ID_MAX     32
#define AUTH_VALUE_MAX  264 /* of an Authorization header that lets in */

typedef struct AuthKey {
    char id[AUTH_ID_MAX + 1];
    uint8_t
        hash[AUTH_HASH_BYTES]; /* SHA-256 of the key's whole text "sl_<id>_<secret>"; no _ in id */
    unsigned scopes;           /* bits, as the route table uses them */
    int64_t expires_at;        /* µs, 0: never */
} AuthKey;

typedef struct Auth Auth;

/* What a connection remembers of the key it was let in with last: the same value need not be hashed
 * again while the set of keys is the same. All zero: nothing. Of one thread at a time. */
typedef struct AuthMemory {
    uint64_t generation; /* of the set that it was found in; 0: nothing is remembered */
    size_t length;
    char value[AUTH_VALUE_MAX];
    AuthKey key;
} AuthMemory;

Auth *auth_new(void);
void auth_free(Auth *auth);

/* Copies n keys. */
void auth_replace(Auth *auth, const AuthKey *keys, size_t n);

/* Looks at an Authorization header's value (or NULL). On success copies the key's id and scopes,
 * and the memory is of this value. ERR_UNAUTHENTICATED: absent, malformed, unknown, wrong or
 * expired (the same work for all, but for the value remembered). */
bool auth_check(Auth *auth, AuthMemory *memory, const char *authorization, char id[AUTH_ID_MAX + 1],
                unsigned *scopes, GError **error);

/* Wipes the memory: it holds a secret. */
void auth_forget(AuthMemory *memory);

/* SHA-256 of a key's text. */
void auth_hash(const char *text, uint8_t hash[AUTH_HASH_BYTES]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Auth, auth_free)
