#include "value_levels.h"

#include <string.h>

/* The report is an object with members: one more before its end. */
static void add_report(char **report, const char *levels)
{
    const char *end = strrchr(*report, '}');
    g_assert(end);
    char *more = g_strdup_printf("%.*s,\"levels\":%s}", (int)(end - *report), *report, levels);
    g_free(*report);
    *report = more;
}

bool value_levels_fit(JobRun *run, const Dataset *raw, const LevelsOptions *options, char **report,
                      Levels **levels, GError **error)
{
    g_autofree char *of_levels = NULL;
    if (!levels_fit(raw, options, levels, &of_levels, error))
        return false;
    if (!*levels)
        job_run_log(run, "too little is known to tell chances of columns' values");
    add_report(report, of_levels ? of_levels : "null");
    return true;
}
