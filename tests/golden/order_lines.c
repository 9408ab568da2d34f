#include "order_lines.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INVOICE, STOCK_CODE, DESCRIPTION, QUANTITY, DATE, PRICE, CUSTOMER, COUNTRY, N_FIELDS };

static bool is_product(char *code)
{
    size_t digits = 0;
    for (char *c = code; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    while (digits < 5 && isdigit((unsigned char)code[digits]))
        digits++;
    size_t letters = strspn(code + digits, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return digits == 5 && code[digits + letters] == '\0';
}

static bool is_line(char **field, bool with_returns)
{
    return *field[CUSTOMER] && atof(field[PRICE]) > 0 && is_product(field[STOCK_CODE]) &&
           (with_returns || (*field[INVOICE] != 'C' && atof(field[QUANTITY]) > 0));
}

/* Adds to the line of the same user, order and product; false when there is none yet. */
static bool merge_line(Rows *rows, GHashTable *index, char **field)
{
    g_autofree char *key =
        g_strdup_printf("%s %s %s", field[CUSTOMER], field[INVOICE], field[STOCK_CODE]);
    size_t place = GPOINTER_TO_SIZE(g_hash_table_lookup(index, key));
    if (place > 0) {
        g_array_index(rows->list, Row, place - 1).quantity += (float)atof(field[QUANTITY]);
        return true;
    }
    g_hash_table_insert(index, g_steal_pointer(&key), GSIZE_TO_POINTER(rows->list->len + 1));
    return false;
}

static void add_line(Rows *rows, char **field)
{
    Row row = {.user = field[CUSTOMER],
               .order = field[INVOICE],
               .item = field[STOCK_CODE],
               .text = field[DESCRIPTION],
               .user_text = field[COUNTRY],
               .time = moment_of_text(field[DATE]),
               .quantity = (float)atof(field[QUANTITY]),
               .price = (float)atof(field[PRICE])};
    rows_add(rows, &row);
}

void order_lines_read(FILE *file, bool with_returns, Rows *rows)
{
    g_autoptr(GHashTable) index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    char *line = NULL, *field[N_FIELDS];
    size_t capacity = 0;
    rows_init(rows);
    while (getline(&line, &capacity, file) > 0) {
        if (fields_split(line, ',', field, N_FIELDS) != N_FIELDS || !is_line(field, with_returns))
            continue;
        field[CUSTOMER][strcspn(field[CUSTOMER], ".")] = '\0';
        if (with_returns || !merge_line(rows, index, field))
            add_line(rows, field);
    }
    free(line);
}
