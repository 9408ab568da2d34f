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
    if (audience->percentile <= 0)
        return MAX(predictable, 1);
    double share = ceil(audience->percentile / 100 * predictable);
    return share < 1 ? 1 : (uint32_t)share;
}

void audience_check(const Snapshot *snapshot, const Audience *audience, Faults *faults)
{
    makers[audience->kind]->check(snapshot, audience, faults);
}

/* Half of the last digit that answers show: what reads as the least probability reaches it. */
#define SHOWN_ROUNDING 5e-7

/* Members come by falling probability, where there is one. */
static void cut_below(const Snapshot *snapshot, const Audience *audience, Members *members)
{
    uint32_t n = 0;
    double least = audience->min_probability - SHOWN_ROUNDING;
    while (n < members->n && (double)members->probability[n] > least && members->probability[n] > 0)
        n++;
    if (n == members->n)
        return;
    g_free(members->short_because);
    members->short_because =
        members->probability[0] > 0
            ? g_strdup_printf("%u of %u users reach a probability of %g; the highest is %.2g", n,
                              members->predictable, audience->min_probability,
                              (double)members->probability[0])
            : g_strdup_printf("version %u has no probabilities for this, so nobody can be held "
                              "against min_probability",
                              snapshot_version(snapshot));
    members->n = n;
}

Members *audience_members(const Snapshot *snapshot, const Audience *audience, GError **error)
{
    uint32_t limit = limit_of(audience, snapshot_predictable_users(snapshot));
    Members *members = makers[audience->kind]->rank(snapshot, audience, limit, error);
    if (members && audience->min_probability > 0)
        cut_below(snapshot, audience, members);
    return members;
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
