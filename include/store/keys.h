/* API keys: stored hashed, shown once. A key's text is "sl_<id>_<secret>": id 12 and secret 43
 * characters of A-Z, a-z and 0-9; the hash is SHA-256 of the whole text (the secret has 256 bits,
 * so no slow hash is needed). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "store/store.h"

#define KEY_HASH_BYTES 32

/* Bits: a key may have several scopes. Admin has all. */
typedef enum KeyScope {
    KEY_ADMIN = 1,
    KEY_MARKETER = 2,
    KEY_STOREFRONT = 4,
    KEY_EVENTS = 8
} KeyScope;

typedef struct Key {
    char *id;
    char *name;
    unsigned scopes; /* KeyScope bits */
    uint8_t hash[KEY_HASH_BYTES];
    int64_t created_at, expires_at; /* µs; expires_at 0: never */
} Key;

typedef struct KeyList {
    Key *list;
    size_t n;
} KeyList;

/* Makes a key; its text, shown this once, into *text (for g_free()). */
Key *keys_create(Store *store, const char *name, unsigned scopes, int64_t expires_at, char **text,
                 GError **error);
KeyList *keys_list(Store *store, GError **error);               /* all of them, oldest first */
bool keys_revoke(Store *store, const char *id, GError **error); /* ERR_NOT_FOUND */

const char *key_scope_name(unsigned scope); /* one bit */
unsigned key_scope_find(const char *name);  /* 0 when unknown */

void key_free(Key *key);
void key_list_free(KeyList *keys);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Key, key_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeyList, key_list_free)
