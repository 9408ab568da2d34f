#include "audience_kinds.h"

#include <math.h>

static const AudienceMaker *const makers[] = {
    [AUDIENCE_PRODUCT] = &audience_of_product,
    [AUDIENCE_VALUE] = &audience_of_value,
    [AUDIENCE_ATTRIBUTES] = &audience_of_attributes,
};

/* How many members at most. */
static uint32_t limit_of(const Audience *audience, uint32_t predictable)
{
    if (audience->max_size > 0)
        return (uint32_t)MIN(audience->max_size, UINT32_MAX);
    double share = ceil(audience->percentile / 100 * predictable);
    return share < 1 ? 1 : (uint32_t)share;
}

void audience_check(const Snapshot *snapshot, const Audience *audience, Faults *faults)
{
    makers[audience->kind]->check(snapshot, audience, faults);
}

Members *audience_members(const Snapshot *snapshot, const Audience *audience, GError **error)
{
    uint32_t limit = limit_of(audience, snapshot_predictable_users(snapshot));
    return makers[audience->kind]->rank(snapshot, audience, limit, error);
}

bool audience_describe(const Snapshot *snapshot, const Audience *audience, JsonWriter *json,
                       GError **error)
{
    const AudienceMaker *maker = makers[audience->kind];
    return !maker->describe || maker->describe(snapshot, audience, json, error);
}

Members *audience_nobody(const Snapshot *snapshot, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    Members *members = g_new0(Members, 1);
    members->predictable = snapshot_predictable_users(snapshot);
    members->short_because = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return members;
}
