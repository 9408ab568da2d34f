#include "source_suggest.h"

#include <string.h>

typedef enum TypeRule { ANY, KEY, NUMERIC, TIME, TEXT } TypeRule;
typedef enum CountRule { ANY_COUNT, UNIQUE, REPEATED } CountRule;

enum {
    IN_USERS = 1 << MODEL_USERS,
    IN_EVENTS = 1 << MODEL_EVENTS,
    IN_PRODUCTS = 1 << MODEL_PRODUCTS
};

/* The first row that fits wins. Words are looked for in the parts of a name: "customer_id" and
 * "CustomerID" are customer, id. A word with + must meet the other one too. */
static const struct {
    const char *role;
    unsigned models;
    const char *words; /* any of them; NULL: the name does not matter */
    TypeRule type;
    CountRule count;
    const char *reason;
} rows[] = {
    // clang-format off
    {"quantity",     IN_EVENTS,   "quantity qty units pieces amount+ordered anzahl menge", NUMERIC, ANY_COUNT, "a number named like a count of pieces"},
    {"price",        IN_EVENTS | IN_PRODUCTS, "price unitprice preis cost+unit sales+value", NUMERIC, ANY_COUNT, "a number named like a price"},
    {"user_key",     IN_EVENTS,   "customer user household member client shopper buyer kunde", KEY, REPEATED, "named like a person, values repeat"},
    {"order_key",    IN_EVENTS,   "invoice order basket transaction receipt bestellung+nr", KEY, REPEATED, "named like an order, values repeat"},
    {"product_key",  IN_EVENTS,   "stock+code product sku item article ean gtin artikel", KEY, REPEATED, "named like a product, values repeat"},
    {"time",         IN_EVENTS,   "date time at timestamp datum created", TIME, ANY_COUNT, "a moment, named like one"},
    {"time",         IN_EVENTS,   NULL, TIME, ANY_COUNT, "a moment"},
    {"primary_key",  IN_EVENTS,   "id line key nr no number", KEY, UNIQUE, "unique and never null, named like a key"},
    {"primary_key",  IN_USERS,    "customer user household member client id key", KEY, UNIQUE, "unique and never null, named like a key"},
    {"primary_key",  IN_PRODUCTS, "stock+code product sku item article ean gtin id key", KEY, UNIQUE, "unique and never null, named like a key"},
    {"product_name", IN_PRODUCTS, "name title description bezeichnung", TEXT, ANY_COUNT, "text named like a product's name"},
    {"brand",        IN_PRODUCTS, "brand manufacturer maker marke hersteller vendor", ANY, REPEATED, "named like a brand, values repeat"},
    {"category",     IN_PRODUCTS, "category department type group class kategorie", ANY, REPEATED, "named like a group of products, values repeat"},
    {"colour",       IN_PRODUCTS, "colour color farbe", TEXT, REPEATED, "named like a colour, values repeat"},
    {"size",         IN_PRODUCTS, "size groesse", ANY, REPEATED, "named like a size, values repeat"},
    {"country",      IN_USERS,    "country land nation", TEXT, REPEATED, "named like a country, values repeat"},
    {"region",       IN_USERS,    "region state city zip postcode", ANY, REPEATED, "named like a place, values repeat"},
    {"age",          IN_USERS,    "age birth alter", ANY, ANY_COUNT, "named like an age"},
    {"gender",       IN_USERS,    "gender sex geschlecht", ANY, REPEATED, "named like a gender"},
    {"primary_key",  IN_USERS | IN_EVENTS | IN_PRODUCTS, NULL, KEY, UNIQUE, "unique and never null"},
    {"attribute",    IN_USERS | IN_PRODUCTS, NULL, TEXT, REPEATED, "text whose values repeat"},
    // clang-format on
};

/* "StockCode" and "stock_code" to " stock code ", so that a word can be looked for whole. */
static char *spread(const char *name)
{
    GString *words = g_string_new(" ");
    for (const char *c = name; *c != '\0'; c++) {
        if (c > name && g_ascii_isupper(*c) && g_ascii_islower(c[-1]))
            g_string_append_c(words, ' ');
        g_string_append_c(words, g_ascii_isalnum(*c) ? g_ascii_tolower(*c) : ' ');
    }
    g_string_append_c(words, ' ');
    return g_string_free(words, FALSE);
}

static bool has_word(const char *spread_name, const char *word)
{
    g_autofree char *whole = g_strdup_printf(" %s ", word);
    return strstr(spread_name, whole) != NULL;
}

static bool has_any(const char *spread_name, const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);
    for (char **entry = list; *entry != NULL; entry++) {
        g_auto(GStrv) all = g_strsplit(*entry, "+", 2);
        if (has_word(spread_name, all[0]) && (all[1] == NULL || has_word(spread_name, all[1])))
            return true;
    }
    return false;
}

static bool type_fits(TypeRule rule, const RelationColumn *column)
{
    switch (rule) {
    case KEY:
        return relation_is_key(column) && !relation_is_time(column) && column->category != 'B';
    case NUMERIC:
        return relation_is_numeric(column);
    case TIME:
        return relation_is_time(column);
    case TEXT:
        return relation_is_text(column);
    default:
        return true;
    }
}

static bool count_fits(CountRule rule, const ColumnFacts *facts)
{
    bool unique = facts->nulls == 0 && facts->rows > 0 && facts->distinct == facts->rows;
    if (rule == UNIQUE)
        return unique;
    return rule == ANY_COUNT || (facts->distinct > 1 && facts->distinct < facts->rows);
}

const char *suggest_role(const ColumnFacts *facts, const char **reason)
{
    g_autofree char *name = spread(facts->column->name);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((rows[i].models & 1U << facts->model_type) == 0 ||
            !type_fits(rows[i].type, facts->column) || !count_fits(rows[i].count, facts) ||
            (rows[i].words != NULL && !has_any(name, rows[i].words)))
            continue;
        *reason = rows[i].reason;
        return rows[i].role;
    }
    return NULL;
}
