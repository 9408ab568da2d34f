/* The fixed answer that the bench measures serving against: the same server with one public inline
 * route, that of recommendations, that answers SIZE bytes.  http_fixed SIZE  prints its port and
 * serves until SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "http/server.h"

#define SIZE_MAX_BYTES 65536

static void answer_fixed(Request *request, Response *response, void *context)
{
    const Buffer *fixed = context;
    buffer_append(response_body(response, "application/json"), fixed->data, fixed->length);
}

static const Route ROUTES[] = {
    {"GET", "/v1/predictions/{prediction}/users/{user}/recommendations", 0,
     ROUTE_INLINE | ROUTE_PUBLIC, answer_fixed, "getFixed", "n"},
};

static void fill(Buffer *fixed, long size)
{
    for (long i = 0; i < size; i++)
        buffer_append(fixed, "x", 1);
}

int main(int argc, char **argv)
{
    long size = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (size < 1 || size > SIZE_MAX_BYTES) {
        fprintf(stderr, "usage: http_fixed SIZE, from 1 to %d bytes\n", SIZE_MAX_BYTES);
        return EXIT_FAILURE;
    }
    error_init();
    log_set_level(LOG_WARNING);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* all threads inherit it */
    g_autoptr(GError) error = NULL;
    char *const environment[] = {"SHORTLIST_SERVER_PORT=0",
                                 "SHORTLIST_STATE_CONNECTION=dbname=none", NULL}; /* not used */
    g_autoptr(Settings) settings = settings_load(NULL, environment, &error);
    if (!settings) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    g_auto(Buffer) fixed = {0};
    fill(&fixed, size);
    const ServerOptions options = {.settings = settings,
                                   .routes = ROUTES,
                                   .n_routes = G_N_ELEMENTS(ROUTES),
                                   .context = &fixed};
    Server *server = server_start(&options, &error);
    if (!server) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    printf("port %u\n", server_port(server));
    fflush(stdout);
    int signal_number = 0;
    sigwait(&signals, &signal_number);
    server_stop(server);
    return EXIT_SUCCESS;
}
