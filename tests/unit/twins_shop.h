/* A shop whose products come in twos, for the tests of linear models. */
#pragma once

#include "learn_shop.h"

#define TWINS_USERS 200u
#define TWINS_ITEMS 32u
#define TWINS_OUT   10u

/* Who buys 2k buys 2k + 1, of three pairs in sixteen taken at random; only the first TWINS_OUT
 * users leave the second of one pair out, and left_out[user] is that product. */
static inline Dataset *shop_of_twins(uint32_t left_out[TWINS_OUT])
{
    Bought bought[TWINS_USERS * 6];
    size_t n = 0;
    Rng rng;
    rng_init(&rng, 1, 0);
    for (uint32_t user = 0; user < TWINS_USERS; user++) {
        uint32_t first = rng_below(&rng, TWINS_ITEMS / 2);
        for (uint32_t pair = 0; pair < 3; pair++) {
            uint32_t twin = (first + pair * (1 + rng_below(&rng, 5))) % (TWINS_ITEMS / 2);
            bought[n++] = (Bought){user, 2 * twin, 50};
            if (pair > 0 || user >= TWINS_OUT)
                bought[n++] = (Bought){user, 2 * twin + 1, 50};
            else
                left_out[user] = 2 * twin + 1;
        }
    }
    return shop_new(TWINS_USERS, TWINS_ITEMS, bought, n);
}

/* What was left out scores above all that the user does not have. */
static inline void expect_twins_first(const Fitted *fitted, const Dataset *shop,
                                      const uint32_t left_out[TWINS_OUT])
{
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < TWINS_OUT; user++) {
        const float *row = scores + user * TWINS_ITEMS;
        uint64_t from = shop->user_start[user], to = shop->user_start[user + 1];
        for (uint32_t item = 0; item < TWINS_ITEMS; item++) {
            bool is_own = item == left_out[user];
            for (uint64_t r = from; r < to; r++)
                is_own |= shop->rows.item[r] == item;
            assert_true(is_own || row[left_out[user]] > row[item]);
        }
    }
}
