/* What is known of users and values as of a moment, who bought which value after it, and the rows
 * that the level model is learned from and served by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "data/split.h"
#include "learn/learner.h"
#include "learn/levels.h"
#include "levels_values.h"
#include "ranked_features.h"
#include "ranked_forest.h"

/* What features are written from. */
typedef struct LevelFacts {
    FeatureState *state;
    float *value; /* n_values × VALUE_FEATURES */
    Fitted *als;  /* of values, for what else its buyers buy; NULL when it could not learn */
    uint32_t n_values;
} LevelFacts;

typedef struct LevelMoment {
    Dataset *view; /* of values */
    Scope *scope;
    Csr *targets; /* NULL where they are not looked at */
    LevelFacts facts;
} LevelMoment;

extern const Groupings levels_no_groupings;

uint32_t level_features_count(void);
/* Of `value` < n_values; NaN where nothing is known. `liked` is what als scores the pair. */
void level_features_write(const LevelFacts *facts, uint32_t user, uint32_t value,
                          const Affinity *affinity, float liked, float *out);

/* `mapped` is of values_dataset(); rows from as_of on matter to targets only, and to those only
 * with is_past. For level_moment_clear(), whatever comes of it. */
bool level_moment_init(LevelMoment *moment, const Values *values, const Dataset *mapped,
                       int64_t as_of, bool is_past, const LevelsOptions *options, GError **error);
void level_moment_clear(LevelMoment *moment);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LevelMoment, level_moment_clear)

/* Rows of one user. */
typedef struct DrawnUser {
    uint32_t user, n;
    uint32_t *value; /* n */
    float *label;    /* n */
    float *weight;   /* n: how many pairs it stands for */
    float *features; /* n × level_features_count() */
} DrawnUser;

/* Users by lot, and of each of them every pair that came true, and by lot pairs with values bought
 * before and pairs with other values. */
typedef struct LevelDraw {
    const LevelMoment *moment;
    uint64_t seed;
    uint32_t n_users;
    uint32_t *users;
    double user_share; /* of all predictable ones */
    double pairs;      /* of the users drawn and all values that count */
    float *keep[2];    /* n_values: the share that is kept of values never bought, and bought */
} LevelDraw;

/* About `rows` rows; with `by_size` as many as possible of them are of values that sell well, so
 * that sums over one of these are exact or nearly so. */
bool level_draw_init(LevelDraw *draw, const LevelMoment *moment, double rows, bool by_size,
                     uint64_t seed, GError **error);
void level_draw_clear(LevelDraw *draw);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LevelDraw, level_draw_clear)

#define DRAW_BLOCK 64u

/* `block` is the number of the block of DRAW_BLOCK users. */
typedef bool (*DrawVisit)(void *context, uint64_t block, const DrawnUser *rows, GError **error);

/* Visits every drawn user, those of one block in their order and by one thread. */
bool level_draw_each(const LevelDraw *draw, const LevelsOptions *options, DrawVisit visit,
                     void *context, GError **error);
