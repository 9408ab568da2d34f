/* The listening socket. */
#pragma once

#include <stdint.h>

#include <glib.h>

/* Connections that the kernel accepts for us before we do. */
#define LISTENER_BACKLOG 1024

/* Listens on a numeric address ("127.0.0.1", "::") and port (0: any free one, given in *bound).
 * -1 with ERR_INVALID. */
int listener_open(const char *address, uint16_t port, uint16_t *bound, GError **error);

/* Before draining its queue: a SYN that comes from now on is dropped, as when it never arrived, so
 * nobody gets a connection that is then reset. The client's kernel asks again in a second. */
void listener_drop_new(int fd);
