#include "base/json.h"

#include "base/error.h"
#include "json_scan.h"

static bool merge_members(cJSON *target, const cJSON *patch);

/* The value of a new member: its own nulls mean "remove" and do not stay. */
static cJSON *copy_of_patch(const cJSON *patch)
{
    if (!cJSON_IsObject(patch))
        return cJSON_Duplicate(patch, true);
    g_autoptr(cJSON) copy = cJSON_CreateObject();
    return copy && merge_members(copy, patch) ? g_steal_pointer(&copy) : NULL;
}

static bool add_member(cJSON *object, const char *name, cJSON *takes_value)
{
    if (takes_value && cJSON_AddItemToObject(object, name, takes_value))
        return true;
    cJSON_Delete(takes_value);
    return false;
}

static bool replace_member(cJSON *object, const char *name, cJSON *takes_value)
{
    if (takes_value && cJSON_ReplaceItemInObjectCaseSensitive(object, name, takes_value))
        return true;
    cJSON_Delete(takes_value);
    return false;
}

static bool merge_member(cJSON *target, cJSON *added, const cJSON *member)
{
    cJSON *old = cJSON_GetObjectItemCaseSensitive(target, member->string);
    if (cJSON_IsNull(member)) {
        cJSON_Delete(old ? cJSON_DetachItemViaPointer(target, old) : NULL);
        return true;
    }
    if (!old)
        return add_member(added, member->string, copy_of_patch(member));
    if (cJSON_IsObject(old) && cJSON_IsObject(member))
        return merge_members(old, member);
    return replace_member(target, member->string, copy_of_patch(member));
}

/* New members are kept apart until the end, so that looking for old ones does not become quadratic
 * in the length of the patch. */
static bool merge_members(cJSON *target, const cJSON *patch)
{
    g_autoptr(cJSON) added = cJSON_CreateObject();
    if (!added)
        return false;
    const cJSON *member;
    cJSON_ArrayForEach(member, patch)
    {
        if (!merge_member(target, added, member))
            return false;
    }
    while (added->child) {
        cJSON *moved = cJSON_DetachItemViaPointer(added, added->child);
        if (!add_member(target, moved->string, moved))
            return false;
    }
    return true;
}

cJSON *json_parse(const char *bytes, size_t length, GError **error)
{
    if (!json_scan(bytes, length, error))
        return NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(bytes, length, NULL, false);
    if (!value)
        error_set(error, ERR_NO_MEMORY, "memory is short to read JSON");
    return value;
}

const cJSON *json_member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *json_member_string(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_member(object, name));
}

double json_member_number(const cJSON *object, const char *name, double fallback)
{
    const cJSON *member = json_member(object, name);
    return cJSON_IsNumber(member) ? member->valuedouble : fallback;
}

char *json_print(const cJSON *value)
{
    g_auto(Buffer) out = {0};
    JsonWriter writer;
    json_writer_init(&writer, &out);
    json_value(&writer, value);
    buffer_append(&out, "", 1);
    return out.failed ? NULL : g_steal_pointer(&out.data);
}

cJSON *json_merge_patch(cJSON *takes_target, const cJSON *patch)
{
    g_autoptr(cJSON) target = takes_target;
    if (!cJSON_IsObject(patch) || !cJSON_IsObject(target))
        return copy_of_patch(patch);
    return merge_members(target, patch) ? g_steal_pointer(&target) : NULL;
}
