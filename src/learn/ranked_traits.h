/* What the shop's own columns say of a user, as numbers the ranker's trees can cut. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "ranked_arrays.h"

#define TRAITS_MAX 6

/* By the mapped columns of the users, first come first. A number is itself, a time the days before
 * the moment (NaN after it), a category how much its users buy: Σ log(1 + rows of the last 90 days)
 * over its users and a few average ones (Micci-Barreca: A Preprocessing Scheme for High-Cardinality
 * Categorical Attributes, SIGKDD Explorations 2001). NaN where the shop says nothing. */
typedef struct Traits {
    uint32_t n;
    char name[TRAITS_MAX][24];
    float *value; /* n_users × n */
} Traits;

/* Only rows of `view` are read, `days` before `as_of` each. ERR_NO_MEMORY. */
bool traits_init(Traits *traits, const Dataset *view, int64_t as_of, const float *days,
                 GError **error);
void traits_arrays(Traits *traits, uint32_t n_users, KeptArrays *arrays);
