#include "segment_members.h"

#include "base/error.h"

/* For each value of the column how many users with a purchase have it; for g_free(). */
static uint32_t *count_buyers(const Dataset *view, const Column *column, GError **error)
{
    uint32_t *buyers = g_try_new0(uint32_t, MAX(ids_count(column->values), 1));
    if (!buyers) {
        error_set(error, ERR_NO_MEMORY, "no memory for the %u values of \"%s\"",
                  ids_count(column->values), column->name);
        return NULL;
    }
    for (uint32_t user = 0; user < view->n_users; user++) {
        uint32_t n;
        const uint32_t *values = column_values(column, user, &n);
        bool bought = view->user_start[user] < view->user_start[user + (size_t)1];
        for (uint32_t v = 0; bought && v < n; v++)
            buyers[values[v]]++;
    }
    return buyers;
}

static uint32_t count_segments(const uint32_t *buyers, uint32_t n_values, uint32_t buyers_min)
{
    uint32_t n = 0;
    for (uint32_t value = 0; value < n_values; value++)
        n += buyers[value] >= buyers_min;
    return n;
}

/* In the place of how many buyers have it, the number of each value's segment. */
static void number_segments(uint32_t *buyers, uint32_t n_values, uint32_t buyers_min, uint32_t next)
{
    for (uint32_t value = 0; value < n_values; value++)
        buyers[value] = buyers[value] >= buyers_min ? next++ : 0;
}

static bool add_column(Segments *segments, const Dataset *view, const Column *column,
                       uint32_t buyers_min, uint32_t values_max, GError **error)
{
    uint32_t n_values = ids_count(column->values);
    g_autofree uint32_t *buyers = count_buyers(view, column, error);
    if (!buyers)
        return false;
    uint32_t n = count_segments(buyers, n_values, buyers_min);
    if (n < 2 || n > values_max)
        return true;
    number_segments(buyers, n_values, buyers_min, segments->n);
    segments->n += n;
    segments->column[segments->n_columns++] = (SegmentColumn){column, g_steal_pointer(&buyers)};
    return true;
}

static bool has_segments(const Column *column)
{
    return !column->is_left_out &&
           (column->kind == COLUMN_CATEGORICAL || column->kind == COLUMN_ID);
}

Segments *segments_find(const Dataset *view, uint32_t buyers_min, uint32_t values_max,
                        GError **error)
{
    const Attributes *attributes = view->user_attributes;
    g_autoptr(Segments) segments = g_new0(Segments, 1);
    segments->n = 1;
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        if (segments->n_columns < SEGMENT_COLUMNS_MAX && has_segments(column) &&
            !add_column(segments, view, column, buyers_min, values_max, error))
            return NULL;
    }
    if (segments->n_columns > 0)
        return g_steal_pointer(&segments);
    error_set(error, ERR_INVALID,
              "no column of the users has 2 to %u values that at least %u buyers each have",
              values_max, buyers_min);
    return NULL;
}

void segments_free(Segments *segments)
{
    if (!segments)
        return;
    for (size_t c = 0; c < segments->n_columns; c++)
        g_free(segments->column[c].segment);
    g_free(segments);
}

uint32_t segments_of_cell(const SegmentColumn *from, uint32_t user, uint32_t max, uint32_t *values)
{
    uint32_t n_values, n = 0;
    const uint32_t *cell = column_values(from->column, user, &n_values);
    for (uint32_t v = 0; v < n_values && n < max; v++) {
        if (from->segment[cell[v]] > 0)
            values[n++] = cell[v];
    }
    return n;
}

/* Adds those of one cell to the n before, each with its part of 1; how many there are then. */
static uint32_t add_cell(const SegmentColumn *from, uint32_t user, uint32_t n, Scored *out)
{
    uint32_t values[MEMBERSHIPS_MAX];
    uint32_t n_values = segments_of_cell(from, user, MEMBERSHIPS_MAX - n, values);
    for (uint32_t v = 0; v < n_values; v++)
        out[n++] = (Scored){from->segment[values[v]], 1.0f / (float)n_values};
    return n;
}

uint32_t segments_of(const Segments *segments, uint32_t user, Scored *out)
{
    uint32_t n = 0, n_columns = 0;
    for (size_t c = 0; c < segments->n_columns; c++) {
        uint32_t before = n;
        n = add_cell(&segments->column[c], user, n, out);
        n_columns += n > before;
    }
    for (uint32_t e = 0; e < n; e++)
        out[e].score /= (float)n_columns;
    return n;
}
