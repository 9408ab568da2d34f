/* index: F35, an audience for a product that is not yet in the data */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_shop.h"
#include "spec_bodies.h"

#include "index/audience.h"
#include "index/similar.h"

/* 20 products p0 … p19 that cost 0 … 19 and are bought, and p20 that is not:
 *   brand   Rare: p0 p1, Common: p2 … p13, Ghost: p20
 *   colour  red: p1 p2 p3 p19
 * u0 bought p1, u1 p0, u2 all others and p3 twice. */
#define PRODUCTS 21

enum { COLOUR, BRAND, TITLE, PRICE, COLUMNS };

static void set_cell(DatasetBuilder *builder, uint32_t item, size_t column, const char *text,
                     double number)
{
    AttributesBuilder *attributes = dataset_builder_item_attributes(builder);
    assert_true(attributes_builder_set(attributes, item, column, text, strlen(text), number, NULL));
}

static void add_product(DatasetBuilder *builder, unsigned p)
{
    char id[8], price[8];
    snprintf(id, sizeof id, "p%u", p);
    snprintf(price, sizeof price, "%u", p);
    uint32_t item = dataset_builder_add_item(builder, id, strlen(id), NULL);
    if (p == 1 || p == 2 || p == 3 || p == 19)
        set_cell(builder, item, COLOUR, "red", NAN);
    if (p < 14 || p == 20)
        set_cell(builder, item, BRAND, p < 2 ? "Rare" : p < 14 ? "Common" : "Ghost", NAN);
    set_cell(builder, item, TITLE, id, NAN);
    set_cell(builder, item, PRICE, price, p);
}

static Dataset *catalogue(void)
{
    static const char *const names[] = {"colour", "brand", "title", "price"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_ID, COLUMN_TEXT, COLUMN_NUMERIC};
    DatasetOptions options = {.now = shop_day(1000), .from = INT64_MIN, .to = INT64_MAX};
    g_autoptr(DatasetBuilder) builder =
        dataset_builder_new(&options, attributes_builder_new(COLUMNS, names, kinds, NULL),
                            attributes_builder_new(0, NULL, NULL, NULL));
    for (unsigned p = 0; p < PRODUCTS; p++)
        add_product(builder, p);
    for (unsigned u = 0; u < 3; u++)
        dataset_builder_add_user(builder, (const char *[]){"u0", "u1", "u2"}[u], 2, NULL);
    shop_add_event(builder, "u0", "p1", 390);
    shop_add_event(builder, "u1", "p0", 390);
    for (unsigned p = 2; p < 20; p++) {
        char id[8];
        snprintf(id, sizeof id, "p%u", p);
        shop_add_event(builder, "u2", id, 390);
    }
    shop_add_event(builder, "u2", "p3", 391);
    g_autoptr(Dataset) raw = dataset_builder_finish(builder, NULL, NULL);
    return dataset_before(raw, INT64_MAX, NULL);
}

typedef struct Kit {
    Shop *shop;
    Snapshot *snapshot;
} Kit;

static int kit_new(void **state)
{
    static const float none[3 * PRODUCTS];
    Kit *kit = g_new0(Kit, 1);
    kit->shop = shop_new_of(catalogue(), "repeat");
    kit->shop->planned.scores = none;
    kit->snapshot = shop_snapshot(kit->shop, PURCHASED_ALLOW, 0);
    *state = kit;
    return 0;
}

static int kit_free(void **state)
{
    Kit *kit = *state;
    snapshot_unref(kit->snapshot);
    shop_free(kit->shop);
    g_free(kit);
    return 0;
}

#define SOME(column_name, value_text)                                                              \
    {                                                                                              \
        .column = (char *)(column_name), .value = (char *)(value_text)                             \
    }

typedef struct Wanted {
    AudienceAttribute list[3];
    size_t n;
    const char *expected;
    uint32_t limit, known;
} Wanted;

static char *found_text(const Snapshot *snapshot, const Wanted *wanted)
{
    Similar list[40];
    uint32_t n, known;
    assert_true(
        similar_find(snapshot, wanted->list, wanted->n, wanted->limit, list, &n, &known, NULL));
    assert_int_equal(known, wanted->known);
    GString *text = g_string_new(NULL);
    for (uint32_t i = 0; i < n; i++)
        g_string_append_printf(text, "%sp%u:%.3f/%x", i > 0 ? " " : "", list[i].item,
                               (double)list[i].similarity, list[i].shared);
    return g_string_free(text, FALSE);
}

/* By hand: Rare weighs ln 11, red ln 6, Common ln(1 + 20/12); a price of the nearest tenth ln 11,
 * of the nearest fifth ln 6, of the nearer half ln 3. */
static void f35_the_most_informative_values_decide_what_is_similar(void **state)
{
    const Wanted cases[] = {
        {{SOME("brand", "Rare"), SOME("colour", "red")}, 2, "p1:1.000/3 p0:0.572/1", 40, 3},
        {{SOME("colour", "red"), SOME("brand", "Rare")}, 2, "p1:1.000/3 p0:0.572/2", 40, 3},
        {{SOME("colour", "red")}, 1, "p3:1.000/1 p1:1.000/1 p2:1.000/1 p19:1.000/1", 40, 1},
        {{SOME("colour", "red")}, 1, "p3:1.000/1 p1:1.000/1", 2, 1},
        {{SOME("price", "5")}, 1, "p5:1.000/1 p4:0.747/1 p6:0.747/1", 40, 1},
        {{SOME("price", "-7e3")}, 1, "p0:1.000/1 p1:1.000/1 p3:0.747/1 p2:0.747/1", 40, 1},
        {{SOME("brand", "Common"), SOME("price", "5")},
         2,
         "p5:1.000/3 p4:0.821/3 p6:0.821/3 p3:0.615/3 p2:0.615/3 p7:0.615/3 p8:0.615/3 p9:0.615/3",
         40,
         3},
        {{SOME("brand", "Ghost"), SOME("brand", "Nova"), SOME("brand", "Rare")},
         3,
         "p0:1.000/4 p1:1.000/4",
         40,
         4},
        {{SOME("brand", "Ghost")}, 1, "", 40, 0},
        {{SOME("nothing", "x"), SOME("title", "p1"), SOME("price", "cheap")}, 3, "", 40, 0},
    };
    Kit *kit = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = found_text(kit->snapshot, &cases[i]);
        assert_string_equal(text, cases[i].expected);
    }
}

static Audience *audience_of(const char *attributes)
{
    g_autofree char *text = g_strdup_printf(
        "{'name':'New','prediction':'next-buy','percentile':100,'attributes':%s}", attributes);
    g_autoptr(cJSON) body = body_of(text);
    g_autoptr(Faults) faults = faults_new();
    Audience *audience = audience_read(body, faults);
    assert_non_null(audience);
    return audience;
}

static void f35_who_wants_the_most_similar_products_comes_first(void **state)
{
    Kit *kit = *state;
    g_autoptr(Audience) audience =
        audience_of("[{'column':'brand','value':'Rare'},{'column':'colour','value':'red'}]");
    g_autoptr(Members) members = audience_members(kit->snapshot, audience, NULL);
    assert_int_equal(members->predictable, 3);
    assert_int_equal(members->user[0], 0); /* bought p1, which is both */
    assert_int_equal(members->user[1], 1); /* bought p0, which is Rare */
    assert_true(members->score[0] == 1 && members->score[1] < 1);
    assert_true(members->probability[0] == 0);
    g_autoptr(Audience) other = audience_of("[{'column':'price','value':'10'}]");
    g_autoptr(Members) others = audience_members(kit->snapshot, other, NULL);
    assert_int_equal(others->user[0], 2);
}

static void f35_nobody_wants_what_nothing_is_like_and_it_says_so(void **state)
{
    Kit *kit = *state;
    g_autoptr(Audience) audience = audience_of("[{'column':'brand','value':'Ghost'}]");
    g_autoptr(Members) members = audience_members(kit->snapshot, audience, NULL);
    assert_int_equal(members->n, 0);
    assert_int_equal(members->predictable, 3);
    assert_non_null(strstr(members->short_because, "any of these attributes in version 7"));
}

static void f35_it_tells_what_it_was_made_of(void **state)
{
    Kit *kit = *state;
    g_autoptr(Audience) audience =
        audience_of("[{'column':'brand','value':'Rare'},{'column':'brand','value':'Nova',"
                    "'new':true},{'column':'colour','value':'red'}]");
    g_auto(Buffer) text = {0};
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    assert_true(audience_describe(kit->snapshot, audience, &json, NULL));
    json_end_object(&json);
    assert_string_equal(buffer_text(&text),
                        "{\"similar_products\":["
                        "{\"product\":\"p1\",\"similarity\":1,\"shared\":[\"brand\",\"colour\"]},"
                        "{\"product\":\"p0\",\"similarity\":0.5723,\"shared\":[\"brand\"]}],"
                        "\"ignored_attributes\":[{\"column\":\"brand\",\"value\":\"Nova\"}]}");
}

static const struct {
    const char *attributes, *faults;
} checked[] = {
    {"[{'column':'brand','value':'Rare'}]", ""},
    {"[{'column':'brand','value':'rare'}]", "/attributes/0/value unknown_value"},
    {"[{'column':'brand','value':'Nova','new':true},{'column':'price','value':'4.95'}]", ""},
    {"[{'column':'brand','value':'Nova','new':true}]", "/attributes unknown_value"},
    {"[{'column':'brand','value':'Nova','new':true},{'column':'colour','value':'rde'}]",
     "/attributes/1/value unknown_value"},
    {"[{'column':'brand','value':'Ghost'}]", ""},
    {"[{'column':'brnad','value':'Rare'},{'column':'title','value':'p1'}]",
     "/attributes/0/column unknown_reference; /attributes/1/column wrong_type"},
    {"[{'column':'price','value':'4,95'},{'column':'price','value':'inf','new':true}]",
     "/attributes/0/value invalid; /attributes/1/value invalid"},
};

static void f35_what_cannot_be_used_is_refused_and_says_what_can(void **state)
{
    Kit *kit = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(checked); i++) {
        g_autoptr(Audience) audience = audience_of(checked[i].attributes);
        g_autoptr(Faults) faults = faults_new();
        audience_check(kit->snapshot, audience, faults);
        g_autofree char *found = listed(faults);
        assert_string_equal(found, checked[i].faults);
    }
    g_autoptr(Audience) title = audience_of("[{'column':'title','value':'p1'}]");
    g_autoptr(Faults) faults = faults_new();
    audience_check(kit->snapshot, title, faults);
    g_autofree char *usable = g_strjoinv(" ", faults->list[0].candidates);
    assert_string_equal(usable, "colour brand price");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f35_the_most_informative_values_decide_what_is_similar),
        cmocka_unit_test(f35_who_wants_the_most_similar_products_comes_first),
        cmocka_unit_test(f35_nobody_wants_what_nothing_is_like_and_it_says_so),
        cmocka_unit_test(f35_it_tells_what_it_was_made_of),
        cmocka_unit_test(f35_what_cannot_be_used_is_refused_and_says_what_can),
    };
    return cmocka_run_group_tests(tests, kit_new, kit_free);
}
