#include "near.h"

#include <glib.h>

#include "base/faults.h"

char *near_sentence(char *const *candidates)
{
    if (!candidates || !candidates[0])
        return NULL;
    g_autofree char *list = g_strjoinv("\", \"", (char **)candidates);
    return g_strdup_printf("did you mean \"%s\"?", list);
}

char *near_hint(const char *name, char *const *known)
{
    if (!known)
        return NULL;
    g_auto(GStrv) candidates = near_misses(name, (const char *const *)known, 3);
    return near_sentence(candidates);
}
