/* Small shops for the tests of src/learn: purchases by number and day, and what the tests of all
 * learners share. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/sections.h"
#include "data/split.h"
#include "learn/learner.h"
#include "math/rng.h"

/* Day 0 of every test shop, µs. */
#define DAY_ZERO (INT64_C(1300000000) * US_PER_SECOND)

typedef struct Bought {
    uint32_t user, item;
    double day;
} Bought;

static inline int64_t day(double days)
{
    return DAY_ZERO + (int64_t)(days * (double)US_PER_DAY);
}

static inline uint32_t add_id(DatasetBuilder *builder, char kind, uint32_t number)
{
    char id[16];
    int length = snprintf(id, sizeof id, "%c%u", kind, number);
    return kind == 'u' ? dataset_builder_add_user(builder, id, (size_t)length, NULL)
                       : dataset_builder_add_item(builder, id, (size_t)length, NULL);
}

static inline void add_ids(DatasetBuilder *builder, char kind, uint32_t n)
{
    for (uint32_t number = 0; number < n; number++)
        assert_int_equal(add_id(builder, kind, number), number);
}

static inline void add_event(DatasetBuilder *builder, const Bought *bought, float price)
{
    char user[16], item[16];
    EventRow row = {.user = user,
                    .item = item,
                    .user_length = (uint32_t)snprintf(user, sizeof user, "u%u", bought->user),
                    .item_length = (uint32_t)snprintf(item, sizeof item, "i%u", bought->item),
                    .time = day(bought->day),
                    .quantity = 1,
                    .price = price};
    assert_true(dataset_builder_add_events(builder, &row, 1, NULL));
}

static inline void add_events(DatasetBuilder *builder, const Bought *bought, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_event(builder, &bought[i], NAN);
}

/* Events of one type beside purchases. */
typedef struct Signal {
    SignalKind kind;
    const Bought *events;
    size_t n;
} Signal;

static inline void add_signals(DatasetBuilder *builder, const Signal *signals, uint32_t n)
{
    for (uint32_t s = 0; s < n; s++) {
        assert_true(dataset_builder_begin_signal(builder, s, NULL));
        add_events(builder, signals[s].events, signals[s].n);
    }
}

static inline Dataset *shop_with_signals(uint32_t n_users, uint32_t n_items, const Bought *bought,
                                         size_t n, const Signal *signals, uint32_t n_signals)
{
    SignalKind kinds[SIGNALS_MAX];
    for (uint32_t s = 0; s < n_signals; s++)
        kinds[s] = signals[s].kind;
    DatasetOptions options = {.now = day(100000),
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .signals = kinds,
                              .n_signals = n_signals};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    add_ids(builder, 'i', n_items);
    add_ids(builder, 'u', n_users);
    add_events(builder, bought, n);
    add_signals(builder, signals, n_signals);
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

static inline Dataset *shop_new(uint32_t n_users, uint32_t n_items, const Bought *bought, size_t n)
{
    return shop_with_signals(n_users, n_items, bought, n, NULL, 0);
}

/* n purchases at random, days 0 to `days`, items by a power law; for g_free(). */
static inline Bought *random_purchases(size_t n, uint32_t n_users, uint32_t n_items, double days,
                                       uint64_t seed)
{
    Bought *bought = g_new(Bought, n);
    Rng rng;
    rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        bought[i].user = rng_below(&rng, n_users);
        bought[i].item = (uint32_t)(n_items * pow(rng_uniform(&rng), 2));
        bought[i].day = days * rng_uniform(&rng);
    }
    return bought;
}

static inline Fitted *fit_shop(const char *learner, const Dataset *shop, double as_of,
                               unsigned threads)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(as_of), .seed = 5, .threads = threads};
    Fitted *fitted = learners_find(learner)->fit(shop, &context, &error);
    if (!fitted)
        fail_msg("%s", error->message);
    return fitted;
}

/* function(shop, params, as_of, threads): a fit by given parameters, which no test expects to fail.
 */
#define DEFINE_FIT_WITH(function, learner_fit_with, Params)                                        \
    static inline Fitted *function(const Dataset *shop, const Params *params, double as_of,        \
                                   unsigned threads)                                               \
    {                                                                                              \
        g_autoptr(GError) error = NULL;                                                            \
        FitContext context = {.as_of = day(as_of), .seed = 5, .threads = threads};                 \
        Fitted *fitted = learner_fit_with(shop, params, &context, &error);                         \
        if (!fitted)                                                                               \
            fail_msg("%s", error->message);                                                        \
        return fitted;                                                                             \
    }

/* All scores, n_users × n_items, for g_free(). */
static inline float *all_scores(const Fitted *fitted)
{
    g_autofree uint32_t *users = g_new(uint32_t, fitted->n_users);
    for (uint32_t user = 0; user < fitted->n_users; user++)
        users[user] = user;
    float *tile = g_new(float, (size_t)fitted->n_users * fitted->n_items);
    assert_true(fitted->learner->score_users(fitted, users, fitted->n_users, tile, NULL));
    return tile;
}

static inline void expect_finite_scores(const Fitted *fitted)
{
    g_autofree float *scores = all_scores(fitted);
    for (size_t i = 0; i < (size_t)fitted->n_users * fitted->n_items; i++)
        assert_true(isfinite(scores[i]) && scores[i] >= 0);
}

/* score_items of one item gives that item's column of score_users. */
static inline void expect_items_as_users(const Fitted *fitted)
{
    g_autofree float *scores = all_scores(fitted);
    g_autofree float *column = g_new(float, fitted->n_users);
    for (uint32_t item = 0; item < fitted->n_items; item++) {
        assert_true(fitted->learner->score_items(fitted, &item, 1, column, NULL));
        for (uint32_t user = 0; user < fitted->n_users; user++)
            assert_float_equal(column[user], scores[(size_t)user * fitted->n_items + item],
                               1e-5 * (1 + fabs(column[user])));
    }
}

typedef struct TestFile {
    char *folder, *path;
} TestFile;

static inline TestFile test_file_new(void)
{
    TestFile file = {.folder = g_dir_make_tmp("learn-XXXXXX", NULL)};
    assert_non_null(file.folder);
    file.path = g_build_filename(file.folder, "fitted", NULL);
    return file;
}

static inline void test_file_clear(TestFile *file)
{
    g_unlink(file->path);
    g_rmdir(file->folder);
    g_free(file->path);
    g_free(file->folder);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TestFile, test_file_clear)

static inline void save_fitted(const Fitted *fitted, const char *path)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_non_null(writer);
    assert_true(fitted->learner->save(fitted, writer, NULL));
    assert_true(sections_finish(writer, NULL));
}

/* What was saved and mapped again scores the same bytes. */
static inline void expect_round_trip(const Fitted *fitted)
{
    g_auto(TestFile) file = test_file_new();
    save_fitted(fitted, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    assert_non_null(sections);
    g_autoptr(Fitted) mapped =
        fitted->learner->load(sections, fitted->n_users, fitted->n_items, NULL);
    assert_non_null(mapped);
    g_autofree float *before = all_scores(fitted);
    g_autofree float *after = all_scores(mapped);
    assert_memory_equal(before, after, (size_t)fitted->n_users * fitted->n_items * sizeof(float));
}

static inline void expect_damaged(const Learner *learner, const Sections *sections,
                                  uint32_t n_users, uint32_t n_items)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Fitted) fitted = learner->load(sections, n_users, n_items, &error);
    assert_null(fitted);
    assert_int_equal(error_code(error), ERR_DAMAGED);
}

/* A file of another shop, and a file without any section of the learner, are refused. */
static inline void expect_misfits_refused(const Fitted *fitted)
{
    g_auto(TestFile) file = test_file_new();
    save_fitted(fitted, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    expect_damaged(fitted->learner, sections, fitted->n_users, fitted->n_items + 1);
    expect_damaged(fitted->learner, sections, fitted->n_users, fitted->n_items - 1);

    g_auto(TestFile) empty = test_file_new();
    g_autoptr(SectionsWriter) writer = sections_writer_new(empty.path, NULL);
    assert_true(sections_write(writer, "other", "x", 1, 1, NULL));
    assert_true(sections_finish(writer, NULL));
    g_autoptr(Sections) without = sections_open(empty.path, NULL);
    expect_damaged(fitted->learner, without, fitted->n_users, fitted->n_items);
}

/* All of that, and of a learner that keeps rows of users a file of another number of them. */
static inline void expect_survives_its_file(const Fitted *fitted)
{
    expect_round_trip(fitted);
    expect_misfits_refused(fitted);
    g_auto(TestFile) file = test_file_new();
    save_fitted(fitted, file.path);
    g_autoptr(Sections) sections = sections_open(file.path, NULL);
    expect_damaged(fitted->learner, sections, fitted->n_users + 1, fitted->n_items);
}

/* A single purchase, everybody the same, and purchases long ago. */
static inline void expect_hard_shops_learned(const char *learner, double days_later)
{
    const Bought once[] = {{0, 0, 5}}, same[] = {{0, 0, 5}, {0, 0, 5}, {1, 0, 5}, {2, 0, 5}},
                 ancient[] = {{0, 0, 0}, {0, 1, 0}, {1, 1, 0}, {1, 0, 0}};
    const struct {
        const Bought *bought;
        size_t n;
        uint32_t users, items;
        double as_of;
    } cases[] = {{once, 1, 1, 1, 5}, {same, 4, 3, 1, 6}, {ancient, 4, 2, 50, days_later}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Dataset) shop =
            shop_new(cases[i].users, cases[i].items, cases[i].bought, cases[i].n);
        g_autoptr(Fitted) fitted = fit_shop(learner, shop, cases[i].as_of, 2);
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
    }
}

/* A shop without purchases, and whoever cancels. */
static inline void expect_refusals(const char *learner, const Dataset *shop)
{
    const Learner *refusing = learners_find(learner);
    g_autoptr(Dataset) empty = shop_new(2, 2, NULL, 0);
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(1), .threads = 2};
    assert_null(refusing->fit(empty, &context, &error));
    assert_int_equal(error_code(error), ERR_INVALID);

    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    context.cancel = &cancel;
    g_autoptr(GError) stopped = NULL;
    assert_null(refusing->fit(shop, &context, &stopped));
    assert_int_equal(error_code(stopped), ERR_CANCELLED);
}

/* On one thread and on four: the same bytes. */
static inline void expect_threads_agree(const char *learner, size_t n, uint32_t n_users,
                                        uint32_t n_items)
{
    g_autofree Bought *bought = random_purchases(n, n_users, n_items, 200, 7);
    g_autoptr(Dataset) shop = shop_new(n_users, n_items, bought, n);
    g_autoptr(Fitted) one = fit_shop(learner, shop, 200, 1);
    g_autoptr(Fitted) four = fit_shop(learner, shop, 200, 4);
    g_autofree float *a = all_scores(one);
    g_autofree float *b = all_scores(four);
    assert_memory_equal(a, b, (size_t)n_users * n_items * sizeof(float));
}
