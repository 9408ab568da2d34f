/* What a choice takes of memory: the largest of its fits, and what is judged beside it; or what
 * stays of a fit, and what is told beside that. */
#include "learn/choose.h"
#include "learn/levels.h"
#include "learn/relations.h"

/* The largest of all fits, or of what each cannot do without. */
static uint64_t fit_bytes(const FitSize *size, bool needed)
{
    uint64_t most = 0;
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = learners[i]->fit_bytes(size);
        if (needed && learners[i]->spare_bytes)
            bytes -= MIN(bytes, learners[i]->spare_bytes(size));
        most = MAX(most, bytes);
    }
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
           fit_bytes(size, needed);
}

/* When the best is fitted, and only that is left of it which every fit needs. */
static uint64_t telling_bytes(const FitSize *size)
{
    uint64_t levels = levels_bytes(size);
    uint64_t relations = relations_bytes(size->rows, size->n_items, size->threads);
    return MAX(levels, relations) + fit_bytes(size, true);
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
