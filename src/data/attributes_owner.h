/* Attributes with what their owner alone needs to know. */
#pragma once

#include <stdbool.h>

#include "data/attributes.h"

/* Columns all zero, to be filled; of a mapped one attributes_free() leaves the arrays alone. */
Attributes *attributes_owner_new(size_t n_columns, uint32_t n_rows, bool is_mapped);
