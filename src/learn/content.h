/* Products that are described as those are that the user bought.
 *
 *     score(u, i) = cosine(profile_u, vector_i),   profile_u = Σ_j √c(u, j) · vector_j
 *
 * c: purchases of u, each counted 2^-(age / half-life), and other events at their weights
 * (strengths.h), under a root so that what is bought over and over does not drown the rest;
 * vector: content_vectors.h. Profiles are cut to their strongest tokens. A product that nobody
 * bought yet is scored like any other, and so is one that the user bought before; a user without
 * such events scores nothing. Lops, de Gemmis, Semeraro: Content-based Recommender Systems: State
 * of the Art and Trends, Recommender Systems Handbook, 2011. */
#pragma once

#include "learn/learner.h"

typedef struct ContentParams {
    uint32_t product_tokens; /* kept of each product, at least 1 */
    uint32_t profile_tokens; /* kept of each user, at least 1; fewer where there are very many */
    float half_life_days;    /* 0: plain counts */
} ContentParams;

extern const ContentParams content_defaults;
extern const Learner learner_content;

/* learner_content's fit with other parameters. */
Fitted *content_fit_with(const Dataset *view, const ContentParams *params,
                         const FitContext *context, GError **error);
