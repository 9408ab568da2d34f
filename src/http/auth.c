#include "http/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/error.h"

#define SCHEME       "Bearer "
#define PREFIX       "sl_"
#define KEY_TEXT_MAX 256

/* Immutable once it is in place, but for its count of users, which the lock guards. */
typedef struct KeySet {
    size_t users;
    size_t n;
    AuthKey keys[]; /* by id */
} KeySet;

struct Auth {
    pthread_mutex_t lock; /* guards `current` and the `users` of every set */
    KeySet *current;
};

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const AuthKey *)a)->id, ((const AuthKey *)b)->id);
}

static KeySet *key_set_new(const AuthKey *keys, size_t n)
{
    KeySet *set = g_malloc(sizeof *set + n * sizeof *keys);
    set->users = 1;
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
    auth->current = set;
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

static bool check_in(const KeySet *set, const char *text, const char *id, unsigned *scopes)
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
    bool alive = key->expires_at == 0 || key->expires_at > clock_now_us();
    *scopes = key->scopes;
    return found && equal && alive;
}

bool auth_check(Auth *auth, const char *authorization, char id[AUTH_ID_MAX + 1], unsigned *scopes,
                GError **error)
{
    char given[AUTH_ID_MAX + 1] = "";
    const char *text = key_text(authorization, given);
    KeySet *set = acquire(auth);
    bool allowed = check_in(set, text ? text : "", given, scopes);
    release(auth, set);
    if (!allowed) {
        *scopes = 0;
        error_set(error, ERR_UNAUTHENTICATED, "%s",
                  authorization ? "the key is unknown or expired"
                                : "send a key: Authorization: Bearer sl_…");
        return false;
    }
    memcpy(id, given, sizeof given);
    return true;
}
