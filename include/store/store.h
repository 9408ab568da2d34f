/* Our own tables in PostgreSQL (the state schema), behind a small pool of connections. Every
 * function of store/ is thread-safe, borrows one connection for its call, and fails with
 * ERR_UNAVAILABLE when PostgreSQL is away (connections have keepalives, tcp_user_timeout and
 * connect_timeout, so that is known in seconds). A broken connection is dropped and the next call
 * makes a new one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/config.h"

typedef struct Store Store;

/* Asks PostgreSQL nothing yet. */
Store *store_new(const Settings *settings);
void store_free(Store *store);

/* True when a trivial query is answered. */
bool store_ping(Store *store, GError **error);

/* Brings the schema forward under an advisory lock, each step in its own transaction; logs what it
 * did. *from and *to are the versions before and after. ERR_CONFLICT when the schema is newer than
 * this program. */
bool store_migrate(Store *store, int *from, int *to, GError **error);

/* False with ERR_CONFLICT when the schema is newer than this program, ERR_NOT_READY when older. */
bool store_check_schema(Store *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)
