#include "reader_products.h"

#include <string.h>

#include "base/error.h"
#include "base/faults.h"

#define NEAR_MAX 3

bool products_are_named(const ExcludedProducts *products)
{
    return products->column != NULL || products->ids != NULL;
}

const ModelField *products_field(const Model *model, const char *name)
{
    for (size_t i = 0; i < model->n_fields; i++)
        if (strcmp(model->fields[i].name, name) == 0)
            return &model->fields[i];
    return NULL;
}

bool products_check(const ExcludedProducts *products, const Model *model, GError **error)
{
    if (products->column == NULL || products_field(model, products->column) != NULL)
        return true;
    g_autofree const char **names = g_new0(const char *, model->n_fields + 1);
    for (size_t i = 0; i < model->n_fields; i++)
        names[i] = model->fields[i].name;
    g_auto(GStrv) near = near_misses(products->column, names, NEAR_MAX);
    g_autofree char *list = near == NULL ? NULL : g_strjoinv("\", \"", near);
    error_set(error, ERR_INVALID, "model \"%s\" maps no column \"%s\"%s%s%s", model->id,
              products->column, list == NULL ? "" : ": did you mean \"", list == NULL ? "" : list,
              list == NULL ? "" : "\"?");
    return false;
}
