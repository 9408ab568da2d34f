#include "store/store.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "state.h"

/* Connections kept for the next call; more may be open while more threads ask at once. */
#define KEPT_MAX 16

#define STATEMENT_TIMEOUT_MS 15000

struct Store {
    char *connection;
    char *schema;
    pthread_mutex_t lock; /* guards kept and n_kept */
    PGconn *kept[KEPT_MAX];
    unsigned n_kept;
};

Store *store_new(const Settings *settings)
{
    Store *store = g_new0(Store, 1);
    store->connection = g_strdup(settings->state_connection ? settings->state_connection : "");
    store->schema = g_strdup(settings->state_schema);
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

void store_free(Store *store)
{
    if (!store)
        return;
    for (unsigned i = 0; i < store->n_kept; i++)
        PQfinish(store->kept[i]);
    pthread_mutex_destroy(&store->lock);
    g_free(store->connection);
    g_free(store->schema);
    g_free(store);
}

const char *state_schema(const Store *store)
{
    return store->schema;
}

PGconn *state_connect(Store *store, uint32_t statement_timeout_ms, GError **error)
{
    static const char sql[] = "SELECT set_config('search_path', quote_ident($1), false)";
    g_autoptr(PGconn) made =
        db_connect(store->connection, "shortlist", statement_timeout_ms, error);
    if (!made)
        return NULL;
    g_autoptr(PGresult) result = db_query(made, sql, 1, (const char *[]){store->schema}, error);
    return result ? g_steal_pointer(&made) : NULL;
}

/* A server that goes away says so and closes: both can be read. Nothing else is worth to be read on
 * an idle connection, so any such one is dropped. */
static bool is_silent(const PGconn *connection)
{
    struct pollfd waiting = {.fd = PQsocket(connection), .events = POLLIN};
    return poll(&waiting, 1, 0) == 0;
}

static PGconn *take_kept(Store *store)
{
    pthread_mutex_lock(&store->lock);
    PGconn *kept = store->n_kept ? store->kept[--store->n_kept] : NULL;
    pthread_mutex_unlock(&store->lock);
    return kept;
}

static PGconn *borrow(Store *store, GError **error)
{
    for (PGconn *kept; (kept = take_kept(store)) != NULL; PQfinish(kept))
        if (is_silent(kept))
            return kept;
    return state_connect(store, STATEMENT_TIMEOUT_MS, error);
}

static void give_back(Store *store, PGconn *connection)
{
    bool sound =
        PQstatus(connection) == CONNECTION_OK && PQtransactionStatus(connection) == PQTRANS_IDLE;
    pthread_mutex_lock(&store->lock);
    bool keeps = sound && store->n_kept < KEPT_MAX;
    if (keeps)
        store->kept[store->n_kept++] = connection;
    pthread_mutex_unlock(&store->lock);
    if (!keeps)
        PQfinish(connection);
}

PGresult *state_query(Store *store, const char *sql, int n, const char *const *values,
                      GError **error)
{
    PGconn *connection = borrow(store, error);
    if (!connection)
        return NULL;
    PGresult *result = db_query(connection, sql, n, values, error);
    give_back(store, connection);
    return result;
}

static bool run_transaction(PGconn *connection, StateWork work, void *context, GError **error)
{
    g_autoptr(PGresult) begun = db_query(connection, "BEGIN", 0, NULL, error);
    if (!begun)
        return false;
    if (!work(connection, context, error)) {
        PQclear(db_query(connection, "ROLLBACK", 0, NULL, NULL));
        return false;
    }
    g_autoptr(PGresult) done = db_query(connection, "COMMIT", 0, NULL, error);
    return done != NULL;
}

bool state_transaction(Store *store, StateWork work, void *context, GError **error)
{
    PGconn *connection = borrow(store, error);
    if (!connection)
        return false;
    bool done = run_transaction(connection, work, context, error);
    give_back(store, connection);
    return done;
}

char *state_text(const char *text, size_t max)
{
    return text ? g_utf8_make_valid(text, (gssize)strnlen(text, max)) : NULL;
}

bool store_ping(Store *store, GError **error)
{
    g_autoptr(PGresult) result = state_query(store, "SELECT 1", 0, NULL, error);
    return result != NULL;
}
