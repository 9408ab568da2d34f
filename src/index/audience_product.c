/* The audience of one product. */
#include <string.h>

#include "audience_kinds.h"

#define NEAR_MAX 5

static uint32_t find_product(const Snapshot *snapshot, const Audience *audience)
{
    return ids_find(snapshot_items(snapshot), audience->product, strlen(audience->product));
}

static void check(const Snapshot *snapshot, const Audience *audience, Faults *faults)
{
    if (find_product(snapshot, audience) != IDS_NONE)
        return;
    g_auto(GStrv) near = snapshot_near_values(snapshot, NULL, audience->product, NEAR_MAX);
    faults_add(faults, "/product", "unknown_value",
               "ids are exact and case sensitive; one that is not in the data yet: describe it by "
               "\"attributes\"",
               (const char *const *)near, "there is no product \"%s\"", audience->product);
}

static Members *rank(const Snapshot *snapshot, const Audience *audience, uint32_t limit,
                     GError **error)
{
    uint32_t item = find_product(snapshot, audience);
    if (item == IDS_NONE)
        return audience_nobody(snapshot, "version %u knows no product \"%s\"",
                               snapshot_version(snapshot), audience->product);
    return audience_rank(snapshot, &item, 1, limit, error);
}

const AudienceMaker audience_of_product = {.check = check, .rank = rank};
