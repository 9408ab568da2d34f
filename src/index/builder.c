#include "index/builder.h"

#include <string.h>

#include "base/error.h"
#include "context_lists.h"
#include "history.h"
#include "layout.h"
#include "lists.h"
#include "popular.h"

/* One array that is stored as it stands. */
typedef struct Stored {
    const char *name;
    const void *elements;
    size_t size;
    uint64_t count;
} Stored;

static bool store_all(SectionsWriter *writer, const Stored *arrays, size_t n, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        const Stored *array = &arrays[i];
        if (!sections_write(writer, array->name, array->elements, array->size, array->count, error))
            return false;
    }
    return true;
}

static bool store_meta(SectionsWriter *writer, const Fitted *fitted, const Lists *lists,
                       const Scope *scope, const BuildOptions *options, GError **error)
{
    Meta meta = {.layout = LAYOUT_NUMBER,
                 .version = options->version,
                 .n_users = fitted->n_users,
                 .n_items = fitted->n_items,
                 .n_rows = lists->n_rows,
                 .n_popular = scope->n_items,
                 .stride = lists->stride,
                 .default_n = options->n,
                 .built_at = options->built_at,
                 .as_of = scope->anchor};
    const char *learner = fitted->learner->name;
    const char *card = options->card ? options->card : "{}";
    const char *report = options->report ? options->report : "{}";
    const Stored arrays[] = {
        {"meta", &meta, sizeof meta, 1},
        {"meta.prediction", options->prediction, 1, strlen(options->prediction)},
        {"meta.learner", learner, 1, strlen(learner)},
        {"meta.card", card, 1, strlen(card)},
        {"meta.report", report, 1, strlen(report)},
    };
    return store_all(writer, arrays, G_N_ELEMENTS(arrays), error);
}

static bool store_lists(SectionsWriter *writer, const Lists *lists, const Scope *scope,
                        const Dataset *view, GError **error)
{
    uint64_t places = (uint64_t)lists->n_rows * lists->stride;
    const Stored arrays[] = {
        {"scope.user", scope->user, 1, view->n_users},
        {"scope.item", scope->item, 1, view->n_items},
        {"lists.row", lists->row, sizeof(uint32_t), view->n_users},
        {"lists.count", lists->count, 1, lists->n_rows},
        {"lists.item", lists->item, sizeof(uint32_t), places},
        {"lists.score", lists->score, sizeof(float), places},
        {"lists.probability", lists->probability, sizeof(float), places},
    };
    return store_all(writer, arrays, G_N_ELEMENTS(arrays), error);
}

static bool store_histories(SectionsWriter *writer, const Histories *histories, GError **error)
{
    uint32_t n_users = histories->n_users;
    uint64_t n = histories->start[n_users];
    const Stored arrays[] = {
        {"history.start", histories->start, sizeof(uint64_t), (uint64_t)n_users + 1},
        {"history.item", histories->item, sizeof(uint32_t), n},
        {"history.banned", histories->banned, sizeof(uint32_t), n_users},
        {"banned.item", histories->banned_item ? histories->banned_item : histories->item,
         sizeof(uint32_t), histories->banned_item ? n : 0},
    };
    return store_all(writer, arrays, G_N_ELEMENTS(arrays), error);
}

static bool store_popular(SectionsWriter *writer, const Popular *popular, const Dataset *view,
                          GError **error)
{
    const Stored arrays[] = {
        {"popular.item", popular->item, sizeof(uint32_t), popular->n},
        {"popular.weight", popular->weight, sizeof(float), view->n_items},
    };
    return store_all(writer, arrays, G_N_ELEMENTS(arrays), error);
}

static bool store_columns(SectionsWriter *writer, const Popular *popular,
                          const Attributes *attributes, GError **error)
{
    if (!attributes_save(attributes, writer, LAYOUT_ATTRIBUTES, error))
        return false;
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        g_autoptr(ValueLists) lists = value_lists_new(popular, column, error);
        if (!lists)
            return false;
        uint64_t n_values = ids_count(column->values);
        char start[SECTION_NAME_MAX + 1], item[SECTION_NAME_MAX + 1];
        const Stored arrays[] = {
            {layout_inverted_name(start, c, "start"), lists->start, sizeof(uint64_t), n_values + 1},
            {layout_inverted_name(item, c, "item"), lists->item, sizeof(uint32_t),
             lists->start[n_values]},
        };
        if (!store_all(writer, arrays, G_N_ELEMENTS(arrays), error))
            return false;
    }
    return true;
}

bool index_build(const char *path, const Fitted *fitted, const Dataset *view, const Scope *scope,
                 const BuildOptions *options, GError **error)
{
    g_autoptr(ContextLists) contexts = context_lists_new(view, scope, options, error);
    if (!contexts)
        return false;
    g_autoptr(Histories) histories = histories_new(view, scope, &options->rules, error);
    if (!histories)
        return false;
    g_autoptr(Popular) popular = popular_new(view, scope, error);
    if (!popular)
        return false;
    g_autoptr(Lists) lists = lists_new(fitted, scope, histories, options, error);
    if (!lists)
        return false;
    context_lists_place(contexts, lists->row, lists->n_rows);
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, error);
    return writer && store_meta(writer, fitted, lists, scope, options, error) &&
           ids_save(view->users, writer, LAYOUT_USERS, error) &&
           ids_save(view->items, writer, LAYOUT_ITEMS, error) &&
           store_lists(writer, lists, scope, view, error) &&
           context_lists_save(contexts, writer, error) &&
           store_histories(writer, histories, error) &&
           store_popular(writer, popular, view, error) &&
           store_columns(writer, popular, view->item_attributes, error) &&
           fitted->learner->save(fitted, writer, error) &&
           (!options->calibration || calibration_save(options->calibration, writer, error)) &&
           (!options->levels || levels_save(options->levels, writer, error)) &&
           cancel_check(options->cancel, error) && sections_finish(writer, error);
}

/* Everything that comes from the mapped columns. */
static bool is_of_columns(const char *name)
{
    return g_str_has_prefix(name, LAYOUT_ATTRIBUTES ".") ||
           g_str_has_prefix(name, LAYOUT_INVERTED ".") || strcmp(name, LAYOUT_COLUMNS) == 0;
}

bool index_remap(const char *path, const Snapshot *snapshot, const Attributes *attributes,
                 const RemapOptions *options, GError **error)
{
    const Popular popular = {.n = snapshot->meta.n_popular,
                             .item = (uint32_t *)snapshot->popular_item,
                             .weight = (float *)snapshot->popular_weight};
    const MetaColumns meta = {.revision = options->revision, .mapped_at = options->mapped_at};
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, error);
    return writer &&
           sections_copy(snapshot->sections, writer, is_of_columns, options->cancel, error) &&
           sections_write(writer, LAYOUT_COLUMNS, &meta, sizeof meta, 1, error) &&
           store_columns(writer, &popular, attributes, error) &&
           cancel_check(options->cancel, error) && sections_finish(writer, error);
}
