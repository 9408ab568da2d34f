/* Pairs of users and products with their scores, as a calibration is fitted, aimed and judged on:
 * of every user drawn all that score highest and a share of the others, which weighs as much as
 * all of them. What was bought is always kept. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "learn/calibrate.h"

struct Samples {
    uint32_t n_users;   /* drawn */
    double user_share;  /* of all predictable ones */
    uint64_t n;         /* pairs */
    uint64_t *start;    /* n_users + 1: pairs of a user */
    uint32_t *item;     /* n */
    float *score;       /* n: above 0 */
    float *weight;      /* n: 1, or how many pairs it stands for */
    uint8_t *is_bought; /* n */
    double pairs;       /* Σ weight, and pairs that score 0 */
};
