/* What a choice takes of memory: the largest of its fits, beside what is judged or told meanwhile.
 */
#include "learn/choose.h"
#include "learn/levels.h"
#include "learn/relations.h"

/* The largest of all fits, or of what each cannot do without. */
static uint64_t fit_bytes(uint64_t rows, uint32_t n_users, uint32_t n_items, unsigned threads,
                          bool needed)
{
    uint64_t most = 0;
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = learners[i]->fit_bytes(rows, n_users, n_items, threads);
        if (needed && learners[i]->spare_bytes)
            bytes -= MIN(bytes, learners[i]->spare_bytes(n_users));
        most = MAX(most, bytes);
    }
    return most;
}

uint64_t choose_bytes(uint64_t rows, uint32_t n_users, uint32_t n_items, unsigned threads)
{
    uint64_t row = 4 * sizeof(uint32_t) + sizeof(int64_t) + sizeof(float); /* of a view */
    uint64_t view = rows * row + (uint64_t)n_users * (sizeof(uint64_t) + 1) + n_items;
    uint64_t targets = rows * 5 * sizeof(uint32_t) + n_users * sizeof(uint64_t);
    uint64_t judging = evaluate_bytes(n_users, n_items, threads);
    uint64_t beside = MAX(judging, levels_bytes(rows, n_users, n_items, threads));
    beside = MAX(beside, relations_bytes(rows, n_items, threads));
    return view + targets + beside + fit_bytes(rows, n_users, n_items, threads, false);
}

uint64_t choose_spare_bytes(uint64_t rows, uint32_t n_users, uint32_t n_items, unsigned threads)
{
    return fit_bytes(rows, n_users, n_items, threads, false) -
           fit_bytes(rows, n_users, n_items, threads, true);
}
