/* Bands of a column of numbers or times, so that it has values as a categorical column has: "up to
 * 25", "over 25 up to 34", "over 34". About as many of the numbers they are made of lie in each;
 * equal numbers, and times of one day, are never apart. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "data/attributes.h"

#define NUMBER_BANDS_MAX 8u

typedef struct NumberBands {
    ColumnKind kind;
    float edge[NUMBER_BANDS_MAX - 1]; /* the highest number (or day since 1970) of each band but the
                                         last, ascending */
    Column named; /* name as the column's, kind categorical, values: the bands; without rows */
} NumberBands;

/* Of at least one number of the column, finite; changed and sorted here; at most `most` ≤
 * NUMBER_BANDS_MAX bands. The name is borrowed. For number_bands_free(); NULL with ERR_NO_MEMORY.
 */
NumberBands *number_bands_new(const Column *column, float *number, uint32_t n, uint32_t most,
                              GError **error);
void number_bands_free(NumberBands *bands);

/* Of a finite number. */
uint32_t number_bands_find(const NumberBands *bands, float number);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NumberBands, number_bands_free)
