/* The audience of the products with one value of a mapped column. */
#include <string.h>

#include "audience_kinds.h"
#include "index/mapped.h"

static void check(const Snapshot *snapshot, const Audience *audience, Faults *faults)
{
    const Column *column = mapped_find(snapshot, audience->column, "/column", faults);
    if (column)
        mapped_find_value(snapshot, column, audience->value, "/value", faults);
}

static Members *rank(const Snapshot *snapshot, const Audience *audience, uint32_t limit,
                     GError **error)
{
    const Column *column = attributes_find(snapshot_item_attributes(snapshot), audience->column);
    uint32_t value =
        column ? ids_find(column->values, audience->value, strlen(audience->value)) : IDS_NONE;
    uint32_t n = 0;
    if (value != IDS_NONE)
        snapshot_items_with(snapshot, column, value, &n);
    if (n == 0)
        return audience_nobody(snapshot,
                               "no product bought in the last year has %s \"%s\" in version %u",
                               audience->column, audience->value, snapshot_version(snapshot));
    return audience_rank_value(snapshot, column, value, limit, error);
}

const AudienceMaker audience_of_value = {.check = check, .rank = rank};
