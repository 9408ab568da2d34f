#include "jobs/estimate.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "learn/choose.h"
#include "store/jobs.h"
#include "store/versions.h"

/* The data set as read: user, item, time, quantity, order and price of a row; a row of a dictionary
 * with some mapped columns. */
#define ROW_BYTES UINT64_C(28)
#define ID_BYTES  UINT64_C(128)

/* When nothing was trained yet; a machine of two cores. So many users at most are judged by and
 * teach the ranker, looking at every product, and everybody gets a list. Fitted to what Online
 * Retail, Complete Journey with its whole catalogue and ten million generated lines take. */
#define BUILT_IN_SECONDS     2.0
#define BUILT_IN_US_PER_ROW  12.0
#define TAUGHT_USERS_MAX     5000
#define BUILT_IN_MS_TAUGHT   15.0
#define BUILT_IN_US_PER_LOOK 1.0
#define BUILT_IN_MS_PER_USER 1.3

uint64_t estimate_budget(const Settings *settings)
{
    if (settings->memory_budget)
        return settings->memory_budget;
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4 * 3;
}

static FitSize fit_size(const Settings *settings, const SourceCounts *counts)
{
    return (FitSize){.rows = counts->rows + counts->signal_rows,
                     .n_users = (uint32_t)MIN(counts->users, UINT32_MAX),
                     .n_items = (uint32_t)MIN(counts->products, UINT32_MAX),
                     .n_signals = counts->n_signals,
                     .threads = settings->training_threads};
}

/* With nothing done without. */
static uint64_t bytes_wanted(const Settings *settings, const SourceCounts *counts)
{
    FitSize size = fit_size(settings, counts);
    return size.rows * ROW_BYTES + (counts->users + counts->products) * ID_BYTES +
           choose_bytes(&size);
}

uint64_t estimate_spare(const Settings *settings, const SourceCounts *counts)
{
    uint64_t wanted = bytes_wanted(settings, counts), budget = estimate_budget(settings);
    FitSize size = fit_size(settings, counts);
    return wanted > budget ? MIN(wanted - budget, choose_spare_bytes(&size)) : 0;
}

uint64_t estimate_bytes(const Settings *settings, const SourceCounts *counts)
{
    return bytes_wanted(settings, counts) - estimate_spare(settings, counts);
}

/* Rows read for a version: those it learned from and those it dropped. */
static double rows_of_card(const char *text)
{
    g_autoptr(cJSON) card = text ? json_parse(text, strlen(text), NULL) : NULL;
    const cJSON *data = card ? json_member(card, "data") : NULL;
    if (!data)
        return 0;
    double rows = json_member_number(data, "rows", 0);
    const cJSON *rule = NULL;
    cJSON_ArrayForEach(rule, json_member(card, "dropped")) rows +=
        json_member_number(rule, "rows", 0);
    return rows;
}

/* Seconds a row took the active version; 0 when nothing tells. */
static bool earlier_rate(Store *store, const char *prediction, double *rate, int *version,
                         GError **error)
{
    *rate = 0;
    g_autoptr(GError) failure = NULL;
    g_autoptr(Version) active = versions_active(store, prediction, &failure);
    g_autoptr(Job) job = active ? jobs_get(store, active->job, &failure) : NULL;
    if (failure && error_code(failure) == ERR_UNAVAILABLE) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    double rows = active ? rows_of_card(active->card) : 0;
    if (!job || rows < 1 || job->finished_at <= job->started_at || !job->started_at)
        return true;
    *rate = (double)(job->finished_at - job->started_at) / (double)US_PER_SECOND / rows;
    *version = active->version;
    return true;
}

bool estimate_training(Store *store, const Settings *settings, const char *prediction,
                       const SourceCounts *counts, Estimate *estimate, GError **error)
{
    double rate = 0;
    int version = 0;
    if (!earlier_rate(store, prediction, &rate, &version, error))
        return false;
    double rows = (double)(counts->rows + counts->signal_rows);
    *estimate = (Estimate){.memory_bytes = estimate_bytes(settings, counts),
                           .memory_budget_bytes = estimate_budget(settings)};
    if (rate > 0) {
        estimate->seconds = rate * rows;
        estimate->basis =
            g_strdup_printf("as long per row as version %d took: %.3g µs", version, rate * 1e6);
        return true;
    }
    double taught = MIN((double)counts->users, TAUGHT_USERS_MAX);
    double per_taught =
        BUILT_IN_MS_TAUGHT * 1e-3 + BUILT_IN_US_PER_LOOK * 1e-6 * (double)counts->products;
    estimate->seconds = BUILT_IN_SECONDS + BUILT_IN_US_PER_ROW * 1e-6 * rows + per_taught * taught +
                        BUILT_IN_MS_PER_USER * 1e-3 * (double)counts->users;
    estimate->basis = g_strdup_printf(
        "nothing was trained yet: %.0f s, %.0f µs per row, %.1f ms per user and for each of the "
        "first %d another %.0f ms and %.0f µs per product, as on 2 cores",
        BUILT_IN_SECONDS, BUILT_IN_US_PER_ROW, BUILT_IN_MS_PER_USER, TAUGHT_USERS_MAX,
        BUILT_IN_MS_TAUGHT, BUILT_IN_US_PER_LOOK);
    return true;
}

void estimate_clear(Estimate *estimate)
{
    g_clear_pointer(&estimate->basis, g_free);
}
