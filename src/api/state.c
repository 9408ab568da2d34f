#include "state.h"

void api_init(Api *api)
{
    State *state = g_new0(State, 1);
    pthread_mutex_init(&state->lock, NULL);
    rankings_init(&state->rankings);
    api->state = state;
}

void api_clear(Api *api)
{
    State *state = api_state(api);
    if (!state)
        return;
    rankings_clear(&state->rankings);
    pthread_mutex_destroy(&state->lock);
    g_free(state->key_copy);
    g_free(state);
    api->state = NULL;
}

void api_set_server(Api *api, Server *server)
{
    State *state = api_state(api);
    pthread_mutex_lock(&state->lock);
    state->server = server;
    pthread_mutex_unlock(&state->lock);
}

Server *state_server(const Api *api)
{
    State *state = api_state(api);
    pthread_mutex_lock(&state->lock);
    Server *server = state->server;
    pthread_mutex_unlock(&state->lock);
    return server;
}
