/* Mapping the columns of the active version again, without a training: the products model alone is
 * read, and the version's file is published once more with other columns. What it recommends stays
 * as it is. One job of kind REMAP_KIND (store/remaps.h), of the context of trainings.
 *
 * A crash at any point loses nothing and publishes nothing half: until the file is saved (one
 * fenced transaction) the old one serves and a new attempt starts again; after it, the file serves
 * in any case, and a new attempt makes another like it. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "jobs/workers.h"

/* The JobKind function of REMAP_KIND. */
bool remap_run(JobRun *run, char **result, GError **error);
