#include <poll.h>

#include "base/clock.h"
#include "state.h"
#include "store/jobs.h"

struct JobsListener {
    Store *store;
    PGconn *connection; /* NULL: to be made by the next wait */
};

JobsListener *jobs_listener_new(Store *store)
{
    JobsListener *listener = g_new0(JobsListener, 1);
    listener->store = store;
    return listener;
}

void jobs_listener_free(JobsListener *listener)
{
    if (!listener)
        return;
    PQfinish(listener->connection);
    g_free(listener);
}

static bool start_listening(JobsListener *listener)
{
    g_autoptr(PGconn) made = state_connect(listener->store, 0, NULL);
    if (!made)
        return false;
    g_autoptr(PGresult) result = db_query(made, "LISTEN shortlist_jobs", 0, NULL, NULL);
    if (!result)
        return false;
    listener->connection = g_steal_pointer(&made);
    return true;
}

/* True when there were notifications; all are taken. */
static bool take_notifications(PGconn *connection)
{
    bool any = false;
    for (PGnotify *notify; (notify = PQnotifies(connection)) != NULL; any = true)
        PQfreemem(notify);
    return any;
}

/* Waits for the server or wake_fd (-1: poll() leaves it out). True when the server sent something
 * that tells nothing, so that the wait goes on. */
static bool wait_once(JobsListener *listener, int timeout_ms, int wake_fd)
{
    struct pollfd fds[] = {{.fd = PQsocket(listener->connection), .events = POLLIN},
                           {.fd = wake_fd, .events = POLLIN}};
    if (poll(fds, 2, timeout_ms) <= 0 || fds[1].revents)
        return false;
    if (!PQconsumeInput(listener->connection)) {
        PQfinish(listener->connection);
        listener->connection = NULL;
        return false;
    }
    return !take_notifications(listener->connection);
}

void jobs_listener_wait(JobsListener *listener, uint32_t timeout_ms, int wake_fd)
{
    int timeout = (int)MIN(timeout_ms, (uint32_t)G_MAXINT);
    if (!listener->connection) {
        /* What came before LISTEN was not heard: the caller looks again at once. While PostgreSQL
         * is away there is nothing to hear, and no hurry. */
        if (!start_listening(listener)) {
            struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
            poll(&wake, 1, timeout);
        }
        return;
    }
    int64_t end = clock_ticks_ns() + (int64_t)timeout * 1000000;
    if (take_notifications(listener->connection))
        return;
    while (wait_once(listener, timeout, wake_fd)) {
        int64_t left = (end - clock_ticks_ns()) / 1000000;
        if (left <= 0)
            return;
        timeout = (int)left;
    }
}
