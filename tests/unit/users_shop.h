/* Shops of whose users something is known, for the tests of learners that look at it. */
#pragma once

#include "learn/segments.h"
#include "learn_shop.h"

/* What stands in a user's cell; NULL: nothing. */
typedef const char *(*CellOf)(uint32_t user);

typedef struct UserColumn {
    const char *name;
    ColumnKind kind;
    CellOf cell;
    bool has_several; /* values in a cell, between bars */
} UserColumn;

#define USER_COLUMNS_MAX 20u

static inline AttributesBuilder *user_columns(const UserColumn *columns, size_t n)
{
    const char *names[USER_COLUMNS_MAX];
    ColumnKind kinds[USER_COLUMNS_MAX];
    char separators[USER_COLUMNS_MAX];
    assert_true(n <= USER_COLUMNS_MAX);
    for (size_t c = 0; c < n; c++) {
        names[c] = columns[c].name;
        kinds[c] = columns[c].kind;
        separators[c] = columns[c].has_several ? '|' : '\0';
    }
    return attributes_builder_new(n, names, kinds, separators);
}

/* With events of one type beside purchases, or NULL. */
static inline Dataset *shop_of_users_with(uint32_t n_users, uint32_t n_items, const Bought *bought,
                                          size_t n, const UserColumn *columns, size_t n_columns,
                                          const Signal *signal)
{
    DatasetOptions options = {.now = day(100000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .signals = signal ? &signal->kind : NULL,
                              .n_signals = signal ? 1 : 0};
    g_autoptr(DatasetBuilder) builder = dataset_builder_new(
        &options, attributes_builder_new(0, NULL, NULL, NULL), user_columns(columns, n_columns));
    AttributesBuilder *attributes = dataset_builder_user_attributes(builder);
    for (uint32_t item = 0; item < n_items; item++)
        assert_int_equal(add_id(builder, 'i', item), item);
    for (uint32_t user = 0; user < n_users; user++) {
        assert_int_equal(add_id(builder, 'u', user), user);
        for (size_t c = 0; c < n_columns; c++) {
            const char *cell = columns[c].cell(user);
            bool has_number =
                cell && (columns[c].kind == COLUMN_NUMERIC || columns[c].kind == COLUMN_TIME);
            float number = has_number ? (float)g_ascii_strtod(cell, NULL) : NAN;
            assert_true(attributes_builder_set(attributes, user, c, cell, cell ? strlen(cell) : 0,
                                               number, NULL));
        }
    }
    add_events(builder, bought, n);
    add_signals(builder, signal, signal ? 1 : 0);
    Dataset *shop = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(shop);
    return shop;
}

static inline Dataset *shop_of_users(uint32_t n_users, uint32_t n_items, const Bought *bought,
                                     size_t n, const UserColumn *columns, size_t n_columns)
{
    return shop_of_users_with(n_users, n_items, bought, n, columns, n_columns, NULL);
}

DEFINE_FIT_WITH(fit_segments, segments_fit_with, SegmentsParams)
