/* spec/model: F2, the three models as the caller describes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/model.h"
#include "spec_bodies.h"

#define EVENTS                                                                                     \
    "'name':'Order lines','type':'events','source':'shop','primary_key':'line_id',"                \
    "'user_key':'customer_id','product_key':'stock_code','time':'invoice_date',"                   \
    "'quantity':'quantity'"
#define PRODUCTS "'name':'Products','type':'products','source':'shop','primary_key':'stock_code'"
#define TABLE    ",'table':'shop.t'"

static char *written(const Model *model)
{
    g_auto(Buffer) out = {0};
    JsonWriter writer;
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    model_write(model, &writer);
    json_end_object(&writer);
    return g_strdup(buffer_text(&out));
}

static void an_events_model_is_read_and_written_back(void **state)
{
    g_autoptr(cJSON) body =
        body_of("{" EVENTS TABLE ",'order_key':'invoice_no','price':'unit_price'}");
    g_autoptr(Faults) faults = faults_new();
    g_autoptr(Model) model = model_read(body, faults);
    assert_non_null(model);
    assert_string_equal(model->id, "order-lines");
    assert_int_equal(model->type, MODEL_EVENTS);
    assert_string_equal(model->time, "invoice_date");
    assert_string_equal(model->order_key, "invoice_no");
    g_autofree char *first = written(model);
    g_autoptr(cJSON) again = body_of(first);
    g_autoptr(Model) same = model_read(again, faults);
    assert_non_null(same);
    g_autofree char *second = written(same);
    assert_string_equal(first, second);
}

static void fields_take_their_column_as_name_and_are_categorical(void **state)
{
    g_autoptr(cJSON) body =
        body_of("{" PRODUCTS ",'id':'p','sql':'SELECT *\\n\\tFROM t','fields':[{'column':'colour'},"
                "{'name':'product_name','column':'description','kind':'text'},"
                "{'name':'category','column':'categories','separator':'|'}]}");
    g_autoptr(Faults) faults = faults_new();
    g_autoptr(Model) model = model_read(body, faults);
    assert_non_null(model);
    assert_string_equal(model->id, "p");
    assert_int_equal(model->n_fields, 3);
    assert_string_equal(model->fields[0].name, "colour");
    assert_int_equal(model->fields[0].kind, KIND_CATEGORICAL);
    assert_int_equal(model->fields[1].kind, KIND_TEXT);
    assert_string_equal(model->fields[2].separator, "|");
    g_autofree char *first = written(model);
    g_autoptr(cJSON) again = body_of(first);
    g_autoptr(Model) same = model_read(again, faults);
    g_autofree char *second = written(same);
    assert_string_equal(first, second);
}

static const struct {
    const char *body;
    const char *faults;
} bad[] = {
    {"[]", " wrong_type"},
    {"{}", "/name required; /type required; /source required; /primary_key required; "
           "/table required"},
    {"{" EVENTS "}", "/table required"},
    {"{" EVENTS TABLE ",'sql':'SELECT 1'}", "/sql conflict"},
    {"{" EVENTS ",'table':7}", "/table wrong_type"},
    {"{" EVENTS ",'table':null,'sql':null}", "/table required"},
    {"{'name':'E','type':'events','source':'shop','primary_key':'id'" TABLE "}",
     "/user_key required; /product_key required; /time required"},
    {"{" PRODUCTS TABLE ",'user_key':'u','price':'p'}", "/user_key conflict; /price conflict"},
    {"{" EVENTS TABLE ",'fields':[{'column':'x'}]}", "/fields conflict"},
    {"{'name':'E','type':'event','source':'shop','primary_key':'id'" TABLE "}",
     "/type unknown_value"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'a'},{'column':'b','name':'a'},{'column':'a'}]}",
     "/fields/1/name duplicate; /fields/2/name duplicate"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'Farbe (neu)'}]}", "/fields/0/name required"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'x','name':'1a'}]}", "/fields/0/name invalid"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'x','name':'a.b'}]}", "/fields/0/name invalid"},
    {"{" PRODUCTS TABLE ",'fields':[{'name':'x'}]}", "/fields/0/column required"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'x','separator':'||'}]}",
     "/fields/0/separator too_long"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'x','separator':'ü'}]}",
     "/fields/0/separator invalid"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'x','separator':'|','kind':'numeric'}]}",
     "/fields/0/separator conflict"},
    {"{" PRODUCTS TABLE ",'fields':[{'column':'x','kind':'colour'}]}",
     "/fields/0/kind unknown_value"},
    {"{'name':'商品','type':'products','source':'shop','primary_key':'id'" TABLE "}",
     "/id required"},
    {"{" PRODUCTS TABLE ",'id':'My Products'}", "/id invalid"},
    {"{" PRODUCTS TABLE ",'created_at':'2020-01-01','revision':1}",
     "/created_at unknown_field; /revision unknown_field"},
};

static void what_does_not_fit_is_refused_all_at_once(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(cJSON) body = body_of(bad[i].body);
        g_autoptr(Faults) faults = faults_new();
        g_autoptr(Model) model = model_read(body, faults);
        g_autofree char *found = listed(faults);
        assert_string_equal(found, bad[i].faults);
        assert_null(model);
    }
}

static void a_missing_body_is_a_fault(void **state)
{
    g_autoptr(Faults) faults = faults_new();
    assert_null(model_read(NULL, faults));
    assert_int_equal(faults->n, 1);
}

static void slugs_are_made_from_any_text(void **state)
{
    static const char *const cases[][2] = {
        {"Next purchase – UK", "next-purchase-uk"},
        {"order_lines", "order_lines"},
        {"  Größe & Farbe!  ", "grosse-farbe"},
        {"2024 sale", "sale"},
        {"_x", "x"},
        {"a", "a"},
        {"abcdefghij klm", "abcdefghij"},
        {"abcdefghi jklm", "abcdefghi"},
        {"abcdefgh ijklm", "abcdefgh-i"},
        {"\xFF\xFE"
         "a\xFF",
         "a"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *slug = slug_from(cases[i][0], i >= 6 ? 10 : 40);
        assert_non_null(slug);
        assert_string_equal(slug, cases[i][1]);
    }
    assert_null(slug_from("", 40));
    assert_null(slug_from("–– 42", 40));
    assert_null(slug_from("商品", 40));
}

static void names_of_types_and_kinds_are_those_of_the_api(void **state)
{
    assert_string_equal(model_type_name(MODEL_EVENTS), "events");
    assert_string_equal(field_kind_name(KIND_ID), "id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_events_model_is_read_and_written_back),
        cmocka_unit_test(fields_take_their_column_as_name_and_are_categorical),
        cmocka_unit_test(what_does_not_fit_is_refused_all_at_once),
        cmocka_unit_test(a_missing_body_is_a_fault),
        cmocka_unit_test(slugs_are_made_from_any_text),
        cmocka_unit_test(names_of_types_and_kinds_are_those_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
