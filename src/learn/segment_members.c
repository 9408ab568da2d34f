#include "segment_members.h"

#include <math.h>

#include "base/error.h"

static bool is_buyer(const Dataset *view, uint32_t user)
{
    return view->user_start[user] < view->user_start[user + (size_t)1];
}

/* The user's values; *band is room for the one of a number. */
static const uint32_t *values_of(const SegmentColumn *from, uint32_t user, uint32_t *band,
                                 uint32_t *n)
{
    if (!from->bands)
        return column_values(from->column, user, n);
    *n = user < from->n_rows && isfinite(from->number[user]);
    if (*n > 0)
        *band = number_bands_find(from->bands, from->number[user]);
    return band;
}

/* For each value of the column how many users with a purchase have it; for g_free(). */
static uint32_t *count_buyers(const Dataset *view, const SegmentColumn *from, GError **error)
{
    uint32_t n_values = ids_count(from->column->values);
    uint32_t *buyers = g_try_new0(uint32_t, MAX(n_values, 1));
    if (!buyers) {
        error_set(error, ERR_NO_MEMORY, "no memory for the %u values of \"%s\"", n_values,
                  from->column->name);
        return NULL;
    }
    for (uint32_t user = 0; user < view->n_users; user++) {
        uint32_t n, band;
        const uint32_t *values = values_of(from, user, &band, &n);
        for (uint32_t v = 0; is_buyer(view, user) && v < n; v++)
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

void segment_column_clear(SegmentColumn *column)
{
    g_free(column->segment);
    number_bands_free(column->bands);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SegmentColumn, segment_column_clear)

/* A column of numbers as one of bands of what buyers have; none where they have nothing. */
static bool cut_into_bands(SegmentColumn *from, const Dataset *view, uint32_t buyers_min,
                           uint32_t values_max, GError **error)
{
    const Column *column = from->column;
    g_autofree float *number = g_try_new(float, MAX(column->n_rows, 1));
    if (!number) {
        error_set(error, ERR_NO_MEMORY, "no memory for the bands of \"%s\"", column->name);
        return false;
    }
    uint32_t n = 0;
    for (uint32_t user = 0; user < MIN(view->n_users, column->n_rows); user++) {
        if (is_buyer(view, user) && isfinite(column->number[user]))
            number[n++] = column->number[user];
    }
    if (n == 0)
        return true;
    from->number = column->number;
    from->n_rows = column->n_rows;
    uint32_t most = MAX(MIN(n / buyers_min, values_max), 1);
    from->bands = number_bands_new(column, number, n, most, error);
    if (from->bands)
        from->column = &from->bands->named;
    return from->bands != NULL;
}

static bool has_numbers(const Column *column)
{
    return column->kind == COLUMN_NUMERIC || column->kind == COLUMN_TIME;
}

static bool add_column(Segments *segments, const Dataset *view, const Column *column,
                       uint32_t buyers_min, uint32_t values_max, GError **error)
{
    g_auto(SegmentColumn) added = {.column = column};
    if (has_numbers(column) && !cut_into_bands(&added, view, buyers_min, values_max, error))
        return false;
    if (has_numbers(column) && !added.bands)
        return true;
    added.segment = count_buyers(view, &added, error);
    if (!added.segment)
        return false;
    uint32_t n_values = ids_count(added.column->values);
    uint32_t n = count_segments(added.segment, n_values, buyers_min);
    if (n < 2 || n > values_max)
        return true;
    number_segments(added.segment, n_values, buyers_min, segments->n);
    segments->n += n;
    segments->column[segments->n_columns++] = added;
    added = (SegmentColumn){0};
    return true;
}

static bool has_segments(const Column *column)
{
    return !column->is_left_out && column->kind != COLUMN_TEXT;
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
    error_set(
        error, ERR_INVALID,
        "no column of the users has 2 to %u values or bands that at least %u buyers each have",
        values_max, buyers_min);
    return NULL;
}

void segments_free(Segments *segments)
{
    if (!segments)
        return;
    for (size_t c = 0; c < segments->n_columns; c++)
        segment_column_clear(&segments->column[c]);
    g_free(segments);
}

uint32_t segments_of_cell(const SegmentColumn *from, uint32_t user, uint32_t max, uint32_t *values)
{
    uint32_t n_values, band, n = 0;
    const uint32_t *cell = values_of(from, user, &band, &n_values);
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
