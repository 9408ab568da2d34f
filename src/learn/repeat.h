/* Personal frequency with recency and purchase cycle: people buy again what they bought often and
 * lately, and what they are due to.
 *
 *     score(u, i) = popular(i) + c(u, i) · (1 + cycle · due(u, i)) · (1 + rank(i) · 2^-10)
 *
 * c: the user's own purchases of i, each counted 2^-(age / half-life), and other events as
 * strengths.h weighs them: where carts count, what is in the cart comes before the rest; due: of
 * cycles.h, 0 to 1; rank(i): the item's place by decayed popularity, from 0 (never bought) to 1
 * (first); popular(i): that popularity scaled below the smallest personal count. So own purchases
 * come first, equal ones (one order, or two within a few hours) and everything else by popularity.
 * Hu, He, Gao, Zhang: Modeling Personalized Item Frequency Information for Next-basket
 * Recommendation, SIGIR 2020. */
#pragma once

#include "learn/learner.h"

extern const Learner learner_repeat;
