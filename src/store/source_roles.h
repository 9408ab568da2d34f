/* What each column of a model is there for, in one list: who checks types, reads or examines a
 * model goes over it. */
#pragma once

#include <glib.h>

#include "source_relation.h"
#include "spec/model.h"

typedef enum RoleType {
    ROLE_PRIMARY_KEY,
    ROLE_USER_KEY,
    ROLE_PRODUCT_KEY,
    ROLE_TIME,
    ROLE_QUANTITY,
    ROLE_ORDER_KEY,
    ROLE_PRICE,
    ROLE_FIELD
} RoleType;

typedef struct ModelRole {
    RoleType type;
    const char *column; /* the shop's column; all borrowed from the model */
    size_t field;       /* place in model->fields, of a ROLE_FIELD */
    int kind;           /* FieldKind, of a ROLE_FIELD */
    const char *separator;
} ModelRole;

/* The mapped columns in the order of RoleType and then of the fields; ModelRole elements, for
 * g_array_unref(). */
GArray *model_roles(const Model *model);

/* "/time", "/fields/2/column": where the model's body names the column; for g_free(). */
char *role_pointer(const ModelRole *role);

/* The rule that the column's type breaks ("a quantity must be numeric"), NULL when it may be. */
const char *role_refusal(const ModelRole *role, const RelationColumn *column);

/* The column as the relation has it now; NULL with ERR_INVALID when it is gone or its type no
 * longer fits: both may happen after the model was made. */
const RelationColumn *role_column(const Relation *relation, const Model *model,
                                  const ModelRole *role, GError **error);
