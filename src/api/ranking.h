/* Rankings of audiences: all predictable users in the order in which they want something. The last
 * few are kept, since pages and exports of one audience ask for the same again. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "index/audience.h"
#include "index/snapshot.h"
#include "spec/audience.h"

#define RANKINGS_KEPT 8

typedef struct Ranking {
    atomic_uint references;
    char *key;            /* what was ranked, of which version */
    char fingerprint[17]; /* of the key, for cursors */
    const Members *members;
} Ranking;

typedef struct Rankings {
    pthread_mutex_t lock; /* guards what follows */
    Ranking *kept[RANKINGS_KEPT];
    size_t oldest;
} Rankings;

void rankings_init(Rankings *rankings);
void rankings_clear(Rankings *rankings);

/* The ranking of an audience by a snapshot, kept or made now, for ranking_unref(). A product or
 * value that this version does not know makes an empty one that says so. ERR_NO_MEMORY.
 * Thread-safe; scans all users, so never on an HTTP thread. */
Ranking *rankings_get(Rankings *rankings, const Snapshot *snapshot, const Audience *audience,
                      GError **error);
Ranking *ranking_ref(Ranking *ranking);
void ranking_unref(Ranking *ranking);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ranking, ranking_unref)
