/* Which columns of a model are read, how they arrive, and the COPY that brings them. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "copy_binary.h"
#include "db.h"
#include "spec/model.h"

/* Places of an events model's columns in its COPY; quantity, order and price only when mapped.
 * Users and products: the primary key first, then the fields in their order. */
enum { PLACE_USER, PLACE_PRODUCT, PLACE_TIME, PLACES };

typedef struct ReadPlan {
    const Model *model; /* borrowed */
    char *select;       /* SELECT "a", "b" FROM … */
    char *what;         /* model "order_lines" */
    unsigned n;
    CopyType *types;
    unsigned quantity, order, price; /* places, 0: not mapped */
    double rows;                     /* the planner's guess */
} ReadPlan;

/* For read_plan_free(). ERR_INVALID when a column is not there or has a type that its role cannot
 * have; ERR_UNAVAILABLE, ERR_TIMEOUT. */
ReadPlan *read_plan_new(PGconn *connection, const Model *model, GError **error);
void read_plan_free(ReadPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReadPlan, read_plan_free)
