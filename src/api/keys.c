#include "handlers.h"

#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cursor.h"
#include "spec/fields.h"
#include "store/keys.h"

#define NAME_MAX_CHARACTERS 200
#define SCOPES_MAX          4

typedef struct KeyInput {
    char *name;
    char **scopes;
    int64_t expires_at; /* INT64_MIN: never */
} KeyInput;

static const Field KEY_FIELDS[] = {
    {.name = "name",
     .type = FIELD_STRING,
     .offset = offsetof(KeyInput, name),
     .required = true,
     .min = 1,
     .max = NAME_MAX_CHARACTERS,
     .hint = "say what the key is for"},
    {.name = "scopes",
     .type = FIELD_STRINGS,
     .offset = offsetof(KeyInput, scopes),
     .required = true,
     .min = 1,
     .max = SCOPES_MAX,
     .hint = "any of admin, marketer, storefront, events"},
    {.name = "expires_at", .type = FIELD_TIME, .offset = offsetof(KeyInput, expires_at)},
};
static const FieldTable KEY_INPUT = {"KeyInput", sizeof(KeyInput), KEY_FIELDS,
                                     G_N_ELEMENTS(KEY_FIELDS)};

static void key_input_clear(KeyInput *input)
{
    fields_clear(&KEY_INPUT, input);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KeyInput, key_input_clear)

static unsigned read_scopes(const KeyInput *input, Faults *faults)
{
    static const char *const names[] = {"admin", "marketer", "storefront", "events", NULL};
    unsigned scopes = 0;
    for (size_t i = 0; input->scopes && input->scopes[i]; i++) {
        unsigned scope = key_scope_find(input->scopes[i]);
        g_autofree char *pointer = g_strdup_printf("/scopes/%zu", i);
        if (!scope)
            faults_add(faults, pointer, "unknown_value", NULL, names, "there is no scope \"%s\"",
                       input->scopes[i]);
        scopes |= scope;
    }
    return scopes;
}

static void write_scopes(unsigned scopes, JsonWriter *json)
{
    json_key(json, "scopes");
    json_begin_array(json);
    for (unsigned scope = KEY_ADMIN; scope <= KEY_EVENTS; scope <<= 1)
        if (scopes & scope)
            json_string(json, key_scope_name(scope));
    json_end_array(json);
}

static void write_key(const Key *key, JsonWriter *json)
{
    json_key(json, "id");
    json_string(json, key->id);
    json_key(json, "name");
    json_string(json, key->name);
    write_scopes(key->scopes, json);
    json_key(json, "created_at");
    json_time(json, key->created_at);
    json_key(json, "expires_at");
    if (key->expires_at)
        json_time(json, key->expires_at);
    else
        json_null(json);
}

static void answer_created(const Key *key, const char *text, Response *response)
{
    g_autofree char *location = g_strconcat("/v1/keys/", key->id, NULL);
    response_status(response, 201);
    response_header(response, "Location", location);
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    write_key(key, json);
    json_key(json, "key");
    json_string(json, text);
    json_end_object(json);
}

HANDLER(keys_create_one)
{
    Api *api = context;
    GError *error = NULL;
    const cJSON *body = request_json(request, &error);
    if (!body) {
        response_error(response, error);
        return;
    }
    g_autoptr(Faults) faults = faults_new();
    g_auto(KeyInput) input = {0};
    fields_read(&KEY_INPUT, body, "", &input, faults);
    unsigned scopes = read_scopes(&input, faults);
    bool expires = input.expires_at != INT64_MIN && input.expires_at != 0;
    if (expires && input.expires_at <= clock_now_us())
        faults_add(faults, "/expires_at", "out_of_range", "leave it out for a key without end",
                   NULL, "\"expires_at\" is in the past");
    if (response_faults(response, faults))
        return;
    g_autofree char *text = NULL;
    g_autoptr(Key) key =
        keys_create(api->store, input.name, scopes, expires ? input.expires_at : 0, &text, &error);
    if (!key) {
        response_error(response, error);
        return;
    }
    answer_created(key, text, response);
    /* The text is shown only now, so this is no reason to hide it: the keeper refreshes soon. */
    if (!api_refresh_keys(api, &error))
        log_failure("a new key does not open this process yet", error);
    g_clear_error(&error);
}

/* Where the page begins: after the key that its cursor names; at the start when that was revoked.
 */
static size_t first_of(const KeyList *keys, const char *after)
{
    for (size_t i = 0; after && i < keys->n; i++)
        if (strcmp(keys->list[i].id, after) == 0)
            return i + 1;
    return 0;
}

HANDLER(keys_list_all)
{
    Api *api = context;
    g_autoptr(Faults) faults = faults_new();
    g_auto(Page) page;
    page_read(&page, "keys", request, faults);
    if (response_faults(response, faults))
        return;
    GError *error = NULL;
    g_autoptr(KeyList) keys = keys_list(api->store, &error);
    if (!keys) {
        response_error(response, error);
        return;
    }
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    const char *last = NULL;
    size_t i = first_of(keys, page.after);
    for (size_t n = 0; i < keys->n && n < page.limit; i++, n++) {
        last = keys->list[i].id;
        json_begin_object(json);
        write_key(&keys->list[i], json);
        json_end_object(json);
    }
    json_end_array(json);
    page_write_next(&page, i < keys->n ? last : NULL, json);
    json_end_object(json);
}

HANDLER(keys_delete_one)
{
    Api *api = context;
    GError *error = NULL;
    if (keys_revoke(api->store, request_param(request, "key", NULL), &error) &&
        api_refresh_keys(api, &error))
        response_status(response, 204);
    else
        response_error(response, error);
}
