#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <utime.h>

#include "index/recommend.h"
#include "index/register.h"

/* A data folder and the shop whose versions go there. */
typedef struct Place {
    Shop *shop;
    char *dir;
    Register *reg;
} Place;

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_unlink(child) != 0)
            remove_tree(child);
    }
    g_rmdir(path);
}

static Register *new_register(const char *dir)
{
    g_autoptr(GError) error = NULL;
    Register *reg = register_new(dir, &error);
    if (!reg)
        fail_msg("%s", error->message);
    return reg;
}

static int open_place(void **state)
{
    Place *place = g_new0(Place, 1);
    place->shop = shop_new();
    place->dir = g_build_filename(place->shop->folder, "data", NULL);
    place->reg = new_register(place->dir);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    Place *place = *state;
    register_free(place->reg);
    remove_tree(place->dir);
    shop_free(place->shop);
    g_free(place->dir);
    g_free(place);
    return 0;
}

/* As after a restart of the process. */
static void restart(Place *place)
{
    register_free(place->reg);
    place->reg = new_register(place->dir);
}

static Snapshot *build(Place *place, const char *prediction, uint32_t version, uint32_t attempt)
{
    g_autoptr(GError) error = NULL;
    BuildOptions options = shop_options(PURCHASED_ALLOW, 0);
    options.prediction = prediction;
    options.version = version;
    g_autofree char *path = register_path(place->reg, prediction, version, attempt, &error);
    assert_non_null(path);
    shop_build(place->shop, path, &options);
    return shop_open(path);
}

static void publish(Place *place, const char *prediction, uint32_t version)
{
    g_autoptr(GError) error = NULL;
    if (!register_publish(place->reg, build(place, prediction, version, 1), &error))
        fail_msg("%s", error->message);
}

static uint32_t serving_version(Place *place, const char *prediction)
{
    g_autoptr(Snapshot) snapshot = register_acquire(place->reg, prediction);
    return snapshot ? snapshot_version(snapshot) : 0;
}

static void wait_until_verified(Place *place)
{
    while (register_status(place->reg).verifying)
        sched_yield();
}

static char *file_of(Place *place, const char *prediction, uint32_t version, const char *suffix)
{
    return g_strdup_printf("%s/%s/v%u-1.snapshot%s", place->dir, prediction, version, suffix);
}

static bool exists(Place *place, const char *prediction, uint32_t version, const char *suffix)
{
    g_autofree char *path = file_of(place, prediction, version, suffix);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* Changes a byte in the middle of a section's data: opening does not look there. */
static void damage(Place *place, const char *prediction, uint32_t version, bool header)
{
    g_autofree char *path = file_of(place, prediction, version, "");
    g_autofree char *content = NULL;
    gsize length;
    assert_true(g_file_get_contents(path, &content, &length, NULL));
    char *at = header ? content : memmem(content, length, "planned", 7);
    assert_non_null(at);
    *at ^= 1;
    g_unlink(path);
    assert_true(g_file_set_contents(path, content, (gssize)length, NULL));
}

static void nothing_serves_before_something_is_published(void **state)
{
    Place *place = *state;
    assert_int_equal(register_restore(place->reg), 0);
    assert_null(register_acquire(place->reg, "next-buy"));
    assert_int_equal(register_status(place->reg).serving, 0);
}

static void a_request_keeps_its_snapshot_while_another_is_published(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    g_autoptr(Snapshot) held = register_acquire(place->reg, "next-buy");
    for (uint32_t version = 2; version <= 4; version++)
        publish(place, "next-buy", version);
    assert_int_equal(serving_version(place, "next-buy"), 4);
    Recommendation list[RECOMMEND_MAX];
    assert_int_equal(snapshot_version(held), 1);
    assert_int_equal(recommend_user(held, 0, 3, NULL, 0, list), 3);
    RegisterStatus status = register_status(place->reg);
    assert_int_equal(status.serving, 1);
    assert_int_equal(status.swaps, 4);
    assert_true(status.bytes > 0);
}

static void a_restart_serves_what_was_published(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    publish(place, "other", 9);
    restart(place);
    assert_int_equal(register_restore(place->reg), 2);
    assert_int_equal(serving_version(place, "next-buy"), 2);
    assert_int_equal(serving_version(place, "other"), 9);
    wait_until_verified(place);
    assert_int_equal(register_status(place->reg).damaged, 0);
}

static void a_file_that_does_not_open_gives_way_to_the_previous_one(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    damage(place, "next-buy", 2, true);
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    assert_int_equal(serving_version(place, "next-buy"), 1);
    assert_int_equal(register_status(place->reg).damaged, 1);
    assert_true(exists(place, "next-buy", 2, ".damaged"));
    assert_null(register_find_file(place->reg, "next-buy", 2));
}

static void a_lost_file_gives_way_to_the_previous_one(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    g_autofree char *path = file_of(place, "next-buy", 2, "");
    g_unlink(path);
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    assert_int_equal(serving_version(place, "next-buy"), 1);
}

static void damage_found_afterwards_withdraws_to_the_previous_one(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    publish(place, "other", 5);
    damage(place, "next-buy", 2, false);
    damage(place, "other", 5, false);
    restart(place);
    assert_int_equal(register_restore(place->reg), 2);
    wait_until_verified(place);
    assert_int_equal(serving_version(place, "next-buy"), 1);
    assert_int_equal(serving_version(place, "other"), 0); /* it has no previous one */
    assert_int_equal(register_status(place->reg).damaged, 2);
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    assert_int_equal(serving_version(place, "next-buy"), 1);
    wait_until_verified(place);
}

static void two_damaged_files_leave_nothing_to_serve(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    damage(place, "next-buy", 1, false);
    damage(place, "next-buy", 2, false);
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    wait_until_verified(place);
    assert_int_equal(serving_version(place, "next-buy"), 0);
    assert_int_equal(register_status(place->reg).damaged, 2);
    publish(place, "next-buy", 3);
    assert_int_equal(serving_version(place, "next-buy"), 3);
}

static void a_file_of_another_prediction_is_refused(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "other", 2);
    g_autofree char *from = file_of(place, "next-buy", 1, "");
    g_autofree char *to = file_of(place, "other", 2, "");
    assert_int_equal(g_rename(from, to), 0);
    restart(place);
    assert_int_equal(register_restore(place->reg), 0);
}

static void a_damaged_current_is_made_anew_from_the_files(void **state)
{
    static const char *const contents[] = {"", "{", "[]", "{\"format\":2,\"predictions\":[]}",
                                           "{\"format\":1,\"predictions\":{}}"};
    Place *place = *state;
    g_autofree char *current = g_build_filename(place->dir, "CURRENT", NULL);
    publish(place, "next-buy", 9);
    publish(place, "next-buy", 10);
    publish(place, "other", 3);
    damage(place, "next-buy", 10, true); /* not the newest intact one */
    for (size_t i = 0; i < G_N_ELEMENTS(contents); i++) {
        assert_true(g_file_set_contents(current, contents[i], -1, NULL));
        restart(place);
        assert_int_equal(register_restore(place->reg), 2);
        assert_int_equal(serving_version(place, "next-buy"), 9);
        assert_int_equal(serving_version(place, "other"), 3);
        assert_true(register_status(place->reg).damaged >= 1);
        wait_until_verified(place);
    }
    restart(place);
    register_restore(place->reg);
    assert_int_equal(register_status(place->reg).damaged, 0); /* it was written, too */
    wait_until_verified(place);
}

static void damage_found_after_a_rebuild_withdraws_too(void **state)
{
    Place *place = *state;
    g_autofree char *current = g_build_filename(place->dir, "CURRENT", NULL);
    for (uint32_t version = 1; version <= 3; version++)
        publish(place, "next-buy", version);
    damage(place, "next-buy", 3, false);
    assert_true(g_file_set_contents(current, "?", -1, NULL));
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    wait_until_verified(place);
    assert_int_equal(serving_version(place, "next-buy"), 2);
}

static void entries_that_are_no_files_of_versions_are_left_out(void **state)
{
    Place *place = *state;
    g_autofree char *current = g_build_filename(place->dir, "CURRENT", NULL);
    assert_true(g_file_set_contents(
        current,
        "{\"format\":1,\"predictions\":[1,{},{\"prediction\":\"a\",\"file\":\"../v1-1.snapshot\"},"
        "{\"prediction\":\"..\",\"file\":\"../v1-1.snapshot\"},"
        "{\"prediction\":\"a\",\"file\":\"a/v1-1.snapshot\",\"previous\":\"/etc/passwd\"}]}",
        -1, NULL));
    assert_int_equal(register_restore(place->reg), 0);
    publish(place, "next-buy", 1);
    assert_int_equal(serving_version(place, "next-buy"), 1);
}

/* The sub-command train publishes beside a service: neither forgets what the other wrote. */
static void two_processes_keep_each_others_predictions(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    Register *service = place->reg;
    place->reg = new_register(place->dir); /* restores nothing */
    publish(place, "other", 1);
    publish(place, "next-buy", 2);
    register_free(place->reg);
    place->reg = service;
    publish(place, "third", 1);
    restart(place);
    assert_int_equal(register_restore(place->reg), 3);
    assert_int_equal(serving_version(place, "next-buy"), 2);
    wait_until_verified(place);
}

static void a_lost_current_is_written_whole_by_the_next_publish(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    g_autofree char *current = g_build_filename(place->dir, "CURRENT", NULL);
    assert_int_equal(g_unlink(current), 0);
    publish(place, "other", 1);
    restart(place);
    assert_int_equal(register_restore(place->reg), 2);
    wait_until_verified(place);
}

static void a_restart_removes_what_was_left_half_written(void **state)
{
    Place *place = *state;
    struct utimbuf long_ago = {.actime = 1, .modtime = 1};
    publish(place, "next-buy", 1);
    g_autofree char *old = file_of(place, "next-buy", 2, ".part");
    g_autofree char *young = file_of(place, "next-buy", 3, ".part");
    g_autofree char *current = g_build_filename(place->dir, "CURRENT.part", NULL);
    const char *const parts[] = {old, young, current};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        assert_true(g_file_set_contents(parts[i], "half", -1, NULL));
        assert_int_equal(i == 1 ? 0 : utime(parts[i], &long_ago), 0);
    }
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    wait_until_verified(place);
    assert_false(g_file_test(old, G_FILE_TEST_EXISTS));
    assert_false(g_file_test(current, G_FILE_TEST_EXISTS));
    assert_true(g_file_test(young, G_FILE_TEST_EXISTS)); /* perhaps being written right now */
}

static void what_cannot_be_written_is_not_served(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    Snapshot *second = build(place, "next-buy", 2, 1);
    g_autofree char *part = g_build_filename(place->dir, "CURRENT.part", NULL);
    assert_int_equal(g_mkdir(part, 0700), 0); /* in the way of the new CURRENT */
    g_autoptr(GError) error = NULL;
    assert_false(register_publish(place->reg, second, &error));
    assert_non_null(error);
    assert_int_equal(serving_version(place, "next-buy"), 1);
    g_rmdir(part);
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    assert_int_equal(serving_version(place, "next-buy"), 1);
}

static void an_older_version_can_be_published_again(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    g_autofree char *path = register_find_file(place->reg, "next-buy", 1);
    assert_non_null(path);
    for (int twice = 0; twice < 2; twice++)
        assert_true(register_publish(place->reg, shop_open(path), NULL));
    damage(place, "next-buy", 1, true);
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    assert_int_equal(serving_version(place, "next-buy"), 2);
}

static void prune_keeps_what_is_kept_serves_or_served_before(void **state)
{
    Place *place = *state;
    for (uint32_t version = 1; version <= 6; version++)
        publish(place, "next-buy", version);
    g_autofree char *second = register_find_file(place->reg, "next-buy", 2);
    assert_true(register_publish(place->reg, shop_open(second), NULL));
    snapshot_unref(build(place, "next-buy", 7, 1)); /* being published right now */
    snapshot_unref(build(place, "next-buy", 4, 2)); /* a later attempt at a kept one */
    register_prune(place->reg, "next-buy", (const uint32_t[]){4}, 1);
    static const bool expected[] = {false, true, false, false, false, true, true};
    for (uint32_t version = 1; version <= 7; version++)
        assert_int_equal(exists(place, "next-buy", version, ""), expected[version - 1]);
    g_autofree char *fourth = register_find_file(place->reg, "next-buy", 4);
    assert_true(g_str_has_suffix(fourth, "/v4-2.snapshot"));
    assert_int_equal(serving_version(place, "next-buy"), 2);
}

static void a_withdrawn_prediction_leaves_no_file(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    publish(place, "next-buy", 2);
    publish(place, "other", 1);
    register_withdraw(place->reg, "next-buy");
    register_withdraw(place->reg, "next-buy");
    assert_int_equal(serving_version(place, "next-buy"), 0);
    g_autofree char *folder = g_build_filename(place->dir, "next-buy", NULL);
    assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
    restart(place);
    assert_int_equal(register_restore(place->reg), 1);
    assert_int_equal(serving_version(place, "other"), 1);
}

static void ids_that_are_no_slugs_get_no_path(void **state)
{
    static const char *const ids[] = {"", ".", "..", "a/b", "../x", "A", "a b", "-a", "a\n"};
    Place *place = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(register_path(place->reg, ids[i], 1, 1, &error));
        assert_int_equal(error_code(error), ERR_INVALID);
        assert_null(register_find_file(place->reg, ids[i], 1));
        register_withdraw(place->reg, ids[i]);
        register_prune(place->reg, ids[i], NULL, 0);
    }
}

typedef struct Readers {
    Register *reg;
    atomic_bool stop;
    atomic_uint wrong;
    atomic_uint reads;
} Readers;

static void *read_on(void *context)
{
    Readers *readers = context;
    uint32_t last = 0;
    while (!atomic_load(&readers->stop)) {
        g_autoptr(Snapshot) snapshot = register_acquire(readers->reg, "next-buy");
        Recommendation list[RECOMMEND_MAX];
        uint32_t version = snapshot ? snapshot_version(snapshot) : 0;
        if (version < last || recommend_user(snapshot, 0, 3, NULL, 0, list) != 3)
            atomic_fetch_add(&readers->wrong, 1);
        last = version;
        atomic_fetch_add(&readers->reads, 1);
    }
    return NULL;
}

static void readers_go_on_while_versions_change_under_them(void **state)
{
    Place *place = *state;
    publish(place, "next-buy", 1);
    Readers readers = {.reg = place->reg};
    pthread_t threads[3];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers), 0);
    for (uint32_t version = 2; version <= 30; version++) {
        publish(place, "next-buy", version);
        register_prune(place->reg, "next-buy", NULL, 0);
        publish(place, "other", version);
        register_status(place->reg);
    }
    while (atomic_load(&readers.reads) < 10)
        sched_yield();
    atomic_store(&readers.stop, true);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(readers.wrong, 0);
}

static void verifying_goes_on_beside_readers_and_publishers(void **state)
{
    Place *place = *state;
    for (uint32_t version = 1; version <= 2; version++)
        publish(place, "next-buy", version);
    publish(place, "other", 1);
    publish(place, "other", 2);
    damage(place, "other", 2, false);
    restart(place);
    register_restore(place->reg);
    Readers readers = {.reg = place->reg};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &readers), 0);
    publish(place, "next-buy", 3);
    wait_until_verified(place);
    atomic_store(&readers.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(readers.wrong, 0);
    assert_int_equal(serving_version(place, "next-buy"), 3);
    assert_int_equal(serving_version(place, "other"), 1);
}

#define with_place(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        with_place(nothing_serves_before_something_is_published),
        with_place(a_request_keeps_its_snapshot_while_another_is_published),
        with_place(a_restart_serves_what_was_published),
        with_place(a_file_that_does_not_open_gives_way_to_the_previous_one),
        with_place(a_lost_file_gives_way_to_the_previous_one),
        with_place(damage_found_afterwards_withdraws_to_the_previous_one),
        with_place(two_damaged_files_leave_nothing_to_serve),
        with_place(a_file_of_another_prediction_is_refused),
        with_place(a_damaged_current_is_made_anew_from_the_files),
        with_place(damage_found_after_a_rebuild_withdraws_too),
        with_place(entries_that_are_no_files_of_versions_are_left_out),
        with_place(two_processes_keep_each_others_predictions),
        with_place(a_lost_current_is_written_whole_by_the_next_publish),
        with_place(a_restart_removes_what_was_left_half_written),
        with_place(what_cannot_be_written_is_not_served),
        with_place(an_older_version_can_be_published_again),
        with_place(prune_keeps_what_is_kept_serves_or_served_before),
        with_place(a_withdrawn_prediction_leaves_no_file),
        with_place(ids_that_are_no_slugs_get_no_path),
        with_place(readers_go_on_while_versions_change_under_them),
        with_place(verifying_goes_on_beside_readers_and_publishers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
