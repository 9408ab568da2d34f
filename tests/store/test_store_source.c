#include "shop.h"

#include "store/source.h"

static Faults *validate(Shop *shop, const Model *model)
{
    g_autoptr(GError) error = NULL;
    Faults *faults = faults_new();
    source_validate_model(&shop->source, model, faults, &error);
    assert_no_error(error);
    return faults;
}

static void assert_one_fault(const Faults *faults, const char *pointer, const char *code,
                             const char *candidate)
{
    assert_int_equal(faults->n, 1);
    assert_string_equal(faults->list[0].pointer, pointer);
    assert_string_equal(faults->list[0].code, code);
    if (candidate != NULL) {
        assert_non_null(faults->list[0].candidates);
        assert_string_equal(faults->list[0].candidates[0], candidate);
        assert_non_null(strstr(faults->list[0].hint, candidate));
    }
}

static void F2_models_that_fit_have_no_faults(void **state)
{
    Shop *shop = *state;
    const Model *const models[] = {&shop->users, &shop->events, &shop->items};
    for (size_t i = 0; i < 3; i++) {
        g_autoptr(Faults) faults = validate(shop, models[i]);
        assert_true(faults_is_empty(faults));
    }
}

static void a_table_without_schema_is_found_on_the_search_path(void **state)
{
    Shop *shop = *state;
    shop->events.table = "order_lines";
    g_autoptr(Faults) faults = validate(shop, &shop->events);
    assert_true(faults_is_empty(faults));
}

static void an_unknown_table_offers_the_nearest(void **state)
{
    Shop *shop = *state;
    shop->events.table = "order_line";
    g_autoptr(Faults) faults = validate(shop, &shop->events);
    assert_one_fault(faults, "/table", "unknown_reference", NULL);
    bool found = false;
    for (char **name = faults->list[0].candidates; name && *name; name++)
        found |= g_str_has_suffix(*name, ".order_lines");
    assert_true(found);
}

static void an_unknown_column_offers_the_nearest(void **state)
{
    Shop *shop = *state;
    shop->events.time = "invoice_dat";
    g_autoptr(Faults) faults = validate(shop, &shop->events);
    assert_one_fault(faults, "/time", "unknown_reference", "invoice_date");
    shop->product_fields[2].column = "prise";
    g_autoptr(Faults) of_items = validate(shop, &shop->items);
    assert_one_fault(of_items, "/fields/2/column", "unknown_reference", "price");
}

static void names_match_with_their_case(void **state)
{
    Shop *shop = *state;
    shop->events.quantity = "Quantity";
    g_autoptr(Faults) faults = validate(shop, &shop->events);
    assert_one_fault(faults, "/quantity", "unknown_reference", "quantity");
}

static void every_role_asks_for_its_type(void **state)
{
    Shop *shop = *state;
    shop->events.quantity = "invoice_no";
    shop->events.time = "line_id";
    shop->events.price = "stock_code";
    shop->product_fields[2].column = "name";
    g_autoptr(Faults) faults = validate(shop, &shop->events);
    assert_int_equal(faults->n, 3);
    for (size_t i = 0; i < faults->n; i++)
        assert_string_equal(faults->list[i].code, "wrong_type");
    g_autoptr(Faults) of_items = validate(shop, &shop->items);
    assert_one_fault(of_items, "/fields/2/column", "wrong_type", NULL);
}

static void a_key_must_be_a_scalar(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "ALTER TABLE customers ADD tags text[], ADD extra json");
    shop->users.primary_key = "tags";
    g_autoptr(Faults) faults = validate(shop, &shop->users);
    assert_one_fault(faults, "/primary_key", "wrong_type", NULL);
    shop->users.primary_key = "extra";
    g_autoptr(Faults) of_json = validate(shop, &shop->users);
    assert_one_fault(of_json, "/primary_key", "wrong_type", NULL);
}

static void an_array_needs_a_separator(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "ALTER TABLE products ADD tags text[]");
    shop->product_fields[0] = (ModelField){"tags", "tags", KIND_CATEGORICAL, NULL};
    g_autoptr(Faults) without = validate(shop, &shop->items);
    assert_one_fault(without, "/fields/0/column", "wrong_type", NULL);
    shop->product_fields[0].separator = ",";
    g_autoptr(Faults) with = validate(shop, &shop->items);
    assert_true(faults_is_empty(with));
}

static void a_select_is_a_model(void **state)
{
    Shop *shop = *state;
    shop->users.table = NULL;
    shop->users.sql = "SELECT customer_id, upper(country) AS country FROM customers; -- all\n ;";
    g_autoptr(Faults) wrong = validate(shop, &shop->users);
    assert_int_equal(wrong->n, 1);
    shop->users.sql = "SELECT customer_id, upper(country) AS country FROM customers -- all";
    g_autoptr(Faults) commented = validate(shop, &shop->users);
    assert_true(faults_is_empty(commented));
    shop->users.sql = "SELECT customer_id, country FROM customers ; ";
    g_autoptr(Faults) ended = validate(shop, &shop->users);
    assert_true(faults_is_empty(ended));
}

static void a_wrong_select_says_why(void **state)
{
    Shop *shop = *state;
    shop->users.table = NULL;
    shop->users.sql = "SELECT customer FROM customers";
    g_autoptr(Faults) faults = validate(shop, &shop->users);
    assert_one_fault(faults, "/sql", "invalid_sql", NULL);
    assert_string_equal(faults->list[0].detail, "column \"customer\" does not exist");
}

static void a_select_cannot_be_anything_else(void **state)
{
    Shop *shop = *state;
    static const char *const attempts[] = {
        "SELECT 1) AS q; DROP TABLE customers; --",
        "DELETE FROM customers RETURNING *",
        "WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone",
        "COPY customers TO '/tmp/customers'",
        "SELECT 1; SELECT 2",
        "SELECT customer_id, country FROM customers) AS q CROSS JOIN (SELECT pg_sleep(1)",
        "",
        "-- nothing",
        "SELECT '",
        "/* SELECT 1",
    };
    shop->users.table = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(attempts); i++) {
        shop->users.sql = (char *)attempts[i];
        g_autoptr(Faults) faults = validate(shop, &shop->users);
        assert_false(faults_is_empty(faults));
    }
    shop_run(shop, "SELECT customer_id FROM customers");
}

static void two_columns_of_one_name_are_a_fault(void **state)
{
    Shop *shop = *state;
    shop->users.table = NULL;
    shop->users.sql = "SELECT customer_id, customer_id, country FROM customers";
    g_autoptr(Faults) faults = validate(shop, &shop->users);
    assert_one_fault(faults, "/primary_key", "duplicate", NULL);
}

static void a_source_that_is_away_is_unavailable(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Faults) faults = faults_new();
    shop->source.connection = "host=127.0.0.1 port=1 user=somebody password=secret";
    assert_false(source_validate_model(&shop->source, &shop->users, faults, &error));
    assert_null(strstr(error->message, "secret"));
    assert_fails_with(&error, ERR_UNAVAILABLE, "");
}

static cJSON *check(Shop *shop)
{
    g_autoptr(GError) error = NULL;
    Model *models[] = {&shop->users, &shop->events, &shop->items};
    json_begin_object(&shop->writer);
    source_check(&shop->source, models, 3, &shop->writer, &error);
    json_end_object(&shop->writer);
    assert_no_error(error);
    return shop_written(shop);
}

static void F1_check_of_an_owner_misses_nothing(void **state)
{
    Shop *shop = *state;
    g_autoptr(cJSON) answer = check(shop);
    assert_true(cJSON_IsTrue(json_member(answer, "reachable")));
    assert_non_null(json_member_string(answer, "server_version"));
    assert_int_equal(cJSON_GetArraySize(json_member(answer, "missing")), 0);
}

static void F1_check_of_an_unreachable_source_is_an_answer(void **state)
{
    Shop *shop = *state;
    shop->source.connection = "host=127.0.0.1 port=1 password=secret";
    g_autoptr(cJSON) answer = check(shop);
    assert_true(cJSON_IsFalse(json_member(answer, "reachable")));
    g_autofree char *text = json_print(answer);
    assert_null(strstr(text, "secret"));
}

/* Follows the GRANTs that check gives until nothing is missing. */
static void F1_the_grants_of_check_are_all_that_is_needed(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "CREATE ROLE \"poor reader\" LOGIN");
    g_autofree char *poor = g_strdup_printf("%s user='poor reader'", shop->connection);
    shop->source.connection = poor;
    shop->items.table = NULL;
    shop->items.sql = "SELECT * FROM products";
    unsigned rounds = 0;
    for (;; rounds++) {
        g_autoptr(cJSON) answer = check(shop);
        const cJSON *missing = json_member(answer, "missing"), *right;
        assert_string_equal(json_member_string(answer, "role"), "poor reader");
        if (cJSON_GetArraySize(missing) == 0 || rounds > 5)
            break;
        cJSON_ArrayForEach(right, missing) shop_run(shop, json_member_string(right, "grant"));
    }
    assert_in_range(rounds, 1, 3);
    g_autoptr(Faults) faults = validate(shop, &shop->events);
    assert_true(faults_is_empty(faults));
    shop_run(shop, "DROP OWNED BY \"poor reader\"; DROP ROLE \"poor reader\"");
}

static void a_table_without_right_is_a_fault_with_its_grant(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "CREATE ROLE \"half reader\" LOGIN");
    g_autofree char *usage =
        g_strdup_printf("GRANT USAGE ON SCHEMA \"%s\" TO \"half reader\"", shop->schema);
    shop_run(shop, usage);
    g_autofree char *poor = g_strdup_printf("%s user='half reader'", shop->connection);
    shop->source.connection = poor;
    g_autoptr(Faults) faults = validate(shop, &shop->users);
    shop_run(shop, "DROP OWNED BY \"half reader\"; DROP ROLE \"half reader\"");
    assert_one_fault(faults, "/table", "forbidden", NULL);
    assert_true(g_str_has_prefix(faults->list[0].hint, "GRANT SELECT ON "));
}

static void tables_are_listed_in_pages(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *after = g_strconcat(shop->schema, ".", NULL), *last = NULL;
    bool more = false;
    source_tables(&shop->source, after, 2, &shop->writer, &more, &last, &error);
    assert_no_error(error);
    g_autoptr(cJSON) page = shop_written(shop);
    assert_int_equal(cJSON_GetArraySize(page), 2);
    assert_true(more);
    const cJSON *lines = element_with(page, "table", "order_lines");
    assert_string_equal(json_member_string(lines, "kind"), "table");
    const cJSON *time = element_with(json_member(lines, "columns"), "name", "invoice_date");
    assert_string_equal(json_member_string(time, "type"), "timestamp with time zone");
    assert_string_equal(last, shop->order_lines);
    g_autofree char *end = NULL;
    source_tables(&shop->source, last, 1, &shop->writer, &more, &end, &error);
    g_autoptr(cJSON) next = shop_written(shop);
    assert_non_null(element_with(next, "table", "products"));
}

static void our_own_output_is_not_listed(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *last = NULL;
    bool more = false;
    shop->source.output_schema = shop->schema;
    source_tables(&shop->source, NULL, 1000, &shop->writer, &more, &last, &error);
    assert_no_error(error);
    g_autoptr(cJSON) page = shop_written(shop);
    assert_null(element_with(page, "schema", shop->schema));
}

static void preview_shows_rows_as_they_are(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    source_preview(&shop->source, &shop->items, 2, &shop->writer, &error);
    assert_no_error(error);
    g_autoptr(cJSON) preview = shop_written(shop);
    assert_int_equal(cJSON_GetArraySize(json_member(preview, "columns")), 4);
    const cJSON *rows = json_member(preview, "rows");
    assert_int_equal(cJSON_GetArraySize(rows), 2);
    assert_string_equal(cJSON_GetArrayItem(cJSON_GetArrayItem(rows, 1), 2)->valuestring,
                        "red|gold");
}

static void preview_cuts_a_long_cell_at_a_character(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    shop->items.table = NULL;
    shop->items.sql = "SELECT 'x' || repeat('é', 2000) AS stock_code";
    source_preview(&shop->source, &shop->items, 1, &shop->writer, &error);
    assert_no_error(error);
    assert_null(strstr(buffer_text(&shop->buffer), "\xEF\xBF\xBD"));
    g_autoptr(cJSON) preview = shop_written(shop);
    const cJSON *cell = cJSON_GetArrayItem(cJSON_GetArrayItem(json_member(preview, "rows"), 0), 0);
    assert_in_range(strlen(cell->valuestring), 990, 1000);
}

static cJSON *profile(Shop *shop, const Model *model)
{
    g_autoptr(GError) error = NULL;
    json_begin_object(&shop->writer);
    source_profile(&shop->source, model, &shop->writer, &error);
    json_end_object(&shop->writer);
    assert_no_error(error);
    return shop_written(shop);
}

static void assert_suggestion(const cJSON *profile, const char *column, const char *role)
{
    const cJSON *found = element_with(json_member(profile, "columns"), "name", column);
    assert_non_null(found);
    const cJSON *suggestion = json_member(found, "suggestion");
    if (g_strcmp0(json_member_string(suggestion, "role"), role) != 0)
        fail_msg("%s: %s instead of %s", column, json_member_string(suggestion, "role"), role);
}

static void F2_profile_suggests_every_role_of_order_lines(void **state)
{
    Shop *shop = *state;
    g_autoptr(cJSON) answer = profile(shop, &shop->events);
    assert_int_equal(json_member_number(answer, "rows", 0), 6);
    assert_suggestion(answer, "line_id", "primary_key");
    assert_suggestion(answer, "customer_id", "user_key");
    assert_suggestion(answer, "stock_code", "product_key");
    assert_suggestion(answer, "invoice_date", "time");
    assert_suggestion(answer, "quantity", "quantity");
    assert_suggestion(answer, "invoice_no", "order_key");
    assert_suggestion(answer, "unit_price", "price");
}

static void profile_counts_values(void **state)
{
    Shop *shop = *state;
    g_autoptr(cJSON) answer = profile(shop, &shop->events);
    const cJSON *user = element_with(json_member(answer, "columns"), "name", "customer_id");
    assert_int_equal(json_member_number(user, "nulls", 0), 1);
    assert_int_equal(json_member_number(user, "distinct", 0), 2);
    assert_string_equal(json_member_string(user, "min"), "13047");
    assert_string_equal(json_member_string(user, "max"), "17850");
    const cJSON *top = cJSON_GetArrayItem(json_member(user, "top"), 0);
    assert_string_equal(json_member_string(top, "value"), "17850");
    assert_int_equal(json_member_number(top, "rows", 0), 3);
}

static void a_large_table_is_sampled(void **state)
{
    Shop *shop = *state;
    shop_run(shop, "CREATE TABLE many AS SELECT i AS customer_id, 'x' AS country"
                   " FROM generate_series(1, 300000) AS i; ANALYZE many");
    shop->users.table = "many";
    g_autoptr(cJSON) answer = profile(shop, &shop->users);
    assert_true(cJSON_IsTrue(json_member(answer, "sampled")));
    assert_in_range(json_member_number(answer, "rows", 0), 280000, 320000);
    const cJSON *key = element_with(json_member(answer, "columns"), "name", "customer_id");
    assert_in_range(json_member_number(key, "distinct", 0), 50000, 150000);
    assert_suggestion(answer, "customer_id", "primary_key");
}

static void a_column_of_any_type_can_be_profiled(void **state)
{
    Shop *shop = *state;
    shop->users.table = NULL;
    shop->users.sql = "SELECT 1 AS customer_id, true AS b, '{}'::json AS j, '{1}'::int[] AS a,"
                      " gen_random_uuid() AS u, '(1,2)'::point AS p, '\\x00'::bytea AS raw,"
                      " NULL AS nothing";
    g_autoptr(cJSON) answer = profile(shop, &shop->users);
    assert_int_equal(cJSON_GetArraySize(json_member(answer, "columns")), 8);
}

static void column_type_is_the_shops_own(void **state)
{
    Shop *shop = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *type = source_column_type(&shop->source, &shop->users, "customer_id", &error);
    assert_string_equal(type, "bigint");
    g_autofree char *none = source_column_type(&shop->source, &shop->users, "customer", &error);
    assert_null(none);
    assert_fails_with(&error, ERR_INVALID, "customer_id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(F2_models_that_fit_have_no_faults),
        IN_SHOP(a_table_without_schema_is_found_on_the_search_path),
        IN_SHOP(an_unknown_table_offers_the_nearest),
        IN_SHOP(an_unknown_column_offers_the_nearest),
        IN_SHOP(names_match_with_their_case),
        IN_SHOP(every_role_asks_for_its_type),
        IN_SHOP(a_key_must_be_a_scalar),
        IN_SHOP(an_array_needs_a_separator),
        IN_SHOP(a_select_is_a_model),
        IN_SHOP(a_wrong_select_says_why),
        IN_SHOP(a_select_cannot_be_anything_else),
        IN_SHOP(two_columns_of_one_name_are_a_fault),
        IN_SHOP(a_source_that_is_away_is_unavailable),
        IN_SHOP(F1_check_of_an_owner_misses_nothing),
        IN_SHOP(F1_check_of_an_unreachable_source_is_an_answer),
        IN_SHOP(F1_the_grants_of_check_are_all_that_is_needed),
        IN_SHOP(a_table_without_right_is_a_fault_with_its_grant),
        IN_SHOP(tables_are_listed_in_pages),
        IN_SHOP(our_own_output_is_not_listed),
        IN_SHOP(preview_shows_rows_as_they_are),
        IN_SHOP(preview_cuts_a_long_cell_at_a_character),
        IN_SHOP(F2_profile_suggests_every_role_of_order_lines),
        IN_SHOP(profile_counts_values),
        IN_SHOP(a_large_table_is_sampled),
        IN_SHOP(a_column_of_any_type_can_be_profiled),
        IN_SHOP(column_type_is_the_shops_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
