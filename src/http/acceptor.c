#include "acceptor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "listener.h"

/* When the process or the machine has no descriptor left, it is tried again after this. */
#define SHORTAGE_MS  100
/* A client that was promised a connection before we stopped has confirmed it after this, in the
 * network of the shop. Whoever asks meanwhile waits a second until it learns that nobody listens,
 * so it is short. */
#define HANDSHAKE_MS 2

typedef enum Accepted { ACCEPTED_ONE, ACCEPTED_NONE, ACCEPTED_SHORTAGE } Accepted;

struct Acceptor {
    AcceptorOptions options;
    int wake;
    atomic_bool full; /* it waits for room */
    atomic_bool stopping;
    bool shortage;
    pthread_t thread;
};

static Accepted accept_one(const Acceptor *acceptor)
{
    while (true) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int fd = accept4(acceptor->options.listener, (struct sockaddr *)&address, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            acceptor->options.take(acceptor->options.closure, fd, (struct sockaddr *)&address,
                                   length);
            return ACCEPTED_ONE;
        }
        if (errno == EAGAIN)
            return ACCEPTED_NONE;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return ACCEPTED_SHORTAGE;
        /* The rest are faults of one connection, which is gone with that: accept(2). */
    }
}

static void note_shortage(Acceptor *acceptor, bool shortage)
{
    if (shortage && !acceptor->shortage)
        log_event(LOG_WARNING, "connections must wait", "reason", LOG_STRING(g_strerror(errno)),
                  NULL);
    acceptor->shortage = shortage;
}

/* True when there is. Whoever makes room after a false wakes the thread. */
static bool look_for_room(Acceptor *acceptor)
{
    atomic_store(&acceptor->full, true);
    bool room = acceptor->options.has_room(acceptor->options.closure);
    if (room)
        atomic_store(&acceptor->full, false);
    return room;
}

static void wait_for_clients(Acceptor *acceptor)
{
    bool ready = !acceptor->shortage && look_for_room(acceptor);
    struct pollfd fds[] = {{acceptor->wake, POLLIN, 0},
                           {ready ? acceptor->options.listener : -1, POLLIN, 0}};
    poll(fds, G_N_ELEMENTS(fds), acceptor->shortage ? SHORTAGE_MS : -1);
    eventfd_t ignored;
    if (fds[0].revents)
        eventfd_read(acceptor->wake, &ignored);
}

static void *run(void *pointer)
{
    Acceptor *acceptor = pointer;
    while (!atomic_load(&acceptor->stopping)) {
        wait_for_clients(acceptor);
        Accepted last = ACCEPTED_NONE;
        while (!atomic_load(&acceptor->stopping) && look_for_room(acceptor) &&
               (last = accept_one(acceptor)) == ACCEPTED_ONE)
            continue;
        note_shortage(acceptor, last == ACCEPTED_SHORTAGE);
    }
    return NULL;
}

Acceptor *acceptor_new(const AcceptorOptions *options, GError **error)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0) {
        error_set(error, ERR_INTERNAL, "cannot make an eventfd: %s", g_strerror(errno));
        return NULL;
    }
    Acceptor *acceptor = g_new0(Acceptor, 1);
    acceptor->options = *options;
    acceptor->wake = wake;
    return acceptor;
}

bool acceptor_start(Acceptor *acceptor, GError **error)
{
    int fault = pthread_create(&acceptor->thread, NULL, run, acceptor);
    if (fault != 0)
        error_set(error, ERR_INTERNAL, "cannot make a thread: %s", g_strerror(fault));
    return fault == 0;
}

void acceptor_wake(Acceptor *acceptor)
{
    if (atomic_load(&acceptor->full))
        eventfd_write(acceptor->wake, 1);
}

void acceptor_stop(Acceptor *acceptor)
{
    atomic_store(&acceptor->stopping, true);
    eventfd_write(acceptor->wake, 1);
    pthread_join(acceptor->thread, NULL);
    listener_drop_new(acceptor->options.listener);
    struct pollfd fd = {acceptor->options.listener, POLLIN, 0};
    Accepted last;
    do
        last = accept_one(acceptor);
    while (last == ACCEPTED_ONE || (last == ACCEPTED_NONE && poll(&fd, 1, HANDSHAKE_MS) > 0));
}

void acceptor_free(Acceptor *acceptor)
{
    if (!acceptor)
        return;
    close(acceptor->wake);
    g_free(acceptor);
}
