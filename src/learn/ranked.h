/* The engine: a ranker over recallers. Several learners propose and score; gradient-boosted trees,
 * learned on what several earlier moments would have proposed and what was bought after them, turn
 * their scores and the facts of a pair into one probability. */
#pragma once

#include "learn/learner.h"

extern const Learner learner_ranked;
