#include "ranked_groups.h"

#include <ctype.h>
#include <string.h>

#include "ranked_arrays.h"

/* Fewer products a group on average, and a group says no more than the product itself. */
#define PRODUCTS_MIN 1.15

typedef struct Text {
    const char *bytes;
    size_t length;
} Text;

/* The last word of at least three letters: the noun of most product names. */
static Text last_word(Text text)
{
    size_t end = text.length;
    while (end > 0) {
        while (end > 0 && !isalpha((unsigned char)text.bytes[end - 1]))
            end--;
        size_t begin = end;
        while (begin > 0 && isalpha((unsigned char)text.bytes[begin - 1]))
            begin--;
        if (end - begin >= 3)
            return (Text){text.bytes + begin, end - begin};
        end = begin;
    }
    return (Text){NULL, 0};
}

/* What is left of an id without the letters at its end; nothing of an id of letters only. */
static Text without_variant(Text id)
{
    while (id.length > 0 && isalpha((unsigned char)id.bytes[id.length - 1]))
        id.length--;
    return id;
}

typedef Text (*NameOf)(const Dataset *view, const Column *column, uint32_t item);

static Text value_text(const Dataset *view, const Column *column, uint32_t item)
{
    uint32_t n;
    const uint32_t *values = column_values(column, item, &n);
    if (n == 0)
        return (Text){NULL, 0};
    Text text;
    text.bytes = ids_get(column->values, values[0], &text.length);
    return text;
}

static Text noun_text(const Dataset *view, const Column *column, uint32_t item)
{
    return last_word(value_text(view, column, item));
}

static Text family_text(const Dataset *view, const Column *column, uint32_t item)
{
    Text id;
    id.bytes = ids_get(view->items, item, &id.length);
    return without_variant(id);
}

/* Adds a grouping unless it would be of no use. */
static bool add_grouping(Groupings *groupings, const Dataset *view, const Column *column,
                         NameOf name_of, GError **error)
{
    if (groupings->n == GROUPINGS_MAX)
        return true;
    g_autofree uint32_t *group_of = kept_new0(view->n_items, sizeof *group_of, error);
    g_autoptr(Ids) names = ids_new();
    if (!group_of)
        return false;
    uint32_t n_named = 0;
    for (uint32_t item = 0; item < view->n_items; item++) {
        Text name = name_of(view, column, item);
        group_of[item] = IDS_NONE;
        if (name.length == 0)
            continue;
        group_of[item] = ids_add(names, name.bytes, name.length, error);
        if (group_of[item] == IDS_NONE)
            return false;
        n_named++;
    }
    uint32_t n_groups = ids_count(names);
    if (n_groups < 2 || n_named < PRODUCTS_MIN * n_groups)
        return true;
    Grouping *grouping = &groupings->grouping[groupings->n++];
    g_strlcpy(grouping->name, column ? column->name : "variant", sizeof grouping->name);
    grouping->n_groups = n_groups;
    grouping->group_of = g_steal_pointer(&group_of);
    return true;
}

static bool add_columns(Groupings *groupings, const Dataset *view, ColumnKind kind, NameOf name_of,
                        GError **error)
{
    const Attributes *attributes = view->item_attributes;
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        if (column->kind == kind && !column->is_left_out &&
            !add_grouping(groupings, view, column, name_of, error))
            return false;
    }
    return true;
}

Groupings *groupings_new(const Dataset *view, GError **error)
{
    g_autoptr(Groupings) groupings = g_new0(Groupings, 1);
    if (!add_columns(groupings, view, COLUMN_CATEGORICAL, value_text, error) ||
        !add_columns(groupings, view, COLUMN_ID, value_text, error) ||
        !add_columns(groupings, view, COLUMN_TEXT, noun_text, error) ||
        !add_grouping(groupings, view, NULL, family_text, error))
        return NULL;
    return g_steal_pointer(&groupings);
}

void groupings_free(Groupings *groupings)
{
    if (!groupings)
        return;
    for (size_t g = 0; g < groupings->n; g++)
        g_free(groupings->grouping[g].group_of);
    g_free(groupings);
}
