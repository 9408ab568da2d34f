/* spec/audience: F35, F36 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/audience.h"
#include "spec_bodies.h"

#define START "{'name':'Cake stand','prediction':'next-purchase'"

static char *written(const Audience *audience)
{
    g_auto(Buffer) out = {0};
    JsonWriter writer;
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    audience_write(audience, &writer);
    json_end_object(&writer);
    return g_strdup(buffer_text(&out));
}

static Audience *read_good(const char *text)
{
    g_autoptr(cJSON) body = body_of(text);
    g_autoptr(Faults) faults = faults_new();
    Audience *audience = audience_read(body, faults);
    g_autofree char *found = listed(faults);
    assert_string_equal(found, "");
    assert_non_null(audience);
    return audience;
}

static void without_a_limit_it_is_the_top_twenty_per_cent(void **state)
{
    g_autoptr(Audience) audience = read_good(START ",'product':'22423'}");
    assert_string_equal(audience->id, "cake-stand");
    assert_string_equal(audience->product, "22423");
    assert_null(audience->column);
    assert_int_equal(audience->max_size, 0);
    assert_true(audience->percentile == 20);
}

static void a_column_comes_with_its_value_as_typed(void **state)
{
    g_autoptr(Audience) audience =
        read_good(START ",'column':'colour','value':' Red\\n','max_size':500}");
    assert_string_equal(audience->value, " Red\n");
    assert_int_equal(audience->max_size, 500);
    assert_true(audience->percentile == 0);
}

static void f35_a_product_not_yet_sold_is_given_by_its_attributes(void **state)
{
    g_autoptr(Audience) audience = read_good(
        START ",'attributes':[{'column':'colour','value':'red'},"
              "{'column':'brand','value':'Nova','new':true},{'column':'colour','value':'blue'}]}");
    assert_int_equal(audience->kind, AUDIENCE_ATTRIBUTES);
    assert_int_equal(audience->n_attributes, 3);
    assert_string_equal(audience->attributes[1].column, "brand");
    assert_string_equal(audience->attributes[1].value, "Nova");
    assert_true(audience->attributes[1].is_new);
    assert_false(audience->attributes[2].is_new);
    assert_null(audience->product);
}

static char *wish_of(const char *text)
{
    g_autoptr(Audience) audience = read_good(text);
    return audience_wish(audience);
}

static void a_wish_is_the_same_under_another_name_only(void **state)
{
    g_autofree char *one = wish_of(START ",'product':'p','id':'x'}");
    g_autofree char *same = wish_of(START ",'product':'p','id':'y','description':'d'}");
    g_autofree char *other = wish_of(START ",'product':'q','id':'x'}");
    g_autofree char *larger = wish_of(START ",'product':'p','id':'x','max_size':5}");
    g_autofree char *value = wish_of(START ",'column':'product','value':'p','id':'x'}");
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one, larger);
    assert_string_not_equal(one, value);
}

static void what_is_written_is_read_as_the_same(void **state)
{
    static const char *const bodies[] = {
        START ",'product':'p'}",
        START ",'product':'p','max_size':1,'description':'d','id':'x'}",
        START ",'column':'c','value':'v','percentile':0.015625}",
        START ",'column':'c','value':'v','percentile':100}",
        START ",'attributes':[{'column':'c','value':'\\n'},{'column':'c','value':'w','new':true}]}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(Audience) audience = read_good(bodies[i]);
        g_autofree char *first = written(audience);
        g_autoptr(Audience) same = read_good(first);
        g_autofree char *second = written(same);
        assert_string_equal(first, second);
    }
}

static const struct {
    const char *body;
    const char *faults;
} bad[] = {
    {"{}", "/name required; /prediction required; /product required"},
    {START "}", "/product required"},
    {START ",'product':'p','column':'c','value':'v'}", "/product conflict"},
    {START ",'product':'p','value':'v'}", "/product conflict"},
    {START ",'column':'c'}", "/value required"},
    {START ",'attributes':[{'column':'c','value':'v'}],'column':'c','value':'v'}",
     "/column conflict"},
    {START ",'attributes':[{'column':'c','value':'v'}],'product':'p'}", "/product conflict"},
    {START ",'attributes':[]}", "/attributes out_of_range"},
    {START ",'attributes':[{'column':'c'},{'value':'v'},{'column':'c','value':5,'news':1}]}",
     "/attributes/0/value required; /attributes/1/column required; /attributes/2/value wrong_type;"
     " /attributes/2/news unknown_field"},
    {START ",'attributes':[{'column':'c','value':'v'},{'column':'c','value':'w'},"
           "{'column':'c','value':'v'}]}",
     "/attributes/2 duplicate"},
    {START ",'value':'v'}", "/column required"},
    {START ",'product':''}", "/product too_short"},
    {START ",'product':22423}", "/product wrong_type"},
    {START ",'product':'p','max_size':5,'percentile':5}", "/percentile conflict"},
    {START ",'product':'p','max_size':0}", "/max_size out_of_range"},
    {START ",'product':'p','max_size':-5}", "/max_size out_of_range"},
    {START ",'product':'p','max_size':1.5}", "/max_size wrong_type"},
    {START ",'product':'p','percentile':0}", "/percentile out_of_range"},
    {START ",'product':'p','percentile':100.5}", "/percentile out_of_range"},
    {START ",'product':'p','size':5,'short_because':'x'}",
     "/size unknown_field; /short_because unknown_field"},
};

static void what_does_not_fit_is_refused_all_at_once(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(cJSON) body = body_of(bad[i].body);
        g_autoptr(Faults) faults = faults_new();
        g_autoptr(Audience) audience = audience_read(body, faults);
        g_autofree char *found = listed(faults);
        assert_string_equal(found, bad[i].faults);
        assert_null(audience);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_it_is_the_top_twenty_per_cent),
        cmocka_unit_test(a_column_comes_with_its_value_as_typed),
        cmocka_unit_test(f35_a_product_not_yet_sold_is_given_by_its_attributes),
        cmocka_unit_test(a_wish_is_the_same_under_another_name_only),
        cmocka_unit_test(what_is_written_is_read_as_the_same),
        cmocka_unit_test(what_does_not_fit_is_refused_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
