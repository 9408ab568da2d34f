#include "index/recommend.h"

#include <string.h>

#include "layout.h"

/* Twice what one request can exclude and list, as a power of two: look-ups stay short. */
#define SEEN_SLOTS 4096

/* Item numbers of one request, on the stack: open addressing, IDS_NONE is empty. */
typedef struct Seen {
    uint32_t mask;
    uint32_t slot[SEEN_SLOTS];
} Seen;

static void seen_init(Seen *seen, size_t most)
{
    uint32_t slots = 16;
    while (slots < 2 * most && slots < SEEN_SLOTS)
        slots *= 2;
    seen->mask = slots - 1;
    memset(seen->slot, 0xff, slots * sizeof(uint32_t));
}

static uint32_t seen_place(const Seen *seen, uint32_t item)
{
    uint32_t place = (item * 2654435769u) >> 7 & seen->mask;
    while (seen->slot[place] != IDS_NONE && seen->slot[place] != item)
        place = (place + 1) & seen->mask;
    return place;
}

static void seen_add(Seen *seen, uint32_t item)
{
    seen->slot[seen_place(seen, item)] = item;
}

static bool seen_has(const Seen *seen, uint32_t item)
{
    return seen->slot[seen_place(seen, item)] == item;
}

/* What the purchased-items rule keeps from a user: ascending item numbers. */
typedef struct Banned {
    const uint32_t *item;
    uint32_t n;
} Banned;

static Banned banned_of(const Snapshot *snapshot, uint32_t user)
{
    Banned none = {snapshot->banned_item, 0};
    if (user >= snapshot->meta.n_users)
        return none;
    uint64_t begin = snapshot->history_start[user];
    uint32_t n = snapshot->history_banned[user];
    if (begin > snapshot->n_banned || n > snapshot->n_banned - begin)
        return none;
    return (Banned){snapshot->banned_item + begin, n};
}

static bool banned_has(Banned banned, uint32_t item)
{
    uint32_t low = 0, high = banned.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (banned.item[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < banned.n && banned.item[low] == item;
}

/* The list being made: scores are relative to the first of a source and never rise, even when the
 * file holds nonsense. */
typedef struct Draft {
    Recommendation *list;
    size_t n;
    float top;     /* raw score of the first of this source; 0 while there is none */
    float ceiling; /* score of that first one: 1, or where the personal ones ended */
} Draft;

static void draft_add(Draft *draft, uint32_t item, float raw, float probability, ItemSource source)
{
    if (draft->top <= 0)
        draft->top = raw > 0 ? raw : 1;
    float most = draft->n > 0 ? draft->list[draft->n - 1].score : 1;
    float score = draft->ceiling * (raw / draft->top);
    if (!(score <= most))
        score = most;
    if (!(score >= 0))
        score = 0;
    draft->list[draft->n] = (Recommendation){.item = item,
                                             .rank = draft->n + 1,
                                             .score = score,
                                             .probability = probability,
                                             .source = source};
    draft->n++;
}

/* 0, not known, where the file holds nonsense. */
static float known_probability(float stored)
{
    return stored > 0 && stored <= 1 ? stored : 0;
}

/* `seen` NULL: nothing is excluded. */
static void add_personal(const Snapshot *snapshot, uint32_t user, size_t n, const Seen *seen,
                         Draft *draft)
{
    uint32_t row = user < snapshot->meta.n_users ? snapshot->list_row[user] : IDS_NONE;
    if (row >= snapshot->meta.n_rows)
        return;
    uint64_t first = (uint64_t)row * snapshot->meta.stride;
    size_t count = MIN(snapshot->list_count[row], snapshot->meta.stride);
    for (size_t i = 0; i < count && draft->n < n; i++) {
        uint32_t item = snapshot->list_item[first + i];
        if (item < snapshot->meta.n_items && !(seen && seen_has(seen, item)))
            draft_add(draft, item, snapshot->list_score[first + i],
                      known_probability(snapshot->list_probability[first + i]), SOURCE_PERSONAL);
    }
}

/* What a list that is not the user's own leaves out: what it has, what the request excludes, and
 * what the purchased-items rule keeps from the user. */
typedef struct Left {
    Seen *seen;
    Banned banned;
} Left;

static bool is_left(const Snapshot *snapshot, const Left *left, uint32_t item)
{
    return item >= snapshot->meta.n_items || seen_has(left->seen, item) ||
           banned_has(left->banned, item);
}

/* From here on scores continue below those before. */
static void draft_continue(Draft *draft)
{
    draft->top = 0;
    draft->ceiling = draft->n > 0 ? draft->list[draft->n - 1].score : 1;
}

static void add_context(const Snapshot *snapshot, uint32_t user, size_t n, const Left *left,
                        Draft *draft)
{
    uint32_t context = snapshot_context(snapshot, user);
    if (context == IDS_NONE)
        return;
    draft_continue(draft);
    uint64_t first = (uint64_t)context * snapshot->context_stride;
    uint32_t count = MIN(snapshot->context_count[context], snapshot->context_stride);
    for (uint32_t i = 0; i < count && draft->n < n; i++) {
        uint32_t item = snapshot->context_item[first + i];
        if (is_left(snapshot, left, item))
            continue;
        draft_add(draft, item, snapshot->context_score[first + i], 0, SOURCE_POPULAR_SEGMENT);
        seen_add(left->seen, item);
    }
}

static void add_popular(const Snapshot *snapshot, size_t n, const Left *left, Draft *draft)
{
    draft_continue(draft);
    for (uint32_t i = 0; i < snapshot->meta.n_popular && draft->n < n; i++) {
        uint32_t item = snapshot->popular_item[i];
        if (!is_left(snapshot, left, item))
            draft_add(draft, item, snapshot->popular_weight[item], 0, SOURCE_POPULAR);
    }
}

const char *item_source_name(uint8_t source)
{
    static const char *const names[] = {[SOURCE_PERSONAL] = "personal",
                                        [SOURCE_POPULAR_SEGMENT] = "popular_segment",
                                        [SOURCE_POPULAR] = "popular"};
    return names[source];
}

size_t recommend_user(const Snapshot *snapshot, uint32_t user, size_t n, const uint32_t *excluded,
                      size_t n_excluded, Recommendation *list)
{
    n = MIN(n, RECOMMEND_MAX);
    n_excluded = MIN(n_excluded, RECOMMEND_EXCLUDE_MAX);
    Seen seen;
    if (n_excluded > 0)
        seen_init(&seen, n_excluded + n);
    for (size_t i = 0; i < n_excluded; i++)
        seen_add(&seen, excluded[i]);
    Draft draft = {.list = list, .ceiling = 1};
    add_personal(snapshot, user, n, n_excluded > 0 ? &seen : NULL, &draft);
    if (draft.n == n)
        return n;
    if (n_excluded == 0)
        seen_init(&seen, n);
    for (size_t i = 0; i < draft.n; i++)
        seen_add(&seen, list[i].item);
    const Left left = {&seen, banned_of(snapshot, user)};
    add_context(snapshot, user, n, &left, &draft);
    add_popular(snapshot, n, &left, &draft);
    return draft.n;
}

size_t recommend_personal(const Snapshot *snapshot, uint32_t user, size_t n, Recommendation *list)
{
    Draft draft = {.list = list, .ceiling = 1};
    add_personal(snapshot, user, n, NULL, &draft);
    return draft.n;
}

size_t recommend_popular(const Snapshot *snapshot, const Column *column, uint32_t value, size_t n,
                         Recommendation *list)
{
    n = MIN(n, RECOMMEND_MAX);
    const uint32_t *items = snapshot->popular_item;
    uint32_t n_items = snapshot->meta.n_popular;
    if (column)
        items = inverted_list(snapshot, (size_t)(column - snapshot->attributes->columns), value,
                              &n_items);
    Draft draft = {.list = list, .ceiling = 1};
    for (uint32_t i = 0; i < n_items && draft.n < n; i++) {
        if (items[i] < snapshot->meta.n_items)
            draft_add(&draft, items[i], snapshot->popular_weight[items[i]], 0, SOURCE_POPULAR);
    }
    return draft.n;
}
