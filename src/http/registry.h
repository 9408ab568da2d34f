/* The open connections and the moment until which each must have got on. libmicrohttpd's timeout is
 * about silence only: a byte a second would hold a connection for ever. A thread of ours shuts the
 * socket of a late one; libmicrohttpd then sees its end and closes it. Thread-safe. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef enum ClientPhase {
    CLIENT_IDLE,      /* no request has begun */
    CLIENT_RECEIVING, /* its head or body is coming */
    CLIENT_WORKING,   /* a handler has it */
    CLIENT_SENDING
} ClientPhase;

/* Part of the caller's connection. */
typedef struct Client {
    int fd;
    _Atomic ClientPhase phase;
    _Atomic int64_t deadline_ns; /* 0: none */
    _Atomic int64_t idle_ns;     /* the moment it became CLIENT_IDLE last */
    struct Client *previous, *next;
} Client;

typedef struct Registry Registry;

/* No deadline is ever set nearer than `shortest_ms` from its moment. ERR_INTERNAL. */
Registry *registry_new(uint32_t shortest_ms, GError **error);

/* All clients are gone by then. */
void registry_free(Registry *registry);

/* A connection was accepted and counts as open. It is then either lost or added, and removed. */
void registry_expect(Registry *registry);
void registry_lose(Registry *registry);
void registry_add(Registry *registry, Client *client, int64_t deadline_ns);

/* Before the socket is closed. */
void registry_remove(Registry *registry, Client *client);

/* Moves a client to its next phase. Only the thread that owns the connection right now. */
void client_enter(Client *client, ClientPhase phase, int64_t deadline_ns);

/* Ends reading on connections that are idle since that monotonic moment or longer: a request that
 * arrived meanwhile is still read and answered. */
void registry_close_idle(Registry *registry, int64_t since_ns);

/* Cuts all. */
void registry_close_all(Registry *registry);

/* Waits until no connection is left, or until the monotonic moment. True when none is left. */
bool registry_wait_empty(Registry *registry, int64_t until_ns);

void registry_count(Registry *registry, uint64_t *open, uint64_t *total);
