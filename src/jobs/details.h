/* Training details: which products go together, and what the chosen learner looks at. */
#pragma once

#include <glib.h>

#include "base/cancel.h"
#include "data/dataset.h"
#include "learn/learner.h"

/* {"relations": relations_write(), "importance": Learner.importance, or null where the learner does
 * not tell}, for g_free(). `view` is netted. ERR_NO_MEMORY, ERR_CANCELLED. */
char *details_write(const Dataset *view, const Fitted *fitted, unsigned threads,
                    const Cancel *cancel, GError **error);
