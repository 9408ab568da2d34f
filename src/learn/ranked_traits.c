#include "ranked_traits.h"

#include <math.h>

#include "base/clock.h"

/* So many average users beside those of a value. */
#define AVERAGE_USERS 20.0
#define LATELY_DAYS   90.0f

static bool tells(const Column *column)
{
    return !column->is_left_out && column->kind != COLUMN_TEXT && ids_count(column->values) > 1;
}

/* log(1 + rows lately) of each user. */
static float *find_activity(const Dataset *view, const float *days, GError **error)
{
    float *activity = kept_new0(view->n_users, sizeof *activity, error);
    for (uint32_t user = 0; activity && user < view->n_users; user++) {
        uint32_t lately = 0;
        for (uint64_t r = view->user_start[user]; r < view->user_start[user + 1]; r++)
            lately += days[r] <= LATELY_DAYS;
        activity[user] = log1pf((float)lately);
    }
    return activity;
}

static uint32_t category_of(const Column *column, uint32_t user)
{
    uint32_t n;
    const uint32_t *values = column_values(column, user, &n);
    return n > 0 ? values[0] : IDS_NONE;
}

static bool write_categories(const Column *column, const float *activity, uint32_t n_users,
                             float *out, size_t stride, GError **error)
{
    uint32_t n_values = ids_count(column->values);
    g_autofree double *sum = kept_new0(n_values, sizeof *sum, error);
    g_autofree double *users = kept_new0(n_values, sizeof *users, error);
    if (!sum || !users)
        return false;
    double all = 0;
    for (uint32_t user = 0; user < n_users; user++) {
        uint32_t value = category_of(column, user);
        all += activity[user];
        if (value == IDS_NONE)
            continue;
        sum[value] += activity[user];
        users[value]++;
    }
    double average = all / MAX(n_users, 1);
    for (uint32_t user = 0; user < n_users; user++) {
        uint32_t value = category_of(column, user);
        out[user * stride] =
            value == IDS_NONE
                ? NAN
                : (float)((sum[value] + AVERAGE_USERS * average) / (users[value] + AVERAGE_USERS));
    }
    return true;
}

static void write_numbers(const Column *column, int64_t as_of, uint32_t n_users, float *out,
                          size_t stride)
{
    double moment = (double)as_of / (double)US_PER_SECOND;
    double day = (double)US_PER_DAY / (double)US_PER_SECOND;
    for (uint32_t user = 0; user < n_users; user++) {
        float number = user < column->n_rows ? column->number[user] : NAN;
        double before = (moment - number) / day;
        if (column->kind == COLUMN_TIME)
            number = before >= 0 ? (float)before : NAN;
        out[user * stride] = number;
    }
}

/* Into columns, TRAITS_MAX at most; how many. */
static uint32_t find_columns(const Attributes *attributes, const Column **columns)
{
    uint32_t n = 0;
    for (size_t c = 0; c < attributes->n_columns && n < TRAITS_MAX; c++) {
        if (tells(&attributes->columns[c]))
            columns[n++] = &attributes->columns[c];
    }
    return n;
}

bool traits_init(Traits *traits, const Dataset *view, int64_t as_of, const float *days,
                 GError **error)
{
    const Column *columns[TRAITS_MAX] = {NULL};
    uint32_t n = find_columns(view->user_attributes, columns), n_users = view->n_users;
    traits->n = n;
    if (n == 0)
        return true;
    traits->value = kept_new0((uint64_t)n_users * n, sizeof(float), error);
    g_autofree float *activity = find_activity(view, days, error);
    if (!traits->value || !activity)
        return false;
    for (uint32_t t = 0; t < n; t++) {
        const Column *column = columns[t];
        g_strlcpy(traits->name[t], column->name, sizeof traits->name[t]);
        if (column->number)
            write_numbers(column, as_of, n_users, traits->value + t, n);
        else if (!write_categories(column, activity, n_users, traits->value + t, n, error))
            return false;
    }
    return true;
}

void traits_arrays(Traits *traits, uint32_t n_users, KeptArrays *arrays)
{
    if (traits->n > 0)
        kept_add(arrays, &traits->value, sizeof(float), (uint64_t)n_users * traits->n,
                 "learner.trait");
}
