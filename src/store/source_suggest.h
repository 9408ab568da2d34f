/* Which role a column could have, guessed from its name, type and values. */
#pragma once

#include <stdint.h>

#include "source_relation.h"

typedef struct ColumnFacts {
    const RelationColumn *column;
    uint64_t rows, nulls, distinct;
    int model_type; /* ModelType */
} ColumnFacts;

/* A member of the models' body ("user_key", "time", …) or the usual name of a field ("brand", …);
 * NULL when nothing fits. *reason: why, a static string. */
const char *suggest_role(const ColumnFacts *facts, const char **reason);
