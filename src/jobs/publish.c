#include "publish.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "index/recommend.h"
#include "store/output.h"

#define BATCH_USERS 64   /* whose rows go to the output table at once */
#define SHARE_ROWS  0.8  /* of the whole; the rest is the index */
#define SHARE_ORDER 0.05 /* putting the users in order, before the rows */

typedef struct Publication {
    const Snapshot *snapshot;
    const PublishOptions *options;
    Output *output;
    uint32_t *users; /* predictable ones */
    uint32_t n_users;
} Publication;

static void publication_clear(Publication *publication)
{
    output_free(publication->output);
    g_free(publication->users);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Publication, publication_clear)

static void progress(const Publication *publication, double fraction)
{
    if (publication->options->progress)
        publication->options->progress(publication->options->progress_context, fraction);
}

static int in_output_order(const void *left, const void *right, void *context)
{
    const Publication *publication = context;
    const Ids *ids = snapshot_users(publication->snapshot);
    size_t a_length, b_length;
    const char *a = ids_get(ids, *(const uint32_t *)left, &a_length);
    const char *b = ids_get(ids, *(const uint32_t *)right, &b_length);
    return output_compare_users(publication->output, a, (uint32_t)a_length, b, (uint32_t)b_length);
}

/* Shops mostly hand out their users in order already: then there is nothing to sort. */
static bool is_ordered(Publication *publication)
{
    const uint32_t *users = publication->users;
    for (uint32_t i = 1; i < publication->n_users; i++)
        if (in_output_order(&users[i - 1], &users[i], publication) > 0)
            return false;
    return true;
}

static bool order_users(Publication *publication, GError **error)
{
    const Snapshot *snapshot = publication->snapshot;
    uint32_t n_users = ids_count(snapshot_users(snapshot));
    publication->users = g_try_new(uint32_t, (size_t)snapshot_predictable_users(snapshot) + 1);
    if (!publication->users) {
        error_set(error, ERR_NO_MEMORY, "no memory to put %u users in order", n_users);
        return false;
    }
    for (uint32_t user = 0; user < n_users; user++)
        if (snapshot_user_scope(snapshot, user) == USER_PREDICTABLE &&
            publication->n_users < snapshot_predictable_users(snapshot))
            publication->users[publication->n_users++] = user;
    if (!is_ordered(publication))
        qsort_r(publication->users, publication->n_users, sizeof *publication->users,
                in_output_order, publication);
    return cancel_check(publication->options->run->cancel, error);
}

/* The rows of one user. Returns how many. */
static size_t user_rows(const Publication *publication, uint32_t user, OutputRow *rows)
{
    const Snapshot *snapshot = publication->snapshot;
    Recommendation list[RECOMMEND_MAX];
    size_t found = recommend_user(snapshot, user, publication->options->n, NULL, 0, list);
    size_t user_length, item_length;
    const char *user_id = ids_get(snapshot_users(snapshot), user, &user_length);
    for (size_t i = 0; i < found; i++) {
        const char *item_id = ids_get(snapshot_items(snapshot), list[i].item, &item_length);
        rows[i] = (OutputRow){.user = user_id,
                              .user_length = (uint32_t)user_length,
                              .item = item_id,
                              .item_length = (uint32_t)item_length,
                              .ranking = (uint16_t)list[i].rank,
                              .score = list[i].score,
                              .probability = list[i].probability > 0 ? list[i].probability : NAN,
                              .source = item_source_name(list[i].source)};
    }
    return found;
}

static bool write_rows(const Publication *publication, GError **error)
{
    g_autofree OutputRow *rows = g_new(OutputRow, BATCH_USERS * (size_t)RECOMMEND_MAX);
    for (uint32_t at = 0; at < publication->n_users; at += BATCH_USERS) {
        uint32_t end = MIN(at + BATCH_USERS, publication->n_users);
        size_t filled = 0;
        for (uint32_t i = at; i < end; i++)
            filled += user_rows(publication, publication->users[i], rows + filled);
        if (!output_write(publication->output, rows, filled, error))
            return false;
        progress(publication, SHARE_ORDER + SHARE_ROWS * end / publication->n_users);
    }
    return true;
}

static bool still_ours(void *run, GError **error)
{
    return job_run_still_ours(run, error);
}

bool publish_write(const SourceSettings *source, const Snapshot *snapshot,
                   const PublishOptions *options, uint64_t *rows, GError **error)
{
    g_auto(Publication) publication = {.snapshot = snapshot, .options = options};
    OutputOptions output = {.prediction = snapshot_prediction(snapshot),
                            .users = options->users,
                            .products = options->products,
                            .version = snapshot_version(snapshot),
                            .last_update = snapshot_built_at(snapshot),
                            .cancel = options->run->cancel,
                            .fence = still_ours,
                            .fence_context = options->run};
    publication.output = output_begin(source, &output, error);
    return publication.output && order_users(&publication, error) &&
           write_rows(&publication, error) && output_finish(publication.output, rows, error);
}
