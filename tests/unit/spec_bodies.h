/* What the tests of spec/ share: bodies written with ' for ", and faults looked up by pointer. */
#pragma once

#include <string.h>

#include "base/faults.h"
#include "base/json.h"

static inline cJSON *body_of(const char *text)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    g_autoptr(GError) error = NULL;
    cJSON *body = json_parse(json, strlen(json), &error);
    if (!body)
        fail_msg("%s: %s", text, error->message);
    return body;
}

/* The fault with this pointer and code, or NULL. */
static inline const Fault *find_fault(const Faults *faults, const char *pointer, const char *code)
{
    for (size_t i = 0; i < faults->n; i++)
        if (strcmp(faults->list[i].pointer, pointer) == 0 &&
            strcmp(faults->list[i].code, code) == 0)
            return &faults->list[i];
    return NULL;
}

/* All faults as "pointer code; …", for g_free(). */
static inline char *listed(const Faults *faults)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < faults->n; i++)
        g_string_append_printf(text, "%s%s %s", i ? "; " : "", faults->list[i].pointer,
                               faults->list[i].code);
    return g_string_free(text, false);
}
