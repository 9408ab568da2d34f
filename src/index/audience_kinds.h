/* The kinds of audiences, one row each, and what they share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "index/audience.h"

typedef struct AudienceMaker {
    void (*check)(const Snapshot *snapshot, const Audience *audience, Faults *faults);
    Members *(*rank)(const Snapshot *snapshot, const Audience *audience, uint32_t limit,
                     GError **error);
    /* NULL: there is nothing to tell. */
    bool (*describe)(const Snapshot *snapshot, const Audience *audience, JsonWriter *json,
                     GError **error);
} AudienceMaker;

extern const AudienceMaker audience_of_product, audience_of_value, audience_of_attributes;

/* Of a value's products, or of those like a described one, so many count: each costs a look at
 * every user, and those bought most tell most. */
#define AUDIENCE_ITEMS_MAX 40u

/* The first `limit` by scores[user] > 0; takes users who do not count out of `scores`. */
Members *audience_rank_scores(const Snapshot *snapshot, float *scores, bool are_probabilities,
                              uint32_t limit, GError **error);

/* Adds `weight` times how much every user wants the items, each or together, to scores[user]: their
 * probabilities where the version's probabilities are not in the order of its scores.
 * ERR_NO_MEMORY.
 */
bool audience_add_items(const Snapshot *snapshot, const uint32_t *items, uint32_t n, float weight,
                        float *scores, GError **error);

/* An empty audience, and why. */
Members *audience_nobody(const Snapshot *snapshot, const char *format, ...) G_GNUC_PRINTF(2, 3);
