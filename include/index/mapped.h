/* Mapped columns and their values by the names that callers type, with faults for what is not
 * there. */
#pragma once

#include <stdint.h>

#include "base/faults.h"
#include "index/snapshot.h"

/* Names of all mapped columns, NULL-terminated, for g_free(); the names are borrowed. */
const char **mapped_names(const Snapshot *snapshot);

/* A column of that name; NULL with a fault that names those there are and how to map another. */
const Column *mapped_find(const Snapshot *snapshot, const char *name, const char *pointer,
                          Faults *faults);

/* Number of `value` in `column`; IDS_NONE with a fault with near misses. */
uint32_t mapped_find_value(const Snapshot *snapshot, const Column *column, const char *value,
                           const char *pointer, Faults *faults);
