/* The two sides of the scores of segments.h: what is bought in every segment, and how much of each
 * stands in a user's score. */
#pragma once

#include "math/csr.h"
#include "segment_members.h"
#include "segments.h"

typedef struct SegmentShares {
    Segments *segments;
    double prior;  /* lines */
    double *lines; /* of each segment: Σ c_v */
    Csr *left;     /* users × segments */
    Csr *right;    /* segments × items: c_v brought to the lines of the whole shop */
} SegmentShares;

/* Takes the segments, which are of `view`; it must have a purchase. For segment_shares_free(); NULL
 * with ERR_NO_MEMORY, ERR_CANCELLED. */
SegmentShares *segment_shares_learn(Segments *takes_segments, const Dataset *view,
                                    const SegmentsParams *params, const FitContext *context,
                                    GError **error);
void segment_shares_free(SegmentShares *shares);

/* The left side of n of the users alone (NULL: of the first n), by the columns that the segments
 * have now. For csr_free(); NULL with ERR_NO_MEMORY. */
Csr *segment_shares_of(const SegmentShares *shares, const uint32_t *users, uint32_t n,
                       GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SegmentShares, segment_shares_free)
