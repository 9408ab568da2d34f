/* The tables of the resources, for the test that holds them against the schemas of openapi/, and
 * the limits that they share. */
#pragma once

#include "spec/fields.h"

#define NAME_MAX_CHARACTERS        200
#define DESCRIPTION_MAX_CHARACTERS 2000
#define ID_HINT                    "made from the name when it is left out"

extern const FieldTable model_table;
extern const FieldTable prediction_table;
extern const FieldTable audience_table;
