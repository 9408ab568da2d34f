/* The learner of what is bought with a product and after it. */
#include "learn_shop.h"

#include "learn/transitions.h"

DEFINE_FIT_WITH(fit_with, transitions_fit_with, TransitionsParams)

static Fitted *fit(const Dataset *shop, double as_of, unsigned threads)
{
    return fit_with(shop, &transitions_defaults, as_of, threads);
}

#define FOLLOWERS 20u

/* Everybody buys 0 and, ten days later, 1; the last user has bought 0 only. Product 2 sells as well
 * as 1, on its own. */
static Dataset *one_leads_to_the_other(void)
{
    Bought bought[3 * FOLLOWERS + 1];
    size_t n = 0;
    for (uint32_t user = 0; user < FOLLOWERS; user++) {
        bought[n++] = (Bought){user, 0, 80};
        bought[n++] = (Bought){user, 1, 90};
        bought[n++] = (Bought){FOLLOWERS + 1 + user, 2, 90};
    }
    bought[n++] = (Bought){FOLLOWERS, 0, 95};
    return shop_new(2 * FOLLOWERS + 1, 3, bought, n);
}

static void what_follows_the_last_visit_comes_first(void **state)
{
    g_autoptr(Dataset) shop = one_leads_to_the_other();
    g_autoptr(Fitted) fitted = fit(shop, 100, 2);
    g_autofree float *scores = all_scores(fitted);
    const float *row = scores + 3 * (size_t)FOLLOWERS;
    assert_true(row[1] > 0 && row[1] > row[0] && row[1] > row[2]);
    /* and not the other way round: nobody bought 0 after 1 */
    const Bought after[] = {{0, 0, 1}, {0, 1, 9}, {1, 1, 9}};
    g_autoptr(Dataset) ordered = shop_new(2, 2, after, G_N_ELEMENTS(after));
    g_autoptr(Fitted) one_way = fit(ordered, 10, 1);
    g_autofree float *of_one = all_scores(one_way);
    assert_true(of_one[2] == 0);
}

typedef struct PlainVisit {
    uint32_t user;
    int64_t time;
    bool *has; /* n_items */
    unsigned n;
} PlainVisit;

/* A visit is a day. */
static GArray *plain_visits(const Dataset *shop)
{
    GArray *visits = g_array_new(FALSE, FALSE, sizeof(PlainVisit));
    for (uint64_t r = 0; r < shop->rows.n; r++) {
        uint32_t user = shop->rows.user[r], item = shop->rows.item[r];
        int64_t time = shop->rows.time[r];
        PlainVisit *last = visits->len ? &g_array_index(visits, PlainVisit, visits->len - 1) : NULL;
        if (!last || last->user != user || last->time / US_PER_DAY != time / US_PER_DAY) {
            PlainVisit visit = {user, time, g_new0(bool, shop->n_items), 0};
            g_array_append_val(visits, visit);
            last = &g_array_index(visits, PlainVisit, visits->len - 1);
        }
        last->n += !last->has[item];
        last->has[item] = true;
    }
    return visits;
}

static double told(const PlainVisit *visit, double as_of)
{
    double age = (double)(day(as_of) - visit->time) / (double)US_PER_DAY;
    return exp2(-age / transitions_defaults.half_life_days);
}

/* s(j, i) before it is divided. */
static double plain_sum(const GArray *visits, uint32_t j, uint32_t i, double as_of)
{
    const TransitionsParams *p = &transitions_defaults;
    double sum = 0;
    for (guint v = 0; v < visits->len; v++) {
        const PlainVisit *at = &g_array_index(visits, PlainVisit, v);
        for (guint d = 0; at->has[j] && d <= p->steps && v + d < visits->len; d++) {
            const PlainVisit *later = &g_array_index(visits, PlainVisit, v + d);
            if (later->user == at->user && later->has[i] && (d > 0 || i != j))
                sum += (d == 0 ? p->together : 1.0 / d) * told(later, as_of);
        }
    }
    return sum;
}

static double plain_chance(const GArray *visits, uint32_t j, uint32_t i, double as_of)
{
    const TransitionsParams *p = &transitions_defaults;
    double of_j = p->shrinkage, of_i = p->shrinkage;
    for (guint v = 0; v < visits->len; v++) {
        const PlainVisit *at = &g_array_index(visits, PlainVisit, v);
        of_j += at->has[j] ? told(at, as_of) : 0;
        of_i += at->has[i] ? told(at, as_of) : 0;
    }
    return plain_sum(visits, j, i, as_of) / of_j / pow(of_i, p->lift);
}

/* The weight of product j in what the user bought lately. */
static double plain_weight(const GArray *visits, uint32_t user, uint32_t j)
{
    const TransitionsParams *p = &transitions_defaults;
    double weight = 0;
    unsigned back = 0;
    for (guint v = visits->len; v-- > 0;) {
        const PlainVisit *at = &g_array_index(visits, PlainVisit, v);
        if (at->user != user)
            continue;
        if (back < p->reach && at->has[j])
            weight += pow(p->across, back) / pow(at->n, p->length);
        back++;
    }
    return weight;
}

/* The formulae of transitions.h, each pair on its own, in double. */
static double *plain_scores(const Dataset *shop, double as_of)
{
    uint32_t n = shop->n_items;
    g_autoptr(GArray) visits = plain_visits(shop);
    double *scores = g_new0(double, (size_t)shop->n_users *n);
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t i = 0; i < n; i++) {
            double chance = plain_chance(visits, j, i, as_of);
            for (uint32_t u = 0; u < shop->n_users; u++)
                scores[u * n + i] += plain_weight(visits, u, j) * chance;
        }
    }
    for (guint v = 0; v < visits->len; v++)
        g_free(g_array_index(visits, PlainVisit, v).has);
    return scores;
}

static void transitions_is_its_formula(void **state)
{
    g_autofree Bought *bought = random_purchases(600, 20, 15, 60, 2);
    g_autoptr(Dataset) shop = shop_new(20, 15, bought, 600);
    g_autoptr(Fitted) fitted = fit(shop, 60, 2);
    g_autofree float *scores = all_scores(fitted);
    g_autofree double *expected = plain_scores(shop, 60);
    for (size_t i = 0; i < 20 * 15; i++)
        assert_float_equal(scores[i], expected[i], 1e-4 * (1 + expected[i]));
    expect_items_as_users(fitted);
    expect_finite_scores(fitted);
}

static void threads_do_not_change_a_byte(void **state)
{
    expect_threads_agree("transitions", 4000, 150, 120);
}

static void hard_shops_are_learned_from(void **state)
{
    expect_hard_shops_learned("transitions", 90000);
}

static void no_purchase_and_cancellation_are_refused(void **state)
{
    g_autoptr(Dataset) shop = one_leads_to_the_other();
    expect_refusals("transitions", shop);
}

/* Everything at once is no rule: of user 1's 400 products none leads to another. */
static void a_visit_of_very_many_products_teaches_nothing(void **state)
{
    enum { MANY = 400 };
    Bought bought[MANY + 2] = {{0, 0, 10}, {0, 1, 20}};
    for (uint32_t i = 0; i < MANY; i++)
        bought[i + 2] = (Bought){1, 2 + i, 15};
    g_autoptr(Dataset) shop = shop_new(2, MANY + 2, bought, MANY + 2);
    g_autoptr(Fitted) fitted = fit(shop, 30, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t item = 0; item < MANY + 2; item++)
        assert_true(scores[MANY + 2 + item] == 0);
    assert_true(scores[1] > 0 || scores[0] > 0);
}

static void transitions_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit(shop, 100, 1);
    expect_survives_its_file(fitted);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_the_last_visit_comes_first),
        cmocka_unit_test(transitions_is_its_formula),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(hard_shops_are_learned_from),
        cmocka_unit_test(no_purchase_and_cancellation_are_refused),
        cmocka_unit_test(a_visit_of_very_many_products_teaches_nothing),
        cmocka_unit_test(transitions_survives_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
