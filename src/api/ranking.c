#include "ranking.h"

#include <string.h>

void rankings_init(Rankings *rankings)
{
    memset(rankings, 0, sizeof *rankings);
    pthread_mutex_init(&rankings->lock, NULL);
}

void rankings_clear(Rankings *rankings)
{
    for (size_t i = 0; i < RANKINGS_KEPT; i++)
        ranking_unref(rankings->kept[i]);
    pthread_mutex_destroy(&rankings->lock);
}

Ranking *ranking_ref(Ranking *ranking)
{
    atomic_fetch_add(&ranking->references, 1);
    return ranking;
}

void ranking_unref(Ranking *ranking)
{
    if (!ranking || atomic_fetch_sub(&ranking->references, 1) > 1)
        return;
    members_free((Members *)ranking->members);
    g_free(ranking->key);
    g_free(ranking);
}

static char *key_of(const Snapshot *snapshot, const Audience *audience)
{
    g_autofree char *wish = audience_wish(audience);
    return g_strdup_printf("%s %u.%u %" G_GINT64_FORMAT " %s", snapshot_prediction(snapshot),
                           snapshot_version(snapshot), snapshot_revision(snapshot),
                           snapshot_built_at(snapshot), wish);
}

static Ranking *ranking_new(char *takes_key, Members *takes_members)
{
    Ranking *ranking = g_new0(Ranking, 1);
    atomic_init(&ranking->references, 1);
    ranking->key = takes_key;
    ranking->members = takes_members;
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, takes_key, -1);
    g_strlcpy(ranking->fingerprint, sum, sizeof ranking->fingerprint);
    return ranking;
}

static Ranking *find_kept(Rankings *rankings, const char *key)
{
    Ranking *found = NULL;
    pthread_mutex_lock(&rankings->lock);
    for (size_t i = 0; i < RANKINGS_KEPT && !found; i++)
        if (rankings->kept[i] && strcmp(rankings->kept[i]->key, key) == 0)
            found = ranking_ref(rankings->kept[i]);
    pthread_mutex_unlock(&rankings->lock);
    return found;
}

static void keep(Rankings *rankings, Ranking *ranking)
{
    ranking_ref(ranking);
    pthread_mutex_lock(&rankings->lock);
    Ranking *dropped = rankings->kept[rankings->oldest];
    rankings->kept[rankings->oldest] = ranking;
    rankings->oldest = (rankings->oldest + 1) % RANKINGS_KEPT;
    pthread_mutex_unlock(&rankings->lock);
    ranking_unref(dropped);
}

Ranking *rankings_get(Rankings *rankings, const Snapshot *snapshot, const Audience *audience,
                      GError **error)
{
    g_autofree char *key = key_of(snapshot, audience);
    Ranking *kept = find_kept(rankings, key);
    if (kept)
        return kept;
    Members *members = audience_members(snapshot, audience, error);
    if (!members)
        return NULL;
    Ranking *made = ranking_new(g_steal_pointer(&key), members);
    keep(rankings, made);
    return made;
}
