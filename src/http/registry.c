#include "registry.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS     INT64_C(1000000)

struct Registry {
    pthread_mutex_t lock; /* guards all below; a socket in the list is open while it is held */
    pthread_cond_t emptied, stopped;
    Client *first;
    uint64_t open, total;
    bool stopping;
    int64_t shortest_ns;
    pthread_t reaper;
};

static void timed_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ns)
{
    struct timespec until = {until_ns / NS_PER_SECOND, until_ns % NS_PER_SECOND};
    pthread_cond_timedwait(condition, lock, &until);
}

/* Whoever does not take our answer is cut; the others only lose the right to send: what they sent
 * before is still read. */
static void end_client(const Client *client)
{
    shutdown(client->fd, atomic_load(&client->phase) == CLIENT_SENDING ? SHUT_RDWR : SHUT_RD);
}

/* Returns the nearest deadline that is left. */
static int64_t reap(Registry *registry, int64_t now)
{
    int64_t nearest = now + registry->shortest_ns;
    for (Client *client = registry->first; client; client = client->next) {
        int64_t deadline = atomic_load(&client->deadline_ns);
        if (deadline != 0 && deadline <= now)
            end_client(client);
        else if (deadline != 0 && deadline < nearest)
            nearest = deadline;
    }
    return nearest;
}

static void *run_reaper(void *pointer)
{
    Registry *registry = pointer;
    pthread_mutex_lock(&registry->lock);
    while (!registry->stopping)
        timed_wait(&registry->stopped, &registry->lock, reap(registry, clock_ticks_ns()));
    pthread_mutex_unlock(&registry->lock);
    return NULL;
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void destroy(Registry *registry)
{
    pthread_cond_destroy(&registry->emptied);
    pthread_cond_destroy(&registry->stopped);
    pthread_mutex_destroy(&registry->lock);
    g_free(registry);
}

Registry *registry_new(uint32_t shortest_ms, GError **error)
{
    Registry *registry = g_new0(Registry, 1);
    pthread_mutex_init(&registry->lock, NULL);
    init_condition(&registry->emptied);
    init_condition(&registry->stopped);
    registry->shortest_ns = shortest_ms * NS_PER_MS;
    int fault = pthread_create(&registry->reaper, NULL, run_reaper, registry);
    if (fault != 0) {
        error_set(error, ERR_INTERNAL, "cannot make a thread: %s", g_strerror(fault));
        destroy(registry);
        return NULL;
    }
    return registry;
}

void registry_free(Registry *registry)
{
    if (!registry)
        return;
    g_assert(!registry->first);
    pthread_mutex_lock(&registry->lock);
    registry->stopping = true;
    pthread_cond_signal(&registry->stopped);
    pthread_mutex_unlock(&registry->lock);
    pthread_join(registry->reaper, NULL);
    destroy(registry);
}

void registry_expect(Registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    registry->open++;
    registry->total++;
    pthread_mutex_unlock(&registry->lock);
}

/* The lock is held. */
static void count_out(Registry *registry)
{
    if (--registry->open == 0)
        pthread_cond_broadcast(&registry->emptied);
}

void registry_lose(Registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    count_out(registry);
    pthread_mutex_unlock(&registry->lock);
}

void registry_add(Registry *registry, Client *client, int64_t deadline_ns)
{
    client_enter(client, CLIENT_IDLE, deadline_ns);
    pthread_mutex_lock(&registry->lock);
    client->previous = NULL;
    client->next = registry->first;
    if (client->next)
        client->next->previous = client;
    registry->first = client;
    pthread_mutex_unlock(&registry->lock);
}

void registry_remove(Registry *registry, Client *client)
{
    pthread_mutex_lock(&registry->lock);
    if (client->previous)
        client->previous->next = client->next;
    else
        registry->first = client->next;
    if (client->next)
        client->next->previous = client->previous;
    count_out(registry);
    pthread_mutex_unlock(&registry->lock);
}

void client_enter(Client *client, ClientPhase phase, int64_t deadline_ns)
{
    if (phase == CLIENT_IDLE)
        atomic_store_explicit(&client->idle_ns, clock_ticks_ns(), memory_order_relaxed);
    /* The deadline first: the reaper must not judge the new phase by the old one's. */
    atomic_store_explicit(&client->deadline_ns, deadline_ns, memory_order_relaxed);
    atomic_store_explicit(&client->phase, phase, memory_order_release);
}

void registry_close_idle(Registry *registry, int64_t since_ns)
{
    pthread_mutex_lock(&registry->lock);
    for (Client *client = registry->first; client; client = client->next)
        if (atomic_load(&client->phase) == CLIENT_IDLE && atomic_load(&client->idle_ns) <= since_ns)
            shutdown(client->fd, SHUT_RD);
    pthread_mutex_unlock(&registry->lock);
}

void registry_close_all(Registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    for (Client *client = registry->first; client; client = client->next)
        shutdown(client->fd, SHUT_RDWR);
    pthread_mutex_unlock(&registry->lock);
}

bool registry_wait_empty(Registry *registry, int64_t until_ns)
{
    pthread_mutex_lock(&registry->lock);
    while (registry->open > 0 && clock_ticks_ns() < until_ns)
        timed_wait(&registry->emptied, &registry->lock, until_ns);
    bool empty = registry->open == 0;
    pthread_mutex_unlock(&registry->lock);
    return empty;
}

void registry_count(Registry *registry, uint64_t *open, uint64_t *total)
{
    pthread_mutex_lock(&registry->lock);
    *open = registry->open;
    *total = registry->total;
    pthread_mutex_unlock(&registry->lock);
}
