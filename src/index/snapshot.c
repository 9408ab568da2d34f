#include "index/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "index/recommend.h"
#include "layout.h"

#define DEFAULT_N 10 /* of a file that does not say */

char *layout_inverted_name(char *name, size_t column, const char *part)
{
    snprintf(name, SECTION_NAME_MAX + 1, LAYOUT_INVERTED ".%zu.%s", column, part);
    return name;
}

const uint32_t *inverted_list(const Snapshot *snapshot, size_t column, uint32_t value, uint32_t *n)
{
    const Inverted *inverted = &snapshot->inverted[column];
    *n = 0;
    if (value >= ids_count(snapshot->attributes->columns[column].values))
        return inverted->item;
    uint64_t begin = inverted->start[value], end = inverted->start[value + 1];
    if (begin > end || end > inverted->n || end - begin > snapshot->meta.n_items)
        return inverted->item;
    *n = (uint32_t)(end - begin);
    return inverted->item + begin;
}

/* An array that must have `count` elements. */
static const void *exactly(const Sections *sections, const char *name, size_t element_size,
                           uint64_t count, GError **error)
{
    uint64_t found;
    const void *array = sections_get(sections, name, element_size, &found, error);
    if (array && found != count) {
        error_set(error, ERR_DAMAGED, "section \"%s\" has %" PRIu64 " elements instead of %" PRIu64,
                  name, found, count);
        return NULL;
    }
    return array;
}

static bool open_meta(Snapshot *snapshot, GError **error)
{
    const Meta *meta = exactly(snapshot->sections, "meta", sizeof(Meta), 1, error);
    if (!meta)
        return false;
    snapshot->meta = *meta;
    uint64_t length;
    const char *prediction = sections_get(snapshot->sections, "meta.prediction", 1, &length, error);
    if (!prediction)
        return false;
    snapshot->prediction = g_strndup(prediction, length < 256 ? length : 256);
    snapshot->card =
        sections_get(snapshot->sections, "meta.card", 1, &snapshot->card_length, error);
    if (!snapshot->card)
        return false;
    snapshot->report =
        sections_get(snapshot->sections, "meta.report", 1, &snapshot->report_length, error);
    if (!snapshot->report)
        return false;
    if (meta->layout != LAYOUT_NUMBER || meta->stride < 1 || meta->stride > UINT8_MAX ||
        meta->n_rows > meta->n_users || meta->n_popular > meta->n_items) {
        error_set(error, ERR_DAMAGED, "the snapshot's description does not fit this program");
        return false;
    }
    return true;
}

static bool open_dictionaries(Snapshot *snapshot, GError **error)
{
    const Meta *meta = &snapshot->meta;
    snapshot->users = ids_map(snapshot->sections, LAYOUT_USERS, error);
    if (!snapshot->users)
        return false;
    snapshot->items = ids_map(snapshot->sections, LAYOUT_ITEMS, error);
    if (!snapshot->items)
        return false;
    if (ids_count(snapshot->users) != meta->n_users ||
        ids_count(snapshot->items) != meta->n_items) {
        error_set(error, ERR_DAMAGED, "the snapshot's dictionaries have other sizes than it says");
        return false;
    }
    return true;
}

static bool open_lists(Snapshot *snapshot, GError **error)
{
    const Sections *sections = snapshot->sections;
    const Meta *meta = &snapshot->meta;
    uint64_t places = (uint64_t)meta->n_rows * meta->stride;
    return (snapshot->user_scope = exactly(sections, "scope.user", 1, meta->n_users, error)) &&
           (snapshot->item_scope = exactly(sections, "scope.item", 1, meta->n_items, error)) &&
           (snapshot->list_row =
                exactly(sections, "lists.row", sizeof(uint32_t), meta->n_users, error)) &&
           (snapshot->list_count = exactly(sections, "lists.count", 1, meta->n_rows, error)) &&
           (snapshot->list_item =
                exactly(sections, "lists.item", sizeof(uint32_t), places, error)) &&
           (snapshot->list_score =
                exactly(sections, "lists.score", sizeof(float), places, error)) &&
           (snapshot->list_probability =
                exactly(sections, "lists.probability", sizeof(float), places, error)) &&
           (snapshot->popular_item =
                exactly(sections, "popular.item", sizeof(uint32_t), meta->n_popular, error)) &&
           (snapshot->popular_weight =
                exactly(sections, "popular.weight", sizeof(float), meta->n_items, error));
}

static bool open_contexts(Snapshot *snapshot, GError **error)
{
    const Sections *sections = snapshot->sections;
    if (!sections_has(sections, LAYOUT_CONTEXTS ".count"))
        return true;
    snapshot->contexts = attributes_map(sections, LAYOUT_CONTEXTS, error);
    if (!snapshot->contexts)
        return false;
    uint32_t n = snapshot->contexts->n_rows;
    snapshot->context_stride = MIN(snapshot->meta.n_popular, CONTEXT_LIST_MAX);
    uint64_t places = (uint64_t)n * snapshot->context_stride;
    return (snapshot->context_count = exactly(sections, LAYOUT_CONTEXTS ".count", 1, n, error)) &&
           (snapshot->context_item =
                exactly(sections, LAYOUT_CONTEXTS ".item", sizeof(uint32_t), places, error)) &&
           (snapshot->context_score =
                exactly(sections, LAYOUT_CONTEXTS ".score", sizeof(float), places, error));
}

static bool open_histories(Snapshot *snapshot, GError **error)
{
    const Sections *sections = snapshot->sections;
    uint32_t n_users = snapshot->meta.n_users;
    return (snapshot->history_start = exactly(sections, "history.start", sizeof(uint64_t),
                                              (uint64_t)n_users + 1, error)) &&
           (snapshot->history_item = sections_get(sections, "history.item", sizeof(uint32_t),
                                                  &snapshot->n_history, error)) &&
           (snapshot->history_banned =
                exactly(sections, "history.banned", sizeof(uint32_t), n_users, error)) &&
           (snapshot->banned_item = sections_get(sections, "banned.item", sizeof(uint32_t),
                                                 &snapshot->n_banned, error));
}

static bool open_revision(Snapshot *snapshot, GError **error)
{
    if (!sections_has(snapshot->sections, LAYOUT_COLUMNS))
        return true;
    const MetaColumns *columns =
        exactly(snapshot->sections, LAYOUT_COLUMNS, sizeof *columns, 1, error);
    snapshot->revision = columns ? columns->revision : 0;
    return columns != NULL;
}

static bool open_columns(Snapshot *snapshot, GError **error)
{
    if (!open_revision(snapshot, error))
        return false;
    snapshot->attributes = attributes_map(snapshot->sections, LAYOUT_ATTRIBUTES, error);
    if (!snapshot->attributes)
        return false;
    size_t n_columns = snapshot->attributes->n_columns;
    if (n_columns > 0 && snapshot->attributes->n_rows != snapshot->meta.n_items) {
        error_set(error, ERR_DAMAGED, "the snapshot's columns have another number of products");
        return false;
    }
    snapshot->inverted = g_new0(Inverted, n_columns + 1);
    for (size_t c = 0; c < n_columns; c++) {
        Inverted *inverted = &snapshot->inverted[c];
        uint64_t n_values = ids_count(snapshot->attributes->columns[c].values);
        char name[SECTION_NAME_MAX + 1];
        inverted->start = exactly(snapshot->sections, layout_inverted_name(name, c, "start"),
                                  sizeof(uint64_t), n_values + 1, error);
        if (!inverted->start)
            return false;
        inverted->item = sections_get(snapshot->sections, layout_inverted_name(name, c, "item"),
                                      sizeof(uint32_t), &inverted->n, error);
        if (!inverted->item)
            return false;
    }
    return true;
}

Snapshot *snapshot_open(const char *path, GError **error)
{
    g_autoptr(Sections) sections = sections_open(path, error);
    if (!sections)
        return NULL;
    g_autoptr(Snapshot) snapshot = g_new0(Snapshot, 1);
    atomic_init(&snapshot->references, 1);
    snapshot->path = g_strdup(path);
    snapshot->scorer = lazy_scorer_new();
    snapshot->sections = g_steal_pointer(&sections);
    if (!open_meta(snapshot, error) || !open_dictionaries(snapshot, error) ||
        !open_lists(snapshot, error) || !open_contexts(snapshot, error) ||
        !open_histories(snapshot, error) || !open_columns(snapshot, error) ||
        !scorer_is_known(snapshot, error))
        return NULL;
    return g_steal_pointer(&snapshot);
}

bool snapshot_verify(const Snapshot *snapshot, const Cancel *cancel, GError **error)
{
    return sections_verify(snapshot->sections, cancel, error) && snapshot_scorer(snapshot, error);
}

Snapshot *snapshot_ref(Snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(Snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    lazy_scorer_free(snapshot->scorer);
    attributes_free(snapshot->attributes);
    attributes_free(snapshot->contexts);
    ids_free(snapshot->items);
    ids_free(snapshot->users);
    sections_free(snapshot->sections);
    g_free(snapshot->inverted);
    g_free(snapshot->prediction);
    g_free(snapshot->path);
    g_free(snapshot);
}

const char *snapshot_prediction(const Snapshot *snapshot)
{
    return snapshot->prediction;
}

uint32_t snapshot_version(const Snapshot *snapshot)
{
    return snapshot->meta.version;
}

const char *snapshot_path(const Snapshot *snapshot)
{
    return snapshot->path;
}

const char *snapshot_card(const Snapshot *snapshot, size_t *length)
{
    *length = snapshot->card_length;
    return snapshot->card;
}

const char *snapshot_report(const Snapshot *snapshot, size_t *length)
{
    *length = snapshot->report_length;
    return snapshot->report;
}

int64_t snapshot_built_at(const Snapshot *snapshot)
{
    return snapshot->meta.built_at;
}

uint32_t snapshot_revision(const Snapshot *snapshot)
{
    return snapshot->revision;
}

uint64_t snapshot_bytes(const Snapshot *snapshot)
{
    return sections_bytes(snapshot->sections);
}

uint32_t snapshot_predictable_users(const Snapshot *snapshot)
{
    return snapshot->meta.n_rows;
}

uint32_t snapshot_default_n(const Snapshot *snapshot)
{
    uint32_t n = snapshot->meta.default_n;
    return n >= 1 && n <= RECOMMEND_MAX ? n : DEFAULT_N;
}

const Ids *snapshot_users(const Snapshot *snapshot)
{
    return snapshot->users;
}

const Ids *snapshot_items(const Snapshot *snapshot)
{
    return snapshot->items;
}

const Attributes *snapshot_item_attributes(const Snapshot *snapshot)
{
    return snapshot->attributes;
}

void snapshot_prefetch_user(const Snapshot *snapshot, const char *user, size_t length)
{
    uint32_t number = ids_guess(snapshot->users, user, length);
    if (number >= snapshot->meta.n_users)
        return;
    __builtin_prefetch(&snapshot->list_row[number]);
    __builtin_prefetch(&snapshot->user_scope[number]);
}

UserScope snapshot_user_scope(const Snapshot *snapshot, uint32_t user)
{
    if (user >= snapshot->meta.n_users || snapshot->user_scope[user] > USER_NO_RECENT_PURCHASE)
        return USER_NO_PURCHASE;
    return snapshot->user_scope[user];
}

uint32_t snapshot_context(const Snapshot *snapshot, uint32_t user)
{
    if (!snapshot->contexts || user >= snapshot->meta.n_users)
        return IDS_NONE;
    uint32_t row = snapshot->list_row[user], n_rows = snapshot->meta.n_rows;
    return row >= n_rows && row - n_rows < snapshot->contexts->n_rows ? row - n_rows : IDS_NONE;
}

const Attributes *snapshot_contexts(const Snapshot *snapshot)
{
    return snapshot->contexts;
}

const uint32_t *snapshot_history(const Snapshot *snapshot, uint32_t user, uint32_t *n)
{
    *n = 0;
    if (user >= snapshot->meta.n_users)
        return snapshot->history_item;
    uint64_t begin = snapshot->history_start[user], end = snapshot->history_start[user + 1];
    if (begin > end || end > snapshot->n_history || end - begin > snapshot->meta.n_items)
        return snapshot->history_item;
    const uint32_t *items = snapshot->history_item + begin;
    while (*n < end - begin && items[*n] < snapshot->meta.n_items)
        ++*n;
    return items;
}

bool snapshot_item_predictable(const Snapshot *snapshot, uint32_t item)
{
    return item < snapshot->meta.n_items && snapshot->item_scope[item] == 1;
}
