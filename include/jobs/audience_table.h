/* The members of an audience into a table of the shop's database, by the active version of its
 * prediction. One job of kind AUDIENCE_TABLE_KIND (store/audience_tables.h), of the context of
 * trainings.
 *
 * A crash at any point publishes nothing half: until the view shows the new build, readers have the
 * one before, and a new attempt builds again. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "jobs/workers.h"

/* The JobKind function of AUDIENCE_TABLE_KIND. */
bool audience_table_run(JobRun *run, char **result, GError **error);
