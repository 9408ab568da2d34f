#include "limiter.h"

#include <pthread.h>

#define NS_PER_SECOND 1e9

typedef struct Bucket {
    double tokens;
    int64_t filled_ns;
} Bucket;

struct Limiter {
    double per_second;
    pthread_mutex_t lock; /* guards buckets */
    GHashTable *buckets;  /* key → Bucket; as many as there are keys that ever let somebody in */
};

Limiter *limiter_new(uint32_t per_second)
{
    Limiter *limiter = g_new0(Limiter, 1);
    limiter->per_second = per_second;
    limiter->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pthread_mutex_init(&limiter->lock, NULL);
    return limiter;
}

void limiter_free(Limiter *limiter)
{
    if (!limiter)
        return;
    g_hash_table_unref(limiter->buckets);
    pthread_mutex_destroy(&limiter->lock);
    g_free(limiter);
}

static Bucket *find_bucket(Limiter *limiter, const char *key, int64_t now_ns)
{
    Bucket *bucket = g_hash_table_lookup(limiter->buckets, key);
    if (bucket)
        return bucket;
    bucket = g_new(Bucket, 1);
    *bucket = (Bucket){limiter->per_second, now_ns};
    g_hash_table_insert(limiter->buckets, g_strdup(key), bucket);
    return bucket;
}

static bool take(Bucket *bucket, double per_second, int64_t now_ns)
{
    /* Two threads may come with their moments in the wrong order. */
    double passed = MAX(0.0, (double)(now_ns - bucket->filled_ns) / NS_PER_SECOND);
    bucket->tokens = MIN(per_second, bucket->tokens + passed * per_second);
    bucket->filled_ns = MAX(bucket->filled_ns, now_ns);
    if (bucket->tokens < 1.0)
        return false;
    bucket->tokens -= 1.0;
    return true;
}

bool limiter_take(Limiter *limiter, const char *key, int64_t now_ns)
{
    if (limiter->per_second == 0)
        return true;
    pthread_mutex_lock(&limiter->lock);
    bool taken = take(find_bucket(limiter, key, now_ns), limiter->per_second, now_ns);
    pthread_mutex_unlock(&limiter->lock);
    return taken;
}
