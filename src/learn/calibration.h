/* Inside a calibration. */
#pragma once

#include "learn/calibrate.h"

#define BANDS_MAX 4u
#define KNOTS_MAX 48u

typedef struct Curve {
    uint32_t n;
    float x[KNOTS_MAX]; /* ascending: the logarithm of the score */
    float y[KNOTS_MAX]; /* ascending: log-odds */
} Curve;

struct Calibration {
    uint32_t n_items, n_bands;
    bool by_item;        /* several bands and a shift per item; else one of each */
    float candidate_min; /* of the learner */
    float own_weight;    /* of a product's own forecast, as learned; not in a file, where all is
                            aimed */
    Curve curve[BANDS_MAX];
    uint8_t *band; /* n_items: which curve is its */
    float *shift;  /* n_items: what is added to the log-odds */
};

/* Bands of like popularity, each with a like share of the purchases of the last year: the most
 * bought products are band 0. band: n_items. */
bool calibration_band(Calibration *calibration, const Dataset *view, GError **error);
