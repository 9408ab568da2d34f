/* What the rules between the members of one resource ask of its body. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/faults.h"
#include "base/json.h"

/* Whether the caller sent the member at all: one that was sent and refused is not missing too. */
bool body_has(const cJSON *body, const char *name);

/* Makes *id from `name` when the body has none; a fault when the name gives none. */
bool body_complete_id(const cJSON *body, const char *name, size_t max, char **id, Faults *faults);
