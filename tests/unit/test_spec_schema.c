/* The tables of spec/ against the schemas of the same names in openapi/: members both ways, which
 * are required, and every limit and default that a schema gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "spec/tables.h"

#define DOCUMENT "openapi/openapi.yaml"

static char *document;

static int read_document(void **state)
{
    return g_file_get_contents(DOCUMENT, &document, NULL, NULL) ? 0 : -1;
}

static int free_document(void **state)
{
    g_free(document);
    return 0;
}

/* The lines of a block that stands `indent` deep under `heading`, for g_strfreev(). */
static char **block_under(const char *heading)
{
    const char *at = strstr(document, heading);
    if (!at)
        fail_msg(DOCUMENT " lacks %s", heading);
    size_t indent = strspn(at + 1, " ");
    const char *start = strchr(at + 1, '\n') + 1, *end = start;
    while (*end && (*end == '\n' || strspn(end, " ") > indent))
        end = strchr(end, '\n') + 1;
    g_autofree char *text = g_strndup(start, (gsize)(end - start));
    return g_strsplit(text, "\n", -1);
}

/* Adds "name" → the rest of its line of the members in `lines`; earlier ones stay. */
static void gather_members(char **lines, size_t indent, GHashTable *members)
{
    for (; *lines; lines++) {
        char *at = *lines + strspn(*lines, " ");
        char *colon = strchr(at, ':');
        if ((size_t)(at - *lines) != indent || !colon)
            continue;
        if (g_str_has_prefix(at, "<<: *")) {
            g_autofree char *heading = g_strdup_printf("\n      properties: &%s\n", at + 5);
            g_auto(GStrv) merged = block_under(heading);
            gather_members(merged, indent, members);
            continue;
        }
        g_autofree char *name = g_strndup(at, (gsize)(colon - at));
        if (!g_hash_table_contains(members, name))
            g_hash_table_insert(members, g_steal_pointer(&name), g_strdup(colon + 1));
    }
}

static bool list_contains(char **lines, const char *name)
{
    for (; *lines; lines++) {
        if (!g_str_has_prefix(*lines, "      required: ["))
            continue;
        g_autofree char *inner = g_strdelimit(g_strdup(strchr(*lines, '[') + 1), "[], ", ' ');
        g_auto(GStrv) words = g_strsplit(inner, " ", -1);
        return g_strv_contains((const char *const *)words, name);
    }
    return false;
}

static void compare_number(const char *line, const char *word, double value, const char *name)
{
    const char *at = strstr(line, word);
    if (at && strtod(at + strlen(word), NULL) != value)
        fail_msg("%s: the table has %g, the schema%s", name, value, line);
}

static void compare_words(const Field *field, const char *line)
{
    const char *reference = strstr(line, "/schemas/");
    g_autofree char *enumeration = g_strdup(line);
    if (reference) {
        g_autofree char *schema = g_strndup(reference + 9, strcspn(reference + 9, "'"));
        g_autofree char *heading = g_strdup_printf("\n    %s: {", schema);
        const char *at = strstr(document, heading);
        assert_non_null(at);
        g_free(enumeration);
        enumeration = g_strndup(at + 1, strcspn(at + 1, "\n"));
    }
    g_autofree char *words = g_strjoinv(", ", (char **)field->names);
    g_autofree char *expected = g_strconcat("enum: [", words, NULL);
    const char *found = strstr(enumeration, expected);
    if (!found || !strchr("],", found[strlen(expected)]))
        fail_msg("%s: %s is not in %s", field->name, expected, enumeration);
}

static void compare_field(const Field *field, const char *line)
{
    if (field->type == FIELD_ENUM)
        compare_words(field, line);
    if (field->type != FIELD_INT && field->type != FIELD_NUMBER)
        return;
    compare_number(line, " minimum: ", field->min, field->name);
    compare_number(line, " maximum: ", field->max, field->name);
    compare_number(line, " default: ", field->absent, field->name);
}

static void compare(const FieldTable *table)
{
    g_autofree char *heading = g_strdup_printf("\n    %s:\n", table->title);
    g_auto(GStrv) lines = block_under(heading);
    g_autoptr(GHashTable) members = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    gather_members(lines, 8, members);
    assert_true(g_hash_table_size(members) > 0);
    for (size_t i = 0; i < table->n_fields; i++) {
        const Field *field = &table->fields[i];
        const char *line = g_hash_table_lookup(members, field->name);
        if (!line)
            fail_msg("%s of the schema lacks %s", table->title, field->name);
        if (list_contains(lines, field->name) != field->required)
            fail_msg("%s.%s is required in one of table and schema", table->title, field->name);
        compare_field(field, line);
        if (field->table)
            compare(field->table);
        g_hash_table_remove(members, field->name);
    }
    if (g_hash_table_size(members) > 0)
        fail_msg("%s of the table lacks a member of its schema", table->title);
}

static void models_are_as_their_schema_says(void **state)
{
    compare(&model_table);
}

static void predictions_are_as_their_schema_says(void **state)
{
    compare(&prediction_table);
}

static void audiences_are_as_their_schema_says(void **state)
{
    compare(&audience_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_as_their_schema_says),
        cmocka_unit_test(predictions_are_as_their_schema_says),
        cmocka_unit_test(audiences_are_as_their_schema_says),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
