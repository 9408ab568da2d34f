#include "ranked_lessons.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "math/csr.h"
#include "math/parallel.h"
#include "math/rng.h"

#define WINDOWS          3u
#define HELD_SHARE       0.15
/* One negative in so many is kept, and weighs as much. */
#define NEGATIVES        10u
/* Users of all windows together are drawn by lot so that about so many rows result. */
#define ROWS_MAX         750000.0
#define ROWS_MIN         75000.0 /* when memory is short */
#define ROWS_PER_USER    60.0
#define BOUGHT_MIN       50u
#define LOT_STREAM       0x6c6f7473u
#define NEGATIVES_STREAM 0x6e656761u
#define ASIDE_STREAM     0x61736964u
/* Of every user's products, where no time tells before from after. */
#define ASIDE_SHARE      0.2
#define SHARED_NAME      "ranked lessons"

/* The lessons of one window. */
typedef struct TaughtWindow {
    unsigned refs;
    int64_t from, horizon;
    unsigned n_windows; /* together with which it was drawn */
    uint32_t n_features;
    GArray *taught, *held; /* of Lesson */
} TaughtWindow;

/* One window while its users are described. */
typedef struct Window {
    const Recallers *recallers;
    const FeatureState *state;
    const Csr *bought;
    const uint32_t *users;
    uint32_t n_users, block;
    uint64_t seed;
    Desk *desks;
    unsigned threads;
    Lesson *taught, *held; /* by block */
} Window;

unsigned lessons_windows(const Dataset *view, int64_t as_of, int64_t *horizon)
{
    if (view->rows.n == 0 || as_of <= view->first)
        return 0;
    int64_t span = as_of - view->first;
    *horizon = MIN(*horizon, span / 3 / US_PER_DAY * US_PER_DAY);
    if (*horizon <= 0)
        return 0;
    return (unsigned)CLAMP(span / *horizon - 1, 0, WINDOWS);
}

static void lesson_clear(Lesson *lesson)
{
    g_free(lesson->features);
    g_free(lesson->label);
    g_free(lesson->weight);
}

static void clear_all(GArray *lessons)
{
    for (guint i = 0; i < lessons->len; i++)
        lesson_clear(&g_array_index(lessons, Lesson, i));
    g_array_unref(lessons);
}

static void taught_window_unref(void *data)
{
    TaughtWindow *window = data;
    if (--window->refs > 0)
        return;
    clear_all(window->taught);
    clear_all(window->held);
    g_free(window);
}

static TaughtWindow *taught_window_new(int64_t from, const LessonOptions *options)
{
    TaughtWindow *window = g_new(TaughtWindow, 1);
    *window = (TaughtWindow){.refs = 1,
                             .from = from,
                             .horizon = options->horizon,
                             .n_windows = options->n_windows,
                             .taught = g_array_new(FALSE, FALSE, sizeof(Lesson)),
                             .held = g_array_new(FALSE, FALSE, sizeof(Lesson))};
    return window;
}

/* Of a row, as numbers, and what the library makes of each: measured, 8 bytes for the copies of two
 * threads while they are made. */
static double row_bytes(uint32_t n_signals)
{
    return features_most(n_signals) * (sizeof(float) + 8.0);
}

/* Rows there is memory for. */
static double rows_most(const FitContext *context)
{
    uint32_t n_signals = context->signals ? context->signals->n : 0;
    return MAX(ROWS_MIN, ROWS_MAX - (double)context->spare / row_bytes(n_signals));
}

static bool is_bought(const Csr *bought, uint32_t user, uint32_t item)
{
    return csr_get(bought, user, item) > 0;
}

/* Pairs of one user picked to learn from. */
typedef struct Picked {
    uint32_t n;
    uint32_t *item;
    float *label, *weight;
} Picked;

static void picked_clear(Picked *picked)
{
    g_free(picked->item);
    g_free(picked->label);
    g_free(picked->weight);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Picked, picked_clear)

/* Keeps what was bought, and a share of what was not. */
static void pick(Picked *picked, uint32_t item, bool came_true, Rng *rng)
{
    if (!came_true && rng_below(rng, NEGATIVES) != 0)
        return;
    picked->item[picked->n] = item;
    picked->label[picked->n] = came_true;
    picked->weight[picked->n++] = came_true ? 1 : NEGATIVES;
}

static bool pick_all(Picked *picked, const Desk *desk, const Window *window, uint32_t user,
                     GError **error)
{
    Rng rng;
    rng_init(&rng, window->seed ^ NEGATIVES_STREAM, user);
    picked->item = kept_new0(desk->n, sizeof(uint32_t), error);
    picked->label = kept_new0(desk->n, sizeof(float), error);
    picked->weight = kept_new0(desk->n, sizeof(float), error);
    if (!picked->item || !picked->label || !picked->weight)
        return false;
    for (uint32_t i = 0; i < desk->n; i++)
        pick(picked, desk->item[i], is_bought(window->bought, user, desk->item[i]), &rng);
    return true;
}

static bool lesson_grow(Lesson *lesson, uint32_t n, uint32_t n_features, GError **error)
{
    uint64_t rows = lesson->n + n;
    float *features = g_try_realloc_n(lesson->features, rows * n_features, sizeof(float));
    lesson->features = features ? features : lesson->features;
    float *label = g_try_realloc_n(lesson->label, rows, sizeof(float));
    lesson->label = label ? label : lesson->label;
    float *weight = g_try_realloc_n(lesson->weight, rows, sizeof(float));
    lesson->weight = weight ? weight : lesson->weight;
    if (features && label && weight)
        return true;
    error_set(error, ERR_NO_MEMORY, "no memory for the pairs to learn from");
    return false;
}

void lessons_fill_missing(float *features, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(features[i]))
            features[i] = LESSON_MISSING;
    }
}

static bool teach_user(const Window *window, Desk *desk, uint32_t user, uint32_t row,
                       Lesson *lesson, GError **error)
{
    g_auto(Picked) picked = {0};
    if (!desk_propose(desk, window->recallers, window->state, user, row, error) ||
        !pick_all(&picked, desk, window, user, error))
        return false;
    uint32_t n = picked.n, n_features = features_count(window->state, window->recallers->n);
    if (n == 0)
        return true;
    if (!lesson_grow(lesson, n, n_features, error))
        return false;
    memcpy(lesson->label + lesson->n, picked.label, n * sizeof(float));
    memcpy(lesson->weight + lesson->n, picked.weight, n * sizeof(float));
    float *features = lesson->features + (size_t)lesson->n * n_features;
    desk_describe(desk, window->recallers, window->state, user, row, picked.item, n, features);
    lessons_fill_missing(features, (size_t)n * n_features);
    lesson->n += n;
    return true;
}

static double draw(uint64_t seed, uint64_t stream, uint32_t user)
{
    Rng rng;
    rng_init(&rng, seed ^ stream, user);
    return rng_uniform(&rng);
}

static bool teach_block(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Window *window = context;
    Desk *desk = &window->desks[worker];
    uint64_t block = begin / window->block;
    if (!desk_score(desk, window->recallers, window->users + begin, (uint32_t)(end - begin), error))
        return false;
    for (uint64_t at = begin; at < end; at++) {
        uint32_t user = window->users[at];
        /* by user, so that nobody is both learned from and judged by */
        bool is_held = draw(window->seed, 0, user) < HELD_SHARE;
        Lesson *lesson = is_held ? &window->held[block] : &window->taught[block];
        if (!teach_user(window, desk, user, (uint32_t)(at - begin), lesson, error))
            return false;
    }
    return true;
}

static void keep(GArray *kept, Lesson *blocks, uint64_t n)
{
    for (uint64_t b = 0; b < n; b++) {
        if (blocks[b].n > 0)
            g_array_append_val(kept, blocks[b]);
    }
}

/* Those with a purchase in the year before, by lot with probability `share`. */
static uint32_t *find_users(const Dataset *view, int64_t as_of, double share, uint64_t seed,
                            uint32_t *n, GError **error)
{
    g_autoptr(Scope) scope = scope_new(view, as_of, error);
    uint32_t *users = scope ? kept_new0(view->n_users, sizeof *users, error) : NULL;
    *n = 0;
    for (uint32_t user = 0; users && user < view->n_users; user++) {
        if (scope->user[user] == USER_PREDICTABLE && draw(seed, LOT_STREAM, user) < share)
            users[(*n)++] = user;
    }
    return users;
}

static bool teach_window(TaughtWindow *result, Window *window, const FitContext *context,
                         GError **error)
{
    uint64_t most = feature_state_longest(window->state);
    window->threads = parallel_threads(context->threads);
    window->block = desk_users(window->state->n_items);
    window->desks = desks_new(window->state->n_items, most, window->block, window->threads, error);
    if (!window->desks)
        return false;
    uint64_t n_blocks = (window->n_users + window->block - 1) / window->block;
    window->taught = kept_new0(n_blocks, sizeof(Lesson), error);
    window->held = window->taught ? kept_new0(n_blocks, sizeof(Lesson), error) : NULL;
    bool good = window->held && parallel_for(window->n_users, window->block, context->threads,
                                             teach_block, window, context->cancel, error);
    keep(result->taught, window->taught, window->held ? n_blocks : 0);
    keep(result->held, window->held, window->held ? n_blocks : 0);
    g_free(window->taught);
    g_free(window->held);
    desks_free(window->desks, window->threads);
    return good;
}

/* What is known before the window, and what was bought in it. */
static bool open_window(int64_t from, const Dataset *source, const FitContext *context,
                        const LessonOptions *options, Dataset **view, Csr **bought, GError **error)
{
    if (!options->by_lot)
        return (*view = dataset_before(source, from, error)) &&
               (*bought = window_targets(source, from, from + options->horizon, error));
    g_autoptr(Dataset) whole = dataset_before(source, from, error);
    return whole && hold_out(whole, ASIDE_SHARE, context->seed ^ ASIDE_STREAM, view, bought, error);
}

/* As of the window's beginning. */
static bool fill_window(TaughtWindow *result, const Dataset *source, const FitContext *context,
                        const LessonOptions *options, GError **error)
{
    int64_t from = result->from;
    g_autoptr(Dataset) view = NULL;
    g_autoptr(Csr) bought = NULL;
    if (!open_window(from, source, context, options, &view, &bought, error))
        return false;
    if (view->rows.n == 0)
        return true;
    FitContext at = *context;
    at.as_of = from;
    StateOptions how = {.as_of = from,
                        .raw = context->raw,
                        .groupings = options->groupings,
                        .signals = context->signals,
                        .has_traits = true,
                        .threads = context->threads,
                        .cancel = context->cancel};
    uint32_t n_users;
    double share =
        rows_most(context) / ((double)view->n_users * ROWS_PER_USER * options->n_windows);
    g_autofree uint32_t *users = find_users(view, from, share, context->seed, &n_users, error);
    g_autoptr(Recallers) recallers = NULL;
    g_autoptr(FeatureState) state = NULL;
    if (!users || !(recallers = recallers_fit(view, &at, error)) ||
        !(state = feature_state_new(view, &how, error)))
        return false;
    result->n_features = features_count(state, recallers->n);
    Window window = {.recallers = recallers,
                     .state = state,
                     .bought = bought,
                     .users = users,
                     .n_users = n_users,
                     .seed = context->seed};
    return teach_window(result, &window, context, error);
}

/* One that an earlier fit described; a new reference, or NULL. */
static TaughtWindow *find_window(const FitContext *context, int64_t from,
                                 const LessonOptions *options)
{
    GPtrArray *known = fit_shared_get(context->shared, SHARED_NAME);
    for (guint w = 0; known && w < known->len; w++) {
        TaughtWindow *window = g_ptr_array_index(known, w);
        if (window->from != from || window->horizon != options->horizon ||
            window->n_windows != options->n_windows)
            continue;
        window->refs++;
        return window;
    }
    return NULL;
}

static void use_lessons(Lessons *lessons, GArray *used, const GArray *of_window)
{
    for (guint i = 0; i < of_window->len; i++) {
        const Lesson *lesson = &g_array_index(of_window, Lesson, i);
        for (uint32_t r = 0; r < lesson->n; r++)
            lessons->n_bought += lesson->label[r] > 0;
        lessons->n_rows += lesson->n;
        g_array_append_val(used, *lesson);
    }
}

static bool add_window(Lessons *lessons, const Dataset *source, int64_t from,
                       const FitContext *context, const LessonOptions *options, GError **error)
{
    TaughtWindow *window = options->by_lot ? NULL : find_window(context, from, options);
    bool is_known = window != NULL;
    if (!window)
        window = taught_window_new(from, options);
    g_ptr_array_add(lessons->windows, window);
    if (!is_known && !fill_window(window, source, context, options, error))
        return false;
    lessons->n_features = MAX(lessons->n_features, window->n_features);
    use_lessons(lessons, lessons->taught, window->taught);
    use_lessons(lessons, lessons->held, window->held);
    return true;
}

/* The next fit of the same choice overlaps with this one. */
static void share(const Lessons *lessons, const FitContext *context, bool by_lot)
{
    if (!context->shared || by_lot)
        return;
    GPtrArray *kept = g_ptr_array_new_with_free_func(taught_window_unref);
    for (guint w = 0; w < lessons->windows->len; w++) {
        TaughtWindow *window = g_ptr_array_index(lessons->windows, w);
        window->refs++;
        g_ptr_array_add(kept, window);
    }
    fit_shared_set(context->shared, SHARED_NAME, kept, (GDestroyNotify)g_ptr_array_unref);
}

Lessons *lessons_new(const Dataset *source, const FitContext *context, const LessonOptions *options,
                     GError **error)
{
    g_autoptr(Lessons) lessons = g_new0(Lessons, 1);
    lessons->taught = g_array_new(FALSE, FALSE, sizeof(Lesson));
    lessons->held = g_array_new(FALSE, FALSE, sizeof(Lesson));
    lessons->windows = g_ptr_array_new_with_free_func(taught_window_unref);
    if (options->by_lot && !add_window(lessons, source, context->as_of, context, options, error))
        return NULL;
    for (unsigned w = 1; w <= options->n_windows && !options->by_lot; w++) {
        if (!add_window(lessons, source, context->as_of - w * options->horizon, context, options,
                        error))
            return NULL;
    }
    share(lessons, context, options->by_lot);
    if (lessons->n_bought < BOUGHT_MIN || lessons->taught->len == 0 || lessons->held->len == 0) {
        error_set(error, ERR_INVALID,
                  "too few purchases came after what is known of their buyers "
                  "to learn a ranking from");
        return NULL;
    }
    return g_steal_pointer(&lessons);
}

static double rows_wanted(const FitSize *size)
{
    return MIN(ROWS_MAX, size->n_users * ROWS_PER_USER * WINDOWS);
}

uint64_t lessons_bytes(const FitSize *size)
{
    return (uint64_t)(rows_wanted(size) * row_bytes(size->n_signals));
}

uint64_t lessons_spare_bytes(const FitSize *size)
{
    return (uint64_t)(MAX(0, rows_wanted(size) - ROWS_MIN) * row_bytes(size->n_signals));
}

void lessons_free(Lessons *lessons)
{
    if (!lessons)
        return;
    g_array_unref(lessons->taught);
    g_array_unref(lessons->held);
    g_ptr_array_unref(lessons->windows);
    g_free(lessons);
}
