/* From nothing to the first recommendation: opening a version's file through the register, and one
 * list, for more and more users. The time must not grow with them.
 *   bench_restart        prints ms for 10,000, 100,000 and 1,000,000 users */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/split.h"
#include "index/builder.h"
#include "index/recommend.h"
#include "index/register.h"
#include "learn/learner.h"
#include "math/rng.h"

#define ITEMS      1000
#define ROUNDS     5
#define PREDICTION "bench"
#define BOUGHT_AT  (INT64_C(1600000000) * US_PER_SECOND)
#define LINES      3 /* of every user */

static void stop(const char *what, const GError *error)
{
    fprintf(stderr, "%s: %s\n", what, error ? error->message : "failed");
    exit(1);
}

static void add_events(DatasetBuilder *builder, uint32_t n_users)
{
    Rng rng;
    rng_init(&rng, 1, 0);
    char user[16], item[16];
    for (uint32_t i = 0; i < ITEMS; i++)
        dataset_builder_add_item(builder, item, (size_t)sprintf(item, "item-%u", i), NULL);
    for (uint32_t u = 0; u < n_users; u++)
        dataset_builder_add_user(builder, user, (size_t)sprintf(user, "user-%u", u), NULL);
    for (uint64_t line = 0; line < (uint64_t)n_users * LINES; line++) {
        uint32_t user_number = (uint32_t)(line / LINES);
        EventRow row = {.user = user,
                        .item = item,
                        .user_length = (uint32_t)sprintf(user, "user-%u", user_number),
                        .item_length = (uint32_t)sprintf(item, "item-%u", rng_below(&rng, ITEMS)),
                        .time = BOUGHT_AT + (int64_t)rng_below(&rng, 300) * US_PER_DAY,
                        .quantity = 1};
        if (!dataset_builder_add_events(builder, &row, 1, NULL))
            stop("adding an order line", NULL);
    }
}

static Dataset *make_data(uint32_t n_users)
{
    DatasetOptions options = {.now = INT64_MAX / 2, .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(0, NULL, NULL, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    add_events(builder, n_users);
    g_autoptr(GError) error = NULL;
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, &error);
    Dataset *view = raw ? dataset_before(raw, INT64_MAX, &error) : NULL;
    if (!view)
        stop("making the data", error);
    return view;
}

static void build_version(const char *dir, uint32_t n_users)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Dataset) view = make_data(n_users);
    int64_t anchor = view->last + 1;
    g_autoptr(Scope) scope = scope_new(view, anchor, &error);
    FitContext context = {.as_of = anchor, .seed = 1};
    g_autoptr(Fitted) fitted = learners_find("repeat")->fit(view, &context, &error);
    if (!scope || !fitted)
        stop("learning", error);
    g_autoptr(Register) reg = register_new(dir, &error);
    g_autofree char *path = reg ? register_path(reg, PREDICTION, 1, 1, &error) : NULL;
    BuildOptions options = {.prediction = PREDICTION, .version = 1, .list_length = 20};
    if (!path || !index_build(path, fitted, view, scope, &options, &error))
        stop("building", error);
    Snapshot *snapshot = snapshot_open(path, &error);
    if (!snapshot || !register_publish(reg, snapshot, &error))
        stop("publishing", error);
}

/* Drops the file from the page cache, as after a reboot; without rights it simply stays warm. */
static void make_cold(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, PREDICTION, "v1-1.snapshot", NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* ms until a user's list is there. Verifying goes on behind it, as in the service. */
static double restart_once(const char *dir, uint32_t n_users, bool cold)
{
    if (cold)
        make_cold(dir);
    char user[16];
    size_t length = (size_t)sprintf(user, "user-%u", n_users / 2);
    int64_t begun = clock_ticks_ns();
    g_autoptr(GError) error = NULL;
    g_autoptr(Register) reg = register_new(dir, &error);
    if (!reg || register_restore(reg) != 1)
        stop("restoring", error);
    g_autoptr(Snapshot) snapshot = register_acquire(reg, PREDICTION);
    Recommendation list[RECOMMEND_MAX];
    uint32_t number = ids_find(snapshot_users(snapshot), user, length);
    if (recommend_user(snapshot, number, 10, NULL, 0, list) != 10 ||
        list[0].source != SOURCE_PERSONAL)
        stop("recommending", NULL);
    return (double)(clock_ticks_ns() - begun) / 1e6;
}

static double best_of(const char *dir, uint32_t n_users, bool cold)
{
    double best = G_MAXDOUBLE;
    for (unsigned round = 0; round < ROUNDS; round++)
        best = MIN(best, restart_once(dir, n_users, cold));
    return best;
}

static void remove_files(const char *dir)
{
    g_autoptr(Register) reg = register_new(dir, NULL);
    register_withdraw(reg, PREDICTION);
    g_autofree char *current = g_build_filename(dir, "CURRENT", NULL);
    g_unlink(current);
    g_rmdir(dir);
}

int main(void)
{
    static const uint32_t sizes[] = {10000, 100000, 1000000};
    error_init();
    double first = 0;
    printf("%10s %10s %12s %12s %10s\n", "users", "file MB", "warm ms", "cold ms", "ratio");
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *dir = g_dir_make_tmp("bench-restart-XXXXXX", NULL);
        build_version(dir, sizes[i]);
        g_autofree char *path = g_build_filename(dir, PREDICTION, "v1-1.snapshot", NULL);
        GStatBuf status;
        g_stat(path, &status);
        double cold = best_of(dir, sizes[i], true), warm = best_of(dir, sizes[i], false);
        first = i == 0 ? warm : first;
        printf("%10u %10.1f %12.3f %12.3f %10.2f\n", sizes[i], (double)status.st_size / 1e6, warm,
               cold, warm / first);
        remove_files(dir);
    }
    return 0;
}
