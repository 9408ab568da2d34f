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
    bool by_item;     /* several bands and a shift per item; else one of each */
    float own_weight; /* of a product's own forecast, as learned; not in a file, where all is
                         aimed */
    Curve curve[BANDS_MAX];
    uint8_t *band; /* n_items: which curve is its */
    float level;   /* what is added to the log-odds of all pairs */
    float *shift;  /* n_items: what is added beyond, the less the likelier the pair is */
};

/* Bands of like popularity, each with a like share of the purchases of the last year: the most
 * bought products are band 0. band: n_items. */
bool calibration_band(Calibration *calibration, const Dataset *view, GError **error);

/* Log-odds of a score above 0, before anything is aimed. */
float calibration_odds(const Calibration *calibration, uint32_t item, float score);

/* How much of its product's shift a pair of these log-odds takes: 1 … 0. */
float calibration_give(float odds);

/* The weight by which forecasts as of the moment would have told best what was bought after it.
 * Needs the curves. ERR_NO_MEMORY, ERR_CANCELLED. */
bool calibration_learn_own_weight(Calibration *calibration, const CalibrateMoment *moment,
                                  const Samples *samples, const CalibrateOptions *options,
                                  GError **error);
