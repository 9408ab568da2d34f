/* The learners below the ranker: what they propose to a user (the candidates), and how they score
 * and place any pair. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "learn/learner.h"
#include "math/topk.h"
#include "ranked_features.h"
#include "ranked_state.h"

#define RECALLERS_MAX 10u
/* Of each recaller, with the user's history and without. */
#define RECALLED      100u
/* Places told apart: the scores at 1, 2, 3, 4, 6, 8, 12 … 256, then about an eighth, a quarter,
 * half and three quarters of all. */
#define PLACES        20u
#define PLACE_LAST    256u

typedef struct Recallers {
    uint32_t n;
    const char *name[RECALLERS_MAX];
    Fitted *fitted[RECALLERS_MAX];
} Recallers;

/* Fits all there are. One that says ERR_INVALID of this data stays NULL: it proposes nothing. For
 * recallers_free(). ERR_NO_MEMORY, ERR_CANCELLED. */
Recallers *recallers_fit(const Dataset *view, const FitContext *context, GError **error);
/* Bytes of them, and of the fit that takes most beyond these. */
uint64_t recallers_kept_bytes(const FitSize *size);
uint64_t recallers_fit_bytes(const FitSize *size);
void recallers_free(Recallers *recallers);

/* NULL when there is none of that name. */
const Learner *recallers_find(const char *name);

/* Scratch of one thread, for up to `users` users at a time. */
typedef struct Desk {
    uint32_t n_users;            /* room in the tiles */
    float *tile[RECALLERS_MAX];  /* n_users × n_items each */
    uint32_t *bought, *proposed; /* n_items: stamps */
    uint32_t stamp;
    Scored *work, *best;
    Affinity *affinity;                 /* n_items, zeros between users */
    uint32_t n;                         /* candidates of the user in hand */
    uint32_t *item;                     /* n, no order */
    float place[RECALLERS_MAX][PLACES]; /* scores at the places of the user in hand */
} Desk;

/* Desks for that many threads, each with room for n_users; for desks_free(). */
Desk *desks_new(uint32_t n_items, uint64_t longest_history, uint32_t n_users, unsigned threads,
                GError **error);
void desks_free(Desk *desks, unsigned threads);
uint64_t desk_bytes(uint32_t n_items);

#define DESK_USERS_MAX 64u

/* Users a desk scores at a time, at most DESK_USERS_MAX. */
uint32_t desk_users(uint32_t n_items);

/* Fills the tiles for n ≤ n_users users. ERR_NO_MEMORY. */
bool desk_score(Desk *desk, const Recallers *recallers, const uint32_t *users, uint32_t n,
                GError **error);

/* Finds candidates and places of the user in row `row` of the tiles. ERR_NO_MEMORY. */
bool desk_propose(Desk *desk, const Recallers *recallers, const FeatureState *state, uint32_t user,
                  uint32_t row, GError **error);

/* Writes features of the given items for the user last proposed to. */
void desk_describe(Desk *desk, const Recallers *recallers, const FeatureState *state, uint32_t user,
                   uint32_t row, const uint32_t *items, uint32_t n, float *out);

/* The two features for a score, given the scores at the places: itself, rounded since a learner may
 * add up in another order when asked about a product than when asked about a user, and where it
 * stands: 0 for the first … PLACES for the rest. NaN for NaN. */
void recall_features(const float *place, float score, float features[2]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recallers, recallers_free)
