/* What handlers keep between requests: api->state. */
#pragma once

#include <pthread.h>

#include "api/api.h"
#include "ranking.h"

typedef struct State {
    Rankings rankings;
    pthread_mutex_t lock; /* guards what follows */
    Server *server;
    char *key_copy; /* what was last written to the data folder, NULL: nothing yet */
} State;

/* NULL before the server runs and once it stops. Thread-safe. */
Server *state_server(const Api *api);

static inline State *api_state(const Api *api)
{
    return api->state;
}
