#include "value_levels.h"

#include <string.h>

/* The report is an object with members: one more before its end. */
static void add_report(Choice *choice, const char *levels)
{
    const char *end = strrchr(choice->report, '}');
    g_assert(end);
    char *report =
        g_strdup_printf("%.*s,\"levels\":%s}", (int)(end - choice->report), choice->report, levels);
    g_free(choice->report);
    choice->report = report;
}

bool value_levels_fit(JobRun *run, const Dataset *raw, const LevelsOptions *options, Choice *choice,
                      Levels **levels, GError **error)
{
    g_autofree char *report = NULL;
    if (!levels_fit(raw, options, levels, &report, error))
        return false;
    if (!*levels)
        job_run_log(run, "too little is known to tell chances of columns' values");
    add_report(choice, report ? report : "null");
    return true;
}
