/* The products that an excluded period names, held against the products model. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "spec/model.h"
#include "spec/prediction.h"

/* Whether the period is about some products only. */
bool products_are_named(const ExcludedProducts *products);

/* The mapped column of that name, NULL when there is none. */
const ModelField *products_field(const Model *model, const char *name);

/* ERR_INVALID, with near misses in the message, when the model maps no column of that name. */
bool products_check(const ExcludedProducts *products, const Model *model, GError **error);
