#include "ranked_signals.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ranked_state.h"

static const char *const NAMES[] = {
    [SIGNAL_PAIR_DECAYED] = "decayed",
    [SIGNAL_PAIR_LAST] = "days_since_last",
    [SIGNAL_PAIR_SINCE_PURCHASE] = "since_purchase",
    [SIGNAL_OF_USER + SIGNAL_USER_DECAYED] = "user_decayed",
    [SIGNAL_OF_USER + SIGNAL_USER_LAST] = "user_days_since_last",
    [SIGNAL_OF_ITEM + SIGNAL_ITEM_7] = "product_7",
    [SIGNAL_OF_ITEM + SIGNAL_ITEM_30] = "product_30",
};
G_STATIC_ASSERT(G_N_ELEMENTS(NAMES) == SIGNAL_FEATURES);

/* One event type while its rows pass by. */
typedef struct Gathering {
    const Dataset *view; /* of purchases, */
    const Dataset *rows; /* of the event type */
    int64_t as_of;
    double half_life_days;
    SignalFacts *facts;
    uint64_t *keys;  /* of the user in hand: item << 32 | place */
    int64_t *bought; /* n_items: time of the last purchase by the user in hand, */
    uint32_t *buyer; /* n_items: when this is the user + 1 */
} Gathering;

static void gathering_clear(Gathering *of)
{
    g_free(of->keys);
    g_free(of->bought);
    g_free(of->buyer);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Gathering, gathering_clear)

static uint64_t longest(const Dataset *rows)
{
    uint64_t most = 0;
    for (uint32_t user = 0; user < rows->n_users; user++)
        most = MAX(most, rows->user_start[user + 1] - rows->user_start[user]);
    return most;
}

static bool gathering_alloc(Gathering *of, GError **error)
{
    SignalFacts *facts = of->facts;
    const Dataset *rows = of->rows;
    facts->start = kept_new0((uint64_t)rows->n_users + 1, sizeof *facts->start, error);
    facts->item = kept_new0(rows->rows.n, sizeof *facts->item, error); /* as many at most */
    facts->pair = kept_new0(rows->rows.n, sizeof *facts->pair, error);
    facts->user = kept_new0((uint64_t)rows->n_users * SIGNAL_USER_FACTS, sizeof(float), error);
    facts->product = kept_new0((uint64_t)rows->n_items * SIGNAL_ITEM_FACTS, sizeof(float), error);
    of->keys = kept_new0(longest(rows), sizeof *of->keys, error);
    of->bought = kept_new0(rows->n_items, sizeof *of->bought, error);
    of->buyer = kept_new0(rows->n_items, sizeof *of->buyer, error);
    return facts->start && facts->item && facts->pair && facts->user && facts->product &&
           of->keys && of->bought && of->buyer;
}

/* An event after the last purchase of all, at which we stand, is one of this moment. */
static float days_before(const Gathering *of, uint64_t row)
{
    return (float)MAX((double)(of->as_of - of->rows->rows.time[row]) / (double)US_PER_DAY, 0);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The user's rows by product, then by time, of the products of the latest rows. */
static size_t sort_latest(const Gathering *of, uint32_t user)
{
    const Dataset *rows = of->rows;
    uint64_t begin = rows->user_start[user], end = rows->user_start[user + 1];
    size_t n = 0, products = 0;
    for (uint64_t r = end; r-- > begin;)
        of->keys[n++] = (uint64_t)rows->rows.item[r] << 32 | (r - begin);
    qsort(of->keys, n, sizeof *of->keys, compare_keys);
    for (size_t i = 0; i < n; i++)
        products += i == 0 || of->keys[i] >> 32 != of->keys[i - 1] >> 32;
    if (products <= SIGNAL_PRODUCTS_MAX)
        return n;
    /* Too many: once more with the latest rows only, which name no more products than there are. */
    n = MIN(n, SIGNAL_PRODUCTS_MAX);
    for (size_t i = 0; i < n; i++)
        of->keys[i] =
            (uint64_t)rows->rows.item[end - 1 - i] << 32 | (uint64_t)(end - 1 - i - begin);
    qsort(of->keys, n, sizeof *of->keys, compare_keys);
    return n;
}

static void note_purchases(const Gathering *of, uint32_t user)
{
    const Dataset *view = of->view;
    for (uint64_t r = view->user_start[user]; r < view->user_start[user + 1]; r++) {
        of->bought[view->rows.item[r]] = view->rows.time[r];
        of->buyer[view->rows.item[r]] = user + 1;
    }
}

static void add_to_pair(const Gathering *of, uint32_t user, uint64_t row, SignalPair *pair)
{
    uint32_t item = of->rows->rows.item[row];
    float days = days_before(of, row);
    pair->decayed += (float)exp2(-days / of->half_life_days);
    pair->last = days;
    pair->since_purchase +=
        of->buyer[item] != user + 1 || of->rows->rows.time[row] > of->bought[item];
}

static void gather_user(const Gathering *of, uint32_t user)
{
    SignalFacts *facts = of->facts;
    uint64_t begin = of->rows->user_start[user];
    size_t n = sort_latest(of, user);
    note_purchases(of, user);
    for (size_t i = 0; i < n; i++) {
        uint32_t item = (uint32_t)(of->keys[i] >> 32);
        if (i == 0 || of->keys[i - 1] >> 32 != item)
            facts->item[facts->n++] = item;
        add_to_pair(of, user, begin + (uint32_t)of->keys[i], &facts->pair[facts->n - 1]);
    }
    facts->start[user + (size_t)1] = facts->n;
}

/* What the rows say of users and products alone. */
static void gather_sides(const Gathering *of)
{
    const Interactions *rows = &of->rows->rows;
    for (uint32_t user = 0; user < of->rows->n_users; user++)
        of->facts->user[(size_t)user * SIGNAL_USER_FACTS + SIGNAL_USER_LAST] = NAN;
    for (uint64_t r = 0; r < rows->n; r++) {
        float days = days_before(of, r);
        float *user = of->facts->user + (size_t)rows->user[r] * SIGNAL_USER_FACTS;
        float *item = of->facts->product + (size_t)rows->item[r] * SIGNAL_ITEM_FACTS;
        user[SIGNAL_USER_DECAYED] += (float)exp2(-days / of->half_life_days);
        user[SIGNAL_USER_LAST] = days; /* rows of a user ascend in time */
        item[SIGNAL_ITEM_7] += days <= 7;
        item[SIGNAL_ITEM_30] += days <= 30;
    }
}

static bool gather(Gathering *of, GError **error)
{
    if (!gathering_alloc(of, error))
        return false;
    for (uint32_t user = 0; user < of->rows->n_users; user++)
        gather_user(of, user);
    gather_sides(of);
    return true;
}

bool signal_state_init(SignalState *state, const Dataset *view, int64_t as_of,
                       const SignalWeights *weights, GError **error)
{
    state->n_users = view->n_users;
    state->n_items = view->n_items;
    for (uint32_t s = 0; s < view->n_signals; s++) {
        SignalFacts *facts = &state->facts[s];
        g_auto(Gathering)
            of = {.view = view,
                  .rows = view->signal[s],
                  .as_of = as_of,
                  .half_life_days = weights && s < weights->n ? weights->half_life_days[s]
                                                              : SIGNAL_HALF_LIFE_DAYS,
                  .facts = facts};
        state->n = s + 1;
        g_strlcpy(facts->name, view->signal_kinds[s].name, sizeof facts->name);
        if (!gather(&of, error))
            return false;
    }
    return true;
}

void signal_state_clear(SignalState *state)
{
    KeptArrays arrays = {0};
    signal_state_arrays(state, &arrays);
    kept_free(&arrays);
}

void signal_state_arrays(SignalState *state, KeptArrays *arrays)
{
    for (uint32_t s = 0; s < state->n; s++) {
        SignalFacts *facts = &state->facts[s];
        kept_add(arrays, &facts->start, sizeof(uint64_t), (uint64_t)state->n_users + 1,
                 "learner.event%u_start", s);
        kept_add(arrays, &facts->item, sizeof(uint32_t), facts->n, "learner.event%u_item", s);
        kept_add(arrays, &facts->pair, sizeof(SignalPair), facts->n, "learner.event%u_pair", s);
        kept_add(arrays, &facts->user, sizeof(float), (uint64_t)state->n_users * SIGNAL_USER_FACTS,
                 "learner.event%u_user", s);
        kept_add(arrays, &facts->product, sizeof(float),
                 (uint64_t)state->n_items * SIGNAL_ITEM_FACTS, "learner.event%u_product", s);
    }
}

uint64_t signal_state_pairs(const SignalState *state, uint32_t user)
{
    uint64_t n = 0;
    for (uint32_t s = 0; s < state->n; s++)
        n += state->facts[s].start[user + (size_t)1] - state->facts[s].start[user];
    return n;
}

char *signal_feature_name(const SignalState *state, uint32_t feature)
{
    return g_strdup_printf("event.%s.%s", state->facts[feature / SIGNAL_FEATURES].name,
                           NAMES[feature % SIGNAL_FEATURES]);
}

static void write_facts(const SignalFacts *facts, uint32_t user, uint32_t item, float *out)
{
    uint64_t end = facts->start[user + (size_t)1];
    uint64_t at = state_find(facts->item, facts->start[user], end, item);
    const float *of_user = facts->user + (size_t)user * SIGNAL_USER_FACTS;
    const float *of_item = facts->product + (size_t)item * SIGNAL_ITEM_FACTS;
    out[SIGNAL_PAIR_DECAYED] = at < end ? facts->pair[at].decayed : 0;
    out[SIGNAL_PAIR_LAST] = at < end ? facts->pair[at].last : NAN;
    out[SIGNAL_PAIR_SINCE_PURCHASE] = at < end ? facts->pair[at].since_purchase : 0;
    for (size_t f = 0; f < SIGNAL_USER_FACTS; f++)
        out[SIGNAL_OF_USER + f] = of_user[f];
    for (size_t f = 0; f < SIGNAL_ITEM_FACTS; f++)
        out[SIGNAL_OF_ITEM + f] = of_item[f];
}

void signal_features_write(const SignalState *state, uint32_t user, uint32_t item, float *out)
{
    for (uint32_t s = 0; s < state->n; s++)
        write_facts(&state->facts[s], user, item, out + (size_t)s * SIGNAL_FEATURES);
}

bool signal_state_is_sound(const SignalState *state)
{
    bool sound = true;
    for (uint32_t s = 0; s < state->n && sound; s++) {
        const SignalFacts *facts = &state->facts[s];
        sound = facts->start[0] == 0 && facts->start[state->n_users] == facts->n;
        for (uint32_t user = 0; user < state->n_users; user++)
            sound &= facts->start[user] <= facts->start[user + (size_t)1];
        for (uint64_t p = 0; p < facts->n; p++)
            sound &= facts->item[p] < state->n_items;
    }
    return sound;
}
