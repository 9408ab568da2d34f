/* Request targets: whatever is accepted decodes to UTF-8 without NUL, encodes and decodes to the
 * same, and finds a route or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "http/router.h"

// clang-format off
static const Route ROUTES[] = {
    {"GET",  "/",                              0, 0, NULL, "a", NULL},
    {"GET",  "/a/{b}",                         0, 0, NULL, "b", NULL},
    {"GET",  "/a/b",                           0, 0, NULL, "c", NULL},
    {"POST", "/a/{b}/c/{d}/e",                 0, 0, NULL, "d", NULL},
};
// clang-format on

static Router *router;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    router = router_new(ROUTES, G_N_ELEMENTS(ROUTES));
    return 0;
}

static void check_text(const Text *text)
{
    if (strlen(text->bytes) != text->length ||
        !g_utf8_validate(text->bytes, (gssize)text->length, NULL))
        abort();
}

static char *encode(const Target *target)
{
    GString *path = g_string_new("");
    for (size_t i = 0; i < target->n_segments; i++) {
        g_string_append_c(path, '/');
        for (size_t j = 0; j < target->segments[i].length; j++)
            g_string_append_printf(path, "%%%02X", (unsigned char)target->segments[i].bytes[j]);
    }
    return g_string_free(path, FALSE);
}

static void check_round_trip(const Target *target)
{
    g_autofree char *path = encode(target);
    size_t length = strlen(path);
    g_autofree char *scratch = g_malloc(length + 2);
    Target again;
    if (!target_parse(&again, path, length, scratch, NULL) ||
        again.n_segments != target->n_segments)
        abort();
    for (size_t i = 0; i < target->n_segments; i++)
        if (strcmp(again.segments[i].bytes, target->segments[i].bytes) != 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *scratch = g_malloc(size + 2);
    g_autoptr(GError) error = NULL;
    Target target;
    bool read = target_parse(&target, (const char *)data, size, scratch, &error);
    if (read == !!error)
        abort();
    if (!read || target.n_segments > TARGET_SEGMENTS_MAX)
        return 0;
    for (size_t i = 0; i < target.n_segments; i++)
        check_text(&target.segments[i]);
    check_round_trip(&target);
    g_autofree char *allowed = NULL;
    const RoutePlan *plan = router_match(router, "GET", &target, &allowed);
    for (size_t i = 0; plan && i < plan->n_parameters; i++)
        if (target.segments[plan->parameters[i].segment].length == 0)
            abort();
    return 0;
}
