#include "rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

void golden_fail(const char *what, const GError *error)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            error ? error->message : "failed");
    exit(2);
}

void rows_init(Rows *rows)
{
    /* two sets: a customer's number may be a product's code, and equal text is one pointer */
    *rows = (Rows){.list = g_array_new(FALSE, FALSE, sizeof(Row)),
                   .items = g_array_new(FALSE, FALSE, sizeof(Row)),
                   .users = g_array_new(FALSE, FALSE, sizeof(Row)),
                   .items_seen = g_hash_table_new(g_direct_hash, g_direct_equal),
                   .users_seen = g_hash_table_new(g_direct_hash, g_direct_equal),
                   .text = g_string_chunk_new(1 << 16)};
}

void rows_clear(Rows *rows)
{
    g_array_unref(rows->list);
    g_array_unref(rows->items);
    g_array_unref(rows->users);
    g_hash_table_unref(rows->items_seen);
    g_hash_table_unref(rows->users_seen);
    g_string_chunk_free(rows->text);
}

static const char *keep(Rows *rows, const char *text)
{
    return text ? g_string_chunk_insert_const(rows->text, text) : NULL;
}

void rows_add(Rows *rows, const Row *row)
{
    Row kept = *row;
    kept.user = keep(rows, row->user);
    kept.item = keep(rows, row->item);
    kept.order = keep(rows, row->order);
    kept.text = keep(rows, row->text);
    kept.user_text = keep(rows, row->user_text);
    if (g_hash_table_add(rows->users_seen, (char *)kept.user))
        g_array_append_val(rows->users, kept);
    if (g_hash_table_add(rows->items_seen, (char *)kept.item))
        g_array_append_val(rows->items, kept);
    g_array_append_val(rows->list, kept);
}

static void build_items(const Rows *rows, const RowColumns *columns, DatasetBuilder *builder)
{
    for (guint i = 0; i < rows->items->len; i++) {
        const Row *first = &g_array_index(rows->items, Row, i);
        uint32_t item = dataset_builder_add_item(builder, first->item, strlen(first->item), NULL);
        if (columns)
            columns->describe(dataset_builder_item_attributes(builder), item, first);
    }
}

static void build_users(const Rows *rows, const RowColumns *columns, DatasetBuilder *builder)
{
    for (guint i = 0; i < rows->users->len; i++) {
        const Row *first = &g_array_index(rows->users, Row, i);
        uint32_t user = dataset_builder_add_user(builder, first->user, strlen(first->user), NULL);
        if (columns)
            columns->describe(dataset_builder_user_attributes(builder), user, first);
    }
}

static AttributesBuilder *columns_new(const RowColumns *columns)
{
    const RowColumns none = {0}, *of = columns ? columns : &none;
    return attributes_builder_new(of->n, of->names, of->kinds, of->separators);
}

static void build_events(const Rows *rows, bool signals, DatasetBuilder *builder)
{
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < rows->list->len; i++) {
        const Row *row = &g_array_index(rows->list, Row, i);
        if (row->is_signal != signals)
            continue;
        EventRow event = {.user = row->user,
                          .item = row->item,
                          .order = row->order,
                          .user_length = (uint32_t)strlen(row->user),
                          .item_length = (uint32_t)strlen(row->item),
                          .order_length = row->order ? (uint32_t)strlen(row->order) : 0,
                          .time = row->time,
                          .quantity = row->quantity,
                          .price = row->price};
        if (!dataset_builder_add_events(builder, &event, 1, &error))
            golden_fail("events", error);
    }
}

Dataset *rows_build(const Rows *rows, const RowsUse *use)
{
    g_autoptr(GError) error = NULL;
    SignalKind signal = {.weight = -1};
    g_strlcpy(signal.name, use->signal ? use->signal : "", sizeof signal.name);
    DatasetOptions options = {.now = INT64_C(2000000000) * US_PER_SECOND,
                              .from = INT64_MIN,
                              .to = use->until,
                              .has_order = use->has_order,
                              .has_price = use->has_price,
                              .signals = &signal,
                              .n_signals = use->signal ? 1 : 0};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, columns_new(use->columns), columns_new(use->user_columns));
    build_items(rows, use->columns, builder);
    build_users(rows, use->user_columns, builder);
    build_events(rows, false, builder);
    if (use->signal && !dataset_builder_begin_signal(builder, 0, &error))
        golden_fail("events", error);
    build_events(rows, true, builder);
    Dataset *dataset = dataset_builder_finish(builder, NULL, &error);
    if (!dataset)
        golden_fail("build", error);
    return dataset;
}

size_t fields_split(char *line, char separator, char **field, size_t max)
{
    size_t n = 0;
    for (char *at = line; n < max; at++) {
        char *to = at;
        bool quoted = *at == '"';
        field[n++] = to;
        at += quoted;
        for (; *at && *at != '\n' && *at != '\r' && (quoted || *at != separator); at++) {
            if (quoted && *at == '"' && *++at != '"') {
                quoted = false;
                at--;
                continue;
            }
            *to++ = *at;
        }
        bool last = *at != separator;
        *to = '\0';
        if (last)
            break;
    }
    return n;
}

int64_t moment_of_text(const char *text)
{
    g_autofree char *moment =
        strlen(text) > 10 ? g_strdup_printf("%.10sT%sZ", text, text + 11) : g_strdup(text);
    int64_t us;
    if (!clock_parse(moment, &us))
        golden_fail(text, NULL);
    return us;
}

FILE *input_open(const char *path)
{
    if (!path || strcmp(path, "-") == 0)
        return stdin;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return NULL;
    g_autofree char *quoted = g_shell_quote(path);
    g_autofree char *command = g_strdup_printf("xz -dcf %s", quoted);
    return popen(command, "r");
}

void input_close(FILE *file)
{
    if (file != stdin)
        pclose(file);
}
