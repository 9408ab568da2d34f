/* What was bought on each visit of a user: an order, or a day where orders are unknown. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "data/dataset.h"
#include "math/csr.h"

typedef struct Visits {
    Csr *bought; /* visits × items, 1 where bought; a user's visits follow one another in time */
    uint64_t *first; /* n_users + 1: the visits of user u are first[u] … first[u + 1] - 1 */
    uint32_t *user;  /* of each visit */
    int64_t *time;   /* of each visit's first row, µs */
} Visits;

/* For visits_free(). ERR_NO_MEMORY. */
Visits *visits_new(const Dataset *view, GError **error);
void visits_free(Visits *visits);

/* Bytes of them while they are made, at most. */
uint64_t visits_bytes(uint64_t rows, uint32_t n_users, uint32_t n_items);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Visits, visits_free)
