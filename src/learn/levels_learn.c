/* The rows a level model learns from, and those it is calibrated on. */
#include <string.h>

#include "base/error.h"
#include "levels_model.h"
#include "math/rng.h"
#include "ranked_arrays.h"

#define LESSON_ROWS 45000.0
#define SAMPLE_ROWS 400000.0
#define HELD_SHARE  0.15
#define HELD_STREAM 0x6c766c68u

/* ---- lessons ---- */

typedef struct Teaching {
    uint64_t seed;
    uint64_t n_blocks;
    Lesson *taught, *held; /* by block */
    uint32_t *room;        /* of both, in rows */
} Teaching;

static void lesson_clear(Lesson *lesson)
{
    g_free(lesson->features);
    g_free(lesson->label);
    g_free(lesson->weight);
}

static void teaching_clear(Teaching *teaching)
{
    for (uint64_t b = 0; teaching->taught && b < teaching->n_blocks; b++)
        lesson_clear(&teaching->taught[b]);
    for (uint64_t b = 0; teaching->held && b < teaching->n_blocks; b++)
        lesson_clear(&teaching->held[b]);
    g_free(teaching->taught);
    g_free(teaching->held);
    g_free(teaching->room);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Teaching, teaching_clear)

static bool grow(float **array, uint64_t n, GError **error)
{
    float *grown = g_try_realloc_n(*array, n, sizeof(float));
    if (!grown) {
        error_set(error, ERR_NO_MEMORY, "no memory for the pairs to learn levels from");
        return false;
    }
    *array = grown;
    return true;
}

static bool lesson_grow(Lesson *lesson, uint32_t *room, uint32_t n, GError **error)
{
    if (n <= *room)
        return true;
    uint64_t wanted = (uint64_t)n + n / 2;
    if (!grow(&lesson->features, wanted * level_features_count(), error) ||
        !grow(&lesson->label, wanted, error) || !grow(&lesson->weight, wanted, error))
        return false;
    *room = (uint32_t)wanted;
    return true;
}

static bool teach_user(void *context, uint64_t block, const DrawnUser *rows, GError **error)
{
    Teaching *teaching = context;
    uint32_t n_features = level_features_count();
    Rng rng;
    /* by user, so that nobody is both learned from and judged by */
    rng_init(&rng, teaching->seed ^ HELD_STREAM, rows->user);
    bool is_held = rng_uniform(&rng) < HELD_SHARE;
    Lesson *lesson = is_held ? &teaching->held[block] : &teaching->taught[block];
    if (rows->n == 0)
        return true;
    if (!lesson_grow(lesson, &teaching->room[2 * block + is_held], lesson->n + rows->n, error))
        return false;
    float *features = lesson->features + (size_t)lesson->n * n_features;
    memcpy(features, rows->features, (size_t)rows->n * n_features * sizeof(float));
    lessons_fill_missing(features, (size_t)rows->n * n_features);
    memcpy(lesson->label + lesson->n, rows->label, rows->n * sizeof(float));
    memcpy(lesson->weight + lesson->n, rows->weight, rows->n * sizeof(float));
    lesson->n += rows->n;
    return true;
}

static Lessons *lessons_empty(void (*clear)(Lesson *))
{
    Lessons *lessons = g_new0(Lessons, 1);
    lessons->n_features = level_features_count();
    lessons->taught = g_array_new(FALSE, FALSE, sizeof(Lesson));
    lessons->held = g_array_new(FALSE, FALSE, sizeof(Lesson));
    lessons->windows = g_ptr_array_new();
    if (clear) {
        g_array_set_clear_func(lessons->taught, (GDestroyNotify)clear);
        g_array_set_clear_func(lessons->held, (GDestroyNotify)clear);
    }
    return lessons;
}

/* Moves blocks that are not empty. */
static void keep(Lessons *lessons, GArray *kept, Lesson *blocks, uint64_t n)
{
    for (uint64_t b = 0; b < n; b++) {
        if (blocks[b].n == 0)
            continue;
        lessons->n_rows += blocks[b].n;
        for (uint32_t r = 0; r < blocks[b].n; r++)
            lessons->n_bought += blocks[b].label[r] > 0;
        g_array_append_val(kept, blocks[b]);
        blocks[b] = (Lesson){0};
    }
}

Lessons *level_lessons_new(const LevelMoment *moment, const LevelsOptions *options, GError **error)
{
    g_auto(LevelDraw) draw = {0};
    g_auto(Teaching) teaching = {.seed = options->seed};
    if (!level_draw_init(&draw, moment, LESSON_ROWS, false, options->seed, error))
        return NULL;
    teaching.n_blocks = draw.n_users / DRAW_BLOCK + 1;
    teaching.taught = g_new0(Lesson, teaching.n_blocks);
    teaching.held = g_new0(Lesson, teaching.n_blocks);
    teaching.room = g_new0(uint32_t, 2 * teaching.n_blocks);
    if (!level_draw_each(&draw, options, teach_user, &teaching, error))
        return NULL;
    Lessons *lessons = lessons_empty(lesson_clear);
    keep(lessons, lessons->taught, teaching.taught, teaching.n_blocks);
    keep(lessons, lessons->held, teaching.held, teaching.n_blocks);
    return lessons;
}

uint64_t level_lessons_bytes(const FitSize *size)
{
    double rows = MIN(2 * LESSON_ROWS, (double)size->n_users * size->n_items);
    return (uint64_t)(rows * level_features_count() * (sizeof(float) + 4.0));
}

Lessons *level_lessons_join(Lessons *const *windows)
{
    Lessons *lessons = lessons_empty(NULL);
    for (; *windows; windows++) {
        const Lessons *window = *windows;
        g_array_append_vals(lessons->taught, window->taught->data, window->taught->len);
        g_array_append_vals(lessons->held, window->held->data, window->held->len);
        lessons->n_rows += window->n_rows;
        lessons->n_bought += window->n_bought;
    }
    return lessons;
}

/* ---- samples ---- */

typedef struct Sample {
    uint32_t value;
    float score, weight;
    uint8_t is_bought;
} Sample;

typedef struct Sampling {
    const Forest *forest;
    uint64_t n_blocks;
    GArray **blocks; /* of Sample */
} Sampling;

static void sampling_clear(Sampling *sampling)
{
    for (uint64_t b = 0; b < sampling->n_blocks; b++)
        g_array_unref(sampling->blocks[b]);
    g_free(sampling->blocks);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sampling, sampling_clear)

static bool sample_user(void *context, uint64_t block, const DrawnUser *rows, GError **error)
{
    Sampling *sampling = context;
    g_autofree float *sums = kept_new0(rows->n, sizeof *sums, error);
    if (!sums)
        return false;
    forest_sum(sampling->forest, rows->features, rows->n, level_features_count(), sums);
    for (uint32_t r = 0; r < rows->n; r++) {
        Sample sample = {.value = rows->value[r],
                         .score = MAX(forest_probability(sums[r]), G_MINFLOAT),
                         .weight = rows->weight[r],
                         .is_bought = rows->label[r] > 0};
        g_array_append_val(sampling->blocks[block], sample);
    }
    return true;
}

static bool samples_alloc(Samples *samples, GError **error)
{
    return (samples->item = kept_new0(samples->n, sizeof(uint32_t), error)) &&
           (samples->score = kept_new0(samples->n, sizeof(float), error)) &&
           (samples->weight = kept_new0(samples->n, sizeof(float), error)) &&
           (samples->is_bought = kept_new0(samples->n, 1, error));
}

static Samples *collect(const Sampling *sampling, const LevelDraw *draw, GError **error)
{
    g_autoptr(Samples) samples = g_new0(Samples, 1);
    samples->n_users = draw->n_users;
    samples->user_share = draw->user_share;
    samples->pairs = draw->pairs;
    for (uint64_t b = 0; b < sampling->n_blocks; b++)
        samples->n += sampling->blocks[b]->len;
    if (!samples_alloc(samples, error))
        return NULL;
    uint64_t at = 0;
    for (uint64_t b = 0; b < sampling->n_blocks; b++) {
        for (guint s = 0; s < sampling->blocks[b]->len; s++, at++) {
            const Sample *sample = &g_array_index(sampling->blocks[b], Sample, s);
            samples->item[at] = sample->value;
            samples->score[at] = sample->score;
            samples->weight[at] = sample->weight;
            samples->is_bought[at] = sample->is_bought;
        }
    }
    return g_steal_pointer(&samples);
}

Samples *level_samples_new(const LevelMoment *moment, const Forest *forest,
                           const LevelsOptions *options, GError **error)
{
    g_auto(LevelDraw) draw = {0};
    if (!level_draw_init(&draw, moment, SAMPLE_ROWS, true, options->seed, error))
        return NULL;
    g_auto(Sampling) sampling = {.forest = forest, .n_blocks = draw.n_users / DRAW_BLOCK + 1};
    sampling.blocks = g_new(GArray *, sampling.n_blocks);
    for (uint64_t b = 0; b < sampling.n_blocks; b++)
        sampling.blocks[b] = g_array_new(FALSE, FALSE, sizeof(Sample));
    if (!level_draw_each(&draw, options, sample_user, &sampling, error))
        return NULL;
    return collect(&sampling, &draw, error);
}
