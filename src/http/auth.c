#include "http/auth.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/error.h"

#define SCHEME       "Bearer "
#define PREFIX       "sl_"
#define KEY_TEXT_MAX (AUTH_VALUE_MAX - sizeof SCHEME)

/* Immutable once it is in place, but for its count of users, which the lock guards. */
typedef struct KeySet {
    size_t users;
    uint64_t generation; /* 1 of the first set */
    size_t n;
    AuthKey keys[]; /* by id */
} KeySet;

struct Auth {
    pthread_mutex_t lock; /* guards `current` and the `users` of every set */
    KeySet *current;
    _Atomic uint64_t generation; /* of `current` */
};

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const AuthKey *)a)->id, ((const AuthKey *)b)->id);
}

static KeySet *key_set_new(const AuthKey *keys, size_t n)
{
    KeySet *set = g_malloc(sizeof *set + n * sizeof *keys);
    set->users = 1;
    set->generation = 1;
    set->n = n;
    if (n > 0) {
        memcpy(set->keys, keys, n * sizeof *keys);
        qsort(set->keys, n, sizeof *keys, compare_keys);
    }
    return set;
}

static KeySet *acquire(Auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    KeySet *set = auth->current;
    set->users++;
    pthread_mutex_unlock(&auth->lock);
    return set;
}

static void release(Auth *auth, KeySet *set)
{
    pthread_mutex_lock(&auth->lock);
    bool last = --set->users == 0;
    pthread_mutex_unlock(&auth->lock);
    if (last)
        g_free(set);
}

Auth *auth_new(void)
{
    int ready = sodium_init();
    g_assert(ready >= 0);
    Auth *auth = g_new0(Auth, 1);
    pthread_mutex_init(&auth->lock, NULL);
    auth->current = key_set_new(NULL, 0);
    atomic_store(&auth->generation, auth->current->generation);
    return auth;
}

void auth_free(Auth *auth)
{
    if (!auth)
        return;
    release(auth, auth->current);
    pthread_mutex_destroy(&auth->lock);
    g_free(auth);
}

void auth_replace(Auth *auth, const AuthKey *keys, size_t n)
{
    KeySet *set = key_set_new(keys, n);
    pthread_mutex_lock(&auth->lock);
    KeySet *old = auth->current;
    set->generation = old->generation + 1;
    auth->current = set;
    atomic_store(&auth->generation, set->generation);
    pthread_mutex_unlock(&auth->lock);
    release(auth, old);
}

void auth_hash(const char *text, uint8_t hash[AUTH_HASH_BYTES])
{
    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
}

/* The key's text of an Authorization value, and its id; NULL when it is not one. */
static const char *key_text(const char *authorization, char id[AUTH_ID_MAX + 1])
{
    size_t scheme = strlen(SCHEME);
    if (!authorization || g_ascii_strncasecmp(authorization, SCHEME, scheme) != 0)
        return NULL;
    const char *text = authorization + scheme;
    if (strlen(text) > KEY_TEXT_MAX || !g_str_has_prefix(text, PREFIX))
        return NULL;
    const char *begin = text + strlen(PREFIX);
    const char *end = strchr(begin, '_');
    if (!end || end == begin || end - begin > AUTH_ID_MAX)
        return NULL;
    memcpy(id, begin, (size_t)(end - begin));
    id[end - begin] = '\0';
    return text;
}

static bool is_alive(const AuthKey *key)
{
    return key->expires_at == 0 || key->expires_at > clock_now_us();
}

/* The key when text and id are its own and it is alive, else NULL. */
static const AuthKey *check_in(const KeySet *set, const char *text, const char *id)
{
    /* An unknown id costs the same hash and comparison as a known one. */
    static const AuthKey nobody;
    AuthKey wanted;
    g_strlcpy(wanted.id, id, sizeof wanted.id);
    const AuthKey *found = bsearch(&wanted, set->keys, set->n, sizeof wanted, compare_keys);
    const AuthKey *key = found ? found : &nobody;
    uint8_t hash[AUTH_HASH_BYTES];
    auth_hash(text, hash);
    bool equal = sodium_memcmp(hash, key->hash, sizeof hash) == 0;
    bool alive = is_alive(key);
    return found && equal && alive ? found : NULL;
}

/* In a time that tells nothing of where they differ: eight bytes at once, then those left. */
static bool is_equal_secret(const char *a, const char *b, size_t length)
{
    uint64_t differences = 0;
    size_t at = 0;
    for (; at + sizeof differences <= length; at += sizeof differences) {
        uint64_t left, right;
        memcpy(&left, a + at, sizeof left);
        memcpy(&right, b + at, sizeof right);
        differences |= left ^ right;
    }
    for (; at < length; at++)
        differences |= (uint64_t)(unsigned char)(a[at] ^ b[at]);
    return differences == 0;
}

static bool remembers(const Auth *auth, const AuthMemory *memory, const char *authorization,
                      size_t length)
{
    return memory->generation == atomic_load(&auth->generation) && memory->length == length &&
           is_equal_secret(memory->value, authorization, length) && is_alive(&memory->key);
}

static void remember(AuthMemory *memory, const KeySet *set, const AuthKey *key, const char *value,
                     size_t length)
{
    g_assert(length <= sizeof memory->value);
    memory->generation = set->generation;
    memory->length = length;
    memcpy(memory->value, value, length);
    memory->key = *key;
}

/* Asks the keys, and fills `memory` when they say yes. */
static bool look_up(Auth *auth, AuthMemory *memory, const char *authorization, size_t length)
{
    char id[AUTH_ID_MAX + 1] = "";
    const char *text = key_text(authorization, id);
    KeySet *set = acquire(auth);
    const AuthKey *key = check_in(set, text ? text : "", id);
    bool allowed = text && key;
    if (allowed)
        remember(memory, set, key, authorization, length);
    release(auth, set);
    return allowed;
}

bool auth_check(Auth *auth, AuthMemory *memory, const char *authorization, char id[AUTH_ID_MAX + 1],
                unsigned *scopes, GError **error)
{
    size_t length = authorization ? strlen(authorization) : 0;
    bool known = authorization && remembers(auth, memory, authorization, length);
    if (!known && !look_up(auth, memory, authorization, length)) {
        *scopes = 0;
        error_set(error, ERR_UNAUTHENTICATED, "%s",
                  authorization ? "the key is unknown or expired"
                                : "send a key: Authorization: Bearer sl_…");
        return false;
    }
    memcpy(id, memory->key.id, sizeof memory->key.id);
    *scopes = memory->key.scopes;
    return true;
}

void auth_forget(AuthMemory *memory)
{
    sodium_memzero(memory, sizeof *memory);
}
