/* What the ranker knows of a user alone, and of a product alone. */
#include <math.h>

#include "base/clock.h"
#include "ranked_state.h"

#define YEAR_DAYS   365.0f
#define SEASON_DAYS 30.0f
/* Below nine tenths of the usual price. */
#define PROMOTED    (-0.105)

static double log_price(const Interactions *rows, uint64_t r)
{
    return rows->price && rows->price[r] > 0 && isfinite(rows->price[r]) ? log(rows->price[r])
                                                                         : (double)NAN;
}

static float ratio(double part, double whole)
{
    return whole > 0 ? (float)(part / whole) : NAN;
}

/* 1 January 1970 was a Thursday. */
static bool is_weekend(int64_t time)
{
    int64_t day = time / US_PER_DAY - (time % US_PER_DAY < 0);
    int64_t weekday = ((day + 3) % 7 + 7) % 7; /* 0: Monday */
    return weekday >= 5;
}

/* The season to come, as it was a year before. */
static bool is_year_ago(float days)
{
    return days <= YEAR_DAYS && days > YEAR_DAYS - SEASON_DAYS;
}

/* What a product usually costs, as a logarithm; NaN where no price is known. */
static float *usual_prices(const Dataset *view, GError **error)
{
    g_autofree double *sum = kept_new0(view->n_items, sizeof *sum, error);
    g_autofree double *n = kept_new0(view->n_items, sizeof *n, error);
    float *usual = kept_new0(view->n_items, sizeof *usual, error);
    if (!sum || !n || !usual) {
        g_free(usual);
        return NULL;
    }
    for (uint64_t r = 0; r < view->rows.n; r++) {
        double price = log_price(&view->rows, r);
        if (isnan(price))
            continue;
        sum[view->rows.item[r]] += price;
        n[view->rows.item[r]]++;
    }
    for (uint32_t item = 0; item < view->n_items; item++)
        usual[item] = ratio(sum[item], n[item]);
    return usual;
}

/* Sums of one user's rows. */
typedef struct UserSums {
    double rows, priced, price, price_squares, promoted, quantity;
    uint32_t visits, visits_30, visits_90, visits_weekend, visits_year_ago;
} UserSums;

/* Of each row. */
typedef struct RowFacts {
    const float *days;
    const uint32_t *visit;
    const float *usual_price; /* of each product */
} RowFacts;

static UserSums sum_user(const Dataset *view, uint32_t user, const RowFacts *facts)
{
    const float *days = facts->days;
    const uint32_t *visit = facts->visit;
    UserSums sums = {0};
    uint64_t begin = view->user_start[user];
    for (uint64_t r = begin; r < view->user_start[user + 1]; r++) {
        double price = log_price(&view->rows, r);
        sums.rows++;
        if (!isnan(price)) {
            sums.priced++;
            sums.price += price;
            sums.price_squares += price * price;
            sums.promoted += price < facts->usual_price[view->rows.item[r]] + PROMOTED;
        }
        sums.quantity += log1p(MAX(view->rows.quantity[r], 0));
        if (r > begin && visit[r] == visit[r - 1])
            continue;
        sums.visits++;
        sums.visits_30 += days[r] <= 30;
        sums.visits_90 += days[r] <= 90;
        sums.visits_weekend += is_weekend(view->rows.time[r]);
        sums.visits_year_ago += is_year_ago(days[r]);
    }
    return sums;
}

static void write_user(const UserSums *sums, double products, float since, float age, float *out)
{
    float gap = sums->visits > 1 ? (age - since) / (float)(sums->visits - 1) : NAN;
    double mean = sums->price / sums->priced;
    out[USER_VISITS] = (float)sums->visits;
    out[USER_PRODUCTS] = (float)products;
    out[USER_SINCE] = since;
    out[USER_AGE] = age;
    out[USER_GAP] = gap;
    out[USER_SINCE_GAP] = since / (gap + 1);
    out[USER_VISITS_30] = (float)sums->visits_30;
    out[USER_VISITS_90] = (float)sums->visits_90;
    out[USER_BASKET] = ratio(sums->rows, sums->visits);
    out[USER_REPEATS] = ratio(sums->rows - products, sums->rows);
    out[USER_PRICE] = ratio(sums->price, sums->priced);
    out[USER_PRICE_SPREAD] =
        sums->priced > 1 ? (float)sqrt(MAX(sums->price_squares / sums->priced - mean * mean, 0))
                         : NAN;
    out[USER_QUANTITY] = ratio(sums->quantity, sums->rows);
    out[USER_RETURNS] = NAN;
    out[USER_PROMOTIONS] = ratio(sums->promoted, sums->priced);
    out[USER_WEEKEND] = ratio(sums->visits_weekend, sums->visits);
    out[USER_YEAR_AGO] = age > YEAR_DAYS ? (float)sums->visits_year_ago : NAN;
}

bool state_describe_users(FeatureState *state, const Dataset *view, const float *days,
                          const uint32_t *visit, GError **error)
{
    state->user = kept_new0((uint64_t)view->n_users * USER_FEATURES, sizeof(float), error);
    g_autofree float *usual_price = usual_prices(view, error);
    if (!state->user || !usual_price)
        return false;
    RowFacts facts = {days, visit, usual_price};
    for (uint32_t user = 0; user < view->n_users; user++) {
        float *out = state->user + (size_t)user * USER_FEATURES;
        uint64_t begin = view->user_start[user], end = view->user_start[user + 1];
        UserSums sums = sum_user(view, user, &facts);
        double products = (double)(state->pair_start[user + 1] - state->pair_start[user]);
        write_user(&sums, products, end > begin ? days[end - 1] : NAN,
                   end > begin ? days[begin] : NAN, out);
    }
    return true;
}

/* Sums over one product's rows and pairs. */
typedef struct ItemSums {
    double rows, rows_7, rows_14, rows_30, rows_60, rows_90;
    double priced, price, priced_30, price_30, quantity;
    double rows_weekend, rows_year_ago;
    double buyers, repeaters, gaps, gap_days;
    float first, last;
} ItemSums;

static void add_row(ItemSums *sums, const Interactions *rows, uint64_t r, float days)
{
    double price = log_price(rows, r);
    sums->first = sums->rows == 0 ? days : MAX(sums->first, days);
    sums->last = sums->rows == 0 ? days : MIN(sums->last, days);
    sums->rows++;
    sums->rows_7 += days <= 7;
    sums->rows_14 += days <= 14;
    sums->rows_30 += days <= 30;
    sums->rows_60 += days <= 60;
    sums->rows_90 += days <= 90;
    sums->rows_weekend += is_weekend(rows->time[r]);
    sums->rows_year_ago += is_year_ago(days);
    sums->quantity += log1p(MAX(rows->quantity[r], 0));
    if (isnan(price))
        return;
    sums->priced++;
    sums->price += price;
    sums->priced_30 += days <= 30;
    sums->price_30 += days <= 30 ? price : 0;
}

static void add_pair(ItemSums *sums, const PairFacts *pair)
{
    sums->buyers++;
    if (pair->visits < 2)
        return;
    sums->repeaters++;
    sums->gaps += pair->visits - 1;
    sums->gap_days += pair->first - pair->last;
}

static void write_item(const ItemSums *sums, float *out)
{
    bool known = sums->rows > 0;
    out[ITEM_BUYERS] = (float)sums->buyers;
    out[ITEM_LINES] = (float)sums->rows;
    out[ITEM_REPEATERS] = ratio(sums->repeaters, sums->buyers);
    out[ITEM_ROWS_7] = (float)sums->rows_7;
    out[ITEM_ROWS_14] = (float)sums->rows_14;
    out[ITEM_ROWS_30] = (float)sums->rows_30;
    out[ITEM_ROWS_60] = (float)sums->rows_60;
    out[ITEM_ROWS_90] = (float)sums->rows_90;
    out[ITEM_TREND_7] = (float)((sums->rows_7 * 30 / 7 + 1) / (sums->rows_30 + 1));
    out[ITEM_TREND_30] = (float)((sums->rows_30 * 3 + 1) / (sums->rows_90 + 1));
    out[ITEM_AGE] = known ? sums->first : NAN;
    out[ITEM_SINCE] = known ? sums->last : NAN;
    out[ITEM_GAP] = ratio(sums->gap_days, sums->gaps);
    out[ITEM_PRICE] = ratio(sums->price, sums->priced);
    out[ITEM_PRICE_CHANGE] =
        ratio(sums->price_30, sums->priced_30) - ratio(sums->price, sums->priced);
    out[ITEM_RETURNS] = NAN;
    out[ITEM_QUANTITY] = ratio(sums->quantity, sums->rows);
    out[ITEM_WEEKEND] = ratio(sums->rows_weekend, sums->rows);
    out[ITEM_YEAR_AGO] = known && sums->first > YEAR_DAYS ? (float)sums->rows_year_ago : NAN;
}

bool state_describe_items(FeatureState *state, const Dataset *view, const float *days,
                          GError **error)
{
    g_autofree ItemSums *sums = kept_new0(view->n_items, sizeof *sums, error);
    state->item = kept_new0((uint64_t)view->n_items * ITEM_FEATURES, sizeof(float), error);
    if (!sums || !state->item)
        return false;
    for (uint64_t r = 0; r < view->rows.n; r++)
        add_row(&sums[view->rows.item[r]], &view->rows, r, days[r]);
    for (uint64_t p = 0; p < state->n_pairs; p++)
        add_pair(&sums[state->pair_item[p]], &state->pair[p]);
    for (uint32_t item = 0; item < view->n_items; item++)
        write_item(&sums[item], state->item + (size_t)item * ITEM_FEATURES);
    return true;
}

bool state_count_returns(FeatureState *state, const Dataset *raw, int64_t as_of, GError **error)
{
    if (!raw)
        return true;
    g_autofree uint32_t *of_user = kept_new0(2 * (uint64_t)state->n_users, sizeof *of_user, error);
    g_autofree uint32_t *of_item = kept_new0(2 * (uint64_t)state->n_items, sizeof *of_item, error);
    if (!of_user || !of_item)
        return false;
    for (uint64_t r = 0; r < raw->rows.n; r++) {
        if (raw->rows.time[r] >= as_of)
            continue;
        bool is_return = raw->rows.quantity[r] < 0;
        of_user[2 * (size_t)raw->rows.user[r] + is_return]++;
        of_item[2 * (size_t)raw->rows.item[r] + is_return]++;
    }
    for (uint32_t user = 0; user < state->n_users; user++)
        state->user[(size_t)user * USER_FEATURES + USER_RETURNS] =
            ratio(of_user[2 * (size_t)user + 1], of_user[2 * (size_t)user]);
    for (uint32_t item = 0; item < state->n_items; item++)
        state->item[(size_t)item * ITEM_FEATURES + ITEM_RETURNS] =
            ratio(of_item[2 * (size_t)item + 1], of_item[2 * (size_t)item]);
    return true;
}
