/* spec/prediction: F5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "spec/prediction.h"
#include "spec_bodies.h"

static char *written(const Prediction *prediction)
{
    g_auto(Buffer) out = {0};
    JsonWriter writer;
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    prediction_write(prediction, &writer);
    json_end_object(&writer);
    return g_strdup(buffer_text(&out));
}

static Prediction *read_good(const char *text)
{
    g_autoptr(cJSON) body = body_of(text);
    g_autoptr(Faults) faults = faults_new();
    Prediction *prediction = prediction_read(body, faults);
    g_autofree char *found = listed(faults);
    assert_string_equal(found, "");
    assert_non_null(prediction);
    return prediction;
}

static void a_name_is_enough_for_a_draft_with_its_defaults(void **state)
{
    g_autoptr(Prediction) prediction = read_good("{'name':'Next purchase – UK'}");
    assert_string_equal(prediction->id, "next-purchase-uk");
    assert_int_equal(prediction->type, PREDICTION_PRODUCT_RECOMMENDATIONS);
    assert_int_equal(prediction->n, 10);
    assert_int_equal(prediction->horizon_days, 30);
    assert_int_equal(prediction->purchased_items, PURCHASED_ITEMS_AUTO);
    assert_int_equal(prediction->exclude_within_days, 0);
    assert_int_equal(prediction->seed, 1);
    assert_null(prediction->attributes);
    assert_true(prediction->period.from == INT64_MIN && prediction->period.to == INT64_MIN);
    const char *missing[4];
    assert_false(prediction_is_complete(prediction, missing));
    assert_string_equal(missing[0], "/models/users");
    assert_string_equal(missing[1], "/models/events");
    assert_string_equal(missing[2], "/models/products");
    assert_null(missing[3]);
}

static void a_prediction_with_its_models_is_complete(void **state)
{
    g_autoptr(Prediction) prediction =
        read_good("{'name':'P','models':{'users':'u','events':'e','products':'p'}}");
    const char *missing[4];
    assert_true(prediction_is_complete(prediction, missing));
    assert_null(missing[0]);
    g_clear_pointer(&prediction->models.events, g_free);
    assert_false(prediction_is_complete(prediction, missing));
    assert_string_equal(missing[0], "/models/events");
    assert_null(missing[1]);
}

static void what_is_written_is_read_as_the_same(void **state)
{
    static const char *const bodies[] = {
        "{'name':'P'}",
        "{'name':'P','attributes':[],'period':{'to':'2011-12-01'}}",
        "{'name':'P','id':'q','description':'d','type':'product_recommendations',"
        "'models':{'users':'u','events':'e','products':'p'},'attributes':['colour','size'],'n':100,"
        "'horizon_days':90,'period':{'from':'2010-12-01','to':'2011-12-01T00:00:00.5Z',"
        "'excluded':[{'from':'2011-01-01','to':'2011-01-02','reason':'strike'},"
        "{'from':'2011-02-01','to':'2011-02-02','products':null},"
        "{'from':'2011-03-01','to':'2011-03-02','products':{'ids':['a\\nb']}},"
        "{'from':'2011-04-01','to':'2011-04-02','products':{'column':'season','values':['x','y'],"
        "'ids':['a']}}]},'purchased_items':'exclude_within',"
        "'exclude_within_days':3650,'seed':9007199254740991}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(Prediction) prediction = read_good(bodies[i]);
        g_autofree char *first = written(prediction);
        g_autoptr(Prediction) same = read_good(first);
        g_autofree char *second = written(same);
        assert_string_equal(first, second);
    }
}

static void the_ends_of_every_range_are_allowed(void **state)
{
    g_autoptr(Prediction) least =
        read_good("{'name':'P','n':1,'horizon_days':15,'seed':0,'purchased_items':'exclude_within',"
                  "'exclude_within_days':1}");
    g_autoptr(Prediction) most = read_good("{'name':'P','n':100,'horizon_days':90}");
    assert_int_equal(least->horizon_days, 15);
    assert_int_equal(least->exclude_within_days, 1);
    assert_int_equal(most->n, 100);
}

#define SIGNALS(list) "{'name':'P','models':{'events':'lines','signals':[" list "]}}"

/* The second of two periods, with a filter of products. */
#define EXCLUDED(products)                                                                         \
    "{'name':'P','period':{'excluded':[{'from':'2011-01-01','to':'2011-01-02'},"                   \
    "{'from':'2011-01-02','to':'2011-01-03','products':" products "}]}}"
#define EXCLUDED_AT "/period/excluded/1/products"

static const struct {
    const char *body;
    const char *faults;
} bad[] = {
    {"{}", "/name required"},
    {"{'name':'P','n':0}", "/n out_of_range"},
    {"{'name':'P','n':101}", "/n out_of_range"},
    {"{'name':'P','horizon_days':14}", "/horizon_days out_of_range"},
    {"{'name':'P','horizon_days':91}", "/horizon_days out_of_range"},
    {"{'name':'P','horizon_days':30.5}", "/horizon_days wrong_type"},
    {"{'name':'P','type':'churn'}", "/type unknown_value"},
    {"{'name':'P','models':{'user':'u'}}", "/models/user unknown_field"},
    {"{'name':'P','models':{'users':''}}", "/models/users too_short"},
    {"{'name':'P','models':[]}", "/models wrong_type"},
    {SIGNALS(""), "/models/signals out_of_range"},
    {SIGNALS("{}"), "/models/signals/0/model required"},
    {SIGNALS("{'model':'carts','wieght':1}"), "/models/signals/0/wieght unknown_field"},
    {SIGNALS("{'model':'carts','weight':-0.1,'half_life_days':0,'name':'Im Korb'}"),
     "/models/signals/0/weight out_of_range; /models/signals/0/half_life_days out_of_range; "
     "/models/signals/0/name invalid"},
    {SIGNALS("{'model':'lines'}"), "/models/signals/0/model duplicate"},
    {SIGNALS("{'model':'carts'},{'model':'carts','name':'c'}"),
     "/models/signals/1/model duplicate"},
    {SIGNALS("{'model':'carts'},{'model':'views','name':'carts'}"),
     "/models/signals/1/name duplicate"},
    {"{'name':'P','attributes':['a','a']}", "/attributes/1 duplicate"},
    {"{'name':'P','seed':-1}", "/seed out_of_range"},
    {"{'name':'P','period':{'from':'2011-01-02','to':'2011-01-02'}}", "/period/to out_of_range"},
    {"{'name':'P','period':{'from':'2011-02-30'}}", "/period/from invalid"},
    {"{'name':'P','period':{'excluded':[{'from':'2011-01-02'}]}}",
     "/period/excluded/0/to required"},
    {"{'name':'P','period':{'excluded':[{'from':'2011-01-02','to':'2011-01-01'}]}}",
     "/period/excluded/0/to out_of_range"},
    {EXCLUDED("{}"), EXCLUDED_AT " required"},
    {EXCLUDED("{'column':null,'values':null,'ids':null}"), EXCLUDED_AT " required"},
    {EXCLUDED("{'column':'season'}"), EXCLUDED_AT "/values required"},
    {EXCLUDED("{'values':['x']}"), EXCLUDED_AT "/column required"},
    {EXCLUDED("{'values':['x'],'ids':['a']}"), EXCLUDED_AT "/column required"},
    {EXCLUDED("{'column':'season','values':[]}"), EXCLUDED_AT "/values out_of_range"},
    {EXCLUDED("{'column':'season','values':['x','y','x']}"), EXCLUDED_AT "/values/2 duplicate"},
    {EXCLUDED("{'column':'season','values':'x'}"), EXCLUDED_AT "/values wrong_type"},
    {EXCLUDED("{'ids':[]}"), EXCLUDED_AT "/ids out_of_range"},
    {EXCLUDED("{'ids':[1]}"), EXCLUDED_AT "/ids/0 wrong_type"},
    {EXCLUDED("{'colum':'season'}"), EXCLUDED_AT "/colum unknown_field; " EXCLUDED_AT " required"},
    {EXCLUDED("['a']"), EXCLUDED_AT " wrong_type"},
    {"{'name':'P','purchased_items':'exclude_within'}", "/exclude_within_days required"},
    {"{'name':'P','purchased_items':'exclude_within','exclude_within_days':0}",
     "/exclude_within_days out_of_range"},
    {"{'name':'P','purchased_items':'exclude','exclude_within_days':5}",
     "/exclude_within_days conflict"},
    {"{'name':'P','exclude_within_days':5}", "/exclude_within_days conflict"},
    {"{'name':'P','purchased_items':'never','exclude_within_days':5}",
     "/purchased_items unknown_value"},
    {"{'name':'P','status':'ready','missing':[],'active_version':1}",
     "/status unknown_field; /missing unknown_field; /active_version unknown_field"},
};

static void what_does_not_fit_is_refused_all_at_once(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(cJSON) body = body_of(bad[i].body);
        g_autoptr(Faults) faults = faults_new();
        g_autoptr(Prediction) prediction = prediction_read(body, faults);
        g_autofree char *found = listed(faults);
        assert_string_equal(found, bad[i].faults);
        assert_null(prediction);
    }
}

static void F4_event_types_are_read_with_their_defaults(void **state)
{
    g_autoptr(Prediction) prediction = read_good(
        SIGNALS("{'model':'carts'},{'model':'views','name':'view','weight':0,'half_life_days':7}"));
    const PredictionModels *models = &prediction->models;
    assert_int_equal(models->n_signals, 2);
    assert_string_equal(models->signals[0].name, "carts");
    assert_true(models->signals[0].weight < 0 && models->signals[0].half_life_days == 0);
    assert_string_equal(models->signals[1].name, "view");
    assert_true(models->signals[1].weight == 0 && models->signals[1].half_life_days == 7);
    g_autofree char *text = written(prediction);
    g_autoptr(Prediction) again = read_good(text);
    g_autofree char *same = written(again);
    assert_string_equal(text, same);
    assert_null(strstr(text, "-1"));
}

static void F4_ten_event_types_are_allowed_and_no_more(void **state)
{
    for (int n = 9; n <= 10; n++) {
        g_autoptr(cJSON) body = body_of("{'name':'P','n':0,'models':{'signals':[]}}");
        cJSON *list = cJSON_GetObjectItem(cJSON_GetObjectItem(body, "models"), "signals");
        for (int i = 0; i < n; i++) {
            g_autofree char *text = g_strdup_printf("{'model':'m%d'}", i);
            cJSON_AddItemToArray(list, body_of(text));
        }
        g_autoptr(Faults) faults = faults_new();
        assert_null(prediction_read(body, faults));
        g_autofree char *found = listed(faults);
        assert_string_equal(found, n == 9 ? "/n out_of_range"
                                          : "/n out_of_range; /models/signals out_of_range");
    }
}

static void the_horizon_says_its_limits(void **state)
{
    g_autoptr(cJSON) body = body_of("{'name':'P','horizon_days':7}");
    g_autoptr(Faults) faults = faults_new();
    assert_null(prediction_read(body, faults));
    assert_string_equal(faults->list[0].detail,
                        "\"horizon_days\" must be an integer from 15 to 90");
}

static void a_hundred_excluded_periods_are_allowed_and_no_more(void **state)
{
    for (int n = 100; n <= 101; n++) {
        g_autoptr(cJSON) body = body_of("{'name':'P','period':{'excluded':[]}}");
        cJSON *excluded = cJSON_GetObjectItem(cJSON_GetObjectItem(body, "period"), "excluded");
        for (int i = 0; i < n; i++)
            cJSON_AddItemToArray(excluded, body_of("{'from':'2011-01-01','to':'2011-01-02'}"));
        g_autoptr(Faults) faults = faults_new();
        g_autoptr(Prediction) prediction = prediction_read(body, faults);
        assert_true((prediction != NULL) == (n == 100));
    }
}

/* A filter with `n` made-up texts as its member `name`. */
static Prediction *read_filter(const char *column, const char *name, int n)
{
    g_autoptr(cJSON) body = body_of(EXCLUDED("{}"));
    cJSON *list = cJSON_GetObjectItem(cJSON_GetObjectItem(body, "period"), "excluded");
    cJSON *products = cJSON_GetObjectItem(list->child->next, "products");
    if (column)
        cJSON_AddStringToObject(products, "column", column);
    cJSON *texts = cJSON_AddArrayToObject(products, name);
    for (int i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf("%d", i);
        cJSON_AddItemToArray(texts, cJSON_CreateString(text));
    }
    g_autoptr(Faults) faults = faults_new();
    return prediction_read(body, faults);
}

static void F11_up_to_100_values_and_1000_ids_are_allowed(void **state)
{
    g_autoptr(Prediction) values = read_filter("season", "values", 100);
    g_autoptr(Prediction) ids = read_filter(NULL, "ids", 1000);
    assert_int_equal(g_strv_length(values->period.excluded[1].products.values), 100);
    assert_int_equal(g_strv_length(ids->period.excluded[1].products.ids), 1000);
    assert_null(read_filter("season", "values", 101));
    assert_null(read_filter(NULL, "ids", 1001));
}

static void F11_a_period_without_a_filter_is_about_every_line(void **state)
{
    g_autoptr(Prediction) prediction =
        read_good(EXCLUDED("{'column':'season','values':['Christmas']}"));
    const ExcludedPeriod *excluded = prediction->period.excluded;
    assert_null(excluded[0].products.column);
    assert_null(excluded[0].products.values);
    assert_null(excluded[0].products.ids);
    assert_string_equal(excluded[1].products.column, "season");
    assert_string_equal(excluded[1].products.values[0], "Christmas");
    assert_null(excluded[1].products.ids);
    g_autofree char *text = written(prediction);
    g_autoptr(cJSON) body = json_parse(text, strlen(text), NULL);
    const cJSON *list = json_member(json_member(body, "period"), "excluded");
    assert_null(json_member(list->child, "products"));
    assert_non_null(json_member(list->child->next, "products"));
}

/* An id of the shop may be longer than our own, and have line breaks. */
static void F11_an_id_may_be_as_long_as_a_shop_makes_it(void **state)
{
    g_autofree char *id = g_strnfill(10240, 'x');
    g_autofree char *text = g_strdup_printf(EXCLUDED("{'ids':['%s','a\\tb']}"), id);
    g_autoptr(Prediction) prediction = read_good(text);
    assert_string_equal(prediction->period.excluded[1].products.ids[0], id);
    assert_string_equal(prediction->period.excluded[1].products.ids[1], "a\tb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_enough_for_a_draft_with_its_defaults),
        cmocka_unit_test(a_prediction_with_its_models_is_complete),
        cmocka_unit_test(what_is_written_is_read_as_the_same),
        cmocka_unit_test(the_ends_of_every_range_are_allowed),
        cmocka_unit_test(what_does_not_fit_is_refused_all_at_once),
        cmocka_unit_test(F4_event_types_are_read_with_their_defaults),
        cmocka_unit_test(F4_ten_event_types_are_allowed_and_no_more),
        cmocka_unit_test(the_horizon_says_its_limits),
        cmocka_unit_test(a_hundred_excluded_periods_are_allowed_and_no_more),
        cmocka_unit_test(F11_up_to_100_values_and_1000_ids_are_allowed),
        cmocka_unit_test(F11_a_period_without_a_filter_is_about_every_line),
        cmocka_unit_test(F11_an_id_may_be_as_long_as_a_shop_makes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
