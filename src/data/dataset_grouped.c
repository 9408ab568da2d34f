#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "dataset_owner.h"

/* A line on its way into a group. */
typedef struct Part {
    uint32_t group, order;
    float quantity;
    float price;
    uint8_t is_return;
} Part;

typedef struct Grouping {
    const Dataset *raw;
    const ItemGroups *groups;
    Dataset *grouped;
    GArray *parts; /* of Part: of one user and moment */
} Grouping;

static int compare_parts(const void *a, const void *b)
{
    const Part *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->is_return != y->is_return)
        return x->is_return ? 1 : -1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    /* so that sums do not depend on how equal lines were sorted */
    if (x->quantity != y->quantity)
        return x->quantity < y->quantity ? -1 : 1;
    return (x->price > y->price) - (x->price < y->price);
}

static void add_parts(Grouping *grouping, uint64_t row)
{
    const Interactions *rows = &grouping->raw->rows;
    const ItemGroups *groups = grouping->groups;
    Part part = {.order = rows->order ? rows->order[row] : IDS_NONE,
                 .quantity = rows->quantity[row],
                 .price = rows->price ? rows->price[row] : NAN,
                 .is_return = rows->quantity[row] < 0};
    uint32_t item = rows->item[row];
    for (uint64_t g = groups->start[item]; g < groups->start[item + (size_t)1]; g++) {
        part.group = groups->group[g];
        g_array_append_val(grouping->parts, part);
    }
}

static bool is_one_line(const Part *a, const Part *b)
{
    return a->group == b->group && a->is_return == b->is_return && a->order == b->order;
}

/* parts[0 … n-1] as one line. */
static void write_line(Interactions *to, const Part *parts, size_t n, int64_t time)
{
    uint64_t at = to->n++;
    double quantity = 0, priced = 0, price = 0;
    for (size_t p = 0; p < n; p++) {
        quantity += parts[p].quantity;
        priced += !isnan(parts[p].price);
        price += isnan(parts[p].price) ? 0 : parts[p].price;
    }
    to->item[at] = parts->group;
    to->time[at] = time;
    to->quantity[at] = CLAMP((float)quantity, -G_MAXFLOAT, G_MAXFLOAT);
    if (to->order)
        to->order[at] = parts->order;
    if (to->price)
        to->price[at] = priced > 0 ? (float)(price / priced) : NAN;
}

static void write_moment(Grouping *grouping, int64_t time)
{
    GArray *parts = grouping->parts;
    Part *part = (Part *)(void *)parts->data;
    if (parts->len > 1)
        qsort(part, parts->len, sizeof *part, compare_parts);
    for (guint begin = 0, end; begin < parts->len; begin = end) {
        for (end = begin + 1; end < parts->len && is_one_line(&part[begin], &part[end]); end++)
            ;
        write_line(&grouping->grouped->rows, part + begin, end - begin, time);
    }
    g_array_set_size(parts, 0);
}

static void group_user(Grouping *grouping, uint32_t user)
{
    const Dataset *raw = grouping->raw;
    uint64_t end = raw->user_start[user + (size_t)1];
    for (uint64_t row = raw->user_start[user]; row < end; row++) {
        add_parts(grouping, row);
        if (row + 1 == end || raw->rows.time[row + 1] != raw->rows.time[row])
            write_moment(grouping, raw->rows.time[row]);
    }
    grouping->grouped->user_start[user + (size_t)1] = grouping->grouped->rows.n;
}

static bool rows_alloc(Dataset *grouped, const Dataset *raw, uint64_t n, GError **error)
{
    Interactions *rows = &grouped->rows;
    grouped->user_start = g_try_new0(uint64_t, (size_t)raw->n_users + 1);
    rows->item = g_try_new(uint32_t, MAX(n, 1));
    rows->time = g_try_new(int64_t, MAX(n, 1));
    rows->quantity = g_try_new(float, MAX(n, 1));
    rows->order = raw->rows.order ? g_try_new(uint32_t, MAX(n, 1)) : NULL;
    rows->price = raw->rows.price ? g_try_new(float, MAX(n, 1)) : NULL;
    bool is_whole = grouped->user_start && rows->item && rows->time && rows->quantity &&
                    (rows->order || !raw->rows.order) && (rows->price || !raw->rows.price);
    return is_whole || dataset_no_memory(n, error);
}

static DatasetShared *shared_grouped(const Dataset *raw, Ids *names)
{
    DatasetShared *lender = raw->shared, *shared = shared_new();
    shared->users = lender->users;
    shared->user_attributes = lender->user_attributes;
    shared->lender = shared_ref(lender);
    shared->items = names;
    return shared;
}

static Attributes *no_attributes(uint32_t n, GError **error)
{
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(0, NULL, NULL, NULL);
    return attributes_builder_finish(builder, n, error);
}

Dataset *dataset_grouped(const Dataset *raw, const ItemGroups *groups, Ids *takes_names,
                         GError **error)
{
    g_autoptr(DatasetShared) shared = shared_grouped(raw, takes_names);
    shared->item_attributes = no_attributes(groups->n_groups, error);
    if (!shared->item_attributes)
        return NULL;
    g_autoptr(Dataset) grouped = dataset_owner_new(shared);
    grouped->n_orders = raw->n_orders;
    uint64_t n = 0;
    for (uint64_t row = 0; row < raw->rows.n; row++) {
        const uint64_t *start = groups->start + raw->rows.item[row];
        n += start[1] - start[0];
    }
    if (!rows_alloc(grouped, raw, n, error))
        return NULL;
    Grouping grouping = {raw, groups, grouped, g_array_new(FALSE, FALSE, sizeof(Part))};
    for (uint32_t user = 0; user < raw->n_users; user++)
        group_user(&grouping, user);
    g_array_unref(grouping.parts);
    if (!dataset_fill_users(grouped, error))
        return NULL;
    dataset_set_range(grouped);
    return g_steal_pointer(&grouped);
}
