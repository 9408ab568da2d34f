/* Event types beside purchases in the learners (F4): their strengths, their learned weights, and
 * the ranker's features of them. */
#include "learn/evaluate.h"
#include "learn/ranked.h"
#include "learn/ranked_features.h"
#include "learn/signal_search.h"
#include "learn/strengths.h"
#include "learn/popularity.h"
#include "learn/segments.h"
#include "learn/transitions.h"
#include "learn/trending.h"
#include "users_shop.h"

#define N_USERS  300u
#define N_ITEMS  80u
#define N_BOUGHT 6000u
#define FROM     170.0

static const SignalKind cart = {.name = "cart", .weight = -1};
static const SignalKind noise = {.name = "noise", .weight = -1};

/* Purchases at random, most of them put into a cart up to 25 days before; noise says nothing. */
typedef struct Planted {
    Bought *bought, *carts, *noise;
} Planted;

static void planted_clear(Planted *planted)
{
    g_free(planted->bought);
    g_free(planted->carts);
    g_free(planted->noise);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Planted, planted_clear)

static Planted plant(void)
{
    Planted planted = {random_purchases(N_BOUGHT, N_USERS, N_ITEMS, 200, 3),
                       g_new(Bought, N_BOUGHT),
                       random_purchases(N_BOUGHT, N_USERS, N_ITEMS, 200, 8)};
    Rng rng;
    rng_init(&rng, 5, 0);
    for (size_t i = 0; i < N_BOUGHT; i++) {
        planted.carts[i] = planted.bought[i];
        planted.carts[i].day -= 25 * rng_uniform(&rng);
        if (rng_uniform(&rng) < 0.2)
            planted.carts[i].item = rng_below(&rng, N_ITEMS);
    }
    return planted;
}

static Dataset *planted_shop(SignalKind of_cart)
{
    g_auto(Planted) planted = plant();
    const Signal signals[] = {{of_cart, planted.carts, N_BOUGHT}, {noise, planted.noise, N_BOUGHT}};
    return shop_with_signals(N_USERS, N_ITEMS, planted.bought, N_BOUGHT, signals, 2);
}

/* As of day FROM, with what was bought in the 30 days after it. */
typedef struct Moment {
    Dataset *view;
    Scope *scope;
    Csr *targets;
} Moment;

static void moment_clear(Moment *moment)
{
    dataset_unref(moment->view);
    scope_free(moment->scope);
    csr_free(moment->targets);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Moment, moment_clear)

static Moment moment_of(const Dataset *raw)
{
    Moment moment = {.view = dataset_before(raw, day(FROM), NULL),
                     .targets = window_targets(raw, day(FROM), day(200), NULL)};
    moment.scope = scope_new(moment.view, day(FROM), NULL);
    return moment;
}

static SignalWeights learned_by(const Dataset *raw, SignalSearch search)
{
    g_auto(Moment) moment = moment_of(raw);
    SignalWeights weights = signal_weights_given(raw);
    SignalWindow window = {moment.view, moment.scope, moment.targets};
    assert_true(signal_weights_learn(&window, &search, &weights, NULL));
    return weights;
}

static SignalWeights learned(const Dataset *raw, unsigned threads)
{
    return learned_by(raw,
                      (SignalSearch){.k = 10, .rules_auto = true, .seed = 1, .threads = threads});
}

static double ndcg(const char *learner, const Dataset *raw, const SignalWeights *weights)
{
    g_auto(Moment) moment = moment_of(raw);
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = day(FROM), .seed = 5, .raw = raw, .signals = weights};
    g_autoptr(Fitted) fitted = learners_find(learner)->fit(moment.view, &context, &error);
    if (!fitted)
        fail_msg("%s: %s", learner, error->message);
    EvaluateOptions how = {.k = 10, .seed = 1, .resamples = 1};
    g_autoptr(Evaluation) evaluation =
        evaluate(fitted, moment.view, moment.scope, moment.targets, &how, NULL);
    assert_true(evaluation->n_users > 100);
    return evaluation->ndcg_ci.mean;
}

static void F4_a_signal_that_predicts_gets_weight_and_noise_gets_none(void **state)
{
    g_autoptr(Dataset) raw = planted_shop(cart);
    SignalWeights weights = learned(raw, 0);
    assert_true(weights.weight_learned[0] && weights.half_life_learned[0]);
    assert_true(weights.weight[0] > 0);
    assert_true(weights.weight[1] == 0);
    assert_true(weights.half_life_days[0] < 90); /* nobody waits longer than 25 days */
    static const char *const learners[] = {"item_knn", "ease", "slim", "als", "repeat", "tifu_knn"};
    for (size_t l = 0; l < G_N_ELEMENTS(learners); l++) {
        double with = ndcg(learners[l], raw, &weights), without = ndcg(learners[l], raw, NULL);
        if (with <= without)
            fail_msg("%s: NDCG %.4f with carts, %.4f without", learners[l], with, without);
    }
}

/* Half of 20,000 users decide; what the others do changes nothing. */
static void F18_many_events_are_weighed_by_a_sample_of_the_users(void **state)
{
    enum { MANY_USERS = 20000, ROWS = 60000 };
    g_autofree Bought *bought = random_purchases(ROWS, MANY_USERS, N_ITEMS, 200, 3);
    g_autofree Bought *carts = g_memdup2(bought, ROWS * sizeof *bought);
    for (size_t i = 0; i < ROWS; i++)
        carts[i].day -= 1 + (double)(i % 20);
    const Signal signals[] = {{cart, carts, ROWS}};
    g_autoptr(Dataset) raw = shop_with_signals(MANY_USERS, N_ITEMS, bought, ROWS, signals, 1);
    const SignalSearch search = {.k = 10, .rules = {PURCHASED_EXCLUDE, 0}, .seed = 1, .work = 1};
    SignalWeights weights = learned_by(raw, search);
    assert_true(weights.weight[0] > 0);

    g_autoptr(Dataset) drawn = dataset_sample(raw, 0.5, search.seed, NULL);
    for (size_t i = 0; i < ROWS; i++) {
        uint32_t user = carts[i].user;
        if (drawn->user_start[user] == drawn->user_start[user + 1])
            carts[i].item = (carts[i].item + 7) % N_ITEMS; /* lies */
    }
    g_autoptr(Dataset) lying = shop_with_signals(MANY_USERS, N_ITEMS, bought, ROWS, signals, 1);
    SignalWeights same = learned_by(lying, search);
    assert_true(same.weight[0] == weights.weight[0]);
    assert_true(same.half_life_days[0] == weights.half_life_days[0]);
}

static void F4_given_weights_and_half_lives_stay(void **state)
{
    const SignalKind given = {.name = "cart", .weight = 0, .half_life_days = 45};
    g_autoptr(Dataset) raw = planted_shop(given);
    SignalWeights weights = learned(raw, 0);
    assert_true(weights.weight[0] == 0 && !weights.weight_learned[0]);
    assert_true(weights.half_life_days[0] == 45 && !weights.half_life_learned[0]);
}

static void F21_weights_repeat_on_any_number_of_threads(void **state)
{
    g_autoptr(Dataset) raw = planted_shop(cart);
    SignalWeights one = learned(raw, 1), more = learned(raw, 3);
    for (uint32_t s = 0; s < 2; s++) {
        assert_true(one.weight[s] == more.weight[s]);
        assert_true(one.half_life_days[s] == more.half_life_days[s]);
    }
}

static void F4_the_ranker_learns_from_a_signal_whatever_its_weight(void **state)
{
    g_auto(Planted) planted = plant();
    g_autoptr(Dataset) plain = shop_new(N_USERS, N_ITEMS, planted.bought, N_BOUGHT);
    const SignalKind weightless = {.name = "cart", .weight = 0};
    g_autoptr(Dataset) raw = planted_shop(weightless);
    SignalWeights weights = signal_weights_given(raw);
    assert_true(ndcg("ranked", raw, &weights) > ndcg("ranked", plain, NULL) + 0.02);
}

static void F4_strengths_are_the_weighted_sum(void **state)
{
    const Bought bought[] = {{0, 1, 10}, {0, 2, 20}}, carts[] = {{0, 1, 6}, {1, 2, 20}, {1, 2, 13}};
    const Signal signals[] = {{cart, carts, 3}};
    g_autoptr(Dataset) raw = shop_with_signals(2, 3, bought, 2, signals, 1);
    SignalWeights weights = {.n = 1, .weight = {0.5}, .half_life_days = {7}};
    FitContext context = {.as_of = day(20), .signals = &weights};
    g_autoptr(Csr) sum = strengths_of(raw, &context, 10, NULL);
    assert_int_equal(sum->start[2], 3);
    assert_float_equal(csr_get(sum, 0, 1), 0.5 + 0.5 * 0.25, 1e-6);
    assert_float_equal(csr_get(sum, 0, 2), 1, 1e-6);
    assert_float_equal(csr_get(sum, 1, 2), 0.5 + 0.5 * 0.5, 1e-6);
    weights.weight[0] = 0;
    g_autoptr(Csr) without = strengths_of(raw, &context, 10, NULL);
    g_autoptr(Csr) plain = decayed_counts(raw, day(20), 10, NULL);
    assert_int_equal(without->start[2], plain->start[2]);
    assert_memory_equal(without->value, plain->value, plain->start[2] * sizeof(float));
}

/* Product 1 is put into carts: two purchases' worth, by the shorter half-life of 7 days. */
static void F4_popularity_and_trends_count_events_by_their_weight(void **state)
{
    const Bought bought[] = {{0, 0, 100}, {0, 1, 30}, {0, 0, 30}};
    const Bought carts[] = {{0, 1, 100}, {1, 1, 93}, {1, 2, 100}, {1, 1, 100}};
    const Signal signals[] = {{cart, carts, G_N_ELEMENTS(carts)}};
    g_autoptr(Dataset) raw = shop_with_signals(2, 4, bought, 3, signals, 1);
    SignalWeights weights = {.n = 1, .weight = {0.8}, .half_life_days = {70}};
    FitContext context = {.as_of = day(100), .signals = &weights};
    g_autofree float *popular = popularity_decayed(raw, &context, 7, NULL);
    const double expected[] = {1 + exp2(-10), exp2(-10) + 0.8 * 2.5, 0.8, 0};
    for (uint32_t item = 0; item < 4; item++)
        assert_float_equal(popular[item], expected[item], 1e-6);
    weights.half_life_days[0] = 3.5;
    g_autofree float *sooner = popularity_decayed(raw, &context, 7, NULL);
    assert_float_equal(sooner[1], exp2(-10) + 0.8 * 2.25, 1e-6);

    weights.half_life_days[0] = 70;
    g_autoptr(Fitted) fitted = learner_trending.fit(raw, &context, NULL);
    g_autofree float *popular_now =
        popularity_decayed(raw, &context, trending_defaults.half_life_days, NULL);
    g_autofree float *scores = all_scores(fitted);
    const double prior = trending_defaults.prior, growth = (1 + 0.8 * 4) / 2;
    for (uint32_t item = 0; item < 2; item++) {
        double recent = item == 0 ? 1 : 0.8 * 3;
        double lift = (recent + prior) / (growth + prior);
        assert_float_equal(scores[item], popular_now[item] * pow(lift, trending_defaults.weight),
                           1e-5);
    }
}

static const char *of_halves(uint32_t user)
{
    return user < 10 ? "a" : "b";
}

/* All buy 0; those of group a put 1 into carts, those of b put 2. */
static void F4_segments_want_what_their_like_put_into_carts(void **state)
{
    const UserColumn columns[] = {{"group", COLUMN_CATEGORICAL, of_halves, false}};
    Bought bought[20], carts[20];
    for (uint32_t user = 0; user < 20; user++) {
        bought[user] = (Bought){user, 0, 90};
        carts[user] = (Bought){user, user < 10 ? 1 : 2, 95};
    }
    const Signal signal = {cart, carts, 20};
    g_autoptr(Dataset) raw = shop_of_users_with(20, 4, bought, 20, columns, 1, &signal);
    SignalWeights weights = {.n = 1, .weight = {0.5}, .half_life_days = {30}};
    FitContext context = {.as_of = day(100), .signals = &weights};
    SegmentsParams params = segments_defaults;
    params.buyers = 5;
    g_autoptr(Fitted) fitted = segments_fit_with(raw, &params, &context, NULL);
    g_autofree float *scores = all_scores(fitted);
    const float *a = scores, *b = scores + 10 * 4;
    assert_true(a[1] > a[2] && a[2] > 0 && b[2] > b[1] && b[1] > 0);
    assert_true(a[0] > a[1] && b[0] > b[2] && a[3] == 0);
}

/* 0 is bought with 1, 2 with 3; somebody who bought neither has 2 in the cart. */
static void F4_what_is_in_a_cart_brings_what_is_bought_with_it(void **state)
{
    Bought bought[80], carts[] = {{20, 2, 99}};
    for (uint32_t i = 0; i < 80; i++)
        bought[i] = (Bought){i / 4, i % 4, 50 + i / 4 + (i % 4 / 2) * 20};
    const Signal signals[] = {{cart, carts, 1}};
    g_autoptr(Dataset) raw = shop_with_signals(21, 5, bought, 80, signals, 1);
    SignalWeights weights = {.n = 1, .weight = {0.5}, .half_life_days = {30}};
    FitContext context = {.as_of = day(100), .signals = &weights};
    g_autoptr(Fitted) fitted = learner_transitions.fit(raw, &context, NULL);
    g_autofree float *scores = all_scores(fitted);
    const float *row = scores + 20 * 5;
    assert_true(row[3] > row[0] && row[3] > row[1] && row[3] > row[2] && row[4] == 0);
}

static void F4_what_neighbours_put_into_carts_counts(void **state)
{
    const Bought bought[] = {{0, 0, 90}, {1, 0, 90}, {2, 1, 90}}, carts[] = {{1, 2, 99}};
    const Signal signals[] = {{cart, carts, 1}};
    g_autoptr(Dataset) raw = shop_with_signals(3, 3, bought, 3, signals, 1);
    SignalWeights weights = {.n = 1, .weight = {0.5}, .half_life_days = {30}};
    FitContext context = {.as_of = day(100), .signals = &weights};
    g_autoptr(Fitted) fitted = learners_find("tifu_knn")->fit(raw, &context, NULL);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[2] > 0 && scores[3 + 2] > scores[2]);
    assert_true(scores[2 * 3 + 2] == 0);
}

/* Of users who only ever put into carts, too: nothing divides by what they bought. */
static void F4_every_learner_scores_who_only_filled_a_cart(void **state)
{
    g_auto(Planted) planted = plant();
    for (size_t i = 0; i < N_BOUGHT; i++) {
        planted.bought[i].user %= N_USERS - 1;
        planted.carts[i].user = i < 20 ? N_USERS - 1 : planted.carts[i].user % (N_USERS - 1);
    }
    const Signal signals[] = {{cart, planted.carts, N_BOUGHT}};
    g_autoptr(Dataset) raw =
        shop_with_signals(N_USERS, N_ITEMS, planted.bought, N_BOUGHT, signals, 1);
    SignalWeights weights = {.n = 1, .weight = {0.5}, .half_life_days = {30}};
    static const char *const learners[] = {"popularity", "trending", "repeat",
                                           "item_knn",   "ease",     "slim",
                                           "als",        "tifu_knn", "transitions"};
    for (size_t l = 0; l < G_N_ELEMENTS(learners); l++) {
        FitContext context = {.as_of = day(200), .seed = 5, .signals = &weights};
        g_autoptr(Fitted) fitted = learners_find(learners[l])->fit(raw, &context, NULL);
        expect_finite_scores(fitted);
        expect_items_as_users(fitted);
        g_autofree float *scores = all_scores(fitted);
        float most = 0;
        for (uint32_t item = 0; item < N_ITEMS; item++)
            most = MAX(most, scores[(size_t)(N_USERS - 1) * N_ITEMS + item]);
        if (most <= 0)
            fail_msg("%s knows nothing of who filled a cart", learners[l]);
    }
}

/* So that a search keeps its budget where there are many views. */
static void F18_the_work_of_a_fit_counts_the_events_that_weigh(void **state)
{
    g_autoptr(Dataset) raw = planted_shop(cart);
    const SignalWeights one = {.n = 2, .weight = {0.5, 0}}, both = {.n = 2, .weight = {0.5, 0.5}},
                        none = {.n = 2};
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t l = 0; l < n; l++) {
        if (!learners[l]->fit_work)
            continue;
        double value[PARAMS_MAX], work[4];
        const SignalWeights *const weights[] = {NULL, &none, &one, &both};
        for (size_t p = 0; p < learners[l]->n_params; p++)
            value[p] = learners[l]->param[p].usual;
        for (size_t w = 0; w < G_N_ELEMENTS(weights); w++)
            work[w] = learners[l]->fit_work(raw, weights[w], value, 1);
        if (work[0] != work[1] || work[1] >= work[2] || work[2] >= work[3])
            fail_msg("%s: %g %g %g %g", learners[l]->name, work[0], work[1], work[2], work[3]);
    }
}

/* F4: The API takes any weight. Of the smallest nothing is left at such an age, and scores are as
 * if there were no carts. */
static void a_weight_at_the_edge_of_float_leaves_every_score_finite(void **state)
{
    g_autofree Bought *bought = random_purchases(300, 20, 15, 100, 4);
    Bought carts[20];
    for (uint32_t i = 0; i < 20; i++)
        carts[i] = (Bought){20, i % 15, -99000}; /* user 20 has nothing else */
    const Signal signals[] = {{cart, carts, 20}};
    g_autoptr(Dataset) raw = shop_with_signals(21, 15, bought, 300, signals, 1);
    static const double at[] = {1e-300, 1e-12, 10};
    /* the last two look at which pairs there are */
    static const char *const learners[] = {"popularity",  "trending", "repeat", "tifu_knn",
                                           "transitions", "item_knn", "als"};
    for (size_t l = 0; l < G_N_ELEMENTS(learners); l++) {
        g_autoptr(Fitted) plain = fit_shop(learners[l], raw, 100, 1);
        g_autofree float *without = all_scores(plain);
        for (size_t w = 0; w < G_N_ELEMENTS(at); w++) {
            SignalWeights weights = {.n = 1, .weight = {at[w]}, .half_life_days = {1}};
            FitContext context = {.as_of = day(100), .seed = 5, .signals = &weights, .threads = 1};
            g_autoptr(Fitted) fitted = learners_find(learners[l])->fit(raw, &context, NULL);
            g_autofree float *with = all_scores(fitted);
            expect_finite_scores(fitted);
            for (size_t i = 0; w == 0 && l < 5 && i < 20 * 15; i++)
                assert_float_equal(with[i], without[i], 1e-4 * (1 + without[i]));
        }
    }
}

static FeatureState *state_of(const Dataset *raw, double as_of, const Groupings *groupings)
{
    g_autoptr(Dataset) view = dataset_before(raw, day(as_of), NULL);
    StateOptions options = {.as_of = day(as_of), .groupings = groupings, .threads = 1};
    return feature_state_new(view, &options, NULL);
}

static float feature(const FeatureState *state, uint32_t user, uint32_t item, const char *name)
{
    float row[FEATURES_MAX];
    Affinity affinity = {0, 0};
    features_write(state, user, item, &affinity, NULL, 0, row);
    for (uint32_t f = 0; f < features_count(state, 0); f++) {
        g_autofree char *known = features_name(state, NULL, f);
        if (g_str_equal(known, name))
            return row[f];
    }
    fail_msg("no feature %s", name);
    return NAN;
}

static void F4_a_pair_is_described_by_each_event_type(void **state)
{
    const Bought bought[] = {{0, 1, 50}};
    const Bought carts[] = {{0, 1, 40}, {0, 1, 70}, {0, 1, 98}, {0, 2, 95}, {1, 2, 10}};
    const Signal signals[] = {{noise, NULL, 0}, {cart, carts, G_N_ELEMENTS(carts)}};
    g_autoptr(Dataset) raw = shop_with_signals(2, 3, bought, 1, signals, 2);
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) facts = state_of(raw, 100, groupings);
    assert_float_equal(feature(facts, 0, 1, "event.cart.decayed"),
                       exp2(-2.0) + 0.5 + exp2(-2.0 / 30), 1e-5);
    static const struct {
        uint32_t user, item;
        const char *name;
        double value;
    } expected[] = {
        {0, 1, "event.cart.days_since_last", 2},
        {0, 1, "event.cart.since_purchase", 2},
        {0, 2, "event.cart.since_purchase", 1},
        {0, 0, "event.cart.decayed", 0},
        {0, 0, "event.cart.since_purchase", 0},
        {0, 0, "event.cart.user_days_since_last", 2},
        {1, 0, "event.cart.user_days_since_last", 90},
        {0, 2, "event.cart.product_7", 1},
        {1, 2, "event.cart.product_30", 1},
        {1, 1, "event.cart.product_30", 2},
        {0, 1, "event.noise.decayed", 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        assert_float_equal(feature(facts, expected[i].user, expected[i].item, expected[i].name),
                           expected[i].value, 1e-4);
    assert_true(isnan(feature(facts, 0, 0, "event.cart.days_since_last")));
    assert_true(isnan(feature(facts, 0, 1, "event.noise.user_days_since_last")));
}

static void expect_same_arrays(FeatureState *one, FeatureState *other)
{
    KeptArrays a = {0}, b = {0};
    feature_state_arrays(one, &a);
    feature_state_arrays(other, &b);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        assert_int_equal(a.array[i].count, b.array[i].count);
        assert_memory_equal(*a.array[i].at, *b.array[i].at,
                            a.array[i].count * a.array[i].element_size);
    }
}

static void F4_no_event_after_the_moment_changes_a_byte(void **state)
{
    g_auto(Planted) planted = plant();
    const Signal signals[] = {{cart, planted.carts, N_BOUGHT}};
    g_autoptr(Dataset) whole =
        shop_with_signals(N_USERS, N_ITEMS, planted.bought, N_BOUGHT, signals, 1);
    for (size_t i = 0; i < N_BOUGHT; i++)
        if (planted.carts[i].day >= 100)
            planted.carts[i].item = N_ITEMS - 1 - planted.carts[i].item;
    g_autoptr(Dataset) permuted =
        shop_with_signals(N_USERS, N_ITEMS, planted.bought, N_BOUGHT, signals, 1);
    g_autoptr(Groupings) groupings = groupings_new(whole, NULL);
    g_autoptr(FeatureState) of_whole = state_of(whole, 100, groupings);
    g_autoptr(FeatureState) of_permuted = state_of(permuted, 100, groupings);
    expect_same_arrays(of_whole, of_permuted);
    assert_true(of_whole->signals.facts[0].n > 1000);
}

static void F4_only_the_latest_products_of_a_browser_are_remembered(void **state)
{
    enum { MANY = 1000 };
    g_autofree Bought *views = g_new(Bought, MANY);
    for (uint32_t i = 0; i < MANY; i++)
        views[i] = (Bought){0, i, 1 + i / 100.0};
    const Bought bought[] = {{0, 0, 5}};
    const Signal signals[] = {{cart, views, MANY}};
    g_autoptr(Dataset) raw = shop_with_signals(1, MANY, bought, 1, signals, 1);
    g_autoptr(Groupings) groupings = groupings_new(raw, NULL);
    g_autoptr(FeatureState) facts = state_of(raw, 20, groupings);
    assert_int_equal(facts->signals.facts[0].n, SIGNAL_PRODUCTS_MAX);
    assert_int_equal(facts->signals.facts[0].item[0], MANY - SIGNAL_PRODUCTS_MAX);
    assert_int_equal(feature_state_longest(facts), SIGNAL_PRODUCTS_MAX + 1);
}

/* The last product: nobody buys it, one user has it in the cart. */
static Dataset *shop_with_a_lonely_cart(void)
{
    g_auto(Planted) planted = plant();
    for (size_t i = 0; i < N_BOUGHT; i++) {
        planted.bought[i].item %= N_ITEMS - 1;
        planted.carts[i].item %= N_ITEMS - 1;
    }
    planted.carts[0] = (Bought){7, N_ITEMS - 1, 160};
    const Signal signals[] = {{cart, planted.carts, N_BOUGHT}};
    return shop_with_signals(N_USERS, N_ITEMS, planted.bought, N_BOUGHT, signals, 1);
}

static void F4_what_is_in_a_cart_is_a_candidate_that_no_recaller_brings(void **state)
{
    g_autoptr(Dataset) raw = shop_with_a_lonely_cart();
    g_auto(Moment) moment = moment_of(raw);
    FitContext context = {.as_of = day(FROM), .seed = 5, .raw = raw};
    g_autoptr(Fitted) fitted = learner_ranked.fit(moment.view, &context, NULL);
    g_autofree float *scores = all_scores(fitted);
    assert_true(scores[7 * N_ITEMS + N_ITEMS - 1] >= learner_ranked.candidate_min);
    assert_true(scores[8 * N_ITEMS + N_ITEMS - 1] < learner_ranked.candidate_min);
    expect_finite_scores(fitted);
    expect_round_trip(fitted);
    expect_misfits_refused(fitted);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(F4_a_signal_that_predicts_gets_weight_and_noise_gets_none),
        cmocka_unit_test(F18_many_events_are_weighed_by_a_sample_of_the_users),
        cmocka_unit_test(F4_given_weights_and_half_lives_stay),
        cmocka_unit_test(F21_weights_repeat_on_any_number_of_threads),
        cmocka_unit_test(F4_the_ranker_learns_from_a_signal_whatever_its_weight),
        cmocka_unit_test(F4_strengths_are_the_weighted_sum),
        cmocka_unit_test(F4_popularity_and_trends_count_events_by_their_weight),
        cmocka_unit_test(F4_segments_want_what_their_like_put_into_carts),
        cmocka_unit_test(F4_what_is_in_a_cart_brings_what_is_bought_with_it),
        cmocka_unit_test(F4_what_neighbours_put_into_carts_counts),
        cmocka_unit_test(F4_every_learner_scores_who_only_filled_a_cart),
        cmocka_unit_test(a_weight_at_the_edge_of_float_leaves_every_score_finite),
        cmocka_unit_test(F18_the_work_of_a_fit_counts_the_events_that_weigh),
        cmocka_unit_test(F4_a_pair_is_described_by_each_event_type),
        cmocka_unit_test(F4_no_event_after_the_moment_changes_a_byte),
        cmocka_unit_test(F4_only_the_latest_products_of_a_browser_are_remembered),
        cmocka_unit_test(F4_what_is_in_a_cart_is_a_candidate_that_no_recaller_brings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
