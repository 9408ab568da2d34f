#include "learn/ranked_booster.h"
#include "learn_shop.h"

#define ROWS     2000u
#define FEATURES 4u

static float with_gaps[2 * ROWS * FEATURES];

/* Half to learn from, half to stop by; what is bought hangs on a gap, a value and chance. */
static Lessons *gappy_lessons(void)
{
    Lessons *lessons = g_new0(Lessons, 1);
    Rng rng;
    rng_init(&rng, 5, 0);
    lessons->n_features = FEATURES;
    lessons->taught = g_array_new(FALSE, FALSE, sizeof(Lesson));
    lessons->held = g_array_new(FALSE, FALSE, sizeof(Lesson));
    lessons->windows = g_ptr_array_new();
    for (uint32_t half = 0; half < 2; half++) {
        Lesson lesson = {ROWS, g_new(float, ROWS *FEATURES), g_new(float, ROWS),
                         g_new(float, ROWS)};
        float *rows = with_gaps + (size_t)half * ROWS * FEATURES;
        for (uint32_t r = 0; r < ROWS; r++) {
            float *row = rows + (size_t)r * FEATURES;
            for (uint32_t f = 0; f < FEATURES; f++)
                row[f] = rng_uniform(&rng) < 0.3 ? NAN : rng_normal(&rng);
            lesson.label[r] = rng_uniform(&rng) < (isnan(row[0]) || row[1] > 1 ? 0.9 : 0.1);
            lesson.weight[r] = 1;
        }
        memcpy(lesson.features, rows, ROWS * FEATURES * sizeof *rows);
        lessons_fill_missing(lesson.features, ROWS * FEATURES);
        g_array_append_val(half ? lessons->held : lessons->taught, lesson);
    }
    return lessons;
}

static void gappy_lessons_free(Lessons *lessons)
{
    GArray *const halves[] = {lessons->taught, lessons->held};
    for (size_t h = 0; h < G_N_ELEMENTS(halves); h++) {
        Lesson *lesson = &g_array_index(halves[h], Lesson, 0);
        g_free(lesson->features);
        g_free(lesson->label);
        g_free(lesson->weight);
    }
    lessons_free(lessons);
}

static Forest *learn(const Lessons *lessons, unsigned threads, float *gain)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.seed = 3, .threads = threads};
    memset(gain, 0, FEATURES * sizeof *gain);
    Forest *forest = booster_learn(lessons, &booster_defaults, &context, gain, &error);
    assert_non_null(forest);
    return forest;
}

static void a_gap_means_the_same_learned_and_asked(void **state)
{
    float gain[FEATURES], asked[ROWS], filled[ROWS];
    Lessons *lessons = gappy_lessons();
    g_autoptr(Forest) forest = learn(lessons, 1, gain);
    forest_sum(forest, with_gaps + ROWS * FEATURES, ROWS, FEATURES, asked);
    const Lesson *held = &g_array_index(lessons->held, Lesson, 0);
    for (uint32_t f = 0; f < ROWS * FEATURES; f++)
        assert_false(isnan(held->features[f]));
    forest_sum(forest, held->features, ROWS, FEATURES, filled);
    assert_memory_equal(asked, filled, sizeof asked);
    uint32_t right = 0;
    for (uint32_t r = 0; r < ROWS; r++)
        right += (asked[r] > 0) == (held->label[r] > 0);
    assert_in_range(right, ROWS * 85 / 100, ROWS); /* nine in ten can be known */
    assert_true(MIN(gain[0], gain[1]) > 2 * MAX(gain[2], gain[3]));
    gappy_lessons_free(lessons);
}

static void any_number_of_threads_learns_the_same_bytes(void **state)
{
    float gain[FEATURES], other_gain[FEATURES];
    Lessons *lessons = gappy_lessons();
    g_autoptr(Forest) one = learn(lessons, 1, gain);
    for (unsigned threads = 2; threads <= 5; threads++) {
        g_autoptr(Forest) many = learn(lessons, threads, other_gain);
        assert_int_equal(many->n_nodes, one->n_nodes);
        assert_memory_equal(many->node, one->node, one->n_nodes * sizeof *one->node);
        assert_memory_equal(gain, other_gain, sizeof gain);
    }
    gappy_lessons_free(lessons);
}

static void a_raised_cancel_stops_it(void **state)
{
    g_autoptr(GError) error = NULL;
    float gain[FEATURES] = {0};
    Cancel cancel = {0};
    cancel_raise(&cancel);
    Lessons *lessons = gappy_lessons();
    FitContext context = {.seed = 3, .threads = 2, .cancel = &cancel};
    assert_null(booster_learn(lessons, &booster_defaults, &context, gain, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    gappy_lessons_free(lessons);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_means_the_same_learned_and_asked),
        cmocka_unit_test(any_number_of_threads_learns_the_same_bytes),
        cmocka_unit_test(a_raised_cancel_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
