/* What a choice takes of memory: the largest of its fits, and what is judged beside it; or what
 * stays of a fit, and what is told beside that. */
#include "learn/choose.h"
#include "learn/contexts.h"
#include "learn/levels.h"
#include "learn/relations.h"

static uint64_t whole_bytes(const Learner *learner, const FitSize *size)
{
    return learner->fit_bytes(size);
}

static uint64_t needed_bytes(const Learner *learner, const FitSize *size)
{
    uint64_t whole = learner->fit_bytes(size);
    return learner->spare_bytes ? whole - MIN(whole, learner->spare_bytes(size)) : whole;
}

static uint64_t kept_bytes(const Learner *learner, const FitSize *size)
{
    return learner->kept_bytes ? learner->kept_bytes(size) : learner->fit_bytes(size);
}

/* Of all learners. */
static uint64_t most_bytes(uint64_t (*bytes_of)(const Learner *learner, const FitSize *size),
                           const FitSize *size)
{
    uint64_t most = 0;
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++)
        most = MAX(most, bytes_of(learners[i], size));
    return most;
}

static uint64_t view_bytes(const FitSize *size)
{
    uint64_t row = 4 * sizeof(uint32_t) + sizeof(int64_t) + sizeof(float);
    return size->rows * row + (uint64_t)size->n_users * (sizeof(uint64_t) + 1) + size->n_items;
}

/* While fits are compared. */
static uint64_t comparing_bytes(const FitSize *size, bool needed)
{
    uint64_t targets = size->rows * 5 * sizeof(uint32_t) + size->n_users * sizeof(uint64_t);
    return targets + evaluate_bytes(size->n_users, size->n_items, size->threads) +
           most_bytes(needed ? needed_bytes : whole_bytes, size);
}

/* When the best is fitted. */
static uint64_t telling_bytes(const FitSize *size)
{
    uint64_t levels = levels_bytes(size);
    uint64_t relations = relations_bytes(size->rows, size->n_items, size->threads);
    uint64_t beside = MAX(MAX(levels, relations), contexts_bytes(size));
    return beside + most_bytes(kept_bytes, size);
}

static uint64_t peak_bytes(const FitSize *size, bool needed)
{
    return view_bytes(size) + MAX(comparing_bytes(size, needed), telling_bytes(size));
}

uint64_t choose_bytes(const FitSize *size)
{
    return peak_bytes(size, false);
}

uint64_t choose_spare_bytes(const FitSize *size)
{
    return peak_bytes(size, false) - peak_bytes(size, true);
}
