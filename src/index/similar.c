#include "similar.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "index/audience.h"
#include "layout.h"

/* Nearer than so many of the products, a product shares a number like a value that so many have. */
static const double bands[] = {0.1, 0.2, 0.5};

/* What is gathered of every item, and of all together. */
typedef struct Search {
    const Snapshot *snapshot;
    double *weight;   /* per item: of what it shares */
    uint32_t *shared; /* per item: as in Similar */
    double possible;  /* weight of what any item has */
    uint32_t known;
} Search;

static void search_clear(Search *search)
{
    g_free(search->weight);
    g_free(search->shared);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

bool similar_can_use(const Column *column)
{
    return column->kind == COLUMN_CATEGORICAL || column->kind == COLUMN_ID ||
           (column->kind == COLUMN_NUMERIC && column->number);
}

bool similar_read_number(const char *value, double *number)
{
    char *end = NULL;
    *number = g_ascii_strtod(value, &end);
    return end != value && !*end && isfinite(*number);
}

static double weight_of(double products, double all)
{
    return log1p(all / products);
}

static void share(Search *search, uint32_t item, size_t attribute, double weight)
{
    search->weight[item] += weight;
    search->shared[item] |= 1u << attribute;
}

static void add_value(Search *search, const Column *column, const char *text, size_t attribute)
{
    uint32_t value = ids_find(column->values, text, strlen(text)), n = 0;
    const uint32_t *items =
        value == IDS_NONE ? NULL : snapshot_items_with(search->snapshot, column, value, &n);
    if (n == 0)
        return;
    double weight = weight_of(n, MAX(search->snapshot->meta.n_popular, n));
    search->known |= 1u << attribute;
    search->possible += weight;
    for (uint32_t i = 0; i < n; i++)
        share(search, items[i], attribute, weight);
}

typedef struct Distance {
    double distance;
    uint32_t item;
} Distance;

static int by_distance(const void *left, const void *right)
{
    const Distance *a = left, *b = right;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

/* The predictable items that have a number. */
static uint32_t measure(const Snapshot *snapshot, const Column *column, double number,
                        Distance *list)
{
    uint32_t n = 0;
    for (uint32_t item = 0; item < MIN(snapshot->meta.n_items, column->n_rows); item++)
        if (snapshot_item_predictable(snapshot, item) && isfinite(column->number[item]))
            list[n++] = (Distance){fabs((double)column->number[item] - number), item};
    qsort(list, n, sizeof *list, by_distance);
    return n;
}

/* Those at the same distance, of which the last is the `next`th, share the number like a value that
 * so many have: 0 when that tells nothing, but the nearest always share something. */
static double weight_of_band(uint32_t first, uint32_t next, uint32_t n)
{
    for (size_t band = 0; band < G_N_ELEMENTS(bands); band++)
        if (next <= ceil(bands[band] * n))
            return weight_of(bands[band], 1);
    return first == 0 ? weight_of(next, n) : 0;
}

static void add_distances(Search *search, const Distance *list, uint32_t n, size_t attribute)
{
    for (uint32_t first = 0, next; first < n; first = next) {
        for (next = first + 1; next < n && list[next].distance == list[first].distance;)
            next++;
        double weight = weight_of_band(first, next, n);
        if (weight <= 0)
            return;
        if (first == 0)
            search->possible += weight;
        for (uint32_t i = first; i < next; i++)
            share(search, list[i].item, attribute, weight);
    }
}

static bool add_number(Search *search, const Column *column, const char *text, size_t attribute,
                       GError **error)
{
    double number;
    if (!similar_read_number(text, &number))
        return true;
    uint32_t n_items = search->snapshot->meta.n_items;
    g_autofree Distance *list = g_try_new(Distance, (size_t)n_items + 1);
    if (!list) {
        error_set(error, ERR_NO_MEMORY, "no memory to compare %u products", n_items);
        return false;
    }
    uint32_t n = measure(search->snapshot, column, number, list);
    if (n == 0)
        return true;
    search->known |= 1u << attribute;
    add_distances(search, list, n, attribute);
    return true;
}

static bool add_attribute(Search *search, const AudienceAttribute *attribute, size_t number,
                          GError **error)
{
    const Column *column =
        attributes_find(snapshot_item_attributes(search->snapshot), attribute->column);
    if (!column || !similar_can_use(column))
        return true;
    if (column->kind == COLUMN_NUMERIC)
        return add_number(search, column, attribute->value, number, error);
    add_value(search, column, attribute->value, number);
    return true;
}

static gint by_similarity(gconstpointer left, gconstpointer right, gpointer context)
{
    const Similar *a = left, *b = right;
    const float *popular = context;
    if (a->similarity != b->similarity)
        return a->similarity > b->similarity ? -1 : 1;
    if (popular[a->item] != popular[b->item])
        return popular[a->item] > popular[b->item] ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static double most_weight(const Search *search)
{
    double most = 0;
    for (uint32_t item = 0; item < search->snapshot->meta.n_items; item++)
        most = MAX(most, search->weight[item]);
    return most;
}

static bool select_best(const Search *search, uint32_t limit, Similar *list, uint32_t *n,
                        GError **error)
{
    uint32_t n_items = search->snapshot->meta.n_items, found = 0;
    double most = most_weight(search);
    g_autofree Similar *candidates = g_try_new(Similar, (size_t)n_items + 1);
    if (!candidates) {
        error_set(error, ERR_NO_MEMORY, "no memory to compare %u products", n_items);
        return false;
    }
    for (uint32_t item = 0; item < n_items && most > 0; item++)
        if (search->weight[item] >= most / 2)
            candidates[found++] =
                (Similar){.item = item,
                          .shared = search->shared[item],
                          .similarity = (float)(search->weight[item] / search->possible)};
    g_qsort_with_data(candidates, (gint)found, sizeof *candidates, by_similarity,
                      (gpointer)search->snapshot->popular_weight);
    *n = MIN(found, limit);
    memcpy(list, candidates, *n * sizeof *list);
    return true;
}

bool similar_find(const Snapshot *snapshot, const AudienceAttribute *attributes,
                  size_t n_attributes, uint32_t limit, Similar *list, uint32_t *n, uint32_t *known,
                  GError **error)
{
    size_t n_items = snapshot->meta.n_items;
    g_auto(Search) search = {.snapshot = snapshot,
                             .weight = g_try_new0(double, n_items + 1),
                             .shared = g_try_new0(uint32_t, n_items + 1)};
    if (!search.weight || !search.shared) {
        error_set(error, ERR_NO_MEMORY, "no memory to compare %zu products", n_items);
        return false;
    }
    for (size_t i = 0; i < MIN(n_attributes, AUDIENCE_ATTRIBUTES_MAX); i++)
        if (!add_attribute(&search, &attributes[i], i, error))
            return false;
    *known = search.known;
    return select_best(&search, limit, list, n, error);
}
