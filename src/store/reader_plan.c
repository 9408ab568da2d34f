#include "reader_plan.h"

#include "base/error.h"
#include "reader_copy.h"
#include "source_relation.h"
#include "source_roles.h"
#include "source_session.h"

/* Types without a decoder come as text. An array becomes one text, joined by the field's separator,
 * at which it is split again. */
static char *column_expression(PGconn *connection, const RelationColumn *column,
                               const char *separator, CopyType *type)
{
    if (copy_type_of(column->oid, type))
        return g_strdup(column->quoted);
    *type = COPY_TEXT;
    if (column->category != 'A' || separator == NULL)
        return g_strconcat(column->quoted, "::text", NULL);
    g_autofree char *literal = db_literal(connection, separator);
    return g_strdup_printf("array_to_string(%s, %s)", column->quoted, literal);
}

static bool add_column(PGconn *connection, const Relation *relation, const ModelRole *role,
                       ReadPlan *plan, GString *list, GError **error)
{
    const RelationColumn *column = role_column(relation, plan->model, role, error);
    if (column == NULL)
        return false;
    if (plan->n == READER_FIELDS_MAX) {
        error_set(error, ERR_INVALID, "%s maps more than %d columns", plan->what,
                  READER_FIELDS_MAX - 1);
        return false;
    }
    g_autofree char *expression =
        column_expression(connection, column, role->separator, &plan->types[plan->n]);
    g_string_append_printf(list, "%s%s", plan->n > 0 ? ", " : "", expression);
    plan->n++;
    return true;
}

/* An events model's own key is not read: no event is ever asked for by it. */
static bool add_columns(PGconn *connection, const Relation *relation, ReadPlan *plan, GString *list,
                        GError **error)
{
    g_autoptr(GArray) roles = model_roles(plan->model);
    for (guint i = 0; i < roles->len; i++) {
        const ModelRole *role = &g_array_index(roles, ModelRole, i);
        if (plan->model->type == MODEL_EVENTS && role->type == ROLE_PRIMARY_KEY)
            continue;
        if (role->type == ROLE_QUANTITY)
            plan->quantity = plan->n;
        if (role->type == ROLE_ORDER_KEY)
            plan->order = plan->n;
        if (role->type == ROLE_PRICE)
            plan->price = plan->n;
        if (!add_column(connection, relation, role, plan, list, error))
            return false;
    }
    return true;
}

ReadPlan *read_plan_new(PGconn *connection, const Model *model, GError **error)
{
    g_autoptr(Relation) relation = relation_find(connection, model, error);
    if (relation == NULL)
        return NULL;
    g_autoptr(ReadPlan) plan = g_new0(ReadPlan, 1);
    plan->model = model;
    plan->what = g_strdup_printf("model \"%s\"", model->id);
    plan->types = g_new0(CopyType, READER_FIELDS_MAX);
    g_autoptr(GString) list = g_string_new(NULL);
    if (!add_columns(connection, relation, plan, list, error))
        return NULL;
    plan->select = g_strdup_printf("SELECT %s FROM %s AS q", list->str, relation->from);
    if (!session_estimate(connection, plan->select, &plan->rows, error)) {
        g_prefix_error(error, "%s: ", plan->what);
        return NULL;
    }
    return g_steal_pointer(&plan);
}

void read_plan_free(ReadPlan *plan)
{
    if (plan == NULL)
        return;
    g_free(plan->select);
    g_free(plan->what);
    g_free(plan->types);
    g_free(plan);
}
