#include "source_roles.h"

#include "base/error.h"

static const char *const pointers[] = {
    [ROLE_PRIMARY_KEY] = "/primary_key",
    [ROLE_USER_KEY] = "/user_key",
    [ROLE_PRODUCT_KEY] = "/product_key",
    [ROLE_TIME] = "/time",
    [ROLE_QUANTITY] = "/quantity",
    [ROLE_ORDER_KEY] = "/order_key",
    [ROLE_PRICE] = "/price",
};

static void add(GArray *roles, RoleType type, const char *column)
{
    ModelRole role = {.type = type, .column = column};
    if (column != NULL)
        g_array_append_val(roles, role);
}

GArray *model_roles(const Model *model)
{
    GArray *roles = g_array_new(FALSE, FALSE, sizeof(ModelRole));
    add(roles, ROLE_PRIMARY_KEY, model->primary_key);
    add(roles, ROLE_USER_KEY, model->user_key);
    add(roles, ROLE_PRODUCT_KEY, model->product_key);
    add(roles, ROLE_TIME, model->time);
    add(roles, ROLE_QUANTITY, model->quantity);
    add(roles, ROLE_ORDER_KEY, model->order_key);
    add(roles, ROLE_PRICE, model->price);
    for (size_t i = 0; i < model->n_fields; i++) {
        const ModelField *field = &model->fields[i];
        ModelRole role = {ROLE_FIELD, field->column, i, field->kind, field->separator};
        g_array_append_val(roles, role);
    }
    return roles;
}

char *role_pointer(const ModelRole *role)
{
    if (role->type == ROLE_FIELD)
        return g_strdup_printf("/fields/%zu/column", role->field);
    return g_strdup(pointers[role->type]);
}

static const char *field_refusal(const ModelRole *role, const RelationColumn *column)
{
    if (role->kind == KIND_NUMERIC && !relation_is_numeric(column))
        return "a field of kind numeric must be numeric";
    if (role->kind == KIND_TIME && !relation_is_time(column))
        return "a field of kind time must be a timestamp or a date";
    if (column->category == 'A' && role->separator == NULL)
        return "an array needs a separator in the field, at which its text is split";
    if (column->oid == 17)
        return "bytea is no text: give a SELECT with convert_from(column, 'UTF8')";
    return NULL;
}

const char *role_refusal(const ModelRole *role, const RelationColumn *column)
{
    switch (role->type) {
    case ROLE_TIME:
        return relation_is_time(column) ? NULL : "a time must be a timestamp or a date";
    case ROLE_QUANTITY:
        return relation_is_numeric(column) ? NULL : "a quantity must be numeric";
    case ROLE_PRICE:
        return relation_is_numeric(column) ? NULL : "a price must be numeric";
    case ROLE_FIELD:
        return field_refusal(role, column);
    default:
        return relation_is_key(column) ? NULL : "a key must be one scalar value";
    }
}

const RelationColumn *role_column(const Relation *relation, const Model *model,
                                  const ModelRole *role, GError **error)
{
    const RelationColumn *column = relation_require(relation, model, role->column, error);
    const char *rule = column == NULL ? NULL : role_refusal(role, column);
    if (rule == NULL)
        return column;
    error_set(error, ERR_INVALID, "model \"%s\": column \"%s\" of %s is %s now; %s", model->id,
              role->column, relation->label, column->type, rule);
    return NULL;
}
