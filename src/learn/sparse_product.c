#include "sparse_product.h"

#include <float.h>
#include <string.h>

#include "base/error.h"
#include "math/topk.h"

/* Rows of the right matrix, and items, that are looked at together when users are scored for items:
 * what is kept of them lies on the stack. */
#define WANTED_ROWS  (UINT32_C(1) << 16)
#define WANTED_ITEMS (UINT32_C(1) << 18)

static SparseRows rows_of(const Csr *csr)
{
    return (SparseRows){csr->rows,  csr->cols,   csr->start[csr->rows],
                        csr->start, csr->column, csr->value};
}

Fitted *sparse_product_new(const Learner *learner, Csr *takes_left, Csr *takes_right)
{
    SparseProduct *product = g_new(SparseProduct, 1);
    *product = (SparseProduct){.fitted = {learner, takes_left->rows, takes_right->cols},
                               .left = rows_of(takes_left),
                               .right = rows_of(takes_right),
                               .owned_left = takes_left,
                               .owned_right = takes_right};
    return &product->fitted;
}

uint64_t sparse_product_bytes(const FitSize *size, uint64_t left, uint64_t right)
{
    uint64_t starts = (uint64_t)size->n_users + MAX(size->n_users, size->n_items);
    return (left + right) * (sizeof(uint32_t) + sizeof(float)) + starts * sizeof(uint64_t);
}

void sparse_product_keep_params(Fitted *fitted, const void *params, size_t size)
{
    ((SparseProduct *)fitted)->params = g_memdup2(params, size);
}

/* The entries of a row, [*from, *to), within the arrays whatever a mapped file holds. */
static inline void sparse_row(const SparseRows *rows, uint32_t row, uint64_t *from, uint64_t *to)
{
    *to = MIN(rows->start[row + (size_t)1], rows->n);
    *from = MIN(rows->start[row], *to);
}

/* NaN fails the comparison. */
static void clip(float *scores, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        scores[i] = scores[i] > 0 ? MIN(scores[i], FLT_MAX) : 0;
}

static void add_row(const SparseRows *rows, uint32_t row, float weight, float *scores)
{
    uint64_t from, to;
    sparse_row(rows, row, &from, &to);
    for (uint64_t e = from; e < to; e++) {
        if (rows->column[e] < rows->cols)
            scores[rows->column[e]] += weight * rows->value[e];
    }
}

bool sparse_product_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n,
                                float *tile, GError **error)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const SparseRows *left = &product->left;
    for (uint32_t u = 0; u < n; u++) {
        float *scores = tile + (size_t)u * fitted->n_items;
        uint64_t from, to;
        memset(scores, 0, fitted->n_items * sizeof *scores);
        sparse_row(left, users[u], &from, &to);
        for (uint64_t e = from; e < to; e++) {
            if (left->column[e] < product->right.rows)
                add_row(&product->right, left->column[e], left->value[e], scores);
        }
        clip(scores, fitted->n_items);
    }
    return true;
}

/* Adds to wanted[k - first_row] what row k has of those items that are in [first, first +
 * WANTED_ITEMS). */
static void add_wanted(const SparseRows *right, uint32_t first_row, uint32_t n_rows,
                       const uint32_t *items, uint32_t n, uint32_t first, float *wanted)
{
    uint8_t is_wanted[WANTED_ITEMS / 8] = {0};
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = items[i] - first;
        if (items[i] < first || at >= WANTED_ITEMS)
            continue;
        is_wanted[at / 8] |= (uint8_t)(1u << at % 8);
        any = true;
    }
    for (uint32_t row = 0; any && row < n_rows; row++) {
        uint64_t from, to;
        sparse_row(right, first_row + row, &from, &to);
        for (uint64_t e = from; e < to; e++) {
            uint32_t at = right->column[e] - first;
            if (at < WANTED_ITEMS && is_wanted[at / 8] >> at % 8 & 1)
                wanted[row] += right->value[e];
        }
    }
}

/* The first of the entries [from, to) whose column is not below `column`. */
static uint64_t first_at(const SparseRows *rows, uint64_t from, uint64_t to, uint32_t column)
{
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if (rows->column[middle] < column)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void add_left(const SparseRows *left, uint32_t first_row, uint32_t n_rows,
                     const float *wanted, float *scores)
{
    for (uint32_t user = 0; user < left->rows; user++) {
        uint64_t from, to;
        sparse_row(left, user, &from, &to);
        from = first_row == 0 ? from : first_at(left, from, to, first_row);
        for (uint64_t e = from; e < to && left->column[e] - first_row < n_rows; e++)
            scores[user] += left->value[e] * wanted[left->column[e] - first_row];
    }
}

bool sparse_product_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n,
                                float *scores, GError **error)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const SparseRows *right = &product->right;
    memset(scores, 0, fitted->n_users * sizeof *scores);
    for (uint64_t row = 0; row < right->rows; row += WANTED_ROWS) {
        float wanted[WANTED_ROWS] = {0};
        uint32_t n_rows = (uint32_t)MIN(WANTED_ROWS, right->rows - row);
        for (uint64_t first = 0; first < fitted->n_items; first += WANTED_ITEMS)
            add_wanted(right, (uint32_t)row, n_rows, items, n, (uint32_t)first, wanted);
        add_left(&product->left, (uint32_t)row, n_rows, wanted, scores);
    }
    clip(scores, fitted->n_users);
    return true;
}

static bool save_rows(const SparseRows *rows, const char *side, SectionsWriter *writer,
                      GError **error)
{
    char start[SECTION_NAME_MAX], column[SECTION_NAME_MAX], value[SECTION_NAME_MAX];
    g_snprintf(start, sizeof start, "learner.%s.start", side);
    g_snprintf(column, sizeof column, "learner.%s.column", side);
    g_snprintf(value, sizeof value, "learner.%s.value", side);
    return sections_write(writer, start, rows->start, sizeof *rows->start, (uint64_t)rows->rows + 1,
                          error) &&
           sections_write(writer, column, rows->column, sizeof *rows->column, rows->n, error) &&
           sections_write(writer, value, rows->value, sizeof *rows->value, rows->n, error);
}

bool sparse_product_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const uint32_t shape[] = {product->left.cols, fitted->n_items};
    return sections_write(writer, "learner.shape", shape, sizeof *shape, 2, error) &&
           save_rows(&product->left, "left", writer, error) &&
           save_rows(&product->right, "right", writer, error);
}

/* rows and cols of `loaded` are set: what the file has to fit. */
static bool load_rows(SparseRows *loaded, const char *side, const Sections *sections,
                      GError **error)
{
    char name[SECTION_NAME_MAX];
    uint64_t n_starts, n_columns;
    g_snprintf(name, sizeof name, "learner.%s.start", side);
    loaded->start = sections_get(sections, name, sizeof *loaded->start, &n_starts, error);
    if (!loaded->start)
        return false;
    g_snprintf(name, sizeof name, "learner.%s.column", side);
    loaded->column = sections_get(sections, name, sizeof *loaded->column, &n_columns, error);
    if (!loaded->column)
        return false;
    g_snprintf(name, sizeof name, "learner.%s.value", side);
    loaded->value = sections_get(sections, name, sizeof *loaded->value, &loaded->n, error);
    if (!loaded->value)
        return false;
    if (n_starts == (uint64_t)loaded->rows + 1 && n_columns == loaded->n &&
        loaded->start[loaded->rows] == loaded->n)
        return true;
    error_set(error, ERR_DAMAGED, "the arrays of the %s matrix do not fit each other", side);
    return false;
}

Fitted *sparse_product_load(const Learner *learner, const Sections *sections,
                            const ProductShape *shape, GError **error)
{
    uint64_t n_numbers;
    const uint32_t *stored =
        sections_get(sections, "learner.shape", sizeof *stored, &n_numbers, error);
    if (!stored)
        return NULL;
    uint32_t n_inner = shape->n_inner == 0 && n_numbers > 0 ? stored[0] : shape->n_inner;
    if (n_numbers != 2 || stored[0] != n_inner || stored[1] != shape->n_items) {
        error_set(error, ERR_DAMAGED, "the neighbours do not fit the users and products");
        return NULL;
    }
    SparseProduct loaded = {.fitted = {learner, shape->n_users, shape->n_items},
                            .left = {.rows = shape->n_users, .cols = n_inner},
                            .right = {.rows = n_inner, .cols = shape->n_items}};
    if (!load_rows(&loaded.left, "left", sections, error) ||
        !load_rows(&loaded.right, "right", sections, error))
        return NULL;
    SparseProduct *product = g_new(SparseProduct, 1);
    *product = loaded;
    return &product->fitted;
}

void sparse_product_free(Fitted *fitted)
{
    SparseProduct *product = (SparseProduct *)fitted;
    g_free(product->params);
    csr_free(product->owned_left);
    csr_free(product->owned_right);
    g_free(product);
}
