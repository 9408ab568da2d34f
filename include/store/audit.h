/* Who changed what, when. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "store/store.h"

bool audit_append(Store *store, const char *key_id, const char *operation, const char *target,
                  int status, const char *request_id, GError **error);
