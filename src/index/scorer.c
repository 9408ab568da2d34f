#include "scorer.h"

#include "base/error.h"
#include "layout.h"

void scorer_free(Scorer *scorer)
{
    if (!scorer)
        return;
    fitted_free(scorer->fitted);
    calibration_free(scorer->calibration);
    levels_free(scorer->levels);
    g_free(scorer);
}

static const Learner *find_learner(const Snapshot *snapshot, GError **error)
{
    uint64_t length;
    const char *name = sections_get(snapshot->sections, "meta.learner", 1, &length, error);
    if (!name)
        return NULL;
    g_autofree char *text = g_strndup(name, length < 64 ? length : 64);
    const Learner *learner = learners_find(text);
    if (!learner)
        error_set(error, ERR_DAMAGED, "the snapshot was made by a learner this program lacks");
    return learner;
}

bool scorer_is_known(const Snapshot *snapshot, GError **error)
{
    return find_learner(snapshot, error) != NULL;
}

static Scorer *scorer_open(const Snapshot *snapshot, GError **error)
{
    const Sections *sections = snapshot->sections;
    uint32_t n_users = snapshot->meta.n_users, n_items = snapshot->meta.n_items;
    const Learner *learner = find_learner(snapshot, error);
    if (!learner)
        return NULL;
    g_autoptr(Scorer) scorer = g_new0(Scorer, 1);
    scorer->fitted = learner->load(sections, n_users, n_items, error);
    if (!scorer->fitted || !calibration_load(sections, n_items, &scorer->calibration, error) ||
        !levels_load(sections, n_users, &scorer->levels, error))
        return NULL;
    return g_steal_pointer(&scorer);
}

const Scorer *snapshot_scorer(const Snapshot *snapshot, GError **error)
{
    LazyScorer *lazy = snapshot->scorer;
    Scorer *scorer = atomic_load_explicit(&lazy->opened, memory_order_acquire);
    if (scorer)
        return scorer;
    pthread_mutex_lock(&lazy->opening);
    scorer = atomic_load_explicit(&lazy->opened, memory_order_relaxed);
    if (!scorer) {
        scorer = scorer_open(snapshot, error);
        atomic_store_explicit(&lazy->opened, scorer, memory_order_release);
    }
    pthread_mutex_unlock(&lazy->opening);
    return scorer;
}

LazyScorer *lazy_scorer_new(void)
{
    LazyScorer *lazy = g_new0(LazyScorer, 1);
    pthread_mutex_init(&lazy->opening, NULL);
    atomic_init(&lazy->opened, NULL);
    return lazy;
}

void lazy_scorer_free(LazyScorer *lazy)
{
    if (!lazy)
        return;
    scorer_free(atomic_load(&lazy->opened));
    pthread_mutex_destroy(&lazy->opening);
    g_free(lazy);
}
