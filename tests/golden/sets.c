#include "sets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "order_lines.h"
#include "rows.h"

#define SHIPPED    "demo/data"
#define FIELDS_MAX 16u
/* Where rows have no time of their own. */
#define NOWADAYS   (INT64_C(1400000000) * US_PER_SECOND)

typedef void (*RowReader)(Rows *rows, char **field);

static void read_file(const char *path, char separator, Rows *rows, RowReader add)
{
    FILE *file = input_open(path);
    if (!file)
        golden_fail(path, NULL);
    char *line = NULL, *field[FIELDS_MAX];
    size_t capacity = 0;
    bool is_first = true; /* names of the columns */
    while (getline(&line, &capacity, file) > 0) {
        size_t n = fields_split(line, separator, field, FIELDS_MAX);
        for (; n < FIELDS_MAX; n++)
            field[n] = NULL;
        if (!is_first)
            add(rows, field);
        is_first = false;
    }
    free(line);
    input_close(file);
}

static uint32_t number_of(const Ids *ids, const char *id)
{
    return ids_find(ids, id, strlen(id));
}

/* Of the users and items that `raw` knows. */
static Csr *targets_of(const Dataset *raw, const Rows *test)
{
    g_autoptr(GError) error = NULL;
    guint n = 0, all = test->list->len;
    g_autofree uint32_t *user = g_new(uint32_t, all), *item = g_new(uint32_t, all);
    g_autofree float *value = g_new(float, all);
    for (guint i = 0; i < all; i++) {
        const Row *row = &g_array_index(test->list, Row, i);
        user[n] = number_of(raw->users, row->user);
        item[n] = number_of(raw->items, row->item);
        value[n] = 1;
        n += user[n] != IDS_NONE && item[n] != IDS_NONE;
    }
    Csr *targets = csr_from_triples(raw->n_users, raw->n_items, n, user, item, value, &error);
    if (!targets)
        golden_fail("targets", error);
    return targets;
}

/* ---- pairs of a published split: no times, no orders ---- */

static void add_pair(Rows *rows, char **field)
{
    Row row = {.user = field[0], .item = field[1], .time = NOWADAYS, .quantity = 1, .price = NAN};
    rows_add(rows, &row);
}

static void add_cart(Rows *rows, char **field)
{
    Row row = {.user = field[0],
               .item = field[1],
               .time = NOWADAYS,
               .quantity = 1,
               .price = NAN,
               .is_signal = true};
    rows_add(rows, &row);
}

/* A third file is of carts. */
static void load_pairs(char *const *paths, Set *set)
{
    g_auto(Rows) train = {0}, test = {0};
    rows_init(&train);
    rows_init(&test);
    read_file(paths[0], '\t', &train, add_pair);
    read_file(paths[1], '\t', &test, add_pair);
    if (paths[2])
        read_file(paths[2], '\t', &train, add_cart);
    RowsUse use = {.until = INT64_MAX, .signal = paths[2] ? "cart" : NULL};
    set->raw = rows_build(&train, &use);
    set->anchor = NOWADAYS + 1;
    set->targets = targets_of(set->raw, &test);
}

/* ---- baskets by number, given as days ---- */

static void add_of_basket(Rows *rows, char **field)
{
    g_autofree char *order = g_strdup_printf("%s-%s", field[0], field[1]);
    Row row = {.user = field[0],
               .item = field[2],
               .order = order,
               .time = NOWADAYS + atoll(field[1]) * US_PER_DAY,
               .quantity = 1,
               .price = NAN};
    rows_add(rows, &row);
}

static void load_baskets(char *const *paths, Set *set)
{
    g_auto(Rows) train = {0}, test = {0};
    rows_init(&train);
    rows_init(&test);
    read_file(paths[0], '\t', &train, add_of_basket);
    read_file(paths[1], '\t', &test, add_of_basket);
    set->raw = rows_build(&train, &(RowsUse){.until = INT64_MAX, .has_order = true});
    if (!dataset_align_visits(set->raw))
        golden_fail("numbers of baskets", NULL);
    set->anchor = set->raw->last + 1;
    set->targets = targets_of(set->raw, &test);
}

/* ---- shops with times: asked at a moment, about the 30 days after ---- */

#define WINDOW (30 * US_PER_DAY)

static void split_at(const Rows *rows, const RowColumns *columns, const RowColumns *user_columns,
                     const char *moment, Set *set)
{
    g_autoptr(GError) error = NULL;
    RowsUse use = {.until = INT64_MAX,
                   .has_order = true,
                   .has_price = true,
                   .columns = columns,
                   .user_columns = user_columns};
    g_autoptr(Dataset) whole = rows_build(rows, &use);
    use.until = set->anchor = moment_of_text(moment);
    set->raw = rows_build(rows, &use);
    set->targets = window_targets(whole, set->anchor, set->anchor + WINDOW, &error);
    if (!set->targets)
        golden_fail("targets", error);
}

static void set_text(AttributesBuilder *attributes, uint32_t item, size_t column, const char *text)
{
    if (!attributes_builder_set(attributes, item, column, text, strlen(text), NAN, NULL))
        golden_fail("attributes", NULL);
}

static void describe_gift(AttributesBuilder *attributes, uint32_t item, const Row *first)
{
    set_text(attributes, item, 0, first->text);
}

static void describe_buyer(AttributesBuilder *attributes, uint32_t user, const Row *first)
{
    set_text(attributes, user, 0, first->user_text);
}

static void load_gifts(char *const *paths, Set *set)
{
    static const char *const names[] = {"description"};
    static const ColumnKind kinds[] = {COLUMN_TEXT};
    static const char *const user_names[] = {"country"};
    static const ColumnKind user_kinds[] = {COLUMN_CATEGORICAL};
    const RowColumns columns = {1, names, kinds, NULL, describe_gift};
    const RowColumns user_columns = {1, user_names, user_kinds, NULL, describe_buyer};
    g_auto(Rows) rows = {0};
    FILE *file = input_open(paths[0]);
    order_lines_read(file, false, &rows);
    input_close(file);
    split_at(&rows, &columns, &user_columns, "2011-11-10", set);
}

enum { GROCERY_USER, GROCERY_BASKET = 2, GROCERY_ITEM, GROCERY_QUANTITY, GROCERY_SPENT };
enum { GROCERY_TIME = 10, GROCERY_COLUMNS = 4, HOUSEHOLD_COLUMNS = 7 };

static void add_grocery(Rows *rows, char **field)
{
    double quantity = field[GROCERY_TIME] ? atof(field[GROCERY_QUANTITY]) : 0;
    if (quantity <= 0)
        return;
    Row row = {.user = field[GROCERY_USER],
               .item = field[GROCERY_ITEM],
               .order = field[GROCERY_BASKET],
               .time = moment_of_text(field[GROCERY_TIME]),
               .quantity = (float)quantity,
               .price = (float)(atof(field[GROCERY_SPENT]) / quantity)};
    rows_add(rows, &row);
}

static void add_product(Rows *rows, char **field)
{
    if (!field[5])
        return;
    g_autofree char *text = g_strjoin("\t", field[2], field[3], field[4], field[5], NULL);
    rows_add(rows, &(Row){.user = "", .item = field[0], .text = text});
}

static void add_household(Rows *rows, char **field)
{
    if (!field[HOUSEHOLD_COLUMNS])
        return;
    g_autofree char *text =
        g_strjoin("\t", field[1], field[2], field[3], field[4], field[5], field[6], field[7], NULL);
    rows_add(rows, &(Row){.user = field[0], .item = "", .user_text = text});
}

static void set_cells(AttributesBuilder *attributes, uint32_t number, const char *text, size_t n)
{
    g_auto(GStrv) cells = g_strsplit(text ? text : "", "\t", (int)n);
    for (size_t c = 0; c < n && cells[c]; c++) {
        if (*cells[c])
            set_text(attributes, number, c, cells[c]);
    }
}

static void describe_grocery(AttributesBuilder *attributes, uint32_t item, const Row *first)
{
    set_cells(attributes, item, first->text, GROCERY_COLUMNS);
}

static void describe_household(AttributesBuilder *attributes, uint32_t user, const Row *first)
{
    set_cells(attributes, user, first->user_text, HOUSEHOLD_COLUMNS);
}

/* Texts of the products into the first rows of the items; they belong to `products`. */
static void take_texts(Rows *rows, const Rows *products)
{
    g_autoptr(GHashTable) texts = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < products->items->len; i++) {
        const Row *product = &g_array_index(products->items, Row, i);
        g_hash_table_insert(texts, (char *)product->item, (char *)product->text);
    }
    for (guint i = 0; i < rows->items->len; i++) {
        Row *first = &g_array_index(rows->items, Row, i);
        first->text = g_hash_table_lookup(texts, first->item);
    }
}

/* Those of the households into the first rows of the users; they belong to `households`. */
static void take_user_texts(Rows *rows, const Rows *households)
{
    g_autoptr(GHashTable) texts = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < households->users->len; i++) {
        const Row *household = &g_array_index(households->users, Row, i);
        g_hash_table_insert(texts, (char *)household->user, (char *)household->user_text);
    }
    for (guint i = 0; i < rows->users->len; i++) {
        Row *first = &g_array_index(rows->users, Row, i);
        first->user_text = g_hash_table_lookup(texts, first->user);
    }
}

static void load_groceries(char *const *paths, Set *set)
{
    static const char *const names[] = {"department", "brand", "category", "type"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_CATEGORICAL, COLUMN_CATEGORICAL,
                                       COLUMN_CATEGORICAL};
    static const char *const user_names[] = {"age",
                                             "income",
                                             "home_ownership",
                                             "marital_status",
                                             "household_size",
                                             "household_comp",
                                             "kids_count"};
    static const ColumnKind user_kinds[HOUSEHOLD_COLUMNS] = {0}; /* all categorical */
    G_STATIC_ASSERT(COLUMN_CATEGORICAL == 0);
    const RowColumns columns = {GROCERY_COLUMNS, names, kinds, NULL, describe_grocery};
    const RowColumns user_columns = {HOUSEHOLD_COLUMNS, user_names, user_kinds, NULL,
                                     describe_household};
    g_auto(Rows) rows = {0}, products = {0}, households = {0};
    rows_init(&rows);
    rows_init(&products);
    rows_init(&households);
    read_file(paths[0], ',', &rows, add_grocery);
    read_file(paths[1], ',', &products, add_product);
    read_file(paths[2], ',', &households, add_household);
    take_texts(&rows, &products);
    take_user_texts(&rows, &households);
    split_at(&rows, &columns, &user_columns, "2017-12-01", set);
}

const SetKind SETS[] = {
    {
        .name = "online_retail",
        .what = "gift shop, the 30 days from 2011-11-10",
        .files = {"online_retail/order_lines.csv.xz"},
        .shipped = {"online_retail.csv.xz"},
        .load = load_gifts,
        .horizon_days = 30,
        .k = 10,
        .any = {[METRIC_NDCG] = .383},
        .only_new = {[METRIC_NDCG] = .156},
        .noise = .006,
    },
    {
        .name = "complete_journey",
        .what = "sampled grocery lines, the 30 days from 2017-12-01",
        .files = {"complete_journey/transactions.csv.xz", "complete_journey/products.csv.xz",
                  "complete_journey/demographics.csv.xz"},
        .shipped = {"complete_journey_transactions.csv.xz", "complete_journey_products.csv.xz",
                    "complete_journey_demographics.csv.xz"},
        .load = load_groceries,
        .horizon_days = 30,
        .k = 10,
        .any = {[METRIC_NDCG] = .060},
        .only_new = {[METRIC_NDCG] = .0332},
        .noise = .004,
    },
    {
        .name = "tafeng_baskets",
        .what = "grocery baskets by number, the next one",
        .files = {"tafeng_baskets/history.tsv.xz", "tafeng_baskets/future.tsv.xz"},
        .load = load_baskets,
        .horizon_days = 1,
        .k = 10,
        .any = {[METRIC_NDCG] = .148, [METRIC_RECALL] = .159, [METRIC_HIT] = .467},
        .noise = .003,
    },
    {
        .name = "beibei",
        .what = "purchases only, one held out",
        .files = {"beibei/train.tsv.xz", "beibei/test.tsv.xz"},
        .load = load_pairs,
        .horizon_days = 30,
        .k = 10,
        .any = {[METRIC_HIT] = .054},
        .noise = .001,
    },
    {
        .name = "beibei_carts",
        .what = "purchases and carts, one purchase held out",
        .files = {"beibei/train.tsv.xz", "beibei/test.tsv.xz", "beibei/cart.tsv.xz"},
        .load = load_pairs,
        .horizon_days = 30,
        .k = 10,
        .any = {[METRIC_HIT] = .466},
        .noise = .001,
    },
    {
        .name = "amazon_electronics",
        .what = "published split of pairs",
        .files = {"amazon_electronics/train.tsv.xz", "amazon_electronics/test.tsv.xz"},
        .load = load_pairs,
        .horizon_days = 30,
        .k = 20,
        .any = {[METRIC_NDCG] = .0893, [METRIC_RECALL] = .1429},
        .noise = .001,
    },
};
const size_t SETS_N = G_N_ELEMENTS(SETS);

static bool find_paths(const char *folder, const char *const *files, char **paths)
{
    bool all = folder && files[0];
    for (size_t f = 0; f < SET_FILES && all && files[f]; f++) {
        g_free(paths[f]);
        paths[f] = g_build_filename(folder, files[f], NULL);
        all = g_file_test(paths[f], G_FILE_TEST_EXISTS);
    }
    return all;
}

bool set_load(const SetKind *kind, const char *folder, Set *set)
{
    char *paths[SET_FILES] = {0};
    bool found =
        find_paths(folder, kind->files, paths) || find_paths(SHIPPED, kind->shipped, paths);
    *set = (Set){0};
    if (found)
        kind->load(paths, set);
    for (size_t f = 0; f < SET_FILES; f++)
        g_free(paths[f]);
    return found;
}

void set_clear(Set *set)
{
    dataset_unref(set->raw);
    csr_free(set->targets);
}
