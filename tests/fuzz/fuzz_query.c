/* Query texts: whatever is accepted decodes to UTF-8 without NUL, and encodes and decodes to the
 * same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/target.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    return 0;
}

static void check_text(const Text *text)
{
    if (strlen(text->bytes) != text->length ||
        !g_utf8_validate(text->bytes, (gssize)text->length, NULL))
        abort();
}

static void encode(GString *out, const Text *text)
{
    for (size_t i = 0; i < text->length; i++)
        g_string_append_printf(out, "%%%02x", (unsigned char)text->bytes[i]);
}

static void check_round_trip(const Target *target)
{
    g_autoptr(GString) query = g_string_new("");
    for (size_t i = 0; i < target->n_arguments; i++) {
        g_string_append(query, i ? "&" : "");
        encode(query, &target->arguments[i].name);
        g_string_append_c(query, '=');
        encode(query, &target->arguments[i].value);
    }
    g_autofree char *scratch = g_malloc(query->len + 2);
    Target again;
    if (!target_parse_query(&again, query->str, query->len, scratch, NULL) ||
        again.n_arguments != target->n_arguments)
        abort();
    for (size_t i = 0; i < target->n_arguments; i++)
        if (strcmp(again.arguments[i].name.bytes, target->arguments[i].name.bytes) != 0 ||
            strcmp(again.arguments[i].value.bytes, target->arguments[i].value.bytes) != 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *scratch = g_malloc(size + 2);
    g_autoptr(GError) error = NULL;
    Target target;
    const char *query = size ? (const char *)data : "";
    bool read = target_parse_query(&target, query, size, scratch, &error) != NULL;
    if (read == !!error)
        abort();
    if (!read)
        return 0;
    for (size_t i = 0; i < target.n_arguments; i++) {
        const Argument *argument = &target.arguments[i];
        check_text(&argument->name);
        check_text(&argument->value);
        if (argument->name.length == 0 || !target_argument(&target, argument->name.bytes))
            abort();
    }
    check_round_trip(&target);
    return 0;
}
