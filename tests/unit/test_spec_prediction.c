/* spec/prediction: F5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
        "{'from':'2011-02-01','to':'2011-02-02'}]},'purchased_items':'exclude_within',"
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
    {"{'name':'P','attributes':['a','a']}", "/attributes/1 duplicate"},
    {"{'name':'P','seed':-1}", "/seed out_of_range"},
    {"{'name':'P','period':{'from':'2011-01-02','to':'2011-01-02'}}", "/period/to out_of_range"},
    {"{'name':'P','period':{'from':'2011-02-30'}}", "/period/from invalid"},
    {"{'name':'P','period':{'excluded':[{'from':'2011-01-02'}]}}",
     "/period/excluded/0/to required"},
    {"{'name':'P','period':{'excluded':[{'from':'2011-01-02','to':'2011-01-01'}]}}",
     "/period/excluded/0/to out_of_range"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_enough_for_a_draft_with_its_defaults),
        cmocka_unit_test(a_prediction_with_its_models_is_complete),
        cmocka_unit_test(what_is_written_is_read_as_the_same),
        cmocka_unit_test(the_ends_of_every_range_are_allowed),
        cmocka_unit_test(what_does_not_fit_is_refused_all_at_once),
        cmocka_unit_test(the_horizon_says_its_limits),
        cmocka_unit_test(a_hundred_excluded_periods_are_allowed_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
