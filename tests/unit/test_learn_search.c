#include "learn_shop.h"

#include "learn/als.h"
#include "learn/choose.h"
#include "learn/search.h"

/* `text` in the first column. */
static void describe(AttributesBuilder *attributes, uint32_t row, const char *text)
{
    assert_true(attributes_builder_set(attributes, row, 0, text, strlen(text), NAN, NULL));
}

static Dataset *described(uint32_t n_users, uint32_t n_items, const Bought *bought, size_t n)
{
    static const char *const lines[] = {"linen", "wool", "silk", "denim"};
    static const char *const towns[] = {"Leeds", "York"};
    static const char *const item_names[] = {"line"}, *const user_names[] = {"town"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL};
    static const char separators[] = {0};
    DatasetOptions options = {.now = day(100000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(1, item_names, kinds, separators),
                            attributes_builder_new(1, user_names, kinds, separators));
    for (uint32_t item = 0; item < n_items; item++) {
        assert_int_equal(add_id(builder, 'i', item), item);
        describe(dataset_builder_item_attributes(builder), item, lines[item % 4]);
    }
    for (uint32_t user = 0; user < n_users; user++) {
        assert_int_equal(add_id(builder, 'u', user), user);
        describe(dataset_builder_user_attributes(builder), user, towns[user % 2]);
    }
    add_events(builder, bought, n);
    Dataset *dataset = dataset_builder_finish(builder, NULL, NULL);
    assert_non_null(dataset);
    return dataset;
}

/* Four tastes of 60 products each; everybody buys 20 of the own taste, nothing twice. */
static Dataset *fashion(uint32_t n_users)
{
    g_autofree Bought *bought = g_new(Bought, n_users * 20);
    size_t n = 0;
    Rng rng;
    rng_init(&rng, 2, 0);
    for (uint32_t user = 0; user < n_users; user++) {
        bool owned[60] = {false};
        for (unsigned i = 0; i < 20; i++) {
            uint32_t of_taste = rng_below(&rng, 60);
            if (owned[of_taste])
                continue;
            owned[of_taste] = true;
            bought[n++] = (Bought){user, of_taste * 4 + user % 4, 200 * rng_uniform(&rng)};
        }
    }
    return described(n_users, 240, bought, n);
}

typedef struct Place {
    Dataset *view;
    Scope *scope;
    Csr *targets;
} Place;

static Place place_new(const Dataset *raw, int64_t from)
{
    Place place = {.view = dataset_before(raw, from, NULL)};
    place.scope = scope_new(place.view, from, NULL);
    place.targets = window_targets(raw, from, from + 30 * US_PER_DAY, NULL);
    return place;
}

static void place_clear(Place *place)
{
    dataset_unref(place->view);
    scope_free(place->scope);
    csr_free(place->targets);
}

static SearchOptions options_at(const Place *place)
{
    return (SearchOptions){.view = place->view,
                           .scope = place->scope,
                           .targets = place->targets,
                           .horizon = 30 * US_PER_DAY,
                           .k = 10,
                           .purchased_auto = true,
                           .max_users = 20000,
                           .seed = 1};
}

static Search *search(const SearchOptions *options)
{
    g_autoptr(GError) error = NULL;
    Search *found = search_run(options, &error);
    if (!found)
        fail_msg("%s", error->message);
    return found;
}

static const Found *found_of(const Search *search, const char *learner)
{
    for (guint f = 0; f < search->found->len; f++) {
        const Found *found = &g_array_index(search->found, Found, f);
        if (strcmp(found->learner->name, learner) == 0)
            return found;
    }
    fail_msg("%s was not searched", learner);
    return NULL;
}

static char *text_of(const Search *search)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    search_write(search, &json);
    return g_strdup(buffer_text(&text));
}

static void f18_every_learner_with_parameters_is_searched_and_says_what_came_of_it(void **state)
{
    g_autoptr(Dataset) raw = fashion(400);
    Place place = place_new(raw, day(170));
    SearchOptions options = options_at(&place);
    g_autoptr(Search) found = search(&options);
    size_t n, searched = 0;
    const Learner *const *learners = learners_all(&n);
    for (size_t l = 0; l < n; l++) {
        if (!learners[l]->fit_work)
            continue;
        const Found *one = found_of(found, learners[l]->name);
        assert_true(one->tried >= 4 && one->tried <= 12);
        assert_true(strlen(one->reason) > 0);
        searched++;
        for (size_t p = 0; p < learners[l]->n_params; p++) {
            double value = params_get(found->params, learners[l], p);
            assert_true(value == one->value[p]);
            assert_true(!one->is_usual || value == learners[l]->param[p].usual);
        }
    }
    assert_true(searched >= 10);
    place_clear(&place);
}

/* A campaign has just ended: the usual short memory of popularity sees nothing else, a longer one
 * what people go on with. */
static void f18_a_half_life_that_is_measurably_better_is_found(void **state)
{
    const uint32_t n_users = 300;
    g_autofree Bought *bought = g_new(Bought, n_users * 60);
    size_t n = 0;
    Rng rng;
    rng_init(&rng, 3, 0);
    for (uint32_t user = 0; user < n_users; user++) {
        for (unsigned i = 0; i < 40; i++) /* a steady taste for a long time, */
            bought[n++] = (Bought){user, rng_below(&rng, 12), 600 * rng_uniform(&rng)};
        for (unsigned i = 0; i < 6; i++) /* a fashion that ended weeks ago, */
            bought[n++] = (Bought){user, 20 + rng_below(&rng, 30), 580 + 20 * rng_uniform(&rng)};
        for (unsigned i = 0; i < 6; i++) /* and the steady taste again */
            bought[n++] = (Bought){user, rng_below(&rng, 12), 601 + 29 * rng_uniform(&rng)};
    }
    g_autoptr(Dataset) raw = shop_new(n_users, 50, bought, n);
    Place place = place_new(raw, day(601));
    SearchOptions options = options_at(&place);
    g_autoptr(Search) searched = search(&options);
    const Found *found = found_of(searched, "popularity");
    assert_false(found->is_usual);
    assert_true(found->value[0] > 7);
    assert_true(found->any.low > 0);
    assert_true(params_get(searched->params, found->learner, 0) > 7);
    place_clear(&place);
}

static void f21_same_data_and_seed_search_alike_on_any_number_of_threads(void **state)
{
    g_autoptr(Dataset) raw = fashion(200);
    Place place = place_new(raw, day(170));
    SearchOptions options = options_at(&place);
    options.threads = 1;
    g_autoptr(Search) one = search(&options);
    options.threads = 3;
    g_autoptr(Search) three = search(&options);
    g_autofree char *first = text_of(one), *second = text_of(three);
    assert_string_equal(first, second);
    place_clear(&place);
}

static void f18_too_few_users_to_judge_by_leave_the_usual_parameters(void **state)
{
    g_autoptr(Dataset) raw = fashion(40);
    Place place = place_new(raw, day(170));
    SearchOptions options = options_at(&place);
    g_autoptr(Search) searched = search(&options);
    for (guint f = 0; f < searched->found->len; f++) {
        const Found *found = &g_array_index(searched->found, Found, f);
        assert_true(found->is_usual);
        assert_int_equal(found->tried, 0);
        assert_non_null(strstr(found->reason, "too few users"));
    }
    place_clear(&place);
}

static double endless_work(const Dataset *view, const SignalWeights *signals, const double *value,
                           double effort)
{
    return 1e15 * effort;
}

/* The budget is a count, so that this holds on any machine. */
static void f18_what_would_take_too_long_is_not_searched_and_says_so(void **state)
{
    g_autoptr(Dataset) raw = fashion(200);
    Place place = place_new(raw, day(170));
    SearchOptions options = options_at(&place);
    Learner slow = learner_als;
    slow.fit_work = endless_work;
    slow.fit = NULL; /* would crash */
    Found found = {.learner = &slow, .is_usual = true};
    g_autoptr(GError) error = NULL;
    assert_true(search_learner(&options, &found, &error));
    assert_int_equal(found.tried, 0);
    assert_non_null(strstr(found.reason, "too long"));
    place_clear(&place);
}

/* The first of the values competing takes more than the others together. */
static double dear_value(void)
{
    return learner_als.param[0].value[0];
}

static double dear_work(const Dataset *view, const SignalWeights *signals, const double *value,
                        double effort)
{
    return (value[0] == dear_value() ? 1e10 : 1e6) * effort;
}

static Learner dear;

static Fitted *fit_unless_dear(const Dataset *view, const FitContext *context, GError **error)
{
    assert_true(params_get(context->params, &dear, 0) != dear_value());
    return learner_als.fit(view, context, error);
}

static void f18_a_setting_that_would_eat_the_budget_does_not_compete(void **state)
{
    g_autoptr(Dataset) raw = fashion(200);
    Place place = place_new(raw, day(170));
    SearchOptions options = options_at(&place);
    dear = learner_als;
    dear.fit_work = dear_work;
    dear.fit = fit_unless_dear;
    Found found = {.learner = &dear, .is_usual = true};
    assert_true(search_learner(&options, &found, NULL));
    assert_true(found.tried > 4);
    place_clear(&place);
}

static void f18_a_warm_start_goes_on_where_the_rougher_fit_stopped(void **state)
{
    g_autoptr(Dataset) raw = fashion(200);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    FitContext context = {.as_of = view->last + 1, .seed = 1};
    g_autoptr(Fitted) whole = learner_als.fit(view, &context, NULL);
    context.effort = 0.5;
    g_autoptr(Fitted) rough = learner_als.fit(view, &context, NULL);
    context.effort = 1;
    context.warm = rough;
    g_autoptr(Fitted) warm = learner_als.fit(view, &context, NULL);
    g_autofree float *a = g_new(float, view->n_items), *b = g_new(float, view->n_items);
    double apart = 0, size = 0, rougher = 0;
    g_autofree float *c = g_new(float, view->n_items);
    for (uint32_t user = 0; user < view->n_users; user++) {
        whole->learner->score_users(whole, &user, 1, a, NULL);
        warm->learner->score_users(warm, &user, 1, b, NULL);
        rough->learner->score_users(rough, &user, 1, c, NULL);
        for (uint32_t item = 0; item < view->n_items; item++) {
            apart += fabs((double)a[item] - b[item]);
            rougher += fabs((double)a[item] - c[item]);
            size += fabs((double)a[item]);
        }
    }
    assert_true(apart < 0.02 * size);
    assert_true(apart < rougher);
}

static void f21_the_model_card_names_the_parameters_that_were_fitted_with(void **state)
{
    g_autoptr(Dataset) raw = fashion(100);
    g_autoptr(Dataset) view = dataset_before(raw, INT64_MAX, NULL);
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t l = 0; l < n; l++) {
        const Learner *learner = learners[l];
        if (learner->n_params == 0)
            continue;
        g_autoptr(Params) params = params_new();
        double value[PARAMS_MAX];
        for (size_t p = 0; p < learner->n_params; p++)
            value[p] = learner->param[p].value[0];
        params_set(params, learner, value);
        FitContext context = {.as_of = view->last + 1, .seed = 1, .params = params};
        g_autoptr(Fitted) fitted = learner->fit(view, &context, NULL);
        assert_non_null(fitted);
        g_auto(Buffer) text;
        buffer_init(&text);
        JsonWriter json;
        json_writer_init(&json, &text);
        json_begin_object(&json);
        learner->describe(fitted, &json);
        json_end_object(&json);
        g_autoptr(cJSON) card = json_parse(buffer_text(&text), strlen(buffer_text(&text)), NULL);
        for (size_t p = 0; p < learner->n_params; p++) {
            double told = json_member_number(card, learner->param[p].name, -1);
            assert_true(fabs(told - value[p]) < 1e-5 * (1 + fabs(value[p])));
        }
    }
}

static void f17_a_raised_cancel_stops_the_search(void **state)
{
    g_autoptr(Dataset) raw = fashion(200);
    Place place = place_new(raw, day(170));
    SearchOptions options = options_at(&place);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    options.cancel = &cancel;
    g_autoptr(GError) error = NULL;
    assert_null(search_run(&options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    place_clear(&place);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f18_every_learner_with_parameters_is_searched_and_says_what_came_of_it),
        cmocka_unit_test(f18_a_half_life_that_is_measurably_better_is_found),
        cmocka_unit_test(f21_same_data_and_seed_search_alike_on_any_number_of_threads),
        cmocka_unit_test(f18_too_few_users_to_judge_by_leave_the_usual_parameters),
        cmocka_unit_test(f18_what_would_take_too_long_is_not_searched_and_says_so),
        cmocka_unit_test(f18_a_setting_that_would_eat_the_budget_does_not_compete),
        cmocka_unit_test(f18_a_warm_start_goes_on_where_the_rougher_fit_stopped),
        cmocka_unit_test(f21_the_model_card_names_the_parameters_that_were_fitted_with),
        cmocka_unit_test(f17_a_raised_cancel_stops_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
