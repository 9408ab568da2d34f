/* The keys that open the service: from the store, with a copy of their hashes in the data folder,
 * so that a start without PostgreSQL serves too. */
#include "api/api.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "state.h"
#include "store/keys.h"

#define KEYS_FILE "keys.json"

static char *copy_path(const Api *api)
{
    return g_build_filename(api->settings->data_dir, KEYS_FILE, NULL);
}

static char *copy_text(const AuthKey *keys, size_t n)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_array(&json);
    for (size_t i = 0; i < n; i++) {
        char hash[2 * AUTH_HASH_BYTES + 1];
        for (size_t b = 0; b < AUTH_HASH_BYTES; b++)
            g_snprintf(hash + 2 * b, 3, "%02x", keys[i].hash[b]);
        json_begin_object(&json);
        json_key(&json, "id");
        json_string(&json, keys[i].id);
        json_key(&json, "hash");
        json_string(&json, hash);
        json_key(&json, "scopes");
        json_uint(&json, keys[i].scopes);
        json_key(&json, "expires_at");
        json_int(&json, keys[i].expires_at);
        json_end_object(&json);
    }
    json_end_array(&json);
    return g_strdup(buffer_text(&text));
}

/* Whether the keys are not what they were last time; from now on they are. */
static bool has_changed(State *state, const char *text)
{
    char *now = g_strdup(text);
    pthread_mutex_lock(&state->lock);
    bool changed = g_strcmp0(state->key_copy, now) != 0;
    if (changed) {
        char *before = state->key_copy;
        state->key_copy = now;
        now = before;
    }
    pthread_mutex_unlock(&state->lock);
    g_free(now);
    return changed;
}

/* Writes the copy when it says something new. The service works without it: a full disk is logged,
 * once per change. */
static void write_copy(const Api *api, char *takes_text)
{
    g_autofree char *text = takes_text;
    if (!has_changed(api_state(api), text))
        return;
    g_autofree char *path = copy_path(api);
    g_autoptr(GError) failure = NULL;
    if (!g_file_set_contents_full(path, text, (gssize)strlen(text),
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0600, &failure))
        log_event(LOG_WARNING, "cannot keep a copy of the keys", "error",
                  LOG_STRING(failure->message), NULL);
}

bool api_refresh_keys(Api *api, GError **error)
{
    g_autoptr(KeyList) keys = keys_list(api->store, error);
    if (!keys)
        return false;
    g_autofree AuthKey *set = g_new0(AuthKey, keys->n + 1);
    for (size_t i = 0; i < keys->n; i++) {
        const Key *key = &keys->list[i];
        g_strlcpy(set[i].id, key->id, sizeof set[i].id);
        memcpy(set[i].hash, key->hash, AUTH_HASH_BYTES);
        set[i].scopes = key->scopes;
        set[i].expires_at = key->expires_at;
    }
    auth_replace(api->auth, set, keys->n);
    write_copy(api, copy_text(set, keys->n));
    return true;
}

static bool read_hash(const char *text, uint8_t hash[AUTH_HASH_BYTES])
{
    if (!text || strlen(text) != 2 * AUTH_HASH_BYTES)
        return false;
    for (size_t b = 0; b < AUTH_HASH_BYTES; b++) {
        int high = g_ascii_xdigit_value(text[2 * b]), low = g_ascii_xdigit_value(text[2 * b + 1]);
        if (high < 0 || low < 0)
            return false;
        hash[b] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_key(const cJSON *object, AuthKey *key)
{
    const char *id = json_member_string(object, "id");
    if (!id || g_strlcpy(key->id, id, sizeof key->id) >= sizeof key->id)
        return false;
    key->scopes = (unsigned)json_member_number(object, "scopes", 0);
    key->expires_at = (int64_t)json_member_number(object, "expires_at", 0);
    return read_hash(json_member_string(object, "hash"), key->hash);
}

bool api_restore_keys(Api *api, GError **error)
{
    g_autofree char *path = copy_path(api);
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(cJSON) array =
        g_file_get_contents(path, &text, &length, NULL) ? json_parse(text, length, NULL) : NULL;
    if (!cJSON_IsArray(array)) {
        error_set(error, ERR_NOT_FOUND, "there is no copy of the keys in the data folder");
        return false;
    }
    g_autofree AuthKey *set = g_new0(AuthKey, (size_t)cJSON_GetArraySize(array) + 1);
    size_t n = 0;
    const cJSON *object = NULL;
    cJSON_ArrayForEach(object, array) n += read_key(object, &set[n]);
    auth_replace(api->auth, set, n);
    return true;
}
