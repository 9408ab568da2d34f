/* What every user has bought, and how much of it the purchased-items rule keeps out of lists. */
#pragma once

#include <stdint.h>

#include <glib.h>

#include "data/split.h"
#include "learn/evaluate.h"

typedef struct Histories {
    uint32_t n_users;
    uint64_t *start;       /* n_users + 1 */
    uint32_t *item;        /* start[n_users]: distinct items of a user, newest first */
    uint32_t *banned;      /* n_users: how many of them, from the newest, the rule bans */
    uint32_t *banned_item; /* those, ascending, at the places of `start`; NULL when allowed */
} Histories;

/* ERR_NO_MEMORY. For histories_free(). */
Histories *histories_new(const Dataset *view, const Scope *scope, const ListRules *rules,
                         GError **error);
void histories_free(Histories *histories);

/* The items banned for a user, ascending; borrowed. */
const uint32_t *histories_banned(const Histories *histories, uint32_t user, uint32_t *n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Histories, histories_free)
