/* spec/fields */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "spec/fields.h"
#include "spec_bodies.h"

typedef struct Leaf {
    char *name;
    int64_t count;
} Leaf;

typedef struct Tree {
    char *name, *slug, *sql;
    int colour;
    int64_t count, none;
    double share;
    bool ripe;
    int64_t at;
    char **tags;
    Leaf leaf;
    Leaf *leaves;
    size_t n_leaves;
} Tree;

static const char *const colours[] = {"red", "green", "blue", NULL};

// clang-format off
static const Field leaf_fields[] = {
    {.name = "name",  .type = FIELD_STRING, .offset = offsetof(Leaf, name), .min = 1, .max = 5, .required = true},
    {.name = "count", .type = FIELD_INT,    .offset = offsetof(Leaf, count), .min = 0, .max = 9, .absent = 3},
};
static const FieldTable leaf_table = {"Leaf", sizeof(Leaf), leaf_fields, G_N_ELEMENTS(leaf_fields)};

static const Field tree_fields[] = {
    {.name = "name",   .type = FIELD_STRING,  .offset = offsetof(Tree, name), .min = 1, .max = 5, .required = true, .hint = "its name"},
    {.name = "slug",   .type = FIELD_SLUG,    .offset = offsetof(Tree, slug), .max = 8},
    {.name = "sql",    .type = FIELD_STRING,  .offset = offsetof(Tree, sql), .max = 99, .absent = 1},
    {.name = "colour", .type = FIELD_ENUM,    .offset = offsetof(Tree, colour), .names = colours, .absent = 1},
    {.name = "count",  .type = FIELD_INT,     .offset = offsetof(Tree, count), .min = 15, .max = 90, .absent = 30},
    {.name = "none",   .type = FIELD_INT,     .offset = offsetof(Tree, none), .min = 1, .max = 9},
    {.name = "share",  .type = FIELD_NUMBER,  .offset = offsetof(Tree, share), .min = 0, .max = 1, .absent = 0.1},
    {.name = "ripe",   .type = FIELD_BOOL,    .offset = offsetof(Tree, ripe), .absent = 1},
    {.name = "at",     .type = FIELD_TIME,    .offset = offsetof(Tree, at)},
    {.name = "tags",   .type = FIELD_STRINGS, .offset = offsetof(Tree, tags), .max = 3},
    {.name = "leaf",   .type = FIELD_OBJECT,  .offset = offsetof(Tree, leaf), .table = &leaf_table},
    {.name = "leaves", .type = FIELD_LIST,    .offset = offsetof(Tree, leaves), .max = 2, .table = &leaf_table},
};
// clang-format on
static const FieldTable tree_table = {"Tree", sizeof(Tree), tree_fields, G_N_ELEMENTS(tree_fields)};

static void tree_clear(Tree *tree)
{
    fields_clear(&tree_table, tree);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tree, tree_clear)

static char *written(const Tree *tree)
{
    g_auto(Buffer) out = {0};
    JsonWriter writer;
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    fields_write(&tree_table, tree, &writer);
    json_end_object(&writer);
    return g_strdup(buffer_text(&out));
}

static void absent_members_take_their_defaults(void **state)
{
    g_autoptr(cJSON) body = body_of("{'name':'a','count':null}");
    g_autoptr(Faults) faults = faults_new();
    g_auto(Tree) tree = {0};
    assert_true(fields_read(&tree_table, body, "", &tree, faults));
    assert_int_equal(tree.colour, 1);
    assert_int_equal(tree.count, 30);
    assert_int_equal(tree.none, 0);
    assert_true(tree.share == 0.1);
    assert_true(tree.ripe);
    assert_true(tree.at == INT64_MIN);
    assert_null(tree.tags);
    assert_null(tree.slug);
    assert_int_equal(tree.leaf.count, 3);
    g_autofree char *text = written(&tree);
    assert_string_equal(text, "{\"name\":\"a\",\"colour\":\"green\",\"count\":30,\"share\":0.1,"
                              "\"ripe\":true,\"leaf\":{\"count\":3},\"leaves\":[]}");
}

static void what_is_written_is_what_was_read(void **state)
{
    static const char whole[] =
        "{'name':'größe','slug':'a-b_c1','sql':'x\\n\\ty','colour':'blue','count':15,'none':9,"
        "'share':0.30000000000000004,'ripe':false,'at':'2011-11-10T08:26:00Z','tags':['x','y'],"
        "'leaf':{'name':'l','count':0},'leaves':[{'name':'m','count':3},{'name':'n','count':9}]}";
    g_autoptr(cJSON) body = body_of(whole);
    g_autoptr(Faults) faults = faults_new();
    g_auto(Tree) tree = {0};
    assert_true(fields_read(&tree_table, body, "", &tree, faults));
    assert_true(faults_is_empty(faults));
    assert_int_equal(tree.n_leaves, 2);
    assert_int_equal(tree.at, INT64_C(1320913560) * US_PER_SECOND);
    g_autofree char *text = written(&tree), *expected = g_strdelimit(g_strdup(whole), "'", '"');
    assert_string_equal(text, expected);
}

static const struct {
    const char *body;
    const char *faults;
} bad[] = {
    {"[]", " wrong_type"},
    {"'x'", " wrong_type"},
    {"{}", "/name required"},
    {"{'name':null}", "/name required"},
    {"{'name':1}", "/name wrong_type"},
    {"{'name':''}", "/name too_short"},
    {"{'name':'abcdef'}", "/name too_long"},
    {"{'name':'a\\nb'}", "/name invalid"},
    {"{'name':'a\\u0085b'}", "/name invalid"},
    {"{'name':'a','sql':'a\\u0007'}", "/sql invalid"},
    {"{'name':'a','slug':'A'}", "/slug invalid"},
    {"{'name':'a','slug':''}", "/slug invalid"},
    {"{'name':'a','slug':'1a'}", "/slug invalid"},
    {"{'name':'a','slug':'abcdefghi'}", "/slug invalid"},
    {"{'name':'a','slug':{}}", "/slug wrong_type"},
    {"{'name':'a','colour':'gren'}", "/colour unknown_value"},
    {"{'name':'a','colour':'Green'}", "/colour unknown_value"},
    {"{'name':'a','colour':1}", "/colour wrong_type"},
    {"{'name':'a','count':14}", "/count out_of_range"},
    {"{'name':'a','count':91}", "/count out_of_range"},
    {"{'name':'a','count':1e300}", "/count out_of_range"},
    {"{'name':'a','count':15.5}", "/count wrong_type"},
    {"{'name':'a','count':'15'}", "/count wrong_type"},
    {"{'name':'a','none':0}", "/none out_of_range"},
    {"{'name':'a','share':1.1}", "/share out_of_range"},
    {"{'name':'a','share':true}", "/share wrong_type"},
    {"{'name':'a','ripe':0}", "/ripe wrong_type"},
    {"{'name':'a','at':'soon'}", "/at invalid"},
    {"{'name':'a','at':5}", "/at wrong_type"},
    {"{'name':'a','tags':'x'}", "/tags wrong_type"},
    {"{'name':'a','tags':['x',1,'x','']}", "/tags out_of_range"},
    {"{'name':'a','tags':['x',1,'x']}", "/tags/1 wrong_type; /tags/2 duplicate"},
    {"{'name':'a','tags':['']}", "/tags/0 too_short"},
    {"{'name':'a','leaf':[]}", "/leaf wrong_type"},
    {"{'name':'a','leaf':{}}", "/leaf/name required"},
    {"{'name':'a','leaves':{}}", "/leaves wrong_type"},
    {"{'name':'a','leaves':[{'name':'b'},{'name':'b'},{'name':'b'}]}", "/leaves out_of_range"},
    {"{'name':'a','leaves':[{'name':'b','count':99},4]}",
     "/leaves/0/count out_of_range; /leaves/1 wrong_type"},
    {"{'name':'a','Count':16}", "/Count unknown_field"},
    {"{'name':'a','a/b~c':16,'leaf':{'name':'x','':1}}",
     "/a~1b~0c unknown_field; /leaf/ unknown_field"},
    {"{'nam':'a','count':1,'ripe':'yes'}",
     "/nam unknown_field; /count out_of_range; /ripe wrong_type; /name required"},
};

static void every_fault_of_a_body_is_named_with_its_pointer(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(cJSON) body = body_of(bad[i].body);
        g_autoptr(Faults) faults = faults_new();
        g_auto(Tree) tree = {0};
        assert_false(fields_read(&tree_table, body, "", &tree, faults));
        g_autofree char *found = listed(faults);
        assert_string_equal(found, bad[i].faults);
    }
}

static void messages_name_member_and_rule(void **state)
{
    static const char *const cases[][2] = {
        {"{'name':'a','count':14}", "\"count\" must be an integer from 15 to 90"},
        {"{'name':'a','count':15.5}", "\"count\" must be an integer from 15 to 90"},
        {"{'name':'a','share':2}", "\"share\" must be a number from 0 to 1"},
        {"{'name':'abcdef'}", "\"name\" must be 1 to 5 characters long"},
        {"{'name':'a','colour':1}", "\"colour\" must be one of red, green, blue"},
        {"{'name':'a','at':'x'}", "\"at\" must be a date or an RFC 3339 moment"},
        {"{}", "\"name\" is required"},
        {"{'name':'a','x':1}", "there is no member \"x\" here"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(cJSON) body = body_of(cases[i][0]);
        g_autoptr(Faults) faults = faults_new();
        g_auto(Tree) tree = {0};
        assert_false(fields_read(&tree_table, body, "", &tree, faults));
        assert_string_equal(faults->list[0].detail, cases[i][1]);
    }
}

static void near_misses_and_hints_help(void **state)
{
    g_autoptr(cJSON) body =
        body_of("{'color':'red','colour':'gren','slug':'Next One','revision':3,'at':'x'}");
    g_autoptr(Faults) faults = faults_new();
    g_auto(Tree) tree = {0};
    assert_false(fields_read(&tree_table, body, "", &tree, faults));
    assert_string_equal(find_fault(faults, "/color", "unknown_field")->candidates[0], "colour");
    assert_string_equal(find_fault(faults, "/colour", "unknown_value")->candidates[0], "green");
    assert_string_equal(find_fault(faults, "/slug", "invalid")->candidates[0], "next-one");
    assert_non_null(strstr(find_fault(faults, "/revision", "unknown_field")->hint, "read-only"));
    assert_string_equal(find_fault(faults, "/name", "required")->hint, "its name");
    assert_non_null(find_fault(faults, "/at", "invalid")->hint);
}

static void a_pointer_in_front_leads_to_the_members(void **state)
{
    g_autoptr(cJSON) body = body_of("{'name':7}");
    g_autoptr(Faults) faults = faults_new();
    g_auto(Tree) tree = {0};
    assert_false(fields_read(&tree_table, body, "/trees/3", &tree, faults));
    assert_non_null(find_fault(faults, "/trees/3/name", "wrong_type"));
}

static void a_fault_is_told_even_when_the_list_of_faults_is_full(void **state)
{
    g_autoptr(cJSON) body = body_of("{'name':7}");
    g_autoptr(Faults) faults = faults_new();
    for (int i = 0; i < 200; i++)
        faults_add(faults, "", "x", NULL, NULL, "full");
    g_auto(Tree) tree = {0};
    assert_false(fields_read(&tree_table, body, "", &tree, faults));
}

static void endless_names_are_cut_in_the_message(void **state)
{
    g_autofree char *name = g_strnfill(100000, 'x');
    g_autoptr(cJSON) body = cJSON_CreateObject();
    cJSON_AddNumberToObject(body, name, 1);
    g_autoptr(Faults) faults = faults_new();
    g_auto(Tree) tree = {0};
    assert_false(fields_read(&tree_table, body, "", &tree, faults));
    assert_true(strlen(faults->list[0].detail) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_members_take_their_defaults),
        cmocka_unit_test(what_is_written_is_what_was_read),
        cmocka_unit_test(every_fault_of_a_body_is_named_with_its_pointer),
        cmocka_unit_test(messages_name_member_and_rule),
        cmocka_unit_test(near_misses_and_hints_help),
        cmocka_unit_test(a_pointer_in_front_leads_to_the_members),
        cmocka_unit_test(a_fault_is_told_even_when_the_list_of_faults_is_full),
        cmocka_unit_test(endless_names_are_cut_in_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
