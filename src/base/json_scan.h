/* The check of bytes before cJSON sees them; json.c is its one user. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* False with ERR_MALFORMED, whose message gives the byte offset and the rule, or ERR_NO_MEMORY. */
bool json_scan(const char *bytes, size_t length, GError **error);
