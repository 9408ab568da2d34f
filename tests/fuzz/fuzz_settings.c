/* The settings file, and one environment variable taken from its first line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/error.h"

static int file = -1;
static char path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    file = memfd_create("settings", 0);
    g_snprintf(path, sizeof path, "/dev/fd/%d", file);
    return file < 0;
}

/* A variable may name a file; reading just any file is no part of this. */
static char *variable_from(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    g_autofree char *line = g_strndup((const char *)data, end ? (size_t)(end - data) : size);
    return strstr(line, "_FILE") ? g_strdup("A=B") : g_strconcat("SHORTLIST_", line, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    g_autofree char *variable = variable_from(data, size);
    char *environments[][3] = {{"SHORTLIST_STATE_CONNECTION=x", NULL}, {variable, NULL}};
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    for (size_t i = 0; i < G_N_ELEMENTS(environments); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Settings) settings = settings_load(path, environments[i], &error);
        if (!settings != !!error)
            abort();
        for (size_t j = 0; settings && j < settings->n_sources; j++)
            if (!settings->sources[j].connection ||
                !settings_find_source(settings, settings->sources[j].name))
                abort();
    }
    return 0;
}
