#include "data/attributes.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

typedef struct Order {
    const uint32_t *row_of; /* n_rows; IDS_NONE: a null */
    uint32_t n_rows;
} Order;

static bool arrange_values(Column *column, const Order *order, GError **error)
{
    g_autofree uint64_t *start = g_try_new(uint64_t, (size_t)order->n_rows + 1);
    g_autofree uint32_t *value = g_try_new(uint32_t, column->start[column->n_rows] + 1);
    if (!start || !value) {
        error_set(error, ERR_NO_MEMORY, "no memory to order the values of %u rows", order->n_rows);
        return false;
    }
    start[0] = 0;
    for (uint32_t row = 0; row < order->n_rows; row++) {
        uint32_t n;
        const uint32_t *values = column_values(column, order->row_of[row], &n);
        if (n > 0)
            memcpy(value + start[row], values, n * sizeof *value);
        start[row + (size_t)1] = start[row] + n;
    }
    g_free(column->start);
    g_free(column->value);
    column->start = g_steal_pointer(&start);
    column->value = g_steal_pointer(&value);
    return true;
}

static bool arrange_numbers(Column *column, const Order *order, GError **error)
{
    if (!column->number)
        return true;
    g_autofree float *number = g_try_new(float, (size_t)order->n_rows + 1);
    if (!number) {
        error_set(error, ERR_NO_MEMORY, "no memory to order the numbers of %u rows", order->n_rows);
        return false;
    }
    for (uint32_t row = 0; row < order->n_rows; row++) {
        uint32_t from = order->row_of[row];
        number[row] = from < column->n_rows ? column->number[from] : NAN;
    }
    g_free(column->number);
    column->number = g_steal_pointer(&number);
    return true;
}

Attributes *attributes_arrange(Attributes *takes_from, const uint32_t *row_of, uint32_t n_rows,
                               GError **error)
{
    g_autoptr(Attributes) attributes = takes_from;
    const Order order = {row_of, n_rows};
    for (size_t i = 0; i < attributes->n_columns; i++) {
        Column *column = &attributes->columns[i];
        if (!arrange_numbers(column, &order, error) || !arrange_values(column, &order, error))
            return NULL;
        column->n_rows = n_rows;
    }
    attributes->n_rows = n_rows;
    return g_steal_pointer(&attributes);
}
