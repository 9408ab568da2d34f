#include "body.h"

#include "spec/model.h"

bool body_has(const cJSON *body, const char *name)
{
    const cJSON *member = json_member(body, name);
    return member && !cJSON_IsNull(member);
}

bool body_complete_id(const cJSON *body, const char *name, size_t max, char **id, Faults *faults)
{
    if (body_has(body, "id") || !name)
        return true;
    *id = slug_from(name, max);
    if (*id)
        return true;
    faults_add(faults, "/id", "required", "send an \"id\" of a-z, 0-9, _ and -", NULL,
               "no id can be made from this name");
    return false;
}
