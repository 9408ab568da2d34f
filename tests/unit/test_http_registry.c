/* Connections count from their acceptance to their end; who goes silent is closed, nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/registry.h"

#define LONG_MS 60000
#define NEVER   0

static uint64_t open_of(Registry *registry)
{
    uint64_t open = 0, total = 0;
    registry_count(registry, &open, &total);
    return open;
}

/* A client of ours, the other end in *peer. */
static void connect_client(Registry *registry, Client *client, int *peer)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *client = (Client){.fd = pair[0]};
    *peer = pair[1];
    registry_expect(registry);
    registry_add(registry, client, NEVER);
}

static void disconnect(Registry *registry, Client *client, int peer)
{
    registry_remove(registry, client);
    close(client->fd);
    close(peer);
}

/* The peer of a socket whose reading has ended cannot send. */
static bool may_send(int peer)
{
    return send(peer, "x", 1, MSG_NOSIGNAL) == 1;
}

static void a_connection_is_open_from_its_acceptance(void **state)
{
    Registry *registry = registry_new(LONG_MS, NULL);
    assert_true(registry_wait_empty(registry, 0));
    registry_expect(registry);
    assert_int_equal(open_of(registry), 1);
    assert_false(registry_wait_empty(registry, 0));
    registry_lose(registry);
    assert_true(registry_wait_empty(registry, 0));

    Client client;
    int peer;
    connect_client(registry, &client, &peer);
    assert_int_equal(open_of(registry), 1);
    disconnect(registry, &client, peer);
    assert_true(registry_wait_empty(registry, 0));
    uint64_t open = 0, total = 0;
    registry_count(registry, &open, &total);
    assert_int_equal(total, 2);
    registry_free(registry);
}

static void only_those_idle_for_long_are_closed(void **state)
{
    Registry *registry = registry_new(LONG_MS, NULL);
    Client idle, busy;
    int idle_peer, busy_peer;
    connect_client(registry, &idle, &idle_peer);
    connect_client(registry, &busy, &busy_peer);
    client_enter(&busy, CLIENT_WORKING, NEVER);
    int64_t before = clock_ticks_ns();
    client_enter(&idle, CLIENT_RECEIVING, NEVER);
    client_enter(&idle, CLIENT_IDLE, NEVER);

    registry_close_idle(registry, before - 1);
    assert_true(may_send(idle_peer));
    registry_close_idle(registry, clock_ticks_ns());
    assert_false(may_send(idle_peer));
    assert_true(may_send(busy_peer));
    registry_close_all(registry);
    assert_false(may_send(busy_peer));

    disconnect(registry, &idle, idle_peer);
    disconnect(registry, &busy, busy_peer);
    registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_open_from_its_acceptance),
        cmocka_unit_test(only_those_idle_for_long_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
