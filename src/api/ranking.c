#include "ranking.h"

#include <math.h>
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

/* How many members at most. */
static uint32_t limit_of(const Audience *audience, uint32_t predictable)
{
    if (audience->max_size > 0)
        return (uint32_t)MIN(audience->max_size, UINT32_MAX);
    double share = ceil(audience->percentile / 100 * predictable);
    return share < 1 ? 1 : (uint32_t)share;
}

static char *key_of(const Snapshot *snapshot, const Audience *audience, uint32_t limit)
{
    return g_strdup_printf("%s %u.%u %" G_GINT64_FORMAT " %u %s\n%s\n%s",
                           snapshot_prediction(snapshot), snapshot_version(snapshot),
                           snapshot_revision(snapshot), snapshot_built_at(snapshot), limit,
                           audience->product ? "product" : "value",
                           audience->product ? audience->product : audience->column,
                           audience->product ? "" : audience->value);
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

static Members *nobody(const Snapshot *snapshot, const Audience *audience)
{
    Members *members = g_new0(Members, 1);
    members->predictable = snapshot_predictable_users(snapshot);
    members->short_because =
        audience->product
            ? g_strdup_printf("version %u knows no product \"%s\"", snapshot_version(snapshot),
                              audience->product)
            : g_strdup_printf("no product bought in the last year has %s \"%s\" in version %u",
                              audience->column, audience->value, snapshot_version(snapshot));
    return members;
}

static Members *rank_product(const Snapshot *snapshot, const Audience *audience, uint32_t limit,
                             GError **error)
{
    uint32_t item =
        ids_find(snapshot_items(snapshot), audience->product, strlen(audience->product));
    return item == IDS_NONE ? nobody(snapshot, audience)
                            : audience_rank(snapshot, &item, 1, limit, error);
}

static Members *rank_value(const Snapshot *snapshot, const Audience *audience, uint32_t limit,
                           GError **error)
{
    const Column *column = attributes_find(snapshot_item_attributes(snapshot), audience->column);
    uint32_t value =
        column ? ids_find(column->values, audience->value, strlen(audience->value)) : IDS_NONE;
    uint32_t n = 0;
    const uint32_t *items =
        value == IDS_NONE ? NULL : snapshot_items_with(snapshot, column, value, &n);
    return n == 0 ? nobody(snapshot, audience) : audience_rank(snapshot, items, n, limit, error);
}

Ranking *rankings_get(Rankings *rankings, const Snapshot *snapshot, const Audience *audience,
                      GError **error)
{
    uint32_t limit = limit_of(audience, snapshot_predictable_users(snapshot));
    g_autofree char *key = key_of(snapshot, audience, limit);
    Ranking *kept = find_kept(rankings, key);
    if (kept)
        return kept;
    Members *members = audience->product ? rank_product(snapshot, audience, limit, error)
                                         : rank_value(snapshot, audience, limit, error);
    if (!members)
        return NULL;
    Ranking *made = ranking_new(g_steal_pointer(&key), members);
    keep(rankings, made);
    return made;
}
