/* An INI file line by line. GLib's key files know no line numbers, keep the last of two equal keys
 * in silence, and resolve backslashes that stand in a password. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* Called for each section heading (name and value NULL) and each "name = value" below one, spaces
 * around them cut. False with an error, which gets path and line in front, ends the reading. */
typedef bool ConfigVisit(void *data, const char *section, const char *name, const char *value,
                         GError **error);

bool config_file_read(const char *path, ConfigVisit *visit, void *data, GError **error);

/* The same over text that is in memory already and gets changed. */
bool config_file_scan(char *text, const char *path, ConfigVisit *visit, void *data, GError **error);

/* A file of at most `max` bytes, NUL-terminated and without NUL inside, for g_free(). NULL with
 * ERR_INVALID. */
char *config_file_text(const char *path, size_t max, GError **error);
