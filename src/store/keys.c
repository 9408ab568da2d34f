#include "store/keys.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "state.h"

#define ID_LENGTH     12
#define SECRET_LENGTH 43 /* of 62 characters each: 256 bits */

#define COLUMNS                                                                                    \
    "id, name, scopes, encode(hash, 'hex') AS hash, " STATE_TIME("created_at") ", " STATE_TIME(    \
        "expires_at")

static const struct {
    KeyScope scope;
    const char *name;
} scopes[] = {
    {KEY_ADMIN, "admin"},
    {KEY_MARKETER, "marketer"},
    {KEY_STOREFRONT, "storefront"},
    {KEY_EVENTS, "events"},
};

/* randombytes_uniform() rejects what would make some characters likelier than others. */
static void draw(char *text, size_t length)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[randombytes_uniform(sizeof alphabet - 1)];
    text[length] = '\0';
}

static void clear_key(Key *key)
{
    g_free(key->id);
    g_free(key->name);
}

static void read_row(const PGresult *result, int row, Key *key)
{
    const char *hash = db_text(result, row, "hash");
    key->id = g_strdup(db_text(result, row, "id"));
    key->name = g_strdup(db_text(result, row, "name"));
    key->scopes = (unsigned)db_int(result, row, "scopes");
    key->created_at = db_int(result, row, "created_at");
    key->expires_at = db_int(result, row, "expires_at");
    sodium_hex2bin(key->hash, KEY_HASH_BYTES, hash, strlen(hash), NULL, NULL, NULL);
}

static Key *insert(Store *store, const char *id, const char *name, unsigned bits, const char *hash,
                   int64_t expires_at, GError **error)
{
    static const char sql[] =
        "INSERT INTO api_key (id, name, scopes, hash, expires_at) VALUES ($1, $2, $3, "
        "decode($4, 'hex'), CASE WHEN $5::bigint > 0 THEN "
        "timestamptz 'epoch' + $5::bigint * interval '1 microsecond' END) RETURNING " COLUMNS;
    g_autofree char *scope_text = g_strdup_printf("%u", bits);
    g_autofree char *expiry_text = g_strdup_printf("%" G_GINT64_FORMAT, expires_at);
    const char *values[] = {id, name, scope_text, hash, expiry_text};
    g_autoptr(PGresult) result = state_query(store, sql, 5, values, error);
    if (!result)
        return NULL;
    Key *key = g_new0(Key, 1);
    read_row(result, 0, key);
    return key;
}

Key *keys_create(Store *store, const char *name, unsigned bits, int64_t expires_at, char **text,
                 GError **error)
{
    if (sodium_init() < 0) {
        error_set(error, ERR_INTERNAL, "no source of random numbers");
        return NULL;
    }
    char id[ID_LENGTH + 1], secret[SECRET_LENGTH + 1];
    uint8_t hash[KEY_HASH_BYTES];
    char hex[2 * KEY_HASH_BYTES + 1];
    draw(id, ID_LENGTH);
    draw(secret, SECRET_LENGTH);
    g_autofree char *made = g_strdup_printf("sl_%s_%s", id, secret);
    sodium_memzero(secret, sizeof secret);
    crypto_hash_sha256(hash, (const uint8_t *)made, strlen(made));
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    Key *key = insert(store, id, name, bits, hex, expires_at, error);
    if (key)
        *text = g_steal_pointer(&made);
    return key;
}

KeyList *keys_list(Store *store, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM api_key ORDER BY api_key.created_at, id";
    g_autoptr(PGresult) result = state_query(store, sql, 0, NULL, error);
    if (!result)
        return NULL;
    KeyList *keys = g_new0(KeyList, 1);
    keys->n = (size_t)PQntuples(result);
    keys->list = g_new0(Key, keys->n);
    for (size_t i = 0; i < keys->n; i++)
        read_row(result, (int)i, &keys->list[i]);
    return keys;
}

bool keys_revoke(Store *store, const char *id, GError **error)
{
    static const char sql[] = "DELETE FROM api_key WHERE id = $1 RETURNING id";
    g_autoptr(PGresult) result = state_query(store, sql, 1, &id, error);
    if (!result)
        return false;
    if (PQntuples(result) == 1)
        return true;
    error_set(error, ERR_NOT_FOUND, "there is no key \"%s\"", id);
    return false;
}

const char *key_scope_name(unsigned scope)
{
    for (size_t i = 0; i < G_N_ELEMENTS(scopes); i++)
        if (scopes[i].scope == scope)
            return scopes[i].name;
    return NULL;
}

unsigned key_scope_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(scopes); i++)
        if (g_str_equal(scopes[i].name, name))
            return scopes[i].scope;
    return 0;
}

void key_free(Key *key)
{
    if (!key)
        return;
    clear_key(key);
    g_free(key);
}

void key_list_free(KeyList *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->n; i++)
        clear_key(&keys->list[i]);
    g_free(keys->list);
    g_free(keys);
}
