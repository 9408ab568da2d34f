/* Times that only count a user's visits: found, and put on one clock. */
#include "base/clock.h"
#include "data/dataset.h"

#define USERS_MIN 20u
#define SHARE_MIN 0.95

/* What the times of all users say. */
typedef struct Count {
    int64_t unit;             /* the least step between two visits of anybody */
    uint64_t users, counting; /* of several visits; of them, whose steps are 1, 2, 3 … */
    uint64_t fewest, most;    /* visits of anybody */
} Count;

/* 0: the same moment, or too far apart to tell. */
static int64_t step_to(const Interactions *rows, uint64_t r)
{
    int64_t step;
    return __builtin_sub_overflow(rows->time[r], rows->time[r - 1], &step) ? 0 : step;
}

static int64_t least_step(const Dataset *raw)
{
    const Interactions *rows = &raw->rows;
    int64_t least = INT64_MAX;
    for (uint64_t r = 1; r < rows->n; r++) {
        int64_t step = step_to(rows, r);
        if (rows->user[r] == rows->user[r - 1] && step > 0)
            least = MIN(least, step);
    }
    return least;
}

static void count_user(const Dataset *raw, uint32_t user, Count *count)
{
    uint64_t begin = raw->user_start[user], end = raw->user_start[user + (size_t)1];
    if (begin == end)
        return;
    const int64_t *time = raw->rows.time;
    uint64_t visits = 1;
    bool is_counting = time[begin] == raw->first;
    for (uint64_t r = begin + 1; r < end; r++) {
        if (time[r] == time[r - 1])
            continue;
        is_counting &= step_to(&raw->rows, r) == count->unit;
        visits++;
    }
    count->fewest = MIN(count->fewest, visits);
    count->most = MAX(count->most, visits);
    count->users += visits > 1;
    count->counting += visits > 1 && is_counting;
}

/* The last visit takes place at `last`, the one before a day earlier … */
static void retime_user(Dataset *raw, uint32_t user, int64_t last)
{
    uint64_t begin = raw->user_start[user], end = raw->user_start[user + (size_t)1];
    int64_t *time = raw->rows.time, known = 0, now = last;
    for (uint64_t r = end; r-- > begin;) {
        if (r + 1 < end && time[r] != known)
            now -= US_PER_DAY;
        known = time[r];
        time[r] = now;
    }
}

bool dataset_align_visits(Dataset *raw)
{
    if (raw->n_signals > 0)
        return false;
    Count count = {.unit = least_step(raw), .fewest = UINT64_MAX};
    for (uint32_t user = 0; user < raw->n_users; user++)
        count_user(raw, user, &count);
    if (count.counting < USERS_MIN || (double)count.counting < SHARE_MIN * (double)count.users ||
        count.fewest == count.most || raw->last < (int64_t)count.most * US_PER_DAY + INT64_MIN)
        return false;
    for (uint32_t user = 0; user < raw->n_users; user++)
        retime_user(raw, user, raw->last);
    raw->first = raw->last - (int64_t)(count.most - 1) * US_PER_DAY;
    raw->counts_visits = true;
    return true;
}

unsigned dataset_horizon_days(const Dataset *raw, unsigned asked)
{
    return raw->counts_visits ? 1 : asked;
}
