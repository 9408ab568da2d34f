/* The thread that accepts connections. libmicrohttpd would listen itself, but when its threads and
 * MHD_quiesce_daemon() take the socket out of epoll at the same moment, it aborts the process; and
 * what it has accepted and not yet begun, a stopping server cannot see. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include <glib.h>

typedef struct AcceptorOptions {
    int listener; /* non-blocking; borrowed until acceptor_stop() has returned */
    /* Both are called on the acceptor's thread; `take` also by acceptor_stop(). */
    bool (*has_room)(void *closure);
    /* Takes over the socket, which is non-blocking and close-on-exec. */
    void (*take)(void *closure, int fd, const struct sockaddr *address, socklen_t length);
    void *closure;
} AcceptorOptions;

typedef struct Acceptor Acceptor;

/* ERR_INTERNAL. */
Acceptor *acceptor_new(const AcceptorOptions *options, GError **error);

/* Begins to accept. While there is no room, connections wait in the kernel's queue. ERR_INTERNAL.
 */
bool acceptor_start(Acceptor *acceptor, GError **error);

/* To be called when room was made, from any thread. */
void acceptor_wake(Acceptor *acceptor);

/* After acceptor_start(). Ends the thread, and takes what the kernel has accepted by now, room or
 * not. Nobody who comes later gets a connection. */
void acceptor_stop(Acceptor *acceptor);

/* When it was stopped or never started. */
void acceptor_free(Acceptor *acceptor);
