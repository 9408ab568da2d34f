/* Which segments each user is in: a segment is a value of a column of the users that enough buyers
 * have, of numbers and times a band. Segment 0 is everybody. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "math/topk.h"
#include "number_bands.h"

#define SEGMENT_COLUMNS_MAX 16u /* looked at */
#define MEMBERSHIPS_MAX     16u /* of one user, beside everybody */

typedef struct SegmentColumn {
    const Column *column; /* its name and values; of bands without rows */
    uint32_t *segment;    /* of each value: its number, or 0 where too few buyers have it */
    NumberBands *bands;   /* of `number`, or NULL */
    const float *number;  /* of each row */
    uint32_t n_rows;
} SegmentColumn;

typedef struct Segments {
    SegmentColumn column[SEGMENT_COLUMNS_MAX];
    size_t n_columns;
    uint32_t n; /* segments, everybody among them */
} Segments;

/* Of the columns that are not left out, texts aside: those with 2 to `values_max` values or bands
 * that at least `buyers_min` users with a purchase have. Borrows the columns of `view`. For
 * segments_free(); NULL with ERR_INVALID (there is no such column), ERR_NO_MEMORY. */
Segments *segments_find(const Dataset *view, uint32_t buyers_min, uint32_t values_max,
                        GError **error);
void segments_free(Segments *segments);
void segment_column_clear(SegmentColumn *column);

/* The segments of a user beside everybody into out (room for MEMBERSHIPS_MAX), in any order, and
 * how much each counts: every column the same, 1 together. Returns how many; 0: everybody alone. */
uint32_t segments_of(const Segments *segments, uint32_t user, Scored *out);

/* Numbers of the first values of a user's cell that are segments, at most `max`. Returns how many.
 */
uint32_t segments_of_cell(const SegmentColumn *from, uint32_t user, uint32_t max, uint32_t *values);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Segments, segments_free)
