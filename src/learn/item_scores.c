#include "item_scores.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

Fitted *item_scores_new(const Learner *learner, const Dataset *view, float *takes_score,
                        const void *params, size_t size)
{
    ItemScores *scores = g_new(ItemScores, 1);
    *scores = (ItemScores){.fitted = {learner, view->n_users, view->n_items},
                           .score = takes_score,
                           .owned = takes_score,
                           .params = g_memdup2(params, size)};
    return &scores->fitted;
}

bool item_scores_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                             GError **error)
{
    const ItemScores *scores = (const ItemScores *)fitted;
    for (uint32_t u = 0; u < n; u++)
        memcpy(tile + (size_t)u * fitted->n_items, scores->score, fitted->n_items * sizeof(float));
    return true;
}

bool item_scores_score_items(const Fitted *fitted, const uint32_t *items, uint32_t n, float *scores,
                             GError **error)
{
    const float *score = ((const ItemScores *)fitted)->score;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += score[items[i]];
    for (uint32_t user = 0; user < fitted->n_users; user++)
        scores[user] = (float)MIN(sum, FLT_MAX);
    return true;
}

static void name_section(const Learner *learner, char name[SECTION_NAME_MAX])
{
    g_snprintf(name, SECTION_NAME_MAX, "learner.%s", learner->name);
}

bool item_scores_save(const Fitted *fitted, SectionsWriter *writer, GError **error)
{
    char name[SECTION_NAME_MAX];
    name_section(fitted->learner, name);
    return sections_write(writer, name, ((const ItemScores *)fitted)->score, sizeof(float),
                          fitted->n_items, error);
}

Fitted *item_scores_load(const Learner *learner, const Sections *sections, uint32_t n_users,
                         uint32_t n_items, GError **error)
{
    char name[SECTION_NAME_MAX];
    uint64_t count;
    name_section(learner, name);
    const float *score = sections_get(sections, name, sizeof *score, &count, error);
    if (!score)
        return NULL;
    if (count != n_items) {
        error_set(error, ERR_DAMAGED, "%s of %" G_GUINT64_FORMAT " products, expected %u",
                  learner->name, count, n_items);
        return NULL;
    }
    for (uint32_t item = 0; item < n_items; item++) {
        if (!isfinite(score[item]) || score[item] < 0) {
            error_set(error, ERR_DAMAGED, "%s of product %u is no count", learner->name, item);
            return NULL;
        }
    }
    ItemScores *scores = g_new(ItemScores, 1);
    *scores = (ItemScores){.fitted = {learner, n_users, n_items}, .score = score};
    return &scores->fitted;
}

void item_scores_free(Fitted *fitted)
{
    ItemScores *scores = (ItemScores *)fitted;
    g_free(scores->params);
    g_free(scores->owned);
    g_free(scores);
}
