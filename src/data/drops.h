/* Counting of dropped rows, with samples. */
#pragma once

#include <stddef.h>

#include "data/dataset.h"

/* One more row under a rule; `bytes` may be NULL, when there is no id to show. */
void drop_add(DropCount *count, const char *bytes, size_t length);

void drops_copy(DropCount to[DROP_RULES], const DropCount from[DROP_RULES]);
void drops_clear(DropCount counts[DROP_RULES]);
